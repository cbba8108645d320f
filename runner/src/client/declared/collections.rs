//! What can be written down: collections, in the order in which they build on each other.

use std::collections::BTreeMap;

use mc_core::Timestamp;
use mc_core::id::is_name;
use serde_json::{Map, Value};

use crate::client::http::{Client, Failure};

/// One collection of named resources.
pub(super) struct Collection {
    /// Its word in files and paths.
    pub(super) word: &'static str,
    /// The field that names a resource in an answer.
    pub(super) key: &'static str,
    /// What an answer says besides what was put.
    told: &'static [&'static str],
    /// Fields that have to be given even when there is nothing in them.
    needed: &'static [&'static str],
    /// Pointers to fields, and what each is when it is not given, as JSON.
    defaults: &'static [(&'static str, &'static str)],
    /// Pointers to times, which an answer writes in UTC whatever the file says.
    times: &'static [&'static str],
}

/// Every collection; a later one may name resources of an earlier one.
pub(super) const COLLECTIONS: [Collection; 8] = [
    Collection {
        word: "projects",
        key: "name",
        told: TIMES,
        needed: &[],
        defaults: &[("/display_name", "\"\""), ("/settings/template_approval", "false")],
        times: &[],
    },
    Collection {
        word: "channels",
        key: "name",
        told: TIMES,
        needed: &[],
        defaults: &[("/enabled", "true"), ("/on_doubt", "\"resend\"")],
        times: &[],
    },
    Collection {
        word: "templates",
        key: "name",
        told: &["version", "approval", "created_at", "updated_at"],
        needed: &[],
        defaults: &[("/format", "\"text\""), ("/title", "\"\""), ("/routing/mode", "\"all\"")],
        times: &[],
    },
    Collection {
        word: "webhooks",
        key: "name",
        told: &["disabled_reason", "created_at", "updated_at"],
        needed: &[],
        defaults: &[("/enabled", "true")],
        times: &[],
    },
    Collection {
        word: "contacts",
        key: "id",
        told: TIMES,
        needed: &[],
        defaults: &[("/opt_outs", "[]")],
        times: &[],
    },
    Collection {
        word: "groups",
        key: "name",
        told: TIMES,
        needed: &["members"],
        defaults: &[("/display_name", "\"\"")],
        times: &[],
    },
    Collection {
        word: "schedules",
        key: "name",
        told: &["next_runs", "last_run", "created_at", "updated_at"],
        needed: &[],
        defaults: &[
            ("/timezone", "\"UTC\""),
            ("/enabled", "true"),
            ("/catch_up", "\"once\""),
            ("/condition/method", "\"GET\""),
            ("/condition/on_error", "\"send\""),
        ],
        times: &["/at"],
    },
    Collection {
        word: "alarms",
        key: "name",
        told: &["state", "value", "since", "last_notified_at", "created_at", "updated_at"],
        needed: &[],
        defaults: &[("/enabled", "true")],
        times: &[],
    },
];

const TIMES: &[&str] = &["created_at", "updated_at"];

/// Where a file's `project` stands until the center has said how it is called: no name is empty.
pub(super) const OWN: &str = "";

/// Resources by name.
pub(super) type Named = BTreeMap<String, Value>;

impl Collection {
    /// The collection of a word.
    pub(super) fn of(word: &str) -> Result<&'static Collection, Failure> {
        COLLECTIONS.iter().find(|c| c.word == word).ok_or_else(|| {
            let known: Vec<&str> = COLLECTIONS.iter().map(|c| c.word).collect();
            format!("{word} is not something that can be applied; there are project, {}", known.join(", "))
                .into()
        })
    }

    /// How a resource is called where people read of it.
    pub(super) fn label(&self, name: &str) -> String {
        if name == OWN { "project".to_owned() } else { format!("{}/{name}", self.word) }
    }

    /// The path of one resource.
    pub(super) fn path(&self, name: &str) -> Result<String, Failure> {
        if !is_name(name) {
            return Err(format!("{}: {name:?} is not a name that can be used", self.word).into());
        }
        Ok(format!("/v1/{}/{name}", self.word))
    }

    /// All that the center has, as it answers.
    pub(super) async fn fetch(&self, client: &Client) -> Result<Named, Failure> {
        let mut all = Named::new();
        let mut path = format!("/v1/{}?limit=200", self.word);
        loop {
            let page = client.call("GET", &path, None, &[]).await?;
            for item in page["items"].as_array().into_iter().flatten() {
                if let Some(name) = item[self.key].as_str() {
                    all.insert(name.to_owned(), item.clone());
                }
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/v1/{}?cursor={}&limit=200", self.word, encoded(cursor)),
                None => return Ok(all),
            }
        }
    }

    /// What somebody would write: without what only an answer says, and without what goes without saying.
    pub(super) fn plain(&self, resource: &Value) -> Value {
        let mut plain = resource.clone();
        for pointer in self.times {
            if let Some(time) = plain.pointer_mut(pointer)
                && let Some(at) = time.as_str().and_then(Timestamp::parse)
            {
                *time = Value::from(at.to_string());
            }
        }
        for (pointer, default) in self.defaults {
            if plain.pointer(pointer).is_some_and(|value| *value == json(default)) {
                let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
                if let Some(Value::Object(fields)) = plain.pointer_mut(parent) {
                    fields.remove(field);
                }
            }
        }
        if let Value::Object(fields) = &mut plain {
            fields.retain(|name, value| {
                let needed = self.needed.contains(&name.as_str());
                name != self.key && !self.told.contains(&name.as_str()) && (needed || !is_nothing(value))
            });
        }
        plain
    }
}

/// A default of the table above, which is JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// A cursor in a query, in the spelling that the signature is made over.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Everything declared: resources by collection.
pub(super) type Declared = BTreeMap<&'static str, Named>;

/// An empty map or one of the resource's own, as YAML writes both as nothing.
pub(super) fn as_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        Value::Null => Some(Map::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_without_saying_is_not_written() {
        let answer = json!({
            "name": "ops", "kind": "wecom_robot", "settings": {}, "secrets": {"key": {"set": true}}, "limits": {},
            "on_doubt": "resend", "enabled": true, "created_at": "…", "updated_at": "…",
        });
        let plain = Collection::of("channels").unwrap().plain(&answer);
        assert_eq!(plain, json!({"kind": "wecom_robot", "secrets": {"key": {"set": true}}}));
        let held = Collection::of("channels").unwrap().plain(&json!({"on_doubt": "hold", "enabled": false}));
        assert_eq!(held, json!({"on_doubt": "hold", "enabled": false}));
    }

    #[test]
    fn a_group_of_nobody_says_so() {
        let answer = json!({"name": "nobody", "display_name": "", "members": [], "created_at": "…"});
        assert_eq!(Collection::of("groups").unwrap().plain(&answer), json!({"members": []}));
    }

    #[test]
    fn a_time_is_the_same_in_every_zone() {
        let schedules = Collection::of("schedules").unwrap();
        let answer =
            json!({"name": "s", "at": "2027-01-01T01:00:00.000Z", "timezone": "UTC", "next_runs": ["…"]});
        let written = json!({"at": "2027-01-01T09:00:00+08:00", "enabled": true, "catch_up": "once"});
        assert_eq!(schedules.plain(&answer), schedules.plain(&written));
    }

    #[test]
    fn only_what_is_known_can_be_applied() {
        assert!(Collection::of("chanels").is_err());
        assert!(Collection::of("channels").unwrap().path("../x").is_err());
        assert_eq!(encoded("a b/é"), "a%20b%2F%C3%A9");
    }
}
