//! From the caller's JSON to the values a template sees.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Value};
use serde_json::{Map, Value as Json};

/// One JSON value as a template value.
///
/// Written by hand because it is on the way of every message: half the time of the way through serde.
pub(crate) fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(u)) => Value::from(u),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_value).collect::<Vec<_>>()),
        Json::Object(map) => to_map(map),
    }
}

fn to_map(map: &Map<String, Json>) -> Value {
    Value::from_pairs(map.iter().map(|(k, v)| (k.as_str(), to_value(v))))
}

/// What the names of a template mean: the caller's values, and the project's parameters as `params`.
///
/// Only the names that stand in the template are converted, each once, so ten thousand rows that a channel's title does
/// not mention cost it nothing.
#[derive(Debug)]
pub(crate) struct Context {
    names: Arc<[Box<str>]>,
    values: Vec<Option<Value>>,
}

impl Context {
    /// `names` must be sorted. `nobody` is the name of somebody of whom nothing is known, unless the values say who it is.
    pub(crate) fn value(
        names: &Arc<[Box<str>]>,
        data: &Map<String, Json>,
        params: &Map<String, Json>,
        nobody: Option<&str>,
    ) -> Value {
        let values = names
            .iter()
            .map(|name| match &**name {
                "params" => Some(to_map(params)),
                name => {
                    let unknown = || (nobody == Some(name)).then(unknown_person);
                    data.get(name).map(to_value).or_else(unknown)
                }
            })
            .collect();
        Value::from_object(Self { names: Arc::clone(names), values })
    }
}

/// A person of whom nothing is known.
fn unknown_person() -> Value {
    Value::from_pairs(["id", "name", "locale", "timezone"].map(|field| (field, Value::from(()))))
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let at = self.names.binary_search_by(|name| (**name).cmp(key)).ok()?;
        self.values.get(at)?.clone()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// Every word of a template that could be a variable's name: more than there are, never fewer.
pub(crate) fn names_in(source: &str, into: &mut BTreeSet<Box<str>>) {
    let mut rest = source;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let before = rest[..start].trim_end().chars().next_back();
        let word = &rest[start..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(word.len());
        // What follows a dot is an attribute and what follows a bar is a filter.
        if !matches!(before, Some('.' | '|')) && !into.contains(&word[..end]) {
            into.insert(word[..end].into());
        }
        rest = &word[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_attributes_and_filters_are_not() {
        let mut names = BTreeSet::new();
        names_in("{% for row in rows|sort %}{{ row.name\n  | upper }}{% endfor %}{{ _a9 }}", &mut names);
        for name in ["row", "rows", "_a9"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["name", "upper", "sort"] {
            assert!(!names.contains(name), "{name}");
        }
    }
}
