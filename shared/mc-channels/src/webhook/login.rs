//! Signing in before sending: one call that gives a token, which then goes into a header, the query or wherever the
//! templates of every push name it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mc_content::{Escape, FieldError, Snippet, escape_member};
use mc_core::Secret;
use mc_core::ports::{Fetching, Http, HttpRequest, HttpResponse, Route, SendError, SendFailure, Token};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde::Serialize;
use serde_json::{Map, Value};
use url::Url;

use super::config::{JsonTemplate, is_pointer, read_pointer, split_origin};
use super::credentials::{is_secretive, spoken};
use super::headers::{has_control, name_problem, read_given};
use super::outline::outline;
use super::render::render_json;
use crate::fields::{Fields, secret};
use crate::http::check_url;
use crate::outcome::{failure, unanswered, words};

/// For how long a token is used when neither the answer nor the settings say.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// How a receiver refuses a token that is over, as our own code.
pub(super) const OVER: &str = "token_over";

/// How to sign in, with the secrets filled in.
pub(super) struct Login {
    method: &'static str,
    url: Secret,
    headers: Vec<(String, Secret)>,
    body: Secret,
    token: String,
    expires: Option<String>,
    lives: Duration,
    place: Place,
    over: Over,
    /// Kept only to take them out of what a receiver repeats.
    secrets: Vec<Secret>,
    /// What the token is shared under: the account and the way to it.
    pub(super) name: String,
    /// Makes what stands for the token until it is sent.
    marks: hmac::Key,
}

/// Where a push carries the token.
enum Place {
    Header {
        name: String,
        prefix: String,
    },
    Query(String),
    /// Where its templates name it.
    Named,
}

/// How the receiver says that a token is over.
struct Over {
    statuses: Vec<u16>,
    answer: Option<(String, Vec<Value>)>,
}

/// The secrets that the templates of a login see.
const NAMES: [&str; 2] = ["secret", "password"];

const NOT_THERE: &str = "names something that is not there; there are secret and password";

/// What the templates of a login see, where a secret that is not set is an empty text.
#[derive(Serialize)]
struct View<'a> {
    secret: &'a str,
    password: &'a str,
}

/// The address of the login, as far as it is one.
pub(super) fn url(settings: &Map<String, Value>) -> Option<&str> {
    settings.get("login")?.get("url")?.as_str()
}

impl Login {
    /// Reads `login`; the secrets go into it where its templates name them.
    pub(super) fn read(
        fields: &mut Fields<'_>,
        secret: Option<&Secret>,
        password: Option<&Secret>,
        base_url: Option<&str>,
        is_named: bool,
    ) -> Option<Self> {
        let given: Map<String, Value> = fields.optional("login")?;
        let mut within = Fields::new("/settings/login", &given);
        let login = Self::read_within(&mut within, secret, password, base_url, is_named);
        fields.adopt(within);
        Some(login)
    }

    fn read_within(
        fields: &mut Fields<'_>,
        secret: Option<&Secret>,
        password: Option<&Secret>,
        base_url: Option<&str>,
        is_named: bool,
    ) -> Self {
        let view =
            View { secret: secret.map_or("", Secret::expose), password: password.map_or("", Secret::expose) };
        let given = fields.required("url", "the address to sign in at, like https://im.example.com/login");
        let (origin, rest) = split_origin(&given);
        if !given.trim().is_empty()
            && let Err(detail) = check_url(origin)
        {
            fields.problem("url", detail);
        }
        let origin = base_url.map_or(origin, |base| base.trim_end_matches('/'));
        let rest = text(fields, "url", rest, Escape::Url, &view);
        let url = format!("{origin}{rest}");
        let mut headers = Vec::new();
        let given = fields.or_default("headers");
        for header in read_given(fields, "headers", given) {
            let value = text(fields, &header.at, &header.value, Escape::None, &view);
            if has_control(&value) {
                fields.problem(&header.at, "would hold a line break or another control character");
            }
            headers.push((header.name, Secret::new(value)));
        }
        let credentials = headers.iter().filter(|(name, _)| is_secretive(name));
        let repeatable: Vec<Secret> = credentials.flat_map(|(_, value)| spoken(value)).collect();
        let body = read_body(fields, &mut headers, &view);
        let method = read_method(fields);
        let token = read_pointer(fields, "token_pointer");
        if token.is_none() && fields.is_left_out("token_pointer") {
            fields.problem("token_pointer", "is required: where the answer has the token, like /data/token");
        }
        let expires = read_pointer(fields, "expires_pointer");
        let lives: Option<u64> = fields.optional("lives_seconds");
        let place = read_place(fields, is_named);
        let over = read_over(fields);
        let mut account = format!("{method}\n{url}\n{}", body.expose());
        for (name, value) in &headers {
            account.push_str(&format!("\n{name}:{}", value.expose()));
        }
        let hash = digest(&SHA256, account.as_bytes());
        let short: String = hash.as_ref().iter().take(12).map(|b| format!("{b:02x}")).collect();
        Self {
            method,
            url: Secret::new(url),
            headers,
            body,
            token: token.unwrap_or_default(),
            expires,
            lives: lives.map_or(USUAL_LIFE, Duration::from_secs),
            place,
            over,
            secrets: [secret, password].into_iter().flatten().cloned().chain(repeatable).collect(),
            name: format!("webhook:{short}"),
            marks: hmac::Key::new(hmac::HMAC_SHA256, account.as_bytes()),
        }
    }

