//! The caller's JSON merge patch (RFC 7396) on a native payload.

use mc_core::ports::RenderError;
use serde_json::{Map, Value};

use mc_content::escape_member;

/// Applies a patch, refusing one that touches a protected place.
///
/// A place is written with dots: `text.mentioned_list`. Replacing or removing what a protected place lies in is
/// refused as well, and so is putting anything below it.
pub(crate) fn apply(
    payload: &mut Value,
    patch: Option<&Value>,
    protected: &[&str],
) -> Result<(), RenderError> {
    let Some(patch) = patch else { return Ok(()) };
    let Value::Object(members) = patch else {
        return Err(bad_override("an override is a JSON object"));
    };
    for place in protected {
        if let Some(touched) = touched(members, place) {
            let detail = format!(
                "an override cannot change {place}: recipients, agents and credentials are the channel's own"
            );
            return Err(bad_override(detail).at(touched));
        }
    }
    merge(payload, patch);
    Ok(())
}

pub(crate) fn bad_override(detail: impl Into<String>) -> RenderError {
    RenderError::new("bad_override", detail)
}

/// The member of a patch that changes a place.
fn touched(patch: &Map<String, Value>, place: &str) -> Option<String> {
    let (head, rest) = match place.split_once('.') {
        Some((head, rest)) => (head, Some(rest)),
        None => (place, None),
    };
    match (patch.get(head)?, rest) {
        (Value::Object(inner), Some(rest)) => {
            touched(inner, rest).map(|member| format!("{}/{member}", escape_member(head)))
        }
        _ => Some(escape_member(head)),
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(target) = target {
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                merge(target.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_as_rfc_7396_says() {
        let cases = [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ];
        for (mut target, patch, expected) in cases {
            apply(&mut target, Some(&patch), &[]).unwrap();
            assert_eq!(target, expected, "{patch}");
        }
    }

    #[test]
    fn refuses_protected_places() {
        for (patch, member) in [
            (json!({"at": {"isAtAll": true}}), Some("at")),
            (json!({"at": null}), Some("at")),
            (json!({"text": {"mentioned_list": ["@all"]}}), Some("text/mentioned_list")),
            (json!({"text": "plain"}), Some("text")),
            (json!({"text": null}), Some("text")),
            (json!([1]), None),
        ] {
            let mut payload = json!({"text": {"content": "a"}});
            let error = apply(&mut payload, Some(&patch), &["at", "text.mentioned_list"]).unwrap_err();
            assert_eq!((error.code, error.field.as_deref()), ("bad_override", member), "{patch}");
            assert_eq!(payload, json!({"text": {"content": "a"}}), "nothing is changed");
        }
        let mut payload = json!({"text": {"content": "a"}});
        apply(&mut payload, Some(&json!({"text": {"content": "b"}})), &["at", "text.mentioned_list"])
            .unwrap();
        assert_eq!(payload, json!({"text": {"content": "b"}}));
    }
}
