//! `{{ scheduled_at }}` in the message of a schedule.

use serde_json::{Map, Value};

/// The name by which templates and texts know the planned time.
pub const NAME: &str = "scheduled_at";

/// Replaces `{{ scheduled_at }}` in every text of `data` and `content`, and of the recipients' own `data`.
pub fn fill(message: &mut Map<String, Value>, text: &str) {
    for field in ["data", "content"] {
        if let Some(value) = message.get_mut(field) {
            replace(value, text);
        }
    }
    let people = message.get_mut("to").and_then(Value::as_array_mut).into_iter().flatten();
    people.filter_map(|person| person.get_mut("data")).for_each(|own| replace(own, text));
}

fn replace(value: &mut Value, text: &str) {
    match value {
        Value::String(string) => {
            if let Some(filled) = filled(string, text) {
                *string = filled;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, text)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The string with every placeholder replaced, if it has one.
fn filled(string: &str, text: &str) -> Option<String> {
    let mut filled = String::new();
    let mut rest = string;
    let mut found = false;
    while let Some(begin) = rest.find("{{") {
        let inner = &rest[begin + 2..];
        let placeholder = inner.find("}}").filter(|end| inner[..*end].trim() == NAME);
        let (kept, skipped) = match placeholder {
            Some(end) => (begin, begin + 2 + end + 2),
            // One character only: the braces that count may begin with the second of three.
            None => (begin + 1, begin + 1),
        };
        filled.push_str(&rest[..kept]);
        if placeholder.is_some() {
            filled.push_str(text);
            found = true;
        }
        rest = &rest[skipped..];
    }
    filled.push_str(rest);
    found.then_some(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_are_replaced_wherever_a_value_is() {
        let mut message = json!({
            "data": {"day": "{{ scheduled_at }}", "list": ["a {{scheduled_at}} b {{  scheduled_at }}"], "n": 1},
            "content": {"title": "{{{scheduled_at}}}", "body": "{{ other }} {{ scheduled_at"},
            "to": ["u1", {"email": "a@b.c", "data": {"x": "{{ scheduled_at }}"}}],
            "reference": "{{ scheduled_at }}",
        });
        fill(message.as_object_mut().unwrap(), "T");
        let wanted = json!({
            "data": {"day": "T", "list": ["a T b T"], "n": 1},
            "content": {"title": "{T}", "body": "{{ other }} {{ scheduled_at"},
            "to": ["u1", {"email": "a@b.c", "data": {"x": "T"}}],
            "reference": "{{ scheduled_at }}",
        });
        assert_eq!(message, wanted);
    }
}
