//! Dead letters: tasks that repeating cannot help, kept until somebody mends the cause and sends them again.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Attrs, Commit, Family, Group, Item, Key, Op, Outgoing, Query, Task};
use mc_core::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::center::Center;
use crate::deliver::load;
use crate::keys;
use crate::share::{self, attr};
use crate::stats::{Cell, Count, OWN};
use crate::syslog;

/// One dead letter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was given up.
    pub at: Timestamp,
    /// The task.
    pub task: Task,
    /// Why, without secrets.
    pub reason: String,
}

/// Writes a dead letter.
pub async fn put(center: &Center, task: &Task, error: &Error) -> Result<()> {
    let project = task.project();
    let letter = DeadLetter { at: center.clock.now(), task: task.clone(), reason: error.to_string() };
    let key = Key::new(keys::dead_partition(project), center.unique());
    let mut told = json!({"dead_letter": key.sk, "reason": letter.reason});
    if let Some(message) = message_of(task) {
        told["message_id"] = json!(message);
    }
    center
        .store
        .write(Op::put(Item::new(key, Attrs::new().with(attr::DOC, serde_json::to_vec(&letter)?))))
        .await?;
    metrics::counter!("message_center_dead_letters_total").increment(1);
    center.stats.note(letter.at, project, cell(center, task).await, Count::DeadLetters);
    syslog::note(center, project, "dead_letter", told).await
}

/// The message that a task is about, if it is about one.
fn message_of(task: &Task) -> Option<MessageId> {
    match task {
        Task::Deliver { message, .. } | Task::Recall { message, .. } | Task::Ask { message, .. } => {
            Some(*message)
        }
        Task::Notify { .. } | Task::Receipt { .. } | Task::Poll { .. } | Task::Run { .. } => None,
    }
}

/// What a dead letter counts for: its channel, where it has one that is still there. One of an alarm's own message
/// counts apart, as far as that can be seen.
async fn cell(center: &Center, task: &Task) -> Cell {
    let channel = match task {
        Task::Deliver { project, channel, .. }
        | Task::Receipt { project, channel, .. }
        | Task::Poll { project, channel, .. } => match center.channels.doc(project, channel).await {
            Ok(Some(doc)) => Some((doc.kind, channel)),
            Ok(None) | Err(_) => None,
        },
        Task::Notify { .. } | Task::Recall { .. } | Task::Run { .. } | Task::Ask { .. } => None,
    };
    let Some((kind, name)) = channel else { return Cell::project() };
    let own = match task {
        Task::Deliver { project, message, .. } => match load::head(center, project, *message).await {
            Ok(Some(head)) => head.doc.sender.is_some_and(|sender| sender.starts_with(OWN)),
            Ok(None) | Err(_) => false,
        },
        Task::Notify { .. }
        | Task::Receipt { .. }
        | Task::Poll { .. }
        | Task::Recall { .. }
        | Task::Run { .. }
        | Task::Ask { .. } => false,
    };
    Cell::channel(kind, name, own)
}

/// A page of dead letters, newest first.
pub async fn list(
    center: &Center,
    project: &str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<(String, DeadLetter)>, Option<String>)> {
    let mut query = Query::prefix(keys::dead_partition(project), "", limit);
    query.newest_first = true;
    if let Some(cursor) = cursor {
        query.to = cursor.to_owned();
    }
    let page = center.store.query(&query).await?;
    let next = page.more.then(|| page.items.last().map(|i| i.key.sk.clone())).flatten();
    let mut letters = Vec::with_capacity(page.items.len());
    for item in &page.items {
        if let Some(letter) = share::json(&item.attrs, attr::DOC)? {
            letters.push((item.key.sk.clone(), letter));
        }
    }
    Ok((letters, next))
}

/// How many envelopes ended in crash loops, over all queues and projects.
pub async fn crash_loops(center: &Center) -> Result<u64> {
    Ok(center.queue.depths().await?.iter().map(|d| d.crash_loops).sum())
}

/// Sends dead letters again: those named, or all; answers how many tasks.
///
/// All includes the queues' own crash loops, which belong to no project: sending a task again that is done is harmless.
pub async fn redrive(center: &Center, project: &str, ids: Option<&[String]>) -> Result<usize> {
    let mut count = 0;
    let mut cursor: Option<String> = None;
    loop {
        let (letters, next) = list(center, project, 200, cursor.as_deref()).await?;
        for (id, letter) in letters {
            if ids.is_none_or(|ids| ids.contains(&id)) {
                let outgoing = outgoing(center, letter.task).await?;
                // The task first, the letter after: a crash between sends it twice, and its claim finds the work done.
                center.store.commit(Commit { tasks: vec![outgoing], ..Commit::default() }).await?;
                center
                    .store
                    .write(Op::Delete(Key::new(keys::dead_partition(project), id), Vec::new()))
                    .await?;
                count += 1;
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    if ids.is_none() {
        for family in Family::ALL {
            count += usize::try_from(center.queue.redrive(family).await?).unwrap_or(usize::MAX);
        }
    }
    Ok(count)
}

async fn outgoing(center: &Center, task: Task) -> Result<Outgoing> {
    let (family, group) = match &task {
        Task::Deliver { project, channel, .. }
        | Task::Receipt { project, channel, .. }
        | Task::Poll { project, channel, .. } => {
            let doc = center.channels.doc(project, channel).await?;
            (doc.map_or(Family::Webhook, |d| d.kind.family()), Group::of(project, Priority::Normal))
        }
        Task::Notify { project, .. }
        | Task::Recall { project, .. }
        | Task::Run { project, .. }
        | Task::Ask { project, .. } => (Family::Webhook, Group::of(project, Priority::Normal)),
    };
    Ok(Outgoing { family, group, task, delay: Duration::ZERO })
}
