//! Where schedules are kept: the document, the time of the next run, and what became of the last one.
//!
//! The row of a run is written before the schedule names its time. A crash between leaves a row that finds nothing to do.
//! What the run takes of the channels' quotas is reserved with the schedule's own change.

use mc_core::model::{LastRun, ScheduleDoc};
use mc_core::ports::{Attr, Attrs, Change, Commit, Cond, Item, Key, Op, WriteError};
use mc_core::{Error, ErrorKind, Result, Timestamp};
use serde_json::{Map, Value};
use ulid::Ulid;

use crate::center::Center;
use crate::quota::{self, Need};
use crate::repo::{self, Listed, Put};
use crate::share;
use crate::upcoming::{self, Upcoming};

mod attr {
    pub(super) const DOC: &str = "doc";
    /// When it runs next; missing when it does not.
    pub(super) const NEXT: &str = "next";
    /// Which change of it this is.
    pub(super) const REVISION: &str = "rev";
    /// What became of the last run.
    pub(super) const LAST: &str = "last";
    /// When the condition of the next run is asked again; missing before it has been asked.
    pub(super) const ASKS_AGAIN: &str = "asks";
    /// What the next run has reserved.
    pub(super) const NEEDS: &str = "needs";
}

/// A schedule as it is stored.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What was put.
    pub doc: ScheduleDoc,
    /// When it runs next.
    pub next: Option<Timestamp>,
    /// What became of its last run.
    pub last: Option<LastRun>,
    asks_again: Option<Timestamp>,
    needs: Vec<Need>,
    revision: Ulid,
}

fn partition(project: &str) -> String {
    format!("schedules#{project}")
}

fn key(project: &str, name: &str) -> Key {
    Key::new(partition(project), name)
}

/// The partition of what is listed: a row for each schedule, by when it was made.
fn rows(project: &str) -> String {
    format!("schedules@{project}")
}

fn row(project: &str, name: &str, doc: &ScheduleDoc) -> Key {
    Key::new(rows(project), repo::place(name, doc.created_at))
}

impl Schedule {
    fn read(item: &Item) -> Result<Self> {
        let corrupt =
            || Error::new(ErrorKind::Corrupt, "a schedule cannot be read").with("name", &item.key.sk);
        let revision = item.attrs.text(attr::REVISION).and_then(|text| Ulid::from_string(text).ok());
        Ok(Self {
            doc: share::json(&item.attrs, attr::DOC)?.ok_or_else(corrupt)?,
            next: item.attrs.num(attr::NEXT).map(Timestamp::from_millis),
            last: share::json(&item.attrs, attr::LAST)?,
            asks_again: item.attrs.num(attr::ASKS_AGAIN).map(Timestamp::from_millis),
            needs: share::json(&item.attrs, attr::NEEDS)?.unwrap_or_default(),
            revision: revision.ok_or_else(corrupt)?,
        })
    }

    /// The planned time of its last run.
    pub(super) fn ran_at(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|last| last.scheduled_at)
    }

    /// By when there was something to do for the run of `at`, its next one: then, or when its condition was to be asked again.
    pub(super) fn waits_until(&self, at: Timestamp) -> Timestamp {
        self.asks_again.map_or(at, |again| again.max(at))
    }

    fn upcoming<'a>(&self, project: &'a str, schedule: &'a str) -> Upcoming<'a> {
        Upcoming::Run { project, schedule, revision: self.revision }
    }

    /// A change of its item, if it is still as it was read and its next run is that of `at`.
    fn update(&self, project: &str, name: &str, at: Timestamp, changes: Vec<Change>) -> Op {
        let conds = vec![
            Cond::Eq(attr::NEXT.into(), Attr::Num(at.millis())),
            Cond::Eq(attr::REVISION.into(), self.revision.to_string().into()),
        ];
        Op::Update(key(project, name), changes, conds)
    }
}

/// One schedule as it is now.
pub async fn get(center: &Center, project: &str, name: &str) -> Result<Option<Schedule>> {
    center.store.get(&key(project, name)).await?.as_ref().map(Schedule::read).transpose()
}

