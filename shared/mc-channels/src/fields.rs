//! Reading settings and secrets, collecting every problem with its place.

use std::collections::BTreeMap;

use mc_content::{FieldError, escape_member, words};
use mc_core::Secret;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A reader of one object that remembers what it was asked for, so that what nobody asked for is a problem too.
pub(crate) struct Fields<'a> {
    base: &'static str,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(base: &'static str, map: &'a Map<String, Value>) -> Self {
        Self { base, map, known: Vec::new(), problems: Vec::new() }
    }

    /// The field, if it is there and is of its type. JSON null counts as not there.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        match serde_json::from_value(value.clone()) {
            Ok(read) => Some(read),
            Err(error) => {
                self.problems.push(words::unreadable(format!("{}/{name}", self.base), value, &error));
                None
            }
        }
    }

    /// The field as it stands, where JSON null is a value like any other.
    pub(crate) fn as_given(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name)
    }

    /// Whether a field is not there. JSON null counts as not there.
    pub(crate) fn is_left_out(&self, name: &str) -> bool {
        self.map.get(name).is_none_or(Value::is_null)
    }

    /// A field that was read already, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.map.get(name).and_then(Value::as_str)
    }

    /// The field, or its default.
    pub(crate) fn or_default<T: DeserializeOwned + Default>(&mut self, name: &'static str) -> T {
        self.optional(name).unwrap_or_default()
    }

    /// The field, which must be there and not empty; `what` says what to put there.
    pub(crate) fn required(&mut self, name: &'static str, what: &str) -> String {
        let before = self.problems.len();
        let text: String = self.or_default(name);
        if text.trim().is_empty() && self.problems.len() == before {
            self.problem(name, format!("is required: {what}"));
        }
        text
    }

    /// Notes a problem of a field, or of a place in it given as a pointer without its first slash.
    pub(crate) fn problem(&mut self, place: &str, detail: impl Into<String>) {
        self.problems.push(FieldError::new(format!("{}/{place}", self.base), detail));
    }

    /// Takes over all problems of an object within, which has a reader of its own.
    pub(crate) fn adopt(&mut self, within: Fields<'_>) {
        self.problems.extend(within.finish());
    }

    /// All problems, those of unknown fields included.
    pub(crate) fn finish(mut self) -> Vec<FieldError> {
        let known = self.known.join(", ");
        for name in self.map.keys() {
            if !self.known.contains(&name.as_str()) {
                let detail = match self.known.as_slice() {
                    [] => "this kind has no settings; remove it".to_owned(),
                    _ => format!("there is no such setting; there are {known}"),
                };
                self.problems.push(FieldError::new(format!("{}/{}", self.base, escape_member(name)), detail));
            }
        }
        self.problems
    }
}

/// A secret that is set and not empty.
pub(crate) fn secret<'a>(secrets: &'a BTreeMap<String, Secret>, name: &str) -> Option<&'a Secret> {
    secrets.get(name).filter(|secret| !secret.is_empty())
}
