//! The headers that the settings name, of a push and of a login.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderName;
use mc_content::{Escape, FieldError, Snippet, escape_member};
use mc_core::Secret;
use serde_json::{Map, Value};

use super::config::in_templates;
use super::credentials::{is_literal, is_secretive};
use super::sign::written_headers;
use crate::fields::Fields;

/// Headers that say how the request itself is carried, which are not a message's to set.
const OWN: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "te",
    "upgrade",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];

/// Why the settings cannot set a header of this name, if they cannot.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Some("is not the name of a header");
    }
    let is_own = OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
    is_own.then_some("is set by Message Center itself and by nothing else")
}

/// Whether a value cannot stand in a header: of the control characters only the tab can.
pub(super) fn has_control(value: &str) -> bool {
    value.contains(|c: char| c.is_control() && c != '\t')
}

/// One header as the settings have it.
pub(super) struct Given {
    /// Its pointer into the settings, without the first slash.
    pub(super) at: String,
    /// Its name in small letters.
    pub(super) name: String,
    pub(super) value: String,
}

/// The headers at a place of the settings. Those that cannot be set are noted as problems and left out.
pub(super) fn read_given(
    fields: &mut Fields<'_>,
    place: &str,
    headers: BTreeMap<String, Value>,
) -> Vec<Given> {
    let mut read: Vec<Given> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let at = format!("{place}/{}", escape_member(&name));
        if let Some(problem) = name_problem(&name) {
            fields.problem(&at, problem);
        } else if let Value::String(value) = value {
            read.push(Given { at, name: name.to_ascii_lowercase(), value });
        } else {
            fields.problem(&at, "is not a text; write numbers in quotes");
        }
    }
    read
}

/// Headers that would be written more than once: given twice, or written by `sign`, `login` or for the body too. Only what
/// is put is judged by it; a stored channel goes on as it did.
pub(crate) fn doubled(settings: &Map<String, Value>) -> Vec<FieldError> {
    let login = settings.get("login").and_then(Value::as_object);
    let of_login = login.and_then(|login| login.get("headers"));
    let signed = written_headers(settings);
    let mut problems = Vec::new();
    let mut problem =
        |at: &str, detail: &str| problems.push(FieldError::new(format!("/settings/{at}"), detail));
    for (place, headers) in [("headers", settings.get("headers")), ("login/headers", of_login)] {
        let given: BTreeSet<&String> =
            headers.and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
        let mut seen = BTreeSet::new();
        for name in given {
            let (at, lower) = (format!("{place}/{}", escape_member(name)), name.to_ascii_lowercase());
            if place == "headers" && signed.contains(&lower) {
                problem(&at, "is written by sign; remove it here");
            } else if !seen.insert(lower) {
                problem(&at, "is given twice: capitals make no other header of it; remove one");
            }
        }
    }
    // Every body has one, from `headers` or from us.
    let (of_body, taken) = ("content-type", "says what the body is; name another one");
    if signed.iter().any(|header| header == of_body) {
        problem("sign/header", taken);
    }
    if let Some(header) = login.and_then(|login| token_header(settings, login)) {
        if header == of_body {
            problem("login/header", taken);
        } else if signed.contains(&header) {
            problem("login/header", "is written by sign; name another one");
        }
    }
    problems
}

/// The header in which a push carries the token of its login, in small letters, if it is in one.
fn token_header(settings: &Map<String, Value>, login: &Map<String, Value>) -> Option<String> {
    let is_elsewhere =
        login.get("query").is_some_and(|query| !query.is_null()) || in_templates(settings, "login.token");
    let named = login.get("header").and_then(Value::as_str);
    (!is_elsewhere).then(|| named.unwrap_or("authorization").to_ascii_lowercase())
}

/// A header whose value is a template.
pub(super) struct HeaderTemplate {
    /// Its pointer into the settings, without the first slash.
    pub(super) at: String,
    /// Its name in small letters.
    pub(super) name: String,
    pub(super) value: Snippet,
}

/// The headers of a push.
#[derive(Default)]
pub(super) struct Headers {
    pub(super) templates: Vec<HeaderTemplate>,
    pub(super) credentials: Vec<(String, Secret)>,
    /// As far as it is one of them.
    pub(super) content_type: Option<String>,
    /// The names of all of them, in small letters.
    pub(super) names: BTreeSet<String>,
}

impl Headers {
    /// Reads `headers`.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let given = fields.or_default("headers");
        let mut headers = Self::default();
        for Given { at, name, value } in read_given(fields, "headers", given) {
            if name == "content-type" {
                headers.content_type = Some(value.to_ascii_lowercase());
            }
            match Snippet::compile(&value, Escape::None) {
                Ok(template) => {
                    // As it will be sent, which is without a line end at its end.
                    let literal = is_literal(&value).then(|| template.render(&()).ok()).flatten();
                    if literal.as_deref().is_some_and(has_control) {
                        // No request can carry it, so a stored channel that has it never sent anything either.
                        fields.problem(&at, "holds a line break or another control character");
                    }
                    let name = name.clone();
                    match literal.filter(|_| is_secretive(&name)) {
                        Some(sent) => headers.credentials.push((name, Secret::new(sent))),
                        None => headers.templates.push(HeaderTemplate { at, name, value: template }),
                    }
                }
                Err(error) => fields.problem(&at, error.detail),
            }
            headers.names.insert(name);
        }
        headers
    }
}
