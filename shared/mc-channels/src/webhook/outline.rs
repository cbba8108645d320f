//! What may be told of an answer that can hold a live token where nobody looks for it.

use mc_content::escape_member;
use serde_json::Value;

/// At most so many fields are named.
const MOST_FIELDS: usize = 10;

/// A reason that is longer, in characters, may be something else and is not quoted.
const LONGEST_REASON: usize = 100;

/// The fields of an answer in which receivers say why they refuse.
const REASONS: [&str; 6] = ["errcode", "errmsg", "code", "message", "error", "msg"];

/// Names an answer's fields by their pointers and quotes none of them but the short reasons at its top. What stands where
/// the token was looked for is not quoted either.
pub(super) fn outline(answer: &Value, token_pointer: &str) -> String {
    let mut fields = Vec::new();
    name_fields(answer, "", &mut fields);
    if fields.is_empty() {
        return "it has no fields, or is not JSON".to_owned();
    }
    let more = if fields.len() > MOST_FIELDS { " and more" } else { "" };
    fields.truncate(MOST_FIELDS);
    let reasons = REASONS.into_iter().filter(|name| token_pointer.strip_prefix('/') != Some(*name));
    let mut told: Vec<String> =
        reasons.filter_map(|name| Some(format!("{name} {}", reason(answer.get(name)?)?))).collect();
    told.push(format!("it has {}{more}", fields.join(", ")));
    told.join(", ")
}

/// Adds the pointers of the fields that hold no others, and stops soon after there are enough.
fn name_fields(value: &Value, at: &str, fields: &mut Vec<String>) {
    let within: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let members = members.iter().take(MOST_FIELDS + 1);
            members.map(|(name, member)| (escape_member(name), member)).collect()
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

fn reason(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.chars().count() <= LONGEST_REASON => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_and_only_reasons_are_quoted() {
        let long = "x".repeat(101);
        for (answer, expected) in [
            (
                json!({"errcode": 40013, "errmsg": "wrong user"}),
                "errcode 40013, errmsg wrong user, it has /errcode, /errmsg",
            ),
            (json!({"result": {"a/b": ["t1", 7]}, "e": {}}), "it has /result/a~1b/0, /result/a~1b/1, /e"),
            (json!({"result": {"code": "t1"}}), "it has /result/code"),
            (json!({"message": long}), "it has /message"),
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
