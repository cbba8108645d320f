//! Settings and secrets of a Slack channel.

use mc_content::FieldError;
use mc_core::Secret;

use crate::fields::{Fields, secret};
use crate::http::check_url;
use crate::registry::Setup;

const BASE_URL: &str = "https://slack.com";

/// How messages get in.
pub(super) enum Way {
    /// An incoming webhook, which knows its channel.
    Hook {
        /// The whole address, which is the secret.
        url: Secret,
    },
    /// `chat.postMessage` with a bot's token.
    Bot { token: Secret, channel: String },
}

pub(super) struct Config {
    pub(super) way: Way,
    pub(super) base_url: String,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let channel: String = fields.or_default("channel");
    let mut problems = Vec::new();
    let own = setup.base_url.map(|url| url.trim_end_matches('/'));
    let hook = secret(setup.secrets, "webhook_url");
    let token = secret(setup.secrets, "bot_token");
    let way = match (hook, token) {
        (Some(_), Some(_)) => {
            problems.push(FieldError::new(
                "/secrets/bot_token",
                "give either webhook_url or bot_token, not both: one that is set stays until it is given as null",
            ));
            None
        }
        (None, None) => {
            let detail =
                "is required: the address of an incoming webhook; or give bot_token and the setting channel";
            problems.push(FieldError::new("/secrets/webhook_url", detail));
            None
        }
        (Some(url), None) => {
            if !channel.is_empty() {
                fields.problem(
                    "channel",
                    "belongs to bot_token: a webhook writes to the channel it was made for",
                );
            }
            read_hook(url, own, &mut problems)
        }
        (None, Some(token)) => {
            if channel.trim().is_empty() {
                fields.problem("channel", "is required with bot_token: a channel's id, like C0123456789");
            }
            if token.expose().contains(|c: char| c.is_control() || c.is_whitespace()) {
                problems.push(FieldError::new("/secrets/bot_token", "is the bot's token alone: xoxb-…"));
            }
            Some(Way::Bot { token: token.clone(), channel: channel.trim().to_owned() })
        }
    };
    let mut all = fields.finish();
    all.extend(problems);
    let base_url = own.unwrap_or(BASE_URL).to_owned();
    match way {
        Some(way) if all.is_empty() => Ok(Config { way, base_url }),
        _ => Err(all),
    }
}

/// The address of a webhook; `base_url` replaces its scheme and host.
fn read_hook(url: &Secret, own: Option<&str>, problems: &mut Vec<FieldError>) -> Option<Way> {
    let text = url.expose().trim();
    let path = text.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path);
    let Some(path) = path.filter(|path| !path.is_empty() && check_url(text).is_ok()) else {
        // The checker's words could repeat the address.
        let detail = "is the whole address of an incoming webhook: https://hooks.slack.com/services/…";
        problems.push(FieldError::new("/secrets/webhook_url", detail));
        return None;
    };
    let url = own.map_or_else(|| text.to_owned(), |own| format!("{own}/{path}"));
    Some(Way::Hook { url: Secret::new(url) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn try_read(
        settings: Value,
        secrets: &[(&str, &str)],
        base_url: Option<&str>,
    ) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, base_url)
    }

    #[test]
    fn a_webhook_or_a_bot() {
        let hook = ("webhook_url", "https://hooks.slack.com/services/T0/B0/hunter2");
        let own = try_read(json!({}), &[hook], Some("http://127.0.0.1:9/")).ok().unwrap();
        assert!(
            matches!(&own.way, Way::Hook { url } if url.expose() == "http://127.0.0.1:9/services/T0/B0/hunter2")
        );
        let bot = try_read(json!({"channel": "C0"}), &[("bot_token", "xoxb-hunter2")], None).ok().unwrap();
        assert!(matches!(&bot.way, Way::Bot { channel, .. } if channel == "C0"));
        assert_eq!(bot.base_url, "https://slack.com");
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let hook = ("webhook_url", "https://hooks.slack.com/services/T0/B0/hunter2");
        let cases: [Case<'_>; 6] = [
            (json!({"x": 1}), &[], &["/settings/x", "/secrets/webhook_url"]),
            (json!({}), &[("webhook_url", "hunter2")], &["/secrets/webhook_url"]),
            (json!({}), &[("webhook_url", "https://hooks.slack.com")], &["/secrets/webhook_url"]),
            (json!({"channel": "C0"}), &[hook], &["/settings/channel"]),
            (json!({}), &[("bot_token", "xoxb-hunter2")], &["/settings/channel"]),
            (json!({"channel": "C0"}), &[hook, ("bot_token", "x")], &["/secrets/bot_token"]),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets, None).err().unwrap(), expected, "{settings}");
        }
    }
}
