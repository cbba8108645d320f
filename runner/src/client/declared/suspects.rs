//! What an export has in clear although it is called like a secret: to the center it is a setting like any other.

use mc_channels::is_secretive;
use serde_json::Value;

/// The places of headers, of fields of a body and of parameters of an address that are called like a secret.
pub(super) fn suspects(resource: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(resource, "", false, &mut found);
    found
}

/// `sent` is whether this is inside of headers or of a body: the names of other fields are our own and tell nothing.
fn look(value: &Value, at: &str, sent: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let (at, sent) = (format!("{at}/{name}"), sent || name == "headers" || name == "body");
                match inner.as_str() {
                    Some(text) if sent && is_secretive(name) && is_literal(text) => found.push(at),
                    _ => look(inner, &at, sent, found),
                }
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                look(item, &format!("{at}/{i}"), sent, found);
            }
        }
        Value::String(text) if text.starts_with("http://") || text.starts_with("https://") => {
            look_in_address(text, at, found);
        }
        _ => {}
    }
}

fn look_in_address(address: &str, at: &str, found: &mut Vec<String>) {
    let (before, query) = address.split_once('?').unwrap_or((address, ""));
    let host = before.split('/').nth(2).unwrap_or_default();
    if host.contains('@') {
        found.push(format!("{at} before the @"));
    }
    for parameter in query.split(['&', '#']) {
        if let Some((name, value)) = parameter.split_once('=')
            && is_secretive(name)
            && is_literal(value)
        {
            found.push(format!("{at}?{name}"));
        }
    }
}

/// Whether this is the value itself, and no template that takes it from elsewhere.
fn is_literal(text: &str) -> bool {
    !text.is_empty() && !text.contains("{{") && !text.contains("***")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_and_parameters_that_are_called_like_secrets_are_named() {
        let channel = json!({
            "kind": "webhook",
            "settings": {
                "url": "https://im.example.com/send?room=1&access_token=hunter2",
                "headers": {"Authorization": "Bearer hunter3", "x-app": "center", "X-Api-Key": "hunter4"},
                "login": {
                    "url": "https://me:hunter5@im.example.com/login",
                    "body": {"user": "center", "password": "hunter6"},
                    "token_pointer": "/data/token",
                },
            },
        });
        assert_eq!(
            suspects(&channel),
            [
                "/settings/url?access_token",
                "/settings/headers/Authorization",
                "/settings/headers/X-Api-Key",
                "/settings/login/url before the @",
                "/settings/login/body/password",
            ]
        );
    }

    #[test]
    fn what_is_taken_from_a_secret_is_none() {
        let channel = json!({
            "settings": {
                "url": "https://im.example.com/send?token={{ login.token }}",
                "headers": {"Authorization": {"env": "CHANNEL_IM_AUTHORIZATION"}},
                "login": {"body": {"password": "{{ password }}"}},
            },
        });
        assert!(suspects(&channel).is_empty());
    }
}
