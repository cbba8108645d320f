//! Secrets in files: names of environment variables in place of values.

use serde_json::{Value, json};

/// Puts `{env: NAME}` where an answer says `{set: true}`, or shows a URL without its password.
pub(super) fn refer(word: &str, name: &str, resource: &mut Value) {
    walk(&variable(&[word.strip_suffix('s').unwrap_or(word), name]), resource);
}

fn walk(prefix: &str, value: &mut Value) {
    match value {
        _ if is_mask(value) => *value = json!({"env": prefix}),
        Value::String(text) if text.contains("***@") || text == "***" => *value = json!({"env": prefix}),
        Value::Object(fields) => {
            for (field, inner) in fields {
                // Saying "secrets" in a variable's name tells nobody anything.
                let deeper = if field == "secrets" { prefix.to_owned() } else { variable(&[prefix, field]) };
                walk(&deeper, inner);
            }
        }
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(i, item)| {
            walk(&variable(&[prefix, &i.to_string()]), item);
        }),
        _ => {}
    }
}

/// What an answer says in place of a secret.
fn is_mask(value: &Value) -> bool {
    *value == json!({"set": true})
}

fn variable(words: &[&str]) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    words.join("_").chars().map(upper).collect()
}

/// What became of a resource's secrets.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Resolved {
    /// What may be sent: with the values of variables, without the secrets that stay as they are.
    pub(super) body: Value,
    /// Variables that are not set and that nothing stored can stand in for, with the places that name them.
    pub(super) missing: Vec<(String, String)>,
    /// Whether a variable gave a value.
    pub(super) given: bool,
}

/// Looks up every `{env: NAME}`. A variable that is not set leaves what the center has, if it has something.
pub(super) fn resolve(
    declared: &Value,
    stored: Option<&Value>,
    read: &dyn Fn(&str) -> Option<String>,
) -> Resolved {
    let mut resolved = Resolved { body: declared.clone(), ..Resolved::default() };
    let mut body = resolved.body.take();
    fill(&mut body, "", stored, read, &mut resolved);
    resolved.body = body;
    resolved
}

fn fill(
    value: &mut Value,
    at: &str,
    stored: Option<&Value>,
    read: &dyn Fn(&str) -> Option<String>,
    resolved: &mut Resolved,
) {
    if let Some(name) = reference(value) {
        let kept = stored.and_then(|s| s.pointer(at)).filter(|s| !s.is_null());
        match (read(name), kept) {
            (Some(text), _) => {
                resolved.given = true;
                *value = parsed(text);
            }
            (None, Some(kept)) => *value = kept.clone(),
            (None, None) => resolved.missing.push((name.to_owned(), at.to_owned())),
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (field, inner) in fields.iter_mut() {
                let at = format!("{at}/{}", field.replace('~', "~0").replace('/', "~1"));
                fill(inner, &at, stored, read, resolved);
            }
            // A secret that is not named stays as it is.
            fields.retain(|_, inner| !is_mask(inner));
        }
        Value::Array(items) => {
            for (i, inner) in items.iter_mut().enumerate() {
                fill(inner, &format!("{at}/{i}"), stored, read, resolved);
            }
        }
        _ => {}
    }
}

fn reference(value: &Value) -> Option<&str> {
    let fields = value.as_object()?;
    if fields.len() == 1 { fields.get("env")?.as_str() } else { None }
}

/// A pool of robots is a list; everything else is text.
fn parsed(text: String) -> Value {
    match serde_json::from_str::<Value>(&text) {
        Ok(list @ (Value::Array(_) | Value::Object(_))) => list,
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_names_of_variables() {
        let mut channel = json!({
            "secrets": {"key": {"set": true}}, "proxy": "http://***@proxy.example.com:3128/", "settings": {"x": 1},
        });
        refer("channels", "ops-robot", &mut channel);
        assert_eq!(
            channel,
            json!({
                "secrets": {"key": {"env": "CHANNEL_OPS_ROBOT_KEY"}},
                "proxy": {"env": "CHANNEL_OPS_ROBOT_PROXY"},
                "settings": {"x": 1},
            })
        );
    }

    #[test]
    fn variables_give_values_and_the_center_keeps_the_rest() {
        let declared = json!({"secrets": {"a": {"env": "A"}, "b": {"env": "B"}, "c": {"env": "C"}}});
        let stored = json!({"secrets": {"b": {"set": true}}});
        let read = |name: &str| (name == "A").then(|| "[{\"key\": 1}]".to_owned());
        let resolved = resolve(&declared, Some(&stored), &read);
        assert!(resolved.given);
        assert_eq!(resolved.missing, [("C".to_owned(), "/secrets/c".to_owned())]);
        assert_eq!(resolved.body["secrets"]["a"], json!([{"key": 1}]));
        assert_eq!(resolved.body["secrets"].get("b"), None);
    }
}
