//! Settings and secrets of a DingTalk app.

use mc_content::FieldError;
use mc_core::Secret;
use serde_json::Value;

use crate::dingtalk::BASE_URL;
use crate::fields::{Fields, secret};
use crate::registry::Setup;
use crate::token;
use crate::wxcrypt::WxCrypt;

pub(super) struct Config {
    pub(super) app_key: String,
    pub(super) app_secret: Secret,
    pub(super) agent_id: u64,
    /// Whether to ask what became of messages. Each question is a call of the month's quota.
    pub(super) poll_results: bool,
    /// Whether people are found by their mobile number, which needs a permission.
    pub(super) find_by_mobile: bool,
    pub(super) base_url: String,
    /// The app's place in the names of what is found out with its tokens.
    pub(super) account: String,
    /// The name of the app's token among those that all processes share.
    pub(super) token_name: String,
    /// The start of its files' names.
    pub(super) media_name: String,
    /// For callbacks.
    pub(super) token: Option<Secret>,
    /// For callbacks: the app key stands inside of what the app's page tells, the CorpId inside of what an address tells
    /// that was registered by a call.
    pub(super) crypts: Vec<WxCrypt>,
    pub(super) aes_key: Option<Secret>,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let app_key = fields.required("app_key", "the Client ID (AppKey) on the app's page 凭证与基础信息");
    if !is_plain(&app_key) {
        fields.problem("app_key", "is letters and digits, like dingeqqpkv3xxxxxx");
    }
    let agent_id = agent_id(&mut fields);
    let corp_id: String = fields.or_default("corp_id");
    if !is_plain(&corp_id) {
        fields.problem("corp_id", "is letters and digits, like ding6ccabc44d2c8d38b");
    }
    let poll_results: Option<bool> = fields.optional("poll_results");
    let find_by_mobile: Option<bool> = fields.optional("find_by_mobile");
    let mut problems = fields.finish();
    let app_secret = secret(setup.secrets, "app_secret");
    if app_secret.is_none() {
        let detail = "is required: the Client Secret (AppSecret) on the app's page 凭证与基础信息";
        problems.push(FieldError::new("/secrets/app_secret", detail));
    }
    let (token, aes_key) = (secret(setup.secrets, "token"), secret(setup.secrets, "aes_key"));
    let ids = [app_key.clone(), corp_id];
    let ids = ids.into_iter().filter(|id| !id.is_empty());
    let crypts: Vec<WxCrypt> = match aes_key {
        Some(key) => ids.filter_map(|id| WxCrypt::new(key, id)).collect(),
        None => Vec::new(),
    };
    if aes_key.is_some() && crypts.is_empty() && !app_key.is_empty() {
        let detail = "is the aes_key (加密 aes_key) of the app's page 事件订阅: 43 letters and digits";
        problems.push(FieldError::new("/secrets/aes_key", detail));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    // A sandbox knows other tokens and files, and could know the same app.
    let place = match setup.base_url {
        None => app_key.clone(),
        Some(_) => format!("{app_key}@{base_url}"),
    };
    let account = format!("dingtalk:{place}");
    let app_secret = app_secret.cloned().unwrap_or_default();
    Ok(Config {
        token_name: token::name(&account, &app_secret),
        account,
        app_secret,
        agent_id,
        poll_results: poll_results.unwrap_or(true),
        find_by_mobile: find_by_mobile.unwrap_or(true),
        base_url,
        media_name: format!("media:dingtalk:{place}"),
        token: token.cloned(),
        crypts,
        aes_key: aes_key.cloned(),
        app_key,
    })
}

/// A number; one that is written as a text is read as well, because consoles and YAML files make texts of numbers.
fn agent_id(fields: &mut Fields<'_>) -> u64 {
    let what = "is required: the AgentId on the app's page 凭证与基础信息, a number";
    match fields.optional::<Value>("agent_id") {
        None => fields.problem("agent_id", what),
        Some(given) => {
            let number = given.as_u64().or_else(|| given.as_str()?.trim().parse().ok());
            match number {
                Some(number) => return number,
                None => fields.problem("agent_id", "is a number, like 1234567890"),
            }
        }
    }
    0
}

fn is_plain(id: &str) -> bool {
    id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing;

    const KEY: &str = "1234567890123456789012345678901234567890123";

    /// A configuration with these secrets.
    pub(in crate::dingtalk_app) fn config(settings: Value, secrets: &[(&str, &str)]) -> Config {
        try_read(settings, secrets, None).ok().unwrap()
    }

    fn try_read(
        settings: Value,
        secrets: &[(&str, &str)],
        base_url: Option<&str>,
    ) -> Result<Config, Vec<String>> {
        testing::try_read(read, &settings, secrets, base_url)
    }

    #[test]
    fn tokens_are_shared_by_those_who_talk_to_the_same_place() {
        let settings = || json!({"app_key": "ding1", "agent_id": "7", "corp_id": "dingcorp"});
        let config = try_read(settings(), &[("app_secret", "s"), ("aes_key", KEY)], None).ok().unwrap();
        assert_eq!((config.account.as_str(), config.agent_id), ("dingtalk:ding1", 7));
        assert!(config.poll_results && config.token.is_none());
        assert_eq!(config.crypts.len(), 2, "the app key and the CorpId");
        let config = try_read(settings(), &[("app_secret", "s")], Some("http://127.0.0.1:1/")).ok().unwrap();
        assert_eq!(config.account, "dingtalk:ding1@http://127.0.0.1:1");
        assert_eq!(config.token_name, token::name(&config.account, &Secret::new("s")));
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let secret: &[(&str, &str)] = &[("app_secret", "s")];
        let cases: [Case<'_>; 4] = [
            (json!({}), &[], &["/settings/app_key", "/settings/agent_id", "/secrets/app_secret"]),
            (json!({"app_key": "ding/1", "agent_id": 7}), secret, &["/settings/app_key"]),
            (
                json!({"app_key": "ding1", "agent_id": "x", "corp_id": "a b", "poll_results": 1, "y": 1}),
                secret,
                &["/settings/agent_id", "/settings/corp_id", "/settings/poll_results", "/settings/y"],
            ),
            (
                json!({"app_key": "ding1", "agent_id": 7}),
                &[("app_secret", "s"), ("aes_key", "short")],
                &["/secrets/aes_key"],
            ),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets, None).err().unwrap(), expected, "{settings}");
        }
    }
}
