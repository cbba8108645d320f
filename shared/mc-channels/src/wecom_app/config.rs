//! Settings and secrets of a WeCom app.

use mc_content::FieldError;
use mc_core::Secret;
use serde_json::Value;

use crate::fields::{Fields, secret};
use crate::registry::Setup;
use crate::token;
use crate::wxcrypt::WxCrypt;

const BASE_URL: &str = "https://qyapi.weixin.qq.com";

/// What a card's buttons become once one was pressed, unless the channel says otherwise.
const PRESSED_LABEL: &str = "已处理";

pub(super) struct Config {
    pub(super) corp_id: String,
    pub(super) agent_id: u64,
    pub(super) secret: Secret,
    /// Whether people are found by their mobile number.
    pub(super) find_by_mobile: bool,
    pub(super) base_url: String,
    /// The app's place in the names of what is found out with its tokens.
    pub(super) account: String,
    /// The name of the app's token among those that all processes share.
    pub(super) token_name: String,
    /// The corporation's place in the names of uploaded files, which all of its apps may send.
    pub(super) media_name: String,
    /// What callbacks are signed and encrypted with; without it nobody hears of a pressed button.
    pub(super) keys: Option<Keys>,
    /// What a card's buttons become once one was pressed; empty if they stay.
    pub(super) pressed_label: String,
}

/// What callbacks are signed and encrypted with.
pub(super) struct Keys {
    pub(super) token: Secret,
    pub(super) crypt: WxCrypt,
    aes_key: Secret,
}

impl Config {
    /// What no text may show.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let keys = self.keys.iter().flat_map(|keys| [&keys.token, &keys.aes_key]);
        std::iter::once(&self.secret).chain(keys)
    }
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let corp_id =
        fields.required("corp_id", "the 企业ID (ww…) on the page 我的企业 of WeCom's administration");
    if !corp_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        fields.problem("corp_id", "is the 企业ID alone, like ww1234567890abcdef");
    }
    let agent_id = agent_id(&mut fields);
    let pressed_label: Option<String> = fields.optional("pressed_label");
    let find_by_mobile: Option<bool> = fields.optional("find_by_mobile");
    let mut problems = fields.finish();
    let own = secret(setup.secrets, "secret");
    if own.is_none() {
        problems.push(FieldError::new("/secrets/secret", "is required: the Secret on the app's page"));
    }
    let keys = keys(setup, &corp_id, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    // A private deployment and a sandbox know other tokens and files, and could know the same corporation.
    let place = match setup.base_url {
        None => String::new(),
        Some(_) => format!("@{base_url}"),
    };
    let account = format!("wecom:{corp_id}:{agent_id}{place}");
    let secret = own.cloned().unwrap_or_default();
    Ok(Config {
        token_name: token::name(&account, &secret),
        account,
        media_name: format!("media:wecom_app:{corp_id}{place}"),
        corp_id,
        agent_id,
        secret,
        base_url,
        keys,
        find_by_mobile: find_by_mobile.unwrap_or(true),
        pressed_label: pressed_label.unwrap_or_else(|| PRESSED_LABEL.to_owned()),
    })
}

/// A number, which people also write as a text.
fn agent_id(fields: &mut Fields<'_>) -> u64 {
    const WHAT: &str = "the AgentId on the app's page, a number like 1000002";
    let number = match fields.optional::<Value>("agent_id") {
        None => {
            fields.problem("agent_id", format!("is required: {WHAT}"));
            return 0;
        }
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    number.unwrap_or_else(|| {
        fields.problem("agent_id", format!("is {WHAT}"));
        0
    })
}

/// The two secrets that callbacks need, which are of no use one without the other.
fn keys(setup: &Setup<'_>, corp_id: &str, problems: &mut Vec<FieldError>) -> Option<Keys> {
    let missing = |name: &str, other: &str| {
        FieldError::new(
            format!("/secrets/{name}"),
            format!("is required with {other}: both stand on the app's page 接收消息"),
        )
    };
    match (secret(setup.secrets, "token"), secret(setup.secrets, "encoding_aes_key")) {
        (None, None) => None,
        (None, Some(_)) => {
            problems.push(missing("token", "encoding_aes_key"));
            None
        }
        (Some(_), None) => {
            problems.push(missing("encoding_aes_key", "token"));
            None
        }
        (Some(token), Some(key)) => {
            let crypt = WxCrypt::new(key, corp_id);
            if crypt.is_none() {
                problems.push(FieldError::new(
                    "/secrets/encoding_aes_key",
                    "is the EncodingAESKey of the app's page 接收消息: 43 letters and digits",
                ));
            }
            crypt.map(|crypt| Keys { token: token.clone(), crypt, aes_key: key.clone() })
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    pub(in crate::wecom_app) const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

    /// A configuration of this corporation with these secrets.
    pub(in crate::wecom_app) fn config(corp_id: &str, secrets: &[(&str, &str)]) -> Config {
        let settings = json!({"corp_id": corp_id, "agent_id": 1_000_002});
        try_read(settings, &[&[("secret", "secret-1234")], secrets].concat(), None).ok().unwrap()
    }

    fn try_read(
        settings: Value,
        secrets: &[(&str, &str)],
        base_url: Option<&str>,
    ) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, base_url)
    }

    #[test]
    fn tokens_and_files_are_shared_by_those_who_talk_to_the_same_place() {
        let secrets = [("secret", "s"), ("token", "")];
        let config = try_read(json!({"corp_id": "ww1", "agent_id": "1000002"}), &secrets, None).ok().unwrap();
        assert_eq!((config.agent_id, config.account.as_str()), (1_000_002, "wecom:ww1:1000002"));
        assert!(config.keys.is_none(), "what is empty is not there");
        let settings = json!({"corp_id": "ww1", "agent_id": 7, "pressed_label": ""});
        let config = try_read(settings, &secrets, Some("https://wecom.corp.example/")).ok().unwrap();
        assert_eq!(config.account, "wecom:ww1:7@https://wecom.corp.example");
        assert_eq!(config.token_name, token::name(&config.account, &Secret::new("s")));
        assert_eq!(config.media_name, "media:wecom_app:ww1@https://wecom.corp.example");
        assert_eq!(config.pressed_label, "");
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let right = || json!({"corp_id": "ww1", "agent_id": 7});
        let cases: [Case<'_>; 6] = [
            (json!({}), &[], &["/settings/corp_id", "/settings/agent_id", "/secrets/secret"]),
            (
                json!({"corp_id": "ww/1", "agent_id": "app", "x": 1}),
                &[("secret", "s")],
                &["/settings/corp_id", "/settings/agent_id", "/settings/x"],
            ),
            (json!({"corp_id": "ww1", "agent_id": [7]}), &[("secret", "s")], &["/settings/agent_id"]),
            (right(), &[("secret", "s"), ("token", "t")], &["/secrets/encoding_aes_key"]),
            (right(), &[("secret", "s"), ("encoding_aes_key", KEY)], &["/secrets/token"]),
            (
                right(),
                &[("secret", "s"), ("token", "t"), ("encoding_aes_key", "short")],
                &["/secrets/encoding_aes_key"],
            ),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets, None).err().unwrap(), expected, "{settings}");
        }
    }
}
