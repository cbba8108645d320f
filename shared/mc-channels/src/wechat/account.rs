//! What official accounts and mini programs are configured with alike.

use mc_content::{Escape, FieldError, Snippet};
use mc_core::Secret;
use mc_core::ports::Route;

use super::callbacks::Keys;
use super::mapping::{self, Field};
use super::values::Table;
use crate::fields::{Fields, secret};
use crate::registry::{Ports, Setup};
use crate::token;

const BASE_URL: &str = "https://api.weixin.qq.com";

/// The secrets of both kinds.
pub(crate) const SECRETS: &[&str] = &["app_secret", "token", "encoding_aes_key"];

/// An account, ready to be called for.
pub(crate) struct Account {
    pub(crate) table: Table,
    pub(crate) project: String,
    pub(crate) app_id: String,
    pub(crate) app_secret: Secret,
    pub(crate) base_url: String,
    /// Under which name its access token is shared.
    pub(crate) token_name: String,
    /// The template that messages are written in, unless it is still to be chosen.
    pub(crate) template: Option<String>,
    pub(crate) fields: Vec<Field>,
    /// What its callbacks are signed and encrypted with.
    pub(crate) keys: Keys,
    pub(crate) route: Route,
    pub(crate) ports: Ports,
}

impl Account {
    /// Reads what both kinds have. The caller reads its own settings before and finishes `fields` afterwards.
    pub(crate) fn read(
        table: Table,
        setup: &Setup<'_>,
        ports: &Ports,
        fields: &mut Fields<'_>,
        problems: &mut Vec<FieldError>,
    ) -> Self {
        let app_id = fields.required("app_id", "the AppID of the account, like wx0123456789abcdef");
        if !app_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            fields.problem("app_id", "is the AppID alone, like wx0123456789abcdef");
        }
        let template: Option<String> = fields.optional("platform_template_id");
        let template = template.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty());
        let mapping = mapping::read(fields);
        let app_secret = secret(setup.secrets, "app_secret").cloned().unwrap_or_else(|| {
            problems
                .push(FieldError::new("/secrets/app_secret", "is required: the AppSecret of the account"));
            Secret::default()
        });
        let keys = Keys::read(setup.secrets, &app_id, problems);
        let account = match setup.base_url {
            Some(base_url) => format!("wechat:{app_id}@{base_url}"),
            None => format!("wechat:{app_id}"),
        };
        Self {
            table,
            project: setup.project.to_owned(),
            app_id,
            token_name: token::name(&account, &app_secret),
            app_secret,
            base_url: setup.base_url.unwrap_or(BASE_URL).trim_end_matches('/').to_owned(),
            template,
            fields: mapping,
            keys,
            route: setup.route.clone(),
            ports: ports.clone(),
        }
    }
}

/// A setting that is a small template, with values in it percent-encoded.
pub(crate) fn snippet(fields: &mut Fields<'_>, name: &'static str) -> Option<Snippet> {
    let text: String = fields.optional(name)?;
    compile(fields, name, &text)
}

/// Compiles the text of a setting, or of a place in it.
pub(crate) fn compile(fields: &mut Fields<'_>, place: &str, text: &str) -> Option<Snippet> {
    if text.trim().is_empty() {
        return None;
    }
    match Snippet::compile(text.trim(), Escape::Url) {
        Ok(snippet) => Some(snippet),
        Err(error) => {
            fields.problem(place, error.detail);
            None
        }
    }
}
