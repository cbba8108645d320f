//! Pace, claim, render, push, record, tell: the way of one share.
//!
//! [`Deliverer`] is the consumer of every family's queue. A task names a share; the share is claimed by one
//! conditional write that also answers it ([`claim`]), its content is rendered and pushed ([`push`]), the outcome is
//! written under the condition that nobody claimed it since, and the message's head learns of every share that is
//! decided ([`settle`]). Only then the task is done. Every step can be repeated.

mod claim;
pub(crate) mod find;
pub(crate) mod load;
mod push;
mod record;
mod settle;
mod tally;
mod unwilling;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Commit, Consumer, Envelope, Group, MAX_DELAY, Outgoing, Slot, Task, Verdict};
use mc_core::{Error, Result, Retry, Timestamp};

pub use settle::{settle, settle_time};

use crate::center::Center;
use crate::pace::Wait;
use crate::quota::Full;
use crate::repo::{Broken, ChannelEntry, Stored};
use crate::share::{Phase, Share};
use crate::{condition, dead, due, pace, quota, receipts, schedules, tell};

/// Works on the tasks of every queue.
pub struct Deliverer {
    center: Arc<Center>,
}

/// A share to deliver, as its task names it.
#[derive(Clone)]
pub(crate) struct Job {
    project: Arc<str>,
    message: MessageId,
    share: u32,
    channel: Arc<str>,
    slot: Option<Slot>,
    /// No push begins after this.
    until: Option<Timestamp>,
}

impl Job {
    /// Whether there is no time left to begin anything.
    fn is_out_of_time(&self, center: &Center) -> bool {
        center.is_stopping() || self.until.is_some_and(|until| center.clock.now() >= until)
    }

    fn task(&self, slot: Option<Slot>) -> Task {
        Task::Deliver {
            project: self.project.clone(),
            message: self.message,
            share: self.share,
            channel: self.channel.clone(),
            slot,
        }
    }
}

/// A project and a channel of it.
type ChannelKey = (Arc<str>, Arc<str>);

/// Slots still to be given out, and what to wait for once there are none.
type Reserved = (Vec<Slot>, Wait);

/// Whether a claimed share may be pushed.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// It may.
    Open(Slot),
    /// A quota leaves nothing: it waits for that, where everybody can see it.
    Full(Full),
    /// The channel cannot be built of what is stored.
    Broken(&'a Broken),
    /// There is no channel.
    None,
}

/// What a job has before it is claimed.
enum Ready {
    /// A slot now.
    Now(Slot),
    /// A slot later, or none within the horizon.
    Later(Option<Slot>, Duration),
    /// A quota leaves nothing.
    Full(Full),
    /// The channel cannot be built of what is stored.
    Broken(Arc<Broken>),
    /// The channel is not there (any more).
    NoChannel,
    /// The channel could not be looked at, which is nothing to the others of the envelope.
    Failed(Arc<Error>),
}

impl Deliverer {
    /// A consumer for this center.
    pub fn new(center: Arc<Center>) -> Self {
        Self { center }
    }

