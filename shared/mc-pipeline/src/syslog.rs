//! The system log of a project: what people changed and what happened by itself, kept for 90 days.

use std::time::Duration;

use mc_core::ports::{Attrs, Item, Key, Op, Query};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};

/// How long entries are kept, longer than messages and events.
pub const LIFE: Duration = Duration::from_secs(90 * DAY);

/// How far back a listing looks that names no beginning.
const USUAL_SPAN: Duration = Duration::from_secs(31 * DAY);

/// A day, in seconds.
const DAY: u64 = 86_400;

/// A call looks at so many entries at most; a filter that fits few of them answers a short page with a cursor.
pub const MAX_SCANNED: usize = 5_000;

/// Longer texts of a changed field are noted by their beginning.
const MAX_TEXT: usize = 400;

/// More than this of a change, as JSON, is noted by its fields' names only.
const MAX_CHANGE: usize = 8_192;

/// One entry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `channel.failing`, `webhook.disabled`, `channel.put` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// What it happened to, like `channels/ops-robot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The address it was done from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The program it was done with, as that calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The fields that were changed, as they were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The fields that were changed, as they are since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// The details, without secrets.
    pub data: Value,
}

/// Which entries are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// This type, or all that begin with it and a dot; a word without a dot also stands for several of its things.
    pub kind: Option<String>,
    /// Done by them.
    pub actor: Option<String>,
    /// This resource, or all of this collection.
    pub resource: Option<String>,
    /// At or after this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

impl Filter {
    fn fits(&self, entry: &Entry) -> bool {
        let under = |whole: &str, part: &str, mark: char| {
            whole.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(mark))
        };
        let of_several = |kind: &str| {
            !kind.contains('.') && entry.kind.strip_prefix(kind).is_some_and(|rest| rest.starts_with("s."))
        };
        let kind = self.kind.as_deref();
        let kind = kind.is_none_or(|kind| under(&entry.kind, kind, '.') || of_several(kind));
        let actor = self.actor.is_none() || self.actor == entry.actor;
        let resource = self.resource.as_deref().is_none_or(|asked| {
            entry.resource.as_deref().is_some_and(|resource| under(resource, asked, '/'))
        });
        kind && actor && resource
    }
}

/// Notes something that happened by itself.
pub async fn note(center: &Center, project: &str, kind: &str, data: Value) -> Result<()> {
    let resource = resource_of(&data);
    write(center, project, Entry { kind: kind.to_owned(), resource, data, ..Entry::default() }).await
}

/// What an entry is about, where its details name it.
pub fn resource_of(data: &Value) -> Option<String> {
    let named = [
        ("channel", "channels"),
        ("webhook", "webhooks"),
        ("access_key", "access-keys"),
        ("schedule", "schedules"),
        ("alarm", "alarms"),
        ("dead_letter", "dead-letters"),
    ];
    named.iter().find_map(|(field, collection)| Some(format!("{collection}/{}", data[field].as_str()?)))
}

/// The same as part of a commit.
pub fn entry(center: &Center, project: &str, kind: &str, data: Value) -> Result<Op> {
    let resource = resource_of(&data);
    op(center, project, Entry { kind: kind.to_owned(), resource, data, ..Entry::default() })
}

/// Writes an entry, whose time is now.
pub async fn write(center: &Center, project: &str, entry: Entry) -> Result<()> {
    center.store.write(op(center, project, entry)?).await?;
    Ok(())
}

/// An entry, whose time is now, as part of a commit.
pub(crate) fn op(center: &Center, project: &str, entry: Entry) -> Result<Op> {
    let at = center.clock.now();
    let entry = Entry { at, ..entry };
    let key = Key::new(keys::log_partition(project, &at.day()), center.unique());
    let item = Item::new(key, Attrs::new().with(attr::DOC, serde_json::to_vec(&entry)?));
    Ok(Op::put(item.expiring(at.after(LIFE))))
}

/// The fields of a resource that differ, before and after; bounded, with anything masked that is named like a secret.
///
/// Both sides are what the API shows, so secrets are masked already. The second look is for what it might show one day.
pub fn changes(before: Option<&Value>, after: Option<&Value>) -> (Option<Value>, Option<Value>) {
    let side = |this: Option<&Value>, other: Option<&Value>| {
        let fields = this?.as_object()?;
        let changed = fields.iter().filter(|(name, value)| {
            *name != "updated_at" && other.and_then(|other| other.get(*name)) != Some(*value)
        });
        let changed: Map<String, Value> =
            changed.map(|(name, value)| (name.clone(), shown(name, value))).collect();
        let size = changed.values().map(|value| value.to_string().len()).sum::<usize>();
        Some(match size > MAX_CHANGE {
            true => changed.keys().map(|name| (name.clone(), Value::from("…"))).collect(),
            false => Value::Object(changed),
        })
    };
    (side(before, after), side(after, before))
}

fn shown(name: &str, value: &Value) -> Value {
    match value {
        Value::String(_) if is_secret(name) => "***".into(),
        Value::String(text) if text.len() > MAX_TEXT => {
            let beginning: String = text.chars().take(MAX_TEXT / 4).collect();
            format!("{beginning}… ({} bytes)", text.len()).into()
        }
        Value::Array(items) => items.iter().map(|item| shown(name, item)).collect(),
        Value::Object(fields) => fields.iter().map(|(n, value)| (n.clone(), shown(n, value))).collect(),
        other => other.clone(),
    }
}

