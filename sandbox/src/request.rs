//! Reading requests the way the platforms do.

use serde_json::Value;

use crate::answer::Refusal;

/// A query parameter, decoded once.
pub(crate) fn query(query: Option<&str>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A required, non-empty string member; `errcode` names what is missing.
///
/// A member of the wrong type counts as absent, and the message then carries WeCom's warning, because its
/// errcode only names the consequence.
pub(crate) fn text<'a>(object: &'a Value, name: &str, errcode: i64) -> Result<&'a str, Refusal> {
    match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null | Value::String(_)) => {
            Err(Refusal::new(errcode, format!("{name} is missing or empty")))
        }
        Some(_) => Err(Refusal::wrong_type(errcode, name)),
    }
}

/// An optional list of strings.
pub(crate) fn texts<'a>(object: &'a Value, name: &str, errcode: i64) -> Result<Vec<&'a str>, Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().ok_or_else(|| Refusal::wrong_type(errcode, name))).collect()
        }
        Some(_) => Err(Refusal::wrong_type(errcode, name)),
    }
}

/// An optional list of anything.
pub(crate) fn list<'a>(object: &'a Value, name: &str, errcode: i64) -> Result<&'a [Value], Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Refusal::wrong_type(errcode, name)),
    }
}

/// A string member or nothing, for showing a message without judging it.
pub(crate) fn shown(object: &Value, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
