//! Secrets in files: names of environment variables in place of values.

use std::collections::BTreeSet;

use mc_channels::secret_settings;
use mc_core::model::Kind;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// What is shown in place of a secret that stands in a file.
pub(super) const HIDDEN: &str = "***";

/// Fields that belong to whoever writes them: in these, `env` is a word like any other.
const FREE: [&str; 4] = ["data", "params", "sample", "variables"];

/// The variables that are named already: names that differ only in their signs, as `a-b` and `a.b`, would share one.
#[derive(Default)]
pub(super) struct Variables {
    taken: BTreeSet<String>,
    /// Those that had to be told from another by a number.
    pub(super) numbered: Vec<String>,
}

impl Variables {
    fn take(&mut self, wanted: &str) -> String {
        let (mut name, mut count) = (wanted.to_owned(), 1);
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{wanted}_{count}");
        }
        if count > 1 {
            self.numbered.push(name.clone());
        }
        name
    }
}

/// Whether resources of a collection have secrets. In others a text may well be asterisks, and `env` a name of a value.
pub(super) fn has_secrets(word: &str) -> bool {
    matches!(word, "channels" | "webhooks")
}

/// Puts `{env: NAME}` where an answer says `{set: true}`, or shows a URL without its password.
pub(super) fn refer(word: &str, name: &str, resource: &mut Value, variables: &mut Variables) {
    if has_secrets(word) {
        walk(&variable(&[word.strip_suffix('s').unwrap_or(word), name]), resource, variables);
    }
}

fn walk(prefix: &str, value: &mut Value, variables: &mut Variables) {
    match value {
        _ if is_mask(value) => *value = json!({"env": variables.take(prefix)}),
        Value::String(text) if text.contains("***@") || text == HIDDEN => {
            *value = json!({"env": variables.take(prefix)});
        }
        Value::Object(fields) => {
            for (field, inner) in fields {
                // Saying "secrets" or "settings" in a variable's name tells nobody anything.
                let says_nothing = matches!(field.as_str(), "secrets" | "settings");
                let deeper = if says_nothing { prefix.to_owned() } else { variable(&[prefix, field]) };
                walk(&deeper, inner, variables);
            }
        }
        Value::Array(items) => items.iter_mut().enumerate().for_each(|(i, item)| {
            walk(&variable(&[prefix, &i.to_string()]), item, variables);
        }),
        _ => {}
    }
}

/// What an answer says in place of a secret.
pub(super) fn is_mask(value: &Value) -> bool {
    *value == json!({"set": true})
}

fn variable(words: &[&str]) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    words.join("_").chars().map(upper).collect()
}

/// Puts [`HIDDEN`] in place of the secrets that a file holds itself, and answers where such a one stands in clear.
pub(super) fn hide(word: &str, resource: &mut Value) -> Vec<String> {
    let mut clear = Vec::new();
    let mut cover = |at: String, value: &mut Value| {
        if reference(value).is_some() || is_mask(value) || value.is_null() {
            return;
        }
        // A pool may name a variable for each of its robots, and then none of them is in clear.
        if is_clear(value) {
            clear.push(at);
        }
        *value = json!(HIDDEN);
    };
    match word {
        "channels" => {
            if let Some(Value::Object(secrets)) = resource.get_mut("secrets") {
                for (field, value) in secrets {
                    cover(format!("/secrets/{field}"), value);
                }
            }
            for place in in_settings(resource) {
                if let Some(value) = resource.pointer_mut(&place) {
                    cover(place, value);
                }
            }
            if let Some(Value::String(proxy)) = resource.get_mut("proxy")
                && proxy.contains('@')
                && !proxy.contains(HIDDEN)
            {
                *proxy = without_credentials(proxy);
                clear.push("/proxy".to_owned());
            }
        }
        "webhooks" => {
            if let Some(secret) = resource.get_mut("secret") {
                cover("/secret".to_owned(), secret);
            }
        }
        _ => {}
    }
    clear
}

/// Where the settings of a channel hold secrets themselves.
fn in_settings(channel: &Value) -> Vec<String> {
    let kind = Kind::deserialize(&channel["kind"]);
    match (kind, channel.get("settings").and_then(Value::as_object)) {
        (Ok(kind), Some(settings)) => {
            let places = secret_settings(kind, settings).into_iter();
            places.map(|(place, _)| format!("/settings{place}")).collect()
        }
        _ => Vec::new(),
    }
}

fn is_clear(value: &Value) -> bool {
    match value {
        _ if reference(value).is_some() => false,
        Value::Object(fields) => fields.values().any(is_clear),
        Value::Array(items) => items.iter().any(is_clear),
        other => !other.is_null(),
    }
}