    /// Reserves the slots of all of an envelope's jobs, in one write per channel.
    async fn pace(
        &self,
        jobs: &[Job],
        priority: Priority,
    ) -> Result<Vec<(Option<Arc<ChannelEntry>>, Ready)>> {
        let now = self.center.clock.now();
        let mut found: HashMap<ChannelKey, Result<Stored, Arc<Error>>> = HashMap::new();
        let mut wanting: HashMap<ChannelKey, usize> = HashMap::new();
        let fresh = |slot: &Option<Slot>| slot.filter(|s| now <= s.at.after(pace::STALE));
        for job in jobs {
            let key = (job.project.clone(), job.channel.clone());
            if !found.contains_key(&key) {
                let stored = self.center.channels.find(&job.project, &job.channel).await;
                found.insert(key.clone(), stored.map_err(Arc::new));
            }
            if fresh(&job.slot).is_none() {
                *wanting.entry(key).or_default() += 1;
            }
        }
        let mut slots: HashMap<ChannelKey, Reserved> = HashMap::new();
        for (key, count) in wanting {
            if let Some(Ok(Stored::Live(entry))) = found.get(&key) {
                let reserved =
                    pace::reserve(&self.center, &key.0, entry, count, priority, pace::HORIZON).await?;
                let (mut some, wait) = match reserved {
                    Ok(some) => (some, Wait::of(pace::HORIZON)),
                    Err(wait) => (Vec::new(), wait),
                };
                some.reverse();
                slots.insert(key, (some, wait));
            }
        }
        // Slots that were given at once are later than the time before the channels were read.
        let now = self.center.clock.now();
        let ready = jobs.iter().map(|job| {
            let key = (job.project.clone(), job.channel.clone());
            let entry = match found.get(&key) {
                Some(Ok(Stored::Live(entry))) => entry.clone(),
                Some(Ok(Stored::Broken(broken))) => return (None, Ready::Broken(broken.clone())),
                Some(Err(error)) => return (None, Ready::Failed(error.clone())),
                Some(Ok(Stored::Missing)) | None => return (None, Ready::NoChannel),
            };
            let slot = match fresh(&job.slot) {
                Some(slot) => Some(slot),
                None => slots.get_mut(&key).and_then(|(some, _)| some.pop()),
            };
            let ready = match slot {
                Some(slot) if slot.at <= now => Ready::Now(slot),
                Some(slot) => Ready::Later(Some(slot), slot.at.since(now)),
                None => match slots.get(&key).map(|(_, wait)| *wait) {
                    Some(Wait { full: Some(full), .. }) => Ready::Full(full),
                    wait => Ready::Later(None, wait.map_or(pace::HORIZON, |wait| wait.after)),
                },
            };
            (Some(entry), ready)
        });
        Ok(ready.collect())
    }

    /// Delivers one share; a store that fails for now has the task come again.
    async fn job(
        &self,
        job: Job,
        entry: Option<Arc<ChannelEntry>>,
        ready: Ready,
        priority: Priority,
    ) -> Verdict {
        let way = match &ready {
            Ready::Now(slot) => Way::Open(*slot),
            Ready::Full(full) => match Box::pin(self.waits_on(&job, entry.as_deref())).await {
                Ok(Some(after)) => return Verdict::Again { task: job.task(None), after },
                Ok(None) => Way::Full(*full),
                Err(error) => return Box::pin(self.after_error(job.task(job.slot), &error)).await,
            },
            Ready::Broken(broken) => Way::Broken(broken),
            Ready::NoChannel => Way::None,
            Ready::Failed(error) => return Box::pin(self.after_error(job.task(job.slot), error)).await,
            Ready::Later(slot, after) => {
                return Verdict::Again { task: job.task(*slot), after: (*after).min(MAX_DELAY) };
            }
        };
        match self.deliver(&job, entry, way, priority).await {
            Ok(Step::Done) => Verdict::Done,
            Ok(Step::Again(at)) => Box::pin(self.again(&job, at, priority)).await,
            Ok(Step::NotBegun) => {
                let slot = if let Way::Open(slot) = way { Some(slot) } else { None };
                Verdict::Again { task: job.task(slot), after: Duration::ZERO }
            }
            Err(error) => Box::pin(self.after_error(job.task(job.slot), &error)).await,
        }
    }

    /// How long a share goes on waiting whose quota still leaves nothing, if it has said so: then there is nothing to claim
    /// and nothing to write. A channel that is switched off is not waited for.
    async fn waits_on(&self, job: &Job, entry: Option<&ChannelEntry>) -> Result<Option<Duration>> {
        if entry.is_none_or(|entry| !entry.doc.enabled) {
            return Ok(None);
        }
        let center = &*self.center;
        let Some(item) = center.store.get(&claim::key_of(center, job)).await? else { return Ok(None) };
        let share = Share::read(job.share, &item.attrs)?;
        let now = center.clock.now();
        // Only who waits for a quota comes back before the time that was told.
        let told = share.log.last().and_then(|attempt| attempt.next).filter(|next| *next > now);
        let waits = share.phase == Phase::Retrying && share.due <= now;
        Ok(told.filter(|_| waits).map(|until| quota::look_again(until, now, &*center.random).since(now)))
    }

    /// Sends the task again at `at`; far ahead that is a row in the due index.
    async fn again(&self, job: &Job, at: Timestamp, priority: Priority) -> Verdict {
        let after = at.since(self.center.clock.now());
        if after <= MAX_DELAY {
            return Verdict::Again { task: job.task(None), after };
        }
        let family = match self.center.channels.get(&job.project, &job.channel).await {
            Ok(Some(entry)) => entry.doc.kind.family(),
            Ok(None) | Err(_) => return Verdict::Again { task: job.task(None), after: MAX_DELAY },
        };
        let outgoing = Outgoing {
            family,
            group: Group::of(&job.project, priority),
            task: job.task(None),
            delay: Duration::ZERO,
        };
        let written = match due::row(&self.center, &outgoing, at) {
            Ok(row) => self.center.store.commit(Commit { ops: vec![row], ..Commit::default() }).await,
            Err(error) => Err(error.into()),
        };
        match written {
            Ok(_) => Verdict::Done,
            Err(error) => self.after_error(job.task(None), &Error::from(error)).await,
        }
    }

