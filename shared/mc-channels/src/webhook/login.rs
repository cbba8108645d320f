//! Signing in before sending: one call that gives a token, which then goes into a header, the query or wherever the
//! templates of every push name it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use mc_content::{Escape, Snippet};
use mc_core::Secret;
use mc_core::ports::{Fetching, Http, HttpRequest, HttpResponse, Route, SendError, SendFailure, Token};
use ring::digest::{SHA256, digest};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::config::{JsonTemplate, is_pointer, split_origin};
use super::credentials::{is_secretive, spoken};
use super::headers::{name_problem, read_given};
use super::outline::outline;
use super::render::render_json;
use crate::fields::Fields;
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

/// What the templates of a login see.
#[derive(Serialize)]
struct View<'a> {
    secret: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    body: Option<Value>,
    token_pointer: String,
    expires_pointer: Option<String>,
    lives_seconds: Option<u64>,
    header: Option<String>,
    prefix: Option<String>,
    query: Option<String>,
    over: Option<GivenOver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenOver {
    #[serde(default)]
    status: Vec<u16>,
    pointer: Option<String>,
    #[serde(default)]
    equals: Vec<Value>,
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
        let given: Given = fields.optional("login")?;
        let view =
            View { secret: secret.map_or("", Secret::expose), password: password.map_or("", Secret::expose) };
        let (origin, rest) = split_origin(&given.url);
        if let Err(detail) = check_url(origin) {
            fields.problem("login/url", detail);
        }
        let origin = base_url.map_or(origin, |base| base.trim_end_matches('/'));
        let rest = text(fields, "login/url", rest, Escape::Url, &view);
        let url = format!("{origin}{rest}");
        let mut headers = Vec::new();
        for header in read_given(fields, "login/headers", given.headers) {
            let value = text(fields, &header.at, &header.value, Escape::None, &view);
            if value.contains(|c: char| c.is_control() && c != '\t') {
                fields.problem(&header.at, "would hold a line break or another control character");
            }
            headers.push((header.name, Secret::new(value)));
        }
        let credentials = headers.iter().filter(|(name, _)| is_secretive(name));
        let repeatable: Vec<Secret> = credentials.flat_map(|(_, value)| spoken(value)).collect();
        let body = read_body(fields, given.body, &mut headers, &view);
        let methods = ["POST", "GET", "PUT"];
        let method = given.method.as_deref().unwrap_or("POST");
        let method = methods.into_iter().find(|known| known.eq_ignore_ascii_case(method));
        if method.is_none() {
            fields.problem("login/method", "is one of POST, GET, PUT");
        }
        for (name, pointer) in [
            ("login/token_pointer", Some(&given.token_pointer)),
            ("login/expires_pointer", given.expires_pointer.as_ref()),
        ] {
            if pointer.is_some_and(|pointer| !is_pointer(pointer)) {
                fields.problem(name, "is a JSON pointer, like /data/token");
            }
        }
        let place = read_place(fields, given.header, given.prefix, given.query, is_named);
        let over = read_over(fields, given.over);
        let mut account = format!("{}\n{url}\n{}", method.unwrap_or_default(), body.expose());
        for (name, value) in &headers {
            account.push_str(&format!("\n{name}:{}", value.expose()));
        }
        let hash = digest(&SHA256, account.as_bytes());
        let short: String = hash.as_ref().iter().take(12).map(|b| format!("{b:02x}")).collect();
        Some(Self {
            method: method.unwrap_or("POST"),
            url: Secret::new(url),
            headers,
            body,
            token: given.token_pointer,
            expires: given.expires_pointer,
            lives: given.lives_seconds.map_or(USUAL_LIFE, Duration::from_secs),
            place,
            over,
            secrets: [secret, password].into_iter().flatten().cloned().chain(repeatable).collect(),
            name: format!("webhook:{short}"),
            marks: hmac::Key::new(hmac::HMAC_SHA256, account.as_bytes()),
        })
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
    let rendered = Snippet::compile(source, escape).map_err(|e| e.detail).and_then(|snippet| {
        snippet
            .render(view)
            .map_err(|_| "names something that is not there; there are secret and password".to_owned())
    });
    rendered.unwrap_or_else(|detail| {
        fields.problem(at, detail);
        String::new()
    })
}

/// A text is sent as it is, a document as its JSON.
fn read_body(
    fields: &mut Fields<'_>,
    body: Option<Value>,
    headers: &mut Vec<(String, Secret)>,
    view: &View<'_>,
) -> Secret {
    let (body, media) = match body {
        None => return Secret::default(),
        Some(Value::String(source)) => {
            (text(fields, "login/body", &source, Escape::Url, view), "application/x-www-form-urlencoded")
        }
        Some(document) => {
            let rendered = JsonTemplate::compile(document).map_err(|e| e.detail).and_then(|template| {
                render_json(&template, view).map_err(|_| {
                    "names something that is not there; there are secret and password".to_owned()
                })
            });
            match rendered {
                Ok(document) => (document.to_string(), "application/json; charset=utf-8"),
                Err(detail) => {
                    fields.problem("login/body", detail);
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

fn read_place(
    fields: &mut Fields<'_>,
    header: Option<String>,
    prefix: Option<String>,
    query: Option<String>,
    is_named: bool,
) -> Place {
    if is_named {
        if header.is_some() || prefix.is_some() || query.is_some() {
            fields.problem("login", "a template names login.token; remove header, prefix and query");
        }
        return Place::Named;
    }
    if let Some(query) = query {
        if header.is_some() || prefix.is_some() {
            fields.problem("login/query", "give either query or header and prefix, not both");
        }
        return Place::Query(query);
    }
    let prefix =
        prefix.unwrap_or_else(|| if header.is_none() { "Bearer ".to_owned() } else { String::new() });
    let name = header.unwrap_or_else(|| "authorization".to_owned()).to_ascii_lowercase();
    if let Some(problem) = name_problem(&name) {
        fields.problem("login/header", problem);
    }
    if prefix.contains(|c: char| c.is_control()) {
        fields.problem("login/prefix", "cannot be put into a header");
    }
    Place::Header { name, prefix }
}

fn read_over(fields: &mut Fields<'_>, given: Option<GivenOver>) -> Over {
    let Some(given) = given else { return Over { statuses: vec![401], answer: None } };
    let answer = match (given.pointer, given.equals) {
        (Some(pointer), equals) if is_pointer(&pointer) && !equals.is_empty() => Some((pointer, equals)),
        (None, equals) if equals.is_empty() => None,
        _ => {
            fields.problem(
                "login/over",
                "pointer is a JSON pointer and equals a list of values, like [40014, 42001]",
            );
            None
        }
    };
    if given.status.is_empty() && answer.is_none() {
        fields.problem("login/over", "names neither a status nor a pointer");
    }
    Over { statuses: given.status, answer }
}