/// A proxy as the center shows it.
fn without_credentials(proxy: &str) -> String {
    let Ok(mut url) = Url::parse(proxy) else { return HIDDEN.to_owned() };
    match (url.set_username(HIDDEN), url.set_password(None)) {
        (Ok(()), Ok(())) => url.to_string(),
        _ => HIDDEN.to_owned(),
    }
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
            // What a channel sends is made of settings, and a secret may be anywhere in those.
            let is_free = |field: &str| FREE.contains(&field) && !at.starts_with("/settings");
            for (field, inner) in fields.iter_mut().filter(|(field, _)| !is_free(field)) {
                let at = format!("{at}/{}", mc_content::escape_member(field));
                fill(inner, &at, stored, read, resolved);
            }
            // A secret that is not named stays as it is, but among the settings only one that has its mark.
            fields.retain(|field, inner| is_free(field) || at.starts_with("/settings") || !is_mask(inner));
        }
        Value::Array(items) => {
            for (i, inner) in items.iter_mut().enumerate() {
                fill(inner, &format!("{at}/{i}"), stored, read, resolved);
            }
        }
        _ => {}
    }
}

/// The variable that is named in place of a secret.
pub(super) fn reference(value: &Value) -> Option<&str> {
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
        refer("channels", "ops-robot", &mut channel, &mut Variables::default());
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
    fn each_secret_has_a_variable_of_its_own() {
        let (mut variables, masked) = (Variables::default(), json!({"secrets": {"key": {"set": true}}}));
        let mut name_of = |channel: &str| {
            let mut resource = masked.clone();
            refer("channels", channel, &mut resource, &mut variables);
            reference(&resource["secrets"]["key"]).unwrap().to_owned()
        };
        assert_eq!(name_of("a-b"), "CHANNEL_A_B_KEY");
        assert_eq!(name_of("a.b"), "CHANNEL_A_B_KEY_2");
        assert_eq!(name_of("A-B"), "CHANNEL_A_B_KEY_3");
        assert_eq!(variables.numbered, ["CHANNEL_A_B_KEY_2", "CHANNEL_A_B_KEY_3"]);
    }

    #[test]
    fn what_is_no_secret_stays_as_it_is() {
        let template = json!({"body": "***@all***", "sample": {"env": "prod"}});
        let mut exported = template.clone();
        refer("templates", "deploy-done", &mut exported, &mut Variables::default());
        assert_eq!(exported, template);
        let resolved = resolve(&template, None, &|_| None);
        assert_eq!(resolved, Resolved { body: template, ..Resolved::default() });
    }

    #[test]
    fn a_secret_in_a_file_is_named_by_its_place_and_not_shown() {
        let mut channel = json!({
            "secrets": {"key": "hunter2", "named": {"env": "NAMED"}, "keys": ["hunter3"], "robots": [{"env": "ONE"}]},
            "proxy": "http://me:hunter4@proxy.example.com:3128",
        });
        assert_eq!(hide("channels", &mut channel), ["/secrets/key", "/secrets/keys", "/proxy"]);
        assert_eq!(
            channel,
            json!({
                "secrets": {"key": "***", "named": {"env": "NAMED"}, "keys": "***", "robots": "***"},
                "proxy": "http://***@proxy.example.com:3128/",
            })
        );
        let mut webhook = json!({"url": "https://caller.example.com", "secret": "whsec_hunter5"});
        assert_eq!(hide("webhooks", &mut webhook), ["/secret"]);
        assert!(hide("webhooks", &mut json!({"secret": {"env": "NAMED"}})).is_empty());
    }

    #[test]
    fn a_header_that_is_a_credential_is_a_secret() {
        let masked = json!({"kind": "webhook", "settings": {"headers": {"Authorization": {"set": true}, "X-App": "center"}}});
        let mut exported = masked.clone();
        refer("channels", "im", &mut exported, &mut Variables::default());
        let named = json!({"Authorization": {"env": "CHANNEL_IM_HEADERS_AUTHORIZATION"}, "X-App": "center"});
        assert_eq!(exported["settings"]["headers"], named);
        // Without the variable its mark is sent, which is what keeps a setting.
        assert_eq!(resolve(&exported, Some(&masked), &|_| None).body, masked);
        let given = resolve(&exported, Some(&masked), &|_| Some("Bearer hunter2".to_owned()));
        assert_eq!(given.body["settings"]["headers"]["Authorization"], "Bearer hunter2");
        let mut clear = given.body;
        assert_eq!(hide("channels", &mut clear), ["/settings/headers/Authorization"]);
        assert_eq!(clear["settings"]["headers"], json!({"Authorization": "***", "X-App": "center"}));
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
