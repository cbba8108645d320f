//! Summing up the hours that are over.
//!
//! An hour is written once as the sum of its minutes, some minutes after its end, when nobody counts for it any more.
//! The same sum written twice is the same, so any number of processes may do it at once.

use std::sync::PoisonError;
use std::time::Duration;

use mc_core::Result;
use mc_core::ports::{Attrs, Commit, Item, Op};

use super::read::minutes;
use super::{HOURS_LIFE, Sheet};
use crate::center::Center;
use crate::keys;

/// How long after its end an hour is summed up: functions write their counts within this time.
const AFTER: Duration = Duration::from_secs(16 * 60);

/// At most so many hours are looked back; their minutes are surely kept.
const BACK: i64 = 48;

const UNTIL: &str = "until";

/// Sums up a project's hours that are over.
pub async fn roll(center: &Center, project: &str) -> Result<()> {
    let to = center.clock.now().before(AFTER).seconds().div_euclid(3600);
    let known = {
        let known = center.stats.rolled.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(project).copied()
    };
    if known.is_some_and(|known| known >= to) {
        return Ok(());
    }
    let from = rolled(center, project).await?.unwrap_or(0).max(to - BACK);
    if from < to {
        let mut ops: Vec<Op> = Vec::new();
        let mut hours = std::collections::BTreeMap::<i64, Sheet>::new();
        for (minute, sheet) in minutes(center, project, from * 60, to * 60).await? {
            hours.entry(minute.div_euclid(60)).or_default().merge(&sheet);
        }
        for (hour, sheet) in hours {
            let mut attrs = Attrs::new();
            for (cell, numbers) in &sheet.0 {
                for (count, n) in numbers.some() {
                    attrs.set(cell.attribute(count), i64::try_from(n).unwrap_or(i64::MAX));
                }
            }
            let forget = mc_core::Timestamp::from_millis(hour * 3_600_000).after(HOURS_LIFE);
            ops.push(Op::put(Item::new(keys::stats_hour(project, hour), attrs).expiring(forget)));
        }
        // The mark comes last: until then the hours are read from their minutes.
        let mark = Op::put(Item::new(keys::stats_rolled(project), Attrs::new().with(UNTIL, to)));
        center.store.commit(Commit { ops, then: vec![mark], ..Commit::default() }).await?;
    }
    let mut known = center.stats.rolled.lock().unwrap_or_else(PoisonError::into_inner);
    known.insert(project.to_owned(), to);
    Ok(())
}

/// The first hour that is not summed up, if any was.
pub(super) async fn rolled(center: &Center, project: &str) -> Result<Option<i64>> {
    let item = center.store.get(&keys::stats_rolled(project)).await?;
    Ok(item.and_then(|item| item.attrs.num(UNTIL)))
}
