//! The headers that the settings name, of a push and of a login.

use std::collections::BTreeMap;

use http::HeaderName;
use mc_content::{Escape, Snippet, escape_member};
use mc_core::Secret;
use serde_json::Value;

use super::credentials::{is_literal, is_secretive};
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

/// One header as the settings have it.
pub(super) struct Given {
    /// Its pointer into the settings, without the first slash.
    pub(super) at: String,
    /// Its name in small letters, which no other one has.
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
        let lower = name.to_ascii_lowercase();
        if let Some(problem) = name_problem(&name) {
            fields.problem(&at, problem);
        } else if read.iter().any(|other| other.name == lower) {
            fields.problem(&at, "is given twice: capitals make no other header of it; remove one");
        } else if let Value::String(value) = value {
            read.push(Given { at, name: lower, value });
        } else {
            fields.problem(&at, "is not a text; write numbers in quotes");
        }
    }
    read
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
    /// Where each of them stands, by its name in small letters.
    pub(super) places: BTreeMap<String, String>,
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
            if is_secretive(&name) && is_literal(&value) {
                if value.contains(|c: char| c.is_control() && c != '\t') {
                    fields.problem(&at, "holds a line break or another control character");
                }
                headers.credentials.push((name.clone(), Secret::new(value)));
            } else {
                match Snippet::compile(&value, Escape::None) {
                    Ok(value) => {
                        headers.templates.push(HeaderTemplate { at: at.clone(), name: name.clone(), value });
                    }
                    Err(error) => fields.problem(&at, error.detail),
                }
            }
            headers.places.insert(name, at);
        }
        headers
    }
}
