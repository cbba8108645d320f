//! The system log of a project: what operators should know, kept for 90 days and listed for the last 31.

use std::time::Duration;

use mc_core::ports::{Attrs, Item, Key, Op, Query};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};

/// How long entries are kept.
const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// How many days back a listing looks.
const DAYS: u32 = 31;

/// One entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: `channel.failing`, `webhook.disabled`, `channel.put` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Who did it, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The details, without secrets.
    pub data: Value,
}

/// Notes something that happened by itself.
pub async fn note(center: &Center, project: &str, kind: &str, data: Value) -> Result<()> {
    write(center, project, kind, None, data).await
}

/// Notes what somebody did.
pub async fn audit(center: &Center, project: &str, actor: &str, kind: &str, data: Value) -> Result<()> {
    write(center, project, kind, Some(actor.to_owned()), data).await
}

/// The same as part of a commit.
pub fn entry(center: &Center, project: &str, kind: &str, data: Value) -> Result<Op> {
    op(center, project, kind, None, data)
}

async fn write(center: &Center, project: &str, kind: &str, actor: Option<String>, data: Value) -> Result<()> {
    center.store.write(op(center, project, kind, actor, data)?).await?;
    Ok(())
}

fn op(center: &Center, project: &str, kind: &str, actor: Option<String>, data: Value) -> Result<Op> {
    let at = center.clock.now();
    let entry = Entry { at, kind: kind.to_owned(), actor, data };
    let key = Key::new(keys::log_partition(project, &at.day()), center.unique());
    let item = Item::new(key, Attrs::new().with(attr::DOC, serde_json::to_vec(&entry)?));
    Ok(Op::put(item.expiring(at.after(LIFE))))
}

/// A page of entries, newest first; the cursor is the last one's id.
pub async fn list(
    center: &Center,
    project: &str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<(String, Entry)>, Option<String>)> {
    let begin = cursor.and_then(|c| ulid::Ulid::from_string(c).ok()).map_or_else(
        || center.clock.now(),
        |u| Timestamp::from_millis(i64::try_from(u.timestamp_ms()).unwrap_or(i64::MAX)),
    );
    let mut entries = Vec::new();
    for back in 0..DAYS {
        let day = begin.before(Duration::from_secs(u64::from(back) * 86_400)).day();
        let mut query = Query::prefix(keys::log_partition(project, &day), "", limit - entries.len());
        query.newest_first = true;
        if let (0, Some(cursor)) = (back, cursor) {
            query.to = cursor.to_owned();
        }
        let page = center.store.query(&query).await?;
        for item in &page.items {
            if let Some(entry) = share::json(&item.attrs, attr::DOC)? {
                entries.push((item.key.sk.clone(), entry));
            }
        }
        if entries.len() >= limit {
            let next = entries.last().map(|(id, _)| id.clone());
            return Ok((entries, next));
        }
    }
    Ok((entries, None))
}
