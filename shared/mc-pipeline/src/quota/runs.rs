//! What the next run of each schedule has reserved: one item for each schedule and channel, next to what scheduled messages
//! have reserved there.
//!
//! The item is set under the schedule's name and never added to, so it may be written again; and it names the time of the
//! run, from which on it counts no more. So nothing has to be taken back when a run is made, and whatever a crash leaves
//! wrong is gone with that run.

use mc_core::ports::{Attrs, Item, Key, Op};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::promises::units;
use crate::accept::AcceptedDelivery;
use crate::accept::plan::Plan;
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;

const AT: &str = "at";
const N: &str = "n";

/// Before this lie no days, which are digits, so one query reads both.
const FIRST: char = '!';

/// What a run takes of one channel's quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Need {
    channel: String,
    /// In the unit of the channel's quota.
    n: u64,
}

fn need(entry: &ChannelEntry, recipients: usize) -> Option<Need> {
    let n = units(entry, recipients) as u64;
    (n > 0 && !entry.allowances.is_empty()).then(|| Need { channel: entry.name.to_string(), n })
}

/// What a planned message needs. Groups count as many as they have members now.
pub(crate) fn needs_of_plan(plan: &Plan) -> Vec<Need> {
    plan.beginning().filter_map(|(_, part)| need(&part.channel, part.count())).collect()
}

/// What a message needed that was accepted: the best guess for the one after it.
pub(crate) async fn needs_of_accepted(
    center: &Center,
    project: &str,
    deliveries: &[AcceptedDelivery],
) -> Result<Vec<Need>> {
    let mut needs = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        // A channel that is gone or broken keeps no quota.
        if let Some(entry) = center.channels.find(project, &delivery.channel).await?.live() {
            needs.extend(need(&entry, delivery.recipients));
        }
    }
    Ok(needs)
}

/// The writes by which the run of a schedule at `at` reserves what it needs, in place of the run before.
pub(crate) fn reserve(project: &str, schedule: &str, needs: &[Need], at: Timestamp) -> Vec<Op> {
    let item = |need: &Need| {
        let n = i64::try_from(need.n).unwrap_or(i64::MAX);
        let attrs = Attrs::new().with(AT, at).with(N, n);
        Op::put(Item::new(key(project, schedule, &need.channel), attrs).expiring(at))
    };
    needs.iter().map(item).collect()
}

/// The writes that free what a run had reserved, but for the channels of `kept`, where another took its place.
pub(crate) fn free(project: &str, schedule: &str, needs: &[Need], kept: &[Need]) -> Vec<Op> {
    let over = needs.iter().filter(|need| !kept.iter().any(|other| other.channel == need.channel));
    over.map(|need| Op::Delete(key(project, schedule, &need.channel), Vec::new())).collect()
}

fn key(project: &str, schedule: &str, channel: &str) -> Key {
    Key::new(keys::promises_partition(project, channel), format!("{FIRST}{schedule}"))
}

/// Where the runs of a channel begin in its partition.
pub(crate) fn first() -> String {
    FIRST.to_string()
}

/// Reads such an item: when the run is, and what it needs.
pub(crate) fn read(item: &Item) -> Option<(Timestamp, i64)> {
    item.key.sk.starts_with(FIRST).then_some(())?;
    Some((Timestamp::from_millis(item.attrs.num(AT)?), item.attrs.num(N)?))
}
