//! Looking at every alarm, once a minute.

use mc_core::Result;
use mc_core::ports::{Attrs, Change, Commit, Cond, Item, Op, WriteError};
use serde_json::json;

use super::doc::{AlarmDoc, REVISION, STANDING, Stored};
use super::judge::{Condition, Standing, judge};
use super::notice;
use super::values::Facts;
use crate::center::Center;
use crate::{keys, stats, syslog};

/// Sums up the hours that are over, and looks at all alarms of all projects; answers how many are firing.
///
/// # Behavior
/// - May be called by any number of processes at once: each change is made and told once.
/// - What one project or alarm fails at does not hold up the others; it is tried again at the next look.
pub async fn watch(center: &Center) -> Result<usize> {
    center.stats.flush(&*center.store).await;
    let mut firing = 0;
    for project in &center.projects.names().await? {
        if let Err(error) = stats::roll(center, project).await {
            tracing::warn!(error = %error, project, "hours could not be summed up and will be later");
        }
        match of_project(center, project).await {
            Ok(some) => firing += some,
            Err(error) => {
                tracing::warn!(error = %error, project, "a project's alarms could not be looked at");
            }
        }
    }
    metrics::gauge!("message_center_alarms_firing").set(firing as f64);
    Ok(firing)
}

async fn of_project(center: &Center, project: &str) -> Result<usize> {
    let alarms = center.alarms.all(project).await?;
    if alarms.is_empty() {
        return Ok(0);
    }
    let facts = Facts::read(center, project, &alarms).await?;
    let mut standings = center.alarms.stored(project).await?;
    let mut firing = 0;
    for (name, alarm) in alarms.iter().filter(|(_, alarm)| alarm.body.enabled) {
        let stored = standings.remove(name);
        match look(center, project, name, alarm, stored, &facts).await {
            Ok(standing) => firing += usize::from(standing.condition == Condition::Firing),
            Err(error) => {
                tracing::warn!(error = %error, project, alarm = name, "an alarm could not be looked at");
            }
        }
    }
    Ok(firing)
}

/// Looks at one alarm: first gives what is owed, then judges, then gives what is owed now.
async fn look(
    center: &Center,
    project: &str,
    name: &str,
    alarm: &AlarmDoc,
    stored: Option<Stored>,
    facts: &Facts,
) -> Result<Standing> {
    let mut current = stored.unwrap_or(Stored { standing: Standing::default(), revision: 0 });
    if current.standing.owed.is_some() && !give(center, project, name, alarm, &mut current).await? {
        return Ok(current.standing);
    }
    let before = current.standing.clone();
    let value = facts.value(&alarm.body, &before);
    let next = judge(&alarm.body, &before, value, center.clock.now(), || center.unique());
    // A good value that stays the same is not worth a write.
    let unchanged = Standing { checked_at: before.checked_at, ..next.clone() } == before;
    if unchanged && next.condition != Condition::Pending {
        return Ok(next);
    }
    if next.condition != before.condition {
        tracing::info!(project, alarm = name, condition = next.condition.as_str(), "an alarm changed");
    }
    let note = (next.owed.is_some() && next.condition != before.condition).then(|| {
        let kind = if next.condition == Condition::Firing { "alarm.fired" } else { "alarm.recovered" };
        (kind, json!({"alarm": name, "metric": alarm.body.metric, "value": value}))
    });
    current.standing = next;
    if !write(center, project, name, &mut current, note).await? {
        return Ok(current.standing);
    }
    if current.standing.owed.is_some() {
        give(center, project, name, alarm, &mut current).await?;
    }
    Ok(current.standing)
}

/// Gives what is owed, and writes that down; answers whether the state is still ours.
async fn give(
    center: &Center,
    project: &str,
    name: &str,
    alarm: &AlarmDoc,
    current: &mut Stored,
) -> Result<bool> {
    if let Some(owed) = &current.standing.owed {
        notice::tell(center, project, name, &alarm.body, owed).await?;
    }
    current.standing.owed = None;
    write(center, project, name, current, None).await
}

/// Writes the state if nobody has since it was read, with an entry in the system log.
async fn write(
    center: &Center,
    project: &str,
    name: &str,
    current: &mut Stored,
    note: Option<(&str, serde_json::Value)>,
) -> Result<bool> {
    let key = keys::alarm_state(project, name);
    let doc = serde_json::to_vec(&current.standing)?;
    let guard = match current.revision {
        0 => Op::put_new(Item::new(key, Attrs::new().with(REVISION, 1).with(STANDING, doc))),
        seen => Op::Update(
            key,
            vec![Change::set(REVISION, seen + 1), Change::set(STANDING, doc)],
            vec![Cond::Eq(REVISION.into(), seen.into())],
        ),
    };
    let ops = match note {
        Some((kind, data)) => vec![syslog::entry(center, project, kind, data)?],
        None => Vec::new(),
    };
    match center.store.commit(Commit { guard: Some(guard), ops, ..Commit::default() }).await {
        Ok(_) => {
            current.revision += 1;
            Ok(true)
        }
        // Another process was faster, or the alarm was changed: what it found is looked at in a minute.
        Err(WriteError::Conflict(_)) => Ok(false),
        Err(WriteError::Failed(error)) => Err(error),
    }
}
