//! Settings and secret of a webhook.

use http::StatusCode;
use mc_content::{Escape, FieldError, Snippet, escape_member};
use mc_core::Secret;
use ring::hmac;
use serde_json::{Map, Value};

use super::callback;
use super::credentials::spoken;
use super::headers::{HeaderTemplate, Headers};
use super::login::{self, Login};
use super::sign::Signer;
use crate::fields::{Fields, secret};
use crate::http::check_url;
use crate::registry::Setup;

/// A webhook, ready to render and send.
pub(super) struct Config {
    pub(super) method: &'static str,
    pub(super) url: UrlTemplate,
    pub(super) headers: Vec<HeaderTemplate>,
    /// Headers that are put in when a push leaves, so that nothing that is rendered shows them.
    pub(super) credentials: Vec<(String, Secret)>,
    pub(super) body: BodyTemplate,
    pub(super) success: Success,
    pub(super) message_id: Option<String>,
    pub(super) signer: Signer,
    /// What checks the receiver's own calls to us, if it makes any.
    pub(super) callback: Option<hmac::Key>,
    /// Whether any template names `html`, which is the dearest to make of all that templates may name.
    pub(super) wants_html: bool,
    /// Whether any template names `buttons`.
    pub(super) names_buttons: bool,
    /// Whether address or headers hold templates.
    pub(super) has_templates: bool,
    /// Secrets and credentials, to take them out of what a receiver repeats.
    pub(super) secrets: Vec<Secret>,
    /// How to sign in before sending, if the receiver wants that.
    pub(super) login: Option<Login>,
}

/// A URL whose scheme, host and port are fixed.
pub(super) struct UrlTemplate {
    /// `https://im.example.com:8443`.
    pub(super) origin: String,
    /// Path and query.
    pub(super) rest: Snippet,
    /// Whether the path depends on the message, so that a 404 may be the message's fault.
    pub(super) varies: bool,
}

/// What the request carries.
pub(super) enum BodyTemplate {
    /// Everything we know of the message, as JSON.
    Default,
    /// A text; with [`Escape::Json`] it must turn out as JSON.
    Text { template: Box<Snippet>, escape: Escape },
    /// A JSON document whose texts are templates.
    Json(JsonTemplate),
}