/// Whether a field of this name may hold a secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "secret", "token", "authorization", "private"].iter().any(|word| name.contains(word))
}

/// A page of entries that fit, newest first; the cursor is the id of the last one that was looked at.
pub async fn list(
    center: &Center,
    project: &str,
    filter: &Filter,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<(String, Entry)>, Option<String>)> {
    let now = center.clock.now();
    // What is noted in this very millisecond belongs to it.
    let end = filter.to.unwrap_or(Timestamp::from_millis(now.millis() + 1));
    let begin = filter.from.unwrap_or(end.before(USUAL_SPAN)).max(now.before(LIFE));
    let mut before = first_id(end);
    if let Some(cursor) = cursor.filter(|cursor| *cursor < before.as_str()) {
        before = cursor.to_owned();
    }
    let from = first_id(begin);
    let (mut entries, mut scanned) = (Vec::new(), 0);
    let mut day = ulid::Ulid::from_string(&before).map_or(end, time_of);
    while day.millis().div_euclid(86_400_000) >= begin.millis().div_euclid(86_400_000) {
        let mut query = Query::prefix(keys::log_partition(project, &day.day()), "", 200);
        (query.newest_first, query.from) = (true, from.clone());
        loop {
            query.to.clone_from(&before);
            let page = center.store.query(&query).await?;
            for item in &page.items {
                scanned += 1;
                before.clone_from(&item.key.sk);
                if let Some(entry) = share::json::<Entry>(&item.attrs, attr::DOC)?
                    && filter.fits(&entry)
                {
                    entries.push((item.key.sk.clone(), entry));
                }
                if entries.len() >= limit || scanned >= MAX_SCANNED {
                    return Ok((entries, Some(before)));
                }
            }
            if !page.more {
                break;
            }
        }
        day = day.before(Duration::from_secs(DAY));
    }
    Ok((entries, None))
}

/// The smallest id of a time.
fn first_id(at: Timestamp) -> String {
    ulid::Ulid::from_parts(at.millis().max(0).unsigned_abs(), 0).to_string()
}

fn time_of(id: ulid::Ulid) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.timestamp_ms()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_changed_is_noted_and_no_secret() {
        let before = json!({"a": 1, "b": "x", "secret": "s3", "in": {"token": "t0"}, "updated_at": 1});
        let after =
            json!({"a": 1, "b": "y", "secret": "s4", "in": {"token": "t1"}, "c": null, "updated_at": 2});
        let (was, is) = changes(Some(&before), Some(&after));
        assert_eq!(was, Some(json!({"b": "x", "secret": "***", "in": {"token": "***"}})));
        assert_eq!(is, Some(json!({"b": "y", "secret": "***", "in": {"token": "***"}, "c": null})));
        assert_eq!(changes(None, Some(&json!({"a": 1}))), (None, Some(json!({"a": 1}))));
    }

    #[test]
    fn a_large_change_is_noted_shortly() {
        let (_, is) = changes(None, Some(&json!({"body": "é".repeat(5000)})));
        assert!(is.unwrap()["body"].as_str().unwrap().ends_with("… (10000 bytes)"));
        let many: Map<String, Value> = (0..500).map(|n| (format!("f{n}"), "x".repeat(100).into())).collect();
        let (_, is) = changes(None, Some(&Value::Object(many)));
        assert_eq!(is.unwrap()["f7"], "…");
    }

    #[test]
    fn an_entry_is_about_what_its_details_name() {
        for (data, resource) in [
            (json!({"alarm": "a1", "metric": "gave_up"}), Some("alarms/a1")),
            (json!({"dead_letter": "01", "message_id": "msg_1"}), Some("dead-letters/01")),
            (json!({"channel": "mail", "code": "x"}), Some("channels/mail")),
            (json!({"username": "zhang"}), None),
        ] {
            assert_eq!(resource_of(&data).as_deref(), resource, "{data}");
        }
    }

    #[test]
    fn a_filter_names_a_thing_or_what_it_belongs_to() {
        let entry = Entry {
            kind: "channel.put".to_owned(),
            resource: Some("channels/ops".to_owned()),
            actor: Some("key:MC1".to_owned()),
            ..Entry::default()
        };
        let fits = |kind: Option<&str>, resource: Option<&str>, actor: Option<&str>| {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let filter = Filter {
                kind: text(kind),
                resource: text(resource),
                actor: text(actor),
                ..Filter::default()
            };
            filter.fits(&entry)
        };
        assert!(fits(None, None, None) && fits(Some("channel"), Some("channels"), Some("key:MC1")));
        assert!(fits(Some("channel.put"), Some("channels/ops"), None));
        assert!(!fits(Some("chan"), None, None) && !fits(None, Some("channels/op"), None));
        assert!(!fits(None, None, Some("key:MC2")));
        let import = Entry { kind: "contacts.import".to_owned(), ..Entry::default() };
        for (kind, found) in
            [("contact", true), ("contacts", true), ("contact.put", false), ("contac", false)]
        {
            let filter = Filter { kind: Some(kind.to_owned()), ..Filter::default() };
            assert_eq!(filter.fits(&import), found, "{kind}");
        }
    }
}
