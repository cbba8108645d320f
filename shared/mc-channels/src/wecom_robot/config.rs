//! Settings and keys of a WeCom robot.

use mc_content::FieldError;
use mc_core::Secret;
use serde::Deserialize;

use crate::fields::{Fields, secret};
use crate::registry::Setup;

pub(super) const BASE_URL: &str = "https://qyapi.weixin.qq.com";

/// Which Markdown the robot writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Markdown {
    /// Shown by every client; has mentions, but neither lists nor tables.
    #[default]
    V1,
    /// Lists, tables and images, on clients since 4.1.36; no mentions.
    V2,
}

pub(super) struct Robot {
    pub(super) key: Secret,
    /// Where it is called, key included.
    pub(super) url: Secret,
}

pub(super) struct Config {
    pub(super) markdown: Markdown,
    pub(super) base_url: String,
    /// At least one.
    pub(super) robots: Vec<Robot>,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let markdown = fields.or_default("markdown");
    let mut problems = fields.finish();
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    let mut robots = Vec::new();
    match (secret(setup.secrets, "key"), secret(setup.secrets, "keys")) {
        (None, None) => problems.push(FieldError::new(
            "/secrets/key",
            "is required: what follows key= in the robot's webhook address; several robots go into keys",
        )),
        (Some(_), Some(_)) => {
            problems.push(FieldError::new(
                "/secrets/keys",
                "give either key or keys, not both: one that is set stays until it is given as null",
            ));
        }
        (Some(key), None) => robots.extend(robot(&base_url, key.clone(), "/secrets/key", &mut problems)),
        (None, Some(keys)) => match serde_json::from_str::<Vec<Secret>>(keys.expose()) {
            Ok(keys) if !keys.is_empty() => {
                for (at, key) in keys.into_iter().enumerate() {
                    robots.extend(robot(&base_url, key, &format!("/secrets/keys/{at}"), &mut problems));
                }
            }
            // The parser's words could repeat a key.
            _ => problems.push(FieldError::new("/secrets/keys", "is a list of keys: [\"key1\", \"key2\"]")),
        },
    }
    if problems.is_empty() { Ok(Config { markdown, base_url, robots }) } else { Err(problems) }
}

fn robot(base_url: &str, key: Secret, pointer: &str, problems: &mut Vec<FieldError>) -> Option<Robot> {
    let text = key.expose();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        problems.push(FieldError::new(pointer, "is only what follows key= in the robot's webhook address"));
        return None;
    }
    let url = Secret::new(format!("{base_url}/cgi-bin/webhook/send?key={text}"));
    Some(Robot { key, url })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn try_read(settings: Value, secrets: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, Some("http://127.0.0.1:9/"))
    }

    #[test]
    fn one_key_or_a_pool() {
        let config = try_read(json!({}), &[("key", "abc-1")]).ok().unwrap();
        assert_eq!(config.robots[0].url.expose(), "http://127.0.0.1:9/cgi-bin/webhook/send?key=abc-1");
        let config = try_read(json!({"markdown": "v2"}), &[("keys", r#"["a","b"]"#)]).ok().unwrap();
        assert_eq!((config.robots.len(), config.markdown), (2, Markdown::V2));
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: [Case<'_>; 5] = [
            (json!({"markdown": "v3", "x": 1}), &[], &["/settings/markdown", "/settings/x", "/secrets/key"]),
            (json!({}), &[("key", "https://qyapi.weixin.qq.com/x?key=1")], &["/secrets/key"]),
            (json!({}), &[("keys", "a,b")], &["/secrets/keys"]),
            (json!({}), &[("keys", r#"["a","b c"]"#)], &["/secrets/keys/1"]),
            (json!({}), &[("key", "a"), ("keys", r#"["b"]"#)], &["/secrets/keys"]),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets).err().unwrap(), expected, "{settings}");
        }
    }
}