    /// What is neither a share nor a telling.
    async fn other(&self, task: Task) -> Verdict {
        let worked = match &task {
            Task::Receipt { project, channel, receipt } => {
                receipts::again(&self.center, project, channel, receipt).await
            }
            Task::Poll { project, channel, platform_id, turn } => {
                receipts::poll::poll(&self.center, project, channel, platform_id, *turn).await
            }
            Task::Recall { project, message, share } => {
                receipts::go_on(&self.center, project, *message, *share).await
            }
            Task::Run { project, schedule, at, tries } => {
                schedules::run(&self.center, project, schedule, *at, *tries).await
            }
            Task::Ask { project, message, tries } => {
                condition::ask_for(&self.center, project, *message, *tries).await
            }
            Task::Deliver { .. } | Task::Notify { .. } => Ok(Verdict::Done),
        };
        match worked {
            Ok(verdict) => verdict,
            Err(error) => self.after_error(task, &error).await,
        }
    }

    /// A failure that may pass has the task come again; any other puts it where people can look at it.
    async fn after_error(&self, task: Task, error: &Error) -> Verdict {
        if error.retry == Retry::Never {
            tracing::error!(error = %error, "a task cannot be worked on and becomes a dead letter");
            match dead::put(&self.center, &task, error).await {
                Ok(()) => return Verdict::Done,
                Err(error) => tracing::warn!(error = %error, "a dead letter could not be written"),
            }
        }
        tracing::warn!(error = %error, "a task could not be worked on and comes again");
        metrics::counter!("message_center_task_errors_total").increment(1);
        Verdict::Again { task, after: Duration::from_secs_f64(2.0 + 4.0 * self.center.random.unit()) }
    }
}

/// What follows from the work on a share.
enum Step {
    /// Nothing: it is final and told, or somebody else's.
    Done,
    /// It comes again.
    Again(Timestamp),
    /// There was no time left for it.
    NotBegun,
}

#[async_trait]
impl Consumer for Deliverer {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        let priority = priority_of(&envelope.group);
        let until = envelope.until;
        let mut verdicts: Vec<Option<Verdict>> = vec![None; envelope.tasks.len()];
        let (mut jobs, mut places, mut notices, mut others) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, task) in envelope.tasks.into_iter().enumerate() {
            match task {
                Task::Deliver { project, message, share, channel, slot } => {
                    jobs.push(Job { project, message, share, channel, slot, until });
                    places.push(i);
                }
                Task::Notify { project, webhook, event } => notices.push((i, project, webhook, event)),
                Task::Receipt { .. }
                | Task::Poll { .. }
                | Task::Recall { .. }
                | Task::Run { .. }
                | Task::Ask { .. } => others.push((i, task)),
            }
        }
        let told = join_all(notices.into_iter().map(|(i, project, webhook, event)| async move {
            (i, tell::notify(&self.center, &project, &webhook, &event).await)
        }));
        let done = join_all(others.into_iter().map(|(i, task)| async move { (i, self.other(task).await) }));
        let delivered = async {
            match Box::pin(self.pace(&jobs, priority)).await {
                Ok(ready) => {
                    let work = jobs.into_iter().zip(ready);
                    join_all(work.map(|(job, (entry, ready))| self.job(job, entry, ready, priority))).await
                }
                Err(error) => join_all(jobs.iter().map(|j| self.after_error(j.task(j.slot), &error))).await,
            }
        };
        let (told, done, delivered) = tokio::join!(told, done, delivered);
        for (i, verdict) in told.into_iter().chain(done).chain(places.into_iter().zip(delivered)) {
            verdicts[i] = Some(verdict);
        }
        verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Done)).collect()
    }
}

/// The priority a group was made of.
fn priority_of(group: &Group) -> Priority {
    match group.as_str().rsplit(':').next() {
        Some("high") => Priority::High,
        Some("bulk") => Priority::Bulk,
        _ => Priority::Normal,
    }
}
