//! Every kind of channel, and how one is built from its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use mc_content::{FieldError, Snippet, escape_member};
use mc_core::Secret;
use mc_core::model::{Kind, Limits};
use mc_core::ports::{
    Capability, Clock, Http, HttpError, HttpErrorKind, MailService, Random, RateLimit, Route, SharedChannel,
    Tokens,
};
use serde_json::{Map, Value};
use url::Url;

use crate::http::{check_route, check_url};

/// A channel's configuration with its secrets opened.
#[derive(Debug)]
pub struct Setup<'a> {
    /// The project it belongs to.
    pub project: &'a str,
    /// The channel's name, for texts.
    pub name: &'a str,
    /// What platform it speaks.
    pub kind: Kind,
    /// The kind's settings.
    pub settings: &'a Map<String, Value>,
    /// The kind's secrets, opened. A value that was a list or an object is its JSON.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// Scheme and host in place of the platform's own.
    pub base_url: Option<&'a str>,
    /// The way out.
    pub route: Route,
    /// Limits below the platform's own.
    pub limits: Limits,
}

/// What channels need from the world.
#[derive(Clone)]
pub struct Ports {
    /// The way out.
    pub http: Arc<dyn Http>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Access tokens and what else all processes share of an account.
    pub tokens: Arc<dyn Tokens>,
    /// The mail service of the place we run in, if there is one.
    pub mail: Option<Arc<dyn MailService>>,
}

/// Lists the addresses in a kind's settings, each with its pointer.
type ListUrls = fn(&Map<String, Value>) -> Vec<(String, String)>;

/// Settings, and secrets by name.
pub(crate) type Neutral = (Value, &'static [(&'static str, &'static str)]);

/// What the registry knows of a kind.
pub(crate) struct Entry {
    pub(crate) secrets: &'static [&'static str],
    /// Whether the platform's own host may be replaced.
    pub(crate) takes_base_url: bool,
    pub(crate) capability: fn() -> Capability,
    pub(crate) urls: ListUrls,
    /// Settings and secrets that are good enough to render with and can never reach anybody.
    pub(crate) neutral: fn() -> Neutral,
    pub(crate) build: fn(&Setup<'_>, &Ports) -> Result<SharedChannel, Vec<FieldError>>,
}

/// One line per kind.
pub(crate) const fn entry(kind: Kind) -> &'static Entry {
    match kind {
        Kind::WecomApp => &crate::wecom_app::ENTRY,
        Kind::WecomRobot => &crate::wecom_robot::ENTRY,
        Kind::DingtalkApp => &crate::dingtalk_app::ENTRY,
        Kind::DingtalkRobot => &crate::dingtalk_robot::ENTRY,
        Kind::FeishuApp => &crate::feishu_app::ENTRY,
        Kind::FeishuRobot => &crate::feishu_robot::ENTRY,
        Kind::EmailSes => &crate::email_ses::ENTRY,
        Kind::EmailSmtp => &crate::email_smtp::ENTRY,
        Kind::WechatOfficial => &crate::wechat_official::ENTRY,
        Kind::WechatMini => &crate::wechat_mini::ENTRY,
        Kind::Slack => &crate::slack::ENTRY,
        Kind::Webhook => &crate::webhook::ENTRY,
    }
}

