//! What may be told of an answer that can hold a live token where nobody looks for it.

use std::ops::RangeInclusive;

use mc_content::escape_member;
use serde_json::Value;

/// At most so many fields are named.
const MOST_FIELDS: usize = 10;

/// A field whose name is longer, in characters, may be called by a token and is not named.
const LONGEST_NAME: usize = 30;

/// Numbers beyond these are no codes.
const CODE_NUMBERS: RangeInclusive<i64> = -999_999_999..=999_999_999;

/// The fields of an answer in which receivers give a code, or whether they are content.
const CODES: [&str; 6] = ["errcode", "code", "status", "error", "success", "ok"];

/// Names an answer's fields by their pointers and quotes no text of it, as each may be the token: only codes at its top
/// that are small numbers, `true` or `false`, unless the token was looked for there.
pub(super) fn outline(answer: &Value, token_pointer: &str) -> String {
    let mut fields = Vec::new();
    name_fields(answer, "", &mut fields);
    if fields.is_empty() {
        return "it has no fields, or is not JSON".to_owned();
    }
    let more = if fields.len() > MOST_FIELDS { " and more" } else { "" };
    fields.truncate(MOST_FIELDS);
    let codes = CODES.into_iter().filter(|name| token_pointer.strip_prefix('/') != Some(*name));
    let mut told: Vec<String> =
        codes.filter_map(|name| Some(format!("{name} {}", code(answer.get(name)?)?))).collect();
    told.push(format!("it has {}{more}", fields.join(", ")));
    told.join(", ")
}

/// Adds the pointers of the fields that hold no others, and stops soon after there are enough.
fn name_fields(value: &Value, at: &str, fields: &mut Vec<String>) {
    let within: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let members = members.iter().take(MOST_FIELDS + 1);
            members.map(|(name, member)| (named(name), member)).collect()
        }
        Value::Array(items) => {
            let items = items.iter().take(MOST_FIELDS + 1).enumerate();
            items.map(|(place, item)| (place.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    if within.is_empty() && !at.is_empty() {
        fields.push(at.to_owned());
    }
    for (name, value) in within {
        if fields.len() > MOST_FIELDS {
            break;
        }
        name_fields(value, &format!("{at}/{name}"), fields);
    }
}

fn named(name: &str) -> String {
    if name.chars().count() > LONGEST_NAME { "…".to_owned() } else { escape_member(name) }
}

fn code(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) => value.as_i64().filter(|n| CODE_NUMBERS.contains(n)).map(|n| n.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_and_only_codes_are_quoted() {
        let mut keyed = serde_json::Map::new();
        keyed.insert("t".repeat(31), json!({"user": 7}));
        for (answer, expected) in [
            (json!({"errcode": 40013, "errmsg": "wrong user"}), "errcode 40013, it has /errcode, /errmsg"),
            (json!({"result": {"a/b": ["t1", 7]}, "e": {}}), "it has /result/a~1b/0, /result/a~1b/1, /e"),
            (json!({"result": {"code": "t1"}}), "it has /result/code"),
            (
                json!({"message": "t1", "error": "t2", "msg": "t3", "ok": false}),
                "ok false, it has /message, /error, /msg, /ok",
            ),
            (json!({"code": 1_000_000_000, "errcode": "t1"}), "it has /code, /errcode"),
            (json!({"status": -1, "error": 1.5}), "status -1, it has /status, /error"),
            (Value::Object(keyed), "it has /…/user"),
            (json!({"token": 1234, "code": 0}), "code 0, it has /token, /code"),
            (json!("t1"), "it has no fields, or is not JSON"),
            (Value::Null, "it has no fields, or is not JSON"),
        ] {
            assert_eq!(outline(&answer, "/token"), expected, "{answer}");
        }
    }

    #[test]
    fn what_stands_in_the_tokens_place_is_not_quoted() {
        assert_eq!(outline(&json!({"code": 1234}), "/code"), "it has /code");
    }

    #[test]
    fn a_large_answer_is_named_by_its_first_fields() {
        let told = outline(&json!({"list": vec![json!({"a": "t1"}); 20]}), "/token");
        assert!(told.starts_with("it has /list/0/a, ") && told.ends_with(", /list/9/a and more"), "{told}");
    }
}
