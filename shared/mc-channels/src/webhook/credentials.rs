//! Headers whose values are credentials: nobody who reads a channel or a preview is shown them.

use mc_core::Secret;
use serde_json::{Map, Value};

use super::config::is_template;
use mc_content::escape_member;

/// What a preview shows in place of a credential.
pub(super) const HIDDEN: &str = "***";

/// Whether a header, a field or a parameter of this name holds a credential, as far as names tell.
pub fn is_secretive(name: &str) -> bool {
    const WORDS: [&str; 6] = ["authorization", "cookie", "credential", "password", "secret", "token"];
    let name = name.to_ascii_lowercase();
    name.ends_with("key") || name.ends_with("auth") || WORDS.iter().any(|word| name.contains(word))
}

/// The headers in the settings, of a push and of a login, that hold a credential or have the mark of one that is
/// sealed; each with its pointer into the settings. A template takes its value from elsewhere and is none.
pub(crate) fn in_settings(settings: &Map<String, Value>) -> Vec<(String, &Value)> {
    let of_login = settings.get("login").and_then(|login| login.get("headers"));
    let headers = [("/headers", settings.get("headers")), ("/login/headers", of_login)];
    let each = headers.into_iter().filter_map(|(at, headers)| Some((at, headers?.as_object()?)));
    each.flat_map(|(at, headers)| {
        let found = headers.iter().filter(|(name, value)| is_secretive(name) && may_hold_one(value));
        found.map(move |(name, value)| (format!("{at}/{}", escape_member(name)), value))
    })
    .collect()
}

fn may_hold_one(value: &Value) -> bool {
    value.as_str().map_or(value.is_object(), is_literal)
}

/// Whether a header's value is what it says, and not made of something else.
pub(super) fn is_literal(value: &str) -> bool {
    !value.is_empty() && !is_template(value)
}

/// What has to go out of a text that repeats this header: its value, and what follows its scheme (`Bearer …`).
pub(super) fn spoken(value: &Secret) -> impl Iterator<Item = Secret> {
    let behind_scheme = value.expose().split_once(' ').map(|(_, credential)| Secret::new(credential));
    [Some(value.clone()), behind_scheme].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literal_headers_that_are_called_like_credentials_are_found() {
        let settings = json!({
            "url": "https://im.example.com/send",
            "headers": {
                "Authorization": "Bearer hunter2", "X-Api-Key": {"set": true}, "X-App": "center",
                "Cookie": "{{ login.token }}", "X-Auth-Token": "", "x~secret": "hunter3", "Proxy-Authorization": 7,
            },
            "login": {"headers": {"X-Auth": "hunter4"}, "token_pointer": "/data/token"},
        });
        let found = in_settings(settings.as_object().unwrap());
        let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            ["/headers/Authorization", "/headers/X-Api-Key", "/headers/x~0secret", "/login/headers/X-Auth"]
        );
        assert_eq!(found[0].1, "Bearer hunter2");
    }

    #[test]
    fn a_receiver_may_repeat_a_credential_without_its_scheme() {
        let parts = |value: &str| -> Vec<String> {
            spoken(&Secret::new(value)).map(|part| part.expose().to_owned()).collect()
        };
        assert_eq!(parts("Bearer hunter2"), ["Bearer hunter2", "hunter2"]);
        assert_eq!(parts("hunter2"), ["hunter2"]);
    }
}