    /// Whether a push carries the token in this header.
    pub(super) fn uses_header(&self, header: &str) -> bool {
        matches!(&self.place, Place::Header { name, .. } if name == header)
    }

    /// Whether templates name the token.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.place, Place::Named)
    }

    /// What stands for the token in the rendered parts of a message. It depends on the message's id, which nobody knows
    /// beforehand, so no value can hold it and have the token shown in its place.
    pub(super) fn mark(&self, message: &str) -> String {
        let tag = hmac::sign(&self.marks, message.as_bytes());
        tag.as_ref().iter().take(16).fold("login-token-".to_owned(), |mark, byte| format!("{mark}{byte:02x}"))
    }

    /// Signs in, past everything that is shared.
    pub(super) fn fetch<'a>(&'a self, route: &'a Route, http: &'a dyn Http) -> Fetching<'a> {
        Box::pin(async move {
            let headers =
                self.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
            let body = Bytes::copy_from_slice(self.body.expose().as_bytes());
            let request = HttpRequest {
                method: self.method,
                headers,
                ..HttpRequest::post_json(self.url.clone(), body)
            };
            let response = http.call(route, request).await.map_err(|error| {
                let mut error = unanswered(error);
                // Nothing was pushed yet, so there is nothing to be in doubt about.
                if error.failure == SendFailure::Doubt {
                    error.failure = SendFailure::Transient { after: None };
                }
                error.text = format!("signing in: {}", error.text);
                error
            })?;
            self.judge(&response)
        })
    }

    fn judge(&self, response: &HttpResponse) -> Result<Token, SendError> {
        let after = response.retry_after;
        let class = match response.status {
            200..=299 => SendFailure::Channel,
            429 => SendFailure::Throttled { after },
            408 | 425 | 500..=599 => SendFailure::Transient { after },
            _ => SendFailure::Channel,
        };
        if !(200..300).contains(&response.status) {
            let said = words(&String::from_utf8_lossy(&response.body), &self.secrets);
            let text = format!("signing in was answered with HTTP {}: {said}", response.status);
            return Err(failure(class, "login_refused", text));
        }
        let answer = serde_json::from_slice::<Value>(&response.body).unwrap_or(Value::Null);
        let token = answer.pointer(&self.token).and_then(Value::as_str).filter(|token| !token.is_empty());
        let Some(token) = token.filter(|token| !token.contains(|c: char| c.is_control())) else {
            // It may be there under another name, so the answer is not quoted.
            let said = words(&outline(&answer, &self.token), &self.secrets);
            let text = format!("signing in was answered without a token at {}: {said}", self.token);
            return Err(failure(class, "login_refused", text));
        };
        let told = self.expires.as_ref().and_then(|pointer| match answer.pointer(pointer)? {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        });
        let lives = told.filter(|s| (1.0..=1e9).contains(s)).map_or(self.lives, Duration::from_secs_f64);
        Ok(Token { value: Secret::new(token), lives })
    }

    /// Puts the token where the receiver wants it.
    pub(super) fn apply(&self, token: &Secret, url: &str, headers: &mut Vec<(String, String)>) -> Secret {
        match &self.place {
            Place::Header { name, prefix } => {
                headers.push((name.clone(), format!("{prefix}{}", token.expose())));
                Secret::new(url)
            }
            Place::Query(name) => match Url::parse(url) {
                Ok(mut parsed) => {
                    parsed.query_pairs_mut().append_pair(name, token.expose());
                    Secret::new(parsed.as_str())
                }
                Err(_) => Secret::new(url),
            },
            Place::Named => Secret::new(url),
        }
    }

    /// Whether an answer refuses the token, and so the push was not carried out.
    pub(super) fn is_over(&self, response: &HttpResponse) -> bool {
        if self.over.statuses.contains(&response.status) {
            return true;
        }
        let Some((pointer, values)) = &self.over.answer else { return false };
        let answer = serde_json::from_slice::<Value>(&response.body).unwrap_or(Value::Null);
        answer.pointer(pointer).is_some_and(|found| values.iter().any(|v| super::api::same(found, v)))
    }
}

fn text(fields: &mut Fields<'_>, at: &str, source: &str, escape: Escape, view: &View<'_>) -> String {
    let rendered = Snippet::compile(source, escape)
        .map_err(|e| e.detail)
        .and_then(|snippet| snippet.render(view).map_err(|_| NOT_THERE.to_owned()));
    rendered.unwrap_or_else(|detail| {
        fields.problem(at, detail);
        String::new()
    })
}

