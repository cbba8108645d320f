//! Settings and secrets of a Feishu app.

use mc_content::FieldError;
use mc_core::Secret;

use crate::feishu::{BASE_URL, Form, Markdown};
use crate::fields::{Fields, secret};
use crate::registry::Setup;
use crate::token;

pub(super) struct Config {
    pub(super) app_id: String,
    pub(super) app_secret: Secret,
    pub(super) markdown: Markdown,
    /// One message to each recipient, or one to up to two hundred.
    pub(super) form: Form,
    /// Whether to ask who has read, for apps that are not told.
    pub(super) poll_reads: bool,
    /// Whether people are found by their mobile number, which needs a permission.
    pub(super) find_by_mobile: bool,
    pub(super) base_url: String,
    /// The app's place in the names of what is found out with its tokens.
    pub(super) account: String,
    /// The name of the app's token among those that all processes share.
    pub(super) token_name: String,
    /// For callbacks.
    pub(super) verification_token: Option<Secret>,
    /// For callbacks.
    pub(super) encrypt_key: Option<Secret>,
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let app_id = fields.required("app_id", "the App ID (cli_…) on the app's page 凭证与基础信息");
    if !app_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        fields.problem("app_id", "is letters, digits and _, like cli_9f427eec54ae901b");
    }
    let markdown = fields.or_default("markdown");
    let batch: bool = fields.or_default("batch");
    let poll_reads: bool = fields.or_default("poll_reads");
    let find_by_mobile: Option<bool> = fields.optional("find_by_mobile");
    let mut problems = fields.finish();
    let app_secret = secret(setup.secrets, "app_secret");
    if app_secret.is_none() {
        problems.push(FieldError::new(
            "/secrets/app_secret",
            "is required: the App Secret on the app's page 凭证与基础信息",
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let base_url = setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned();
    // A tenant abroad and a sandbox know other tokens, and could know the same app id.
    let account = match setup.base_url {
        None => format!("feishu:{app_id}"),
        Some(_) => format!("feishu:{app_id}@{base_url}"),
    };
    let app_secret = app_secret.cloned().unwrap_or_default();
    Ok(Config {
        app_id,
        token_name: token::name(&account, &app_secret),
        account,
        app_secret,
        markdown,
        form: if batch { Form::Batch } else { Form::Single },
        poll_reads,
        find_by_mobile: find_by_mobile.unwrap_or(true),
        base_url,
        verification_token: secret(setup.secrets, "verification_token").cloned(),
        encrypt_key: secret(setup.secrets, "encrypt_key").cloned(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    /// A configuration with this secret.
    pub(in crate::feishu_app) fn config(app_secret: &str) -> Config {
        try_read(json!({"app_id": "cli_1"}), &[("app_secret", app_secret)], None).ok().unwrap()
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
        let secrets = [("app_secret", "s"), ("encrypt_key", "")];
        let config = try_read(json!({"app_id": "cli_1"}), &secrets, None).ok().unwrap();
        assert_eq!((config.account.as_str(), config.form), ("feishu:cli_1", Form::Single));
        assert!(config.encrypt_key.is_none(), "what is empty is not there");
        let settings = json!({"app_id": "cli_1", "batch": true, "markdown": "post"});
        let config = try_read(settings, &secrets, Some("https://open.larksuite.com/")).ok().unwrap();
        assert_eq!(config.account, "feishu:cli_1@https://open.larksuite.com");
        assert_eq!(config.token_name, token::name(&config.account, &Secret::new("s")));
        assert_eq!(config.form, Form::Batch);
    }

    #[test]
    fn every_problem_has_its_place() {
        type Case<'a> = (Value, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: [Case<'_>; 3] = [
            (json!({}), &[], &["/settings/app_id", "/secrets/app_secret"]),
            (json!({"app_id": "cli/1"}), &[("app_secret", "s")], &["/settings/app_id"]),
            (
                json!({"app_id": "cli_1", "batch": "yes", "x": 1}),
                &[("app_secret", "s")],
                &["/settings/batch", "/settings/x"],
            ),
        ];
        for (settings, secrets, expected) in cases {
            assert_eq!(try_read(settings.clone(), secrets, None).err().unwrap(), expected, "{settings}");
        }
    }
}
