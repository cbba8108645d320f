//! Receipts that come before their push is recorded: they wait for it, for a while.

use std::time::Duration;

use mc_core::ports::{Attrs, Commit, Group, Item, Op, Outgoing, Task, Verdict};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::Told;
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;
use crate::share::{self, attr};

/// A push is recorded within its lease or never. What waits for longer was not ours: somebody else sends through the
/// same account.
const PATIENCE: Duration = Duration::from_secs(120);

/// The item goes by itself a little later.
const LIFE: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct Waiting {
    platform_id: String,
    told: Vec<Told>,
    since: Timestamp,
}

/// Keeps a receipt and has it looked at again.
pub(super) async fn keep(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    platform_id: String,
    told: Vec<Told>,
) -> Result<()> {
    let now = center.clock.now();
    let id = center.unique();
    let doc = serde_json::to_vec(&Waiting { platform_id, told, since: now })?;
    let key = keys::early_receipt(project, &entry.name, &id);
    let item = Item::new(key, Attrs::new().with(attr::DOC, doc)).expiring(now.after(LIFE));
    let task = Outgoing {
        family: entry.doc.kind.family(),
        group: Group::from_text(format!("{project}:results")),
        task: Task::Receipt { project: project.into(), channel: entry.name.clone(), receipt: id },
        delay: Duration::from_secs(1),
    };
    center.store.commit(Commit { ops: vec![Op::put(item)], tasks: vec![task], ..Commit::default() }).await?;
    Ok(())
}

/// Looks whether the push of a waiting receipt is recorded by now: after 1 s, 2 s, 4 s … for two minutes.
pub async fn again(center: &Center, project: &str, channel: &str, id: &str) -> Result<Verdict> {
    let key = keys::early_receipt(project, channel, id);
    let Some(item) = center.store.get(&key).await? else { return Ok(Verdict::Done) };
    let waiting: Option<Waiting> = share::json(&item.attrs, attr::DOC)?;
    let (Some(waiting), Some(entry)) = (waiting, center.channels.get(project, channel).await?) else {
        return Ok(Verdict::Done);
    };
    let age = center.clock.now().since(waiting.since);
    let told = vec![(waiting.platform_id, waiting.told)];
    if !super::of_pushes(center, project, &entry, told).await?.is_empty() {
        if age < PATIENCE {
            let task = Task::Receipt { project: project.into(), channel: channel.into(), receipt: id.into() };
            return Ok(Verdict::Again { task, after: age.max(Duration::from_secs(1)) });
        }
        metrics::counter!("message_center_receipts_unknown_total").increment(1);
        tracing::debug!(channel, "a receipt names a push that is not ours");
    }
    center.store.write(Op::Delete(key, Vec::new())).await?;
    Ok(Verdict::Done)
}