/// A JSON document whose texts are templates.
pub(super) enum JsonTemplate {
    Fixed(Value),
    Text(Box<Snippet>),
    List(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
}

/// What counts as accepted.
#[derive(Default)]
pub(super) struct Success {
    /// These statuses, or any 2xx when empty.
    pub(super) statuses: Vec<u16>,
    /// Where the answer says so, and what it says then.
    pub(super) answer: Option<(String, Value)>,
}

/// The addresses in the settings.
pub(super) fn urls(settings: &Map<String, Value>) -> Vec<(String, String)> {
    let url = settings.get("url").and_then(Value::as_str).map(|url| ("/settings/url", url));
    let login = login::url(settings).map(|url| ("/settings/login/url", url));
    let origin = |(at, url): (&str, &str)| (at.to_owned(), format!("{}/", split_origin(url).0));
    url.into_iter().chain(login).map(origin).collect()
}

pub(super) fn read(setup: &Setup<'_>) -> Result<Config, Vec<FieldError>> {
    let mut fields = Fields::new("/settings", setup.settings);
    let url = read_url(&mut fields, setup.base_url);
    let method = read_method(&mut fields);
    let Headers { templates, credentials, content_type, names } = Headers::read(&mut fields);
    let body = read_body(&mut fields, content_type.as_deref());
    let success = read_success(&mut fields);
    let message_id = read_pointer(&mut fields, "message_id_pointer");
    let password = secret(setup.secrets, "password").cloned();
    let secret = secret(setup.secrets, "secret").cloned();
    let names_token = in_templates(setup.settings, "login.token");
    let login = Login::read(&mut fields, secret.as_ref(), password.as_ref(), setup.base_url, names_token);
    if names_token && !setup.settings.contains_key("login") {
        fields.problem("login", "is required: a template names login.token");
    }
    if login.as_ref().is_some_and(|login| names.iter().any(|header| login.uses_header(header))) {
        fields.problem("login/header", "is among headers already; remove it there");
    }
    let (signer, secret_problem) = Signer::read(&mut fields, secret.as_ref());
    let wants_receipts: bool = fields.or_default("receipts");
    let mut problems = fields.finish();
    problems.extend(secret_problem);
    let callback = secret.as_ref().filter(|_| wants_receipts).and_then(callback::key);
    if wants_receipts && callback.is_none() {
        let detail = "with receipts the secret checks the receiver's calls: whsec_ and the base64 of 24 to 64 random bytes";
        problems.push(FieldError::new("/secrets/secret", detail));
    }
    let repeatable: Vec<Secret> = credentials.iter().flat_map(|(_, value)| spoken(value)).collect();
    match (url, problems.is_empty()) {
        (Some(url), true) => Ok(Config {
            method,
            url,
            headers: templates,
            secrets: [secret, password].into_iter().flatten().chain(repeatable).collect(),
            credentials,
            body,
            success,
            message_id,
            signer,
            callback,
            login,
            has_templates: ["url", "headers"]
                .iter()
                .any(|name| setup.settings.get(*name).is_some_and(|v| is_template(&v.to_string()))),
            wants_html: in_templates(setup.settings, "html"),
            names_buttons: in_templates(setup.settings, "buttons"),
        }),
        _ => Err(problems),
    }
}

/// Whether any template of the push has this word.
pub(super) fn in_templates(settings: &Map<String, Value>, word: &str) -> bool {
    let has = |name: &str| settings.get(name).is_some_and(|value| value.to_string().contains(word));
    ["url", "headers", "body"].into_iter().any(has)
}

/// Splits a URL behind its authority.
pub(super) fn split_origin(url: &str) -> (&str, &str) {
    let from = url.find("://").map_or(0, |at| at + 3);
    let end = url[from..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| from + at);
    url.split_at(end)
}

pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn read_url(fields: &mut Fields<'_>, base_url: Option<&str>) -> Option<UrlTemplate> {
    let url = fields.required("url", "the address to call, like https://im.example.com/send");
    if url.is_empty() {
        return None;
    }
    let (origin, rest) = split_origin(&url);
    if is_template(origin) {
        fields.problem("url", "scheme, host and port are literal; only path and query may be templates");
        return None;
    }
    if let Err(detail) = check_url(origin) {
        fields.problem("url", detail);
        return None;
    }
    let origin = base_url.map_or(origin, |base| base.trim_end_matches('/')).to_owned();
    let varies = is_template(rest.split('?').next().unwrap_or_default());
    match Snippet::compile(rest, Escape::Url) {
        Ok(rest) => Some(UrlTemplate { origin, rest, varies }),
        Err(error) => {
            fields.problem("url", error.detail);
            None
        }
    }
}

fn read_method(fields: &mut Fields<'_>) -> &'static str {
    let Some(method) = fields.optional::<String>("method") else { return "POST" };
    let known = ["POST", "PUT", "PATCH", "GET", "DELETE"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(&method)).unwrap_or_else(|| {
        fields.problem("method", "is one of POST, PUT, PATCH, GET, DELETE");
        "POST"
    })
}

fn read_body(fields: &mut Fields<'_>, content_type: Option<&str>) -> BodyTemplate {
    match fields.optional::<Value>("body") {
        None => BodyTemplate::Default,
        Some(Value::String(text)) => {
            let escape = match content_type {
                Some(t) if t.contains("json") => Escape::Json,
                Some(t) if t.contains("x-www-form-urlencoded") => Escape::Url,
                Some(_) => Escape::None,
                None if looks_like_json(&text) => Escape::Json,
                None => Escape::None,
            };
            match Snippet::compile(&text, escape) {
                Ok(template) => BodyTemplate::Text { template: Box::new(template), escape },
                Err(error) => {
                    fields.problem("body", error.detail);
                    BodyTemplate::Default
                }
            }
        }
        Some(document) => match JsonTemplate::compile(document) {
            Ok(template) => BodyTemplate::Json(template),
            Err(error) => {
                fields.problem(&format!("body{}", error.pointer), error.detail);
                BodyTemplate::Default
            }
        },
    }
}

/// Whether a text without a declared type is meant as JSON. `{{` and `{%` begin a template, not an object.
fn looks_like_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('[')
        || text.starts_with('"')
        || (text.starts_with('{') && !is_template(&text[..2.min(text.len())]))
}

impl JsonTemplate {
    pub(super) fn compile(value: Value) -> Result<Self, FieldError> {
        Ok(match value {
            Value::String(text) if is_template(&text) => {
                Self::Text(Box::new(Snippet::compile(&text, Escape::None)?))
            }
            Value::Array(items) => {
                let items = items.into_iter().enumerate().map(|(at, item)| under(at, Self::compile(item)));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members = members
                    .into_iter()
                    .map(|(name, item)| {
                        let item = under(escape_member(&name), Self::compile(item))?;
                        Ok((name, item))
                    })
                    .collect::<Result<_, FieldError>>()?;
                Self::Object(members)
            }
            fixed => Self::Fixed(fixed),
        })
    }
}

fn under<T>(at: impl std::fmt::Display, result: Result<T, FieldError>) -> Result<T, FieldError> {
    result.map_err(|error| FieldError::new(format!("/{at}{}", error.pointer), error.detail))
}

fn read_success(fields: &mut Fields<'_>) -> Success {
    let given: Map<String, Value> = fields.or_default("success");
    let mut within = Fields::new("/settings/success", &given);
    let statuses = read_statuses(&mut within);
    let pointer: Option<String> = within.optional("pointer");
    // A null is a value as any other: it is what some write where there was no error.
    let answer = match (pointer, within.as_given("equals")) {
        (Some(pointer), Some(equals)) => {
            if !is_pointer(&pointer) {
                within.problem("pointer", POINTER_HINT);
            }
            Some((pointer, equals.clone()))
        }
        (Some(_), None) => {
            within.problem("equals", "is required with pointer: the value that means success");
            None
        }
        (None, Some(equals)) if !equals.is_null() && given.get("pointer").is_none_or(Value::is_null) => {
            within.problem("pointer", "is required with equals: where the value stands, like /errcode");
            None
        }
        (None, _) => None,
    };
    fields.adopt(within);
    Success { statuses, answer }
}

fn read_statuses(success: &mut Fields<'_>) -> Vec<u16> {
    let given = match success.optional::<Value>("status") {
        None => return Vec::new(),
        Some(Value::Array(several)) => several,
        Some(one) => vec![one],
    };
    let status = |given: &Value| {
        let status = u16::try_from(given.as_u64()?).ok()?;
        StatusCode::from_u16(status).is_ok().then_some(status)
    };
    given.iter().map(status).collect::<Option<_>>().unwrap_or_else(|| {
        success.problem("status", "is an HTTP status, like 200, or a list of them, like [200, 202]");
        Vec::new()
    })
}

const POINTER_HINT: &str = "is a JSON pointer, like /data/id";

pub(super) fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

pub(super) fn read_pointer(fields: &mut Fields<'_>, name: &'static str) -> Option<String> {
    let pointer: String = fields.optional(name)?;
    if !is_pointer(&pointer) {
        fields.problem(name, POINTER_HINT);
    }
    Some(pointer)
}