fn read_method(fields: &mut Fields<'_>) -> &'static str {
    let Some(method) = fields.optional::<String>("method") else { return "POST" };
    let known = ["POST", "GET", "PUT"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(&method)).unwrap_or_else(|| {
        fields.problem("method", "is one of POST, GET, PUT");
        "POST"
    })
}

/// A text is sent as it is, a document as its JSON.
fn read_body(fields: &mut Fields<'_>, headers: &mut Vec<(String, Secret)>, view: &View<'_>) -> Secret {
    let (body, media) = match fields.optional::<Value>("body") {
        None => return Secret::default(),
        Some(Value::String(source)) => {
            (text(fields, "body", &source, Escape::Url, view), "application/x-www-form-urlencoded")
        }
        Some(document) => {
            let rendered = JsonTemplate::compile(document)
                .map_err(|e| e.detail)
                .and_then(|template| render_json(&template, view).map_err(|_| NOT_THERE.to_owned()));
            match rendered {
                Ok(document) => (document.to_string(), "application/json; charset=utf-8"),
                Err(detail) => {
                    fields.problem("body", detail);
                    return Secret::default();
                }
            }
        }
    };
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), Secret::new(media)));
    }
    Secret::new(body)
}

fn read_place(fields: &mut Fields<'_>, is_named: bool) -> Place {
    let header: Option<String> = fields.optional("header");
    let prefix: Option<String> = fields.optional("prefix");
    let query: Option<String> = fields.optional("query");
    if is_named {
        for (name, given) in [("header", &header), ("prefix", &prefix), ("query", &query)] {
            if given.is_some() {
                fields.problem(name, "is of no use, as a template names login.token; remove it");
            }
        }
        return Place::Named;
    }
    if let Some(query) = query {
        if header.is_some() || prefix.is_some() {
            fields.problem("query", "give either query or header and prefix, not both");
        }
        return Place::Query(query);
    }
    let prefix =
        prefix.unwrap_or_else(|| if header.is_none() { "Bearer ".to_owned() } else { String::new() });
    let name = header.unwrap_or_else(|| "authorization".to_owned()).to_ascii_lowercase();
    if let Some(problem) = name_problem(&name) {
        fields.problem("header", problem);
    }
    if prefix.contains(|c: char| c.is_control()) {
        fields.problem("prefix", "cannot be put into a header");
    }
    Place::Header { name, prefix }
}

fn read_over(fields: &mut Fields<'_>) -> Over {
    let Some(given) = fields.optional::<Map<String, Value>>("over") else {
        return Over { statuses: vec![401], answer: None };
    };
    let mut within = Fields::new("/settings/login/over", &given);
    let statuses: Vec<u16> = within.or_default("status");
    let pointer: Option<String> = within.optional("pointer");
    let equals: Vec<Value> = within.or_default("equals");
    fields.adopt(within);
    let answer = match (pointer, equals) {
        (Some(pointer), equals) if is_pointer(&pointer) && !equals.is_empty() => Some((pointer, equals)),
        (None, equals) if equals.is_empty() => None,
        _ => {
            fields.problem(
                "over",
                "pointer is a JSON pointer and equals a list of values, like [40014, 42001]",
            );
            None
        }
    };
    if statuses.is_empty() && answer.is_none() {
        fields.problem("over", "names neither a status nor a pointer");
    }
    Over { statuses, answer }
}

/// Templates of the login that name a secret which is not set. Only what is put is judged by it: a stored channel goes on
/// with nothing in its place.
pub(crate) fn without_secret(
    settings: &Map<String, Value>,
    secrets: &BTreeMap<String, Secret>,
) -> Vec<FieldError> {
    let login = settings.get("login").and_then(Value::as_object);
    let mut problems = Vec::new();
    for name in NAMES.into_iter().filter(|name| secret(secrets, name).is_none()) {
        for part in ["url", "headers", "body"] {
            if let Some(value) = login.and_then(|login| login.get(part)) {
                find_named(&format!("/settings/login/{part}"), value, name, &mut problems);
            }
        }
    }
    problems
}

fn find_named(at: &str, value: &Value, name: &str, problems: &mut Vec<FieldError>) {
    match value {
        Value::String(text) if needs(text, name) => {
            let detail = format!("names {name}, which is not set: give it in secrets, or remove it here");
            problems.push(FieldError::new(at, detail));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_named(&format!("{at}/{index}"), item, name, problems);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                find_named(&format!("{at}/{}", escape_member(member)), value, name, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a template can be rendered, but not without this secret.
fn needs(text: &str, name: &str) -> bool {
    let Ok(template) = Snippet::compile(text, Escape::None) else { return false };
    let mut all = BTreeMap::from(NAMES.map(|known| (known, "x")));
    let renders = template.render(&all).is_ok();
    all.remove(name);
    renders && template.render(&all).is_err()
}
