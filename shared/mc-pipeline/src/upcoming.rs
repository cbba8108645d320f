//! What waits for its time: the one place that learns when a send is planned, moved to another time, or taken back.
//!
//! Whoever plans a send calls [`planned`], and adds what it writes to the commit that plans it; so does whoever moves it
//! ([`moved`]) or stops it ([`removed`]). A send whose time has come is no longer upcoming, and nobody is told.

use std::sync::Arc;
use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Commit, Family, Group, Op, Outgoing, Task};
use mc_core::{Result, Timestamp};
use ulid::Ulid;

use crate::center::Center;
use crate::{due, keys};

/// A run whose task was lost is made so long after its time, when it is not late yet.
const NET: Duration = Duration::from_secs(30);

/// A send that waits.
#[derive(Clone, Debug)]
pub enum Upcoming<'a> {
    /// A message with a `send_at`.
    Message {
        /// Its project.
        project: &'a str,
        /// Its id.
        id: MessageId,
    },
    /// The next run of a schedule, and only that.
    Run {
        /// Its project.
        project: &'a str,
        /// The schedule.
        schedule: &'a str,
        /// Which of the schedule's changes planned it.
        revision: Ulid,
    },
}

/// A send is planned for `at`.
pub fn planned(center: &Center, what: &Upcoming<'_>, at: Timestamp, commit: &mut Commit) -> Result<()> {
    match *what {
        Upcoming::Message { project, id } => {
            commit.ops.push(Op::put(keys::scheduled_item(project, id, center.spread, at)));
        }
        Upcoming::Run { project, schedule, revision } => {
            let outgoing = run_task(project.into(), schedule.into(), at, 0);
            let delay = at.since(center.clock.now());
            // The index may be looked at only once a minute. So what is near has a task, and its row only comes after that, for
            // a task that a crash has lost.
            let near = delay <= due::AHEAD;
            let row_at = if near { at.after(NET) } else { at };
            commit.ops.push(due::row_of(center, &outgoing, row_at, revision)?);
            if near {
                commit.tasks.push(Outgoing { delay, ..outgoing });
            }
        }
    }
    Ok(())
}

/// What was planned for `from` is planned for `to` instead: a message that is moved, a schedule whose run is over.
pub fn moved(
    center: &Center,
    what: &Upcoming<'_>,
    from: Timestamp,
    to: Timestamp,
    commit: &mut Commit,
) -> Result<()> {
    match what {
        // Its one item is written anew.
        Upcoming::Message { .. } => {}
        Upcoming::Run { .. } => removed(center, what, from, commit),
    }
    planned(center, what, to, commit)
}

/// A send that was planned for `from` will not happen.
pub fn removed(center: &Center, what: &Upcoming<'_>, from: Timestamp, commit: &mut Commit) {
    let keys = match *what {
        Upcoming::Message { project, id } => vec![keys::scheduled_item(project, id, center.spread, from).key],
        // Whether it was near when it was planned is not known any more.
        Upcoming::Run { revision, .. } => {
            [from, from.after(NET)].map(|at| due::key_of(center, at, revision)).into()
        }
    };
    commit.ops.extend(keys.into_iter().map(|key| Op::Delete(key, Vec::new())));
}

/// The task of one run. The consumers of webhooks work on it: they may call the addresses that users name. It is little
/// work, so it need not wait behind messages.
pub fn run_task(project: Arc<str>, schedule: Arc<str>, at: Timestamp, tries: u32) -> Outgoing {
    Outgoing {
        family: Family::Webhook,
        group: Group::of(&project, Priority::High),
        task: Task::Run { project, schedule, at, tries },
        delay: Duration::ZERO,
    }
}