/// A page of schedules, those first that were made last, beginning behind `cursor`.
pub async fn list(
    center: &Center,
    project: &str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<Listed<Schedule>> {
    let (places, next_cursor) = repo::places(&*center.store, rows(project), limit, cursor).await?;
    let keys: Vec<Key> = places.iter().map(|place| key(project, repo::name_of(place))).collect();
    let mut items = Vec::with_capacity(keys.len());
    for (at, item) in places.iter().zip(center.store.get_many(&keys).await?) {
        let Some(schedule) = item.as_ref().map(Schedule::read).transpose()? else { continue };
        let name = repo::name_of(at);
        // A row whose schedule is gone, or was made at another time, leads nowhere.
        if repo::place(name, schedule.doc.created_at) == *at {
            items.push((name.to_owned(), schedule));
        }
    }
    Ok(Listed { items, next_cursor })
}

/// All schedules of a project, by name.
async fn all(center: &Center, project: &str) -> Result<Vec<(String, Schedule)>> {
    let items = repo::whole(&*center.store, partition(project)).await?;
    items.iter().map(|item| Ok((item.key.sk.clone(), Schedule::read(item)?))).collect()
}

/// The name of a schedule whose message is as asked for.
pub async fn any_that(
    center: &Center,
    project: &str,
    sends: impl Fn(&Map<String, Value>) -> bool,
) -> Result<Option<String>> {
    let found = all(center, project).await?.into_iter().find(|(_, one)| sends(&one.doc.message));
    Ok(found.map(|(name, _)| name))
}

/// Makes or replaces a schedule: when it runs next, and what that run needs.
pub(super) async fn put(
    center: &Center,
    project: &str,
    name: &str,
    mut doc: ScheduleDoc,
    next: Option<(Timestamp, Vec<Need>)>,
) -> Result<(Put, Schedule)> {
    let now = center.clock.now();
    let before = get(center, project, name).await?;
    doc.created_at = before.as_ref().map_or(now, |b| b.doc.created_at);
    doc.updated_at = now;
    let last = before.as_ref().and_then(|b| b.last.clone());
    let (next, needs) = next.map_or((None, Vec::new()), |(next, needs)| (Some(next), needs));
    // A run that stays due, and whose condition is being asked, does not become late by this change.
    let asks_again = before.as_ref().filter(|b| b.next == next).and_then(|b| b.asks_again);
    let schedule = Schedule { doc, next, last, asks_again, needs, revision: center.ids.ulid(now) };
    let mut attrs = Attrs::new()
        .with(attr::DOC, serde_json::to_vec(&schedule.doc)?)
        .with(attr::REVISION, schedule.revision.to_string());
    if let Some(last) = &schedule.last {
        attrs.set(attr::LAST, serde_json::to_vec(last)?);
    }
    if let Some(again) = schedule.asks_again {
        attrs.set(attr::ASKS_AGAIN, again);
    }
    let mut commit = Commit::default();
    if let Some(next) = next {
        attrs.set(attr::NEXT, next);
        attrs.set(attr::NEEDS, serde_json::to_vec(&schedule.needs)?);
        upcoming::planned(center, &schedule.upcoming(project, name), next, &mut commit)?;
        commit.ops.extend(quota::reserve(project, name, &schedule.needs, next));
    }
    commit.ops.push(Op::put(Item::new(row(project, name, &schedule.doc), Attrs::new())));
    commit.then.push(Op::put(Item::new(key(project, name), attrs)));
    center.store.commit(commit).await?;
    if let Some(before) = &before
        && let Some(gone) = before.next
    {
        // Its row would find nothing to do; without it the index stays short.
        let mut commit = Commit::default();
        upcoming::removed(center, &before.upcoming(project, name), gone, &mut commit);
        commit.ops.extend(quota::free(project, name, &before.needs, &schedule.needs));
        center.store.commit(commit).await?;
    }
    Ok((if before.is_some() { Put::Replaced } else { Put::Created }, schedule))
}

/// A run that is over.
pub(super) struct Over {
    /// What became of it.
    pub last: LastRun,
    /// What is noted of it in the log.
    pub note: Vec<Op>,
    /// What it needed of the channels' quotas, if it made a message.
    pub needed: Option<Vec<Need>>,
}

/// Moves a schedule on from a run that is over; answers whether it was still there as it was read.
pub(super) async fn advance(
    center: &Center,
    project: &str,
    name: &str,
    schedule: &Schedule,
    next: Option<Timestamp>,
    over: &Over,
) -> Result<bool> {
    let (what, at) = (schedule.upcoming(project, name), over.last.scheduled_at);
    let mut commit = Commit::default();
    let next_change = match next {
        Some(next) => {
            upcoming::moved(center, &what, at, next, &mut commit)?;
            Change::set(attr::NEXT, next)
        }
        None => {
            upcoming::removed(center, &what, at, &mut commit);
            Change::Remove(attr::NEXT.into())
        }
    };
    // The row first, so that no crash loses the next run; its task only for the one that moves the schedule on.
    let tasks = std::mem::take(&mut commit.tasks);
    center.store.commit(commit).await?;
    let last = Change::set(attr::LAST, serde_json::to_vec(&over.last)?);
    let mut changes = vec![next_change, last, Change::Remove(attr::ASKS_AGAIN.into())];
    let mut ops = over.note.clone();
    // What a run needed is what the next one is taken to need. Behind the guard, so that a schedule that was changed
    // meanwhile keeps what it has reserved anew; what a crash leaves out comes with the run after.
    let needs = over.needed.as_ref().unwrap_or(&schedule.needs);
    match next {
        Some(next) => {
            ops.extend(quota::reserve(project, name, needs, next));
            ops.extend(quota::free(project, name, &schedule.needs, needs));
            changes.push(Change::set(attr::NEEDS, serde_json::to_vec(needs)?));
        }
        None => {
            ops.extend(quota::free(project, name, &schedule.needs, &[]));
            changes.push(Change::Remove(attr::NEEDS.into()));
        }
    }
    let guard = Some(schedule.update(project, name, at, changes));
    is_written(center, Commit { guard, ops, tasks, ..Commit::default() }).await
}

/// Notes when the condition of the run of `at` is asked again; answers whether the schedule was still there as it was read.
pub(super) async fn ask_again(
    center: &Center,
    project: &str,
    name: &str,
    schedule: &Schedule,
    (at, again): (Timestamp, Timestamp),
) -> Result<bool> {
    let update = schedule.update(project, name, at, vec![Change::set(attr::ASKS_AGAIN, again)]);
    is_written(center, Commit { guard: Some(update), ..Commit::default() }).await
}

/// Commits; answers whether the guard held.
async fn is_written(center: &Center, commit: Commit) -> Result<bool> {
    match center.store.commit(commit).await {
        Ok(_) => Ok(true),
        Err(WriteError::Conflict(_)) => Ok(false),
        Err(WriteError::Failed(error)) => Err(error),
    }
}

/// Deletes a schedule; answers whether there was one. The messages it made stay.
pub async fn delete(center: &Center, project: &str, name: &str) -> Result<bool> {
    let Some(schedule) = get(center, project, name).await? else { return Ok(false) };
    let mut commit = Commit::default();
    if let Some(next) = schedule.next {
        upcoming::removed(center, &schedule.upcoming(project, name), next, &mut commit);
    }
    commit.ops.extend(quota::free(project, name, &schedule.needs, &[]));
    commit.ops.push(Op::Delete(row(project, name, &schedule.doc), Vec::new()));
    commit.guard = Some(Op::Delete(key(project, name), vec![Cond::Exists]));
    is_written(center, commit).await
}

/// Deletes all schedules of a project.
pub async fn delete_all(center: &Center, project: &str) -> Result<()> {
    for (name, _) in all(center, project).await? {
        delete(center, project, &name).await?;
    }
    Ok(())
}