/// Builds a channel, or says everything that is wrong with its configuration.
///
/// # Behavior
/// - Opens no connection and looks nothing up; [`admit`] looks at the addresses.
/// - No problem's text holds a secret.
pub fn build(setup: Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let entry = entry(setup.kind);
    let mut problems: Vec<FieldError> =
        check_route(&setup.route).into_iter().map(|(at, detail)| FieldError::new(at, detail)).collect();
    problems.extend(setup.base_url.and_then(|url| check_base_url(url, entry.takes_base_url)));
    for name in setup.secrets.keys() {
        if !entry.secrets.contains(&name.as_str()) {
            let detail = match entry.secrets {
                [] => "this kind has no secrets; remove it".to_owned(),
                known => format!("this kind has no such secret; it has {}", known.join(", ")),
            };
            problems.push(FieldError::new(format!("/secrets/{name}"), detail));
        }
    }
    match (entry.build)(&setup, ports) {
        Ok(channel) if problems.is_empty() => Ok(channel),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

/// What is wrong with settings for the moment they are stored, besides what [`build`] says: filters, tests and functions
/// that there are not, wherever they stand, headers that would be written twice, and secrets that a login names and that
/// are not set. A stored channel with them is still built, as it may never come by them.
pub fn review(
    kind: Kind,
    settings: &Map<String, Value>,
    secrets: &BTreeMap<String, Secret>,
) -> Vec<FieldError> {
    let mut problems = Vec::new();
    if kind == Kind::Webhook {
        problems.extend(crate::webhook::doubled(settings));
        problems.extend(crate::webhook::without_secret(settings, secrets));
    }
    if matches!(kind, Kind::Webhook | Kind::WechatOfficial | Kind::WechatMini) {
        for (name, value) in settings {
            review_texts(&format!("/settings/{}", escape_member(name)), value, &mut problems);
        }
    }
    problems
}

fn review_texts(at: &str, value: &Value, problems: &mut Vec<FieldError>) {
    match value {
        Value::String(text) => {
            problems.extend(Snippet::first_unknown(text).map(|detail| FieldError::new(at, detail)));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                review_texts(&format!("{at}/{index}"), item, problems);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                review_texts(&format!("{at}/{}", escape_member(name)), member, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The secrets a kind takes.
pub fn secret_names(kind: Kind) -> &'static [&'static str] {
    entry(kind).secrets
}

/// The settings that are secrets themselves, or have the mark of one that is sealed, each with its pointer into the
/// settings: nobody who reads the channel is shown them.
pub fn secret_settings(kind: Kind, settings: &Map<String, Value>) -> Vec<(String, &Value)> {
    if kind == Kind::Webhook { crate::webhook::in_settings(settings) } else { Vec::new() }
}

/// The addresses in a kind's settings, each with its pointer. Only scheme, host and port are meant, as paths may be
/// templates; an SMTP server is `smtp://host:port`.
pub fn url_fields(kind: Kind, settings: &Map<String, Value>) -> Vec<(String, String)> {
    (entry(kind).urls)(settings)
}

/// What a kind can do, before a channel's own settings.
pub fn capability(kind: Kind) -> Capability {
    (entry(kind).capability)()
}

/// Checks every address a configuration names against the egress rules, for the moment it is stored.
///
/// # Behavior
/// - A name that does not resolve now is accepted: it is checked again when it is used.
/// - What cannot be read at all is left to [`build`].
pub async fn admit(
    kind: Kind,
    settings: &Map<String, Value>,
    base_url: Option<&str>,
    proxy: Option<&Secret>,
    http: &dyn Http,
) -> Vec<FieldError> {
    let mut urls = url_fields(kind, settings);
    urls.extend(base_url.map(|url| ("/base_url".to_owned(), url.to_owned())));
    urls.extend(proxy.map(|url| ("/proxy".to_owned(), url.expose().to_owned())));
    let mut problems = Vec::new();
    for (pointer, url) in urls {
        if let Err(error) = admit_one(&url, http).await
            && error.kind == HttpErrorKind::Forbidden
        {
            problems.push(FieldError::new(pointer, error.text));
        }
    }
    problems
}

async fn admit_one(url: &str, http: &dyn Http) -> Result<(), HttpError> {
    let Ok(parsed) = Url::parse(url) else { return Ok(()) };
    let host = parsed.host_str().unwrap_or_default();
    // Written as http, odd spellings of an address are read as the address, and credentials stay out of sight.
    match parsed.port() {
        Some(port) => http.admit(&format!("http://{host}:{port}/")).await,
        None => http.admit(&format!("http://{host}/")).await,
    }
}

fn check_base_url(url: &str, taken: bool) -> Option<FieldError> {
    let problem = |detail: String| Some(FieldError::new("/base_url", detail));
    if !taken {
        return problem("this kind names its server in settings; remove base_url".to_owned());
    }
    if let Err(detail) = check_url(url) {
        return problem(detail);
    }
    if url.contains(['?', '#']) {
        return problem("give scheme and host only, like https://im.example.com".to_owned());
    }
    None
}

/// The limit in force: the platform's own, unless the channel declares a lower one.
pub(crate) fn effective_limit(platform: Option<RateLimit>, limits: &Limits) -> Option<RateLimit> {
    use std::time::Duration;
    let declared = match (limits.per_minute, limits.per_second) {
        (Some(count), _) => Some(RateLimit { count, per: Duration::from_secs(60) }),
        (None, Some(count)) => Some(RateLimit { count, per: Duration::from_secs(1) }),
        (None, None) => None,
    };
    let per_day = |limit: &RateLimit| u128::from(limit.count) * 86_400_000 / limit.per.as_millis().max(1);
    match (platform, declared) {
        (Some(a), Some(b)) => Some(if per_day(&b) < per_day(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}
