//! Counters: what became of a project's messages, minute by minute.
//!
//! They are added up in the process ([`Stats::add`]) and written every few seconds, or at the end of an invocation
//! ([`Stats::flush`]), one atomic addition per project and minute. So a message costs no write of its own, and a process
//! that is killed takes the counts of its last seconds along. An addition whose answer was lost is made again: where a
//! store fails just then, it may count twice.
//!
//! An item holds a minute's counters of one project, under names like `c#email_smtp#corp-mail#s`: class, kind, name,
//! letter. Minutes are kept for three days; each hour that is over is summed up once ([`roll`]) and kept for 400 days.

mod read;
mod roll;
mod series;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use mc_core::model::{Kind, MessageDoc};
use mc_core::ports::{Change, Key, Op, Store, WriteError};
use mc_core::state::{Counts, State};
use mc_core::{Retry, Timestamp};

pub use read::{Cell, Class, Sheet, has_sent, hours, minutes};
pub use roll::roll;
pub use series::{By, Interval, Point, Question, Series, series};

use crate::keys;

/// For how long minutes are kept.
pub const MINUTES_LIFE: Duration = Duration::from_secs(3 * 86_400);

/// For how long hours are kept.
pub const HOURS_LIFE: Duration = Duration::from_secs(400 * 86_400);

/// Additions in one write; DynamoDB takes about 300.
const CHUNK: usize = 100;

/// Writes at a time.
const WIDTH: usize = 16;

/// More writes than this that have to be made again, and the oldest are given up.
const MOST_LATE: usize = 1000;

/// The sender of the messages that an alarm sends: they do not count for alarms.
pub const OWN: &str = "alarm:";

tokio::task_local! {
    static IS_OWN: bool;
}

/// Does something for an alarm's own message, or for another one's. What is called on the way may ask [`is_own`].
pub(crate) async fn as_own<F: Future>(own: bool, work: F) -> F::Output {
    IS_OWN.scope(own, work).await
}

/// Whether this is done for an alarm's own message.
pub(crate) fn is_own() -> bool {
    IS_OWN.try_with(|own| *own).unwrap_or(false)
}

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident $letter:literal $word:literal,)+) => {
        /// Something that is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Count {
            /// Everything that is counted.
            pub const ALL: &'static [Count] = &[$(Count::$name),+];

            /// What it is stored as.
            const fn letter(self) -> &'static str {
                match self { $(Count::$name => $letter,)+ }
            }

            /// The word the API uses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Count::$name => $word,)+ }
            }
        }
    };
}

counts! {
    /// Recipients accepted, for each channel that begins with them.
    Accepted "a" "accepted",
    /// Recipients that the platform accepted.
    Sent "s" "sent",
    /// Recipients reached, as the platform told.
    Delivered "d" "delivered",
    /// Recipients who read it, as the platform told.
    Read "r" "read",
    /// Recipients who failed for good, a bounce after the push included.
    Failed "f" "failed",
    /// Recipients whose time passed.
    Expired "e" "expired",
    /// Recipients that nothing is sent to.
    Suppressed "x" "suppressed",
    /// Recipients somebody cancelled.
    Canceled "c" "canceled",
    /// Recipients that are held because nobody knows.
    InDoubt "u" "in_doubt",
    /// Recipients it was taken back from.
    Recalled "b" "recalled",
    /// Recipients given up, which are among the failed ones.
    GaveUp "g" "gave_up",
    /// Tries of recipients that failed and are made again.
    Retries "t" "retries",
    /// Shares that were worked on.
    Pushes "n" "pushes",
    /// How long that took, all together.
    PushMs "m" "push_ms",
    /// Calls of the platform that were its own.
    Callbacks "k" "callbacks",
    /// Tasks put aside.
    DeadLetters "z" "dead_letters",
    /// Access tokens fetched.
    Fetched "o" "fetched",
    /// Access tokens that could not be fetched.
    NotFetched "y" "not_fetched",
}

/// A number for each thing that is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers([u64; Count::ALL.len()]);

impl Numbers {
    /// Only this.
    pub fn of(count: Count, n: u64) -> Self {
        let mut numbers = Self::default();
        numbers.add(count, n);
        numbers
    }

    /// Adds to one of them.
    pub fn add(&mut self, count: Count, n: u64) {
        self.0[count as usize] = self.0[count as usize].saturating_add(n);
    }

    /// One of them.
    pub const fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Adds all of another's.
    pub fn merge(&mut self, other: &Numbers) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine = mine.saturating_add(theirs);
        }
    }

    /// Those that are not zero.
    fn some(&self) -> impl Iterator<Item = (Count, u64)> + '_ {
        Count::ALL.iter().map(|count| (*count, self.get(*count))).filter(|(_, n)| *n > 0)
    }

    /// Adds what was decided between two looks at a share.
    pub fn decided(&mut self, before: &Counts, after: &Counts) {
        for state in State::ALL {
            let n = after.get(state).saturating_sub(before.get(state));
            if let (Some(count), true) = (of_state(state), n > 0) {
                self.add(count, u64::from(n));
            }
        }
    }
}

/// What a recipient who comes into a state counts as.
pub const fn of_state(state: State) -> Option<Count> {
    match state {
        State::Queued | State::Sending | State::Retrying => None,
        State::Sent => Some(Count::Sent),
        State::Delivered => Some(Count::Delivered),
        State::Read => Some(Count::Read),
        State::Failed => Some(Count::Failed),
        State::InDoubt => Some(Count::InDoubt),
        State::Expired => Some(Count::Expired),
        State::Canceled => Some(Count::Canceled),
        State::Suppressed => Some(Count::Suppressed),
        State::Recalled => Some(Count::Recalled),
    }
}

/// What a delivery counts under.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Whose.
    pub project: &'a str,
    /// Its channel.
    pub channel: &'a str,
    /// The channel's kind.
    pub kind: Kind,
    /// Its template; none for inline content.
    pub template: Option<&'a str>,
    /// Whether an alarm sends it.
    pub own: bool,
}

impl<'a> Part<'a> {
    /// One delivery of a message.
    pub fn of(project: &'a str, doc: &'a MessageDoc, delivery: usize) -> Option<Self> {
        let plan = doc.deliveries.get(delivery)?;
        Some(Self {
            project,
            channel: &plan.channel,
            kind: plan.kind,
            template: doc.template.as_ref().map(|t| t.name.as_str()),
            own: of_alarm(doc),
        })
    }
}

/// Whether an alarm sends this message.
pub(crate) fn of_alarm(doc: &MessageDoc) -> bool {
    doc.sender.as_ref().is_some_and(|sender| sender.starts_with(OWN))
}

/// A project's counts of one minute that are not written yet.
#[derive(Default)]
struct Minute {
    minute: i64,
    channels: HashMap<Box<str>, Vec<(Kind, bool, Numbers)>>,
    templates: HashMap<Box<str>, Numbers>,
    others: HashMap<Cell, Numbers>,
}

impl Minute {
    fn add(&mut self, part: &Part<'_>, numbers: &Numbers) {
        if !self.channels.contains_key(part.channel) {
            self.channels.insert(part.channel.into(), Vec::with_capacity(1));
        }
        if let Some(of_channel) = self.channels.get_mut(part.channel) {
            match of_channel.iter_mut().find(|(kind, own, _)| *kind == part.kind && *own == part.own) {
                Some((.., sum)) => sum.merge(numbers),
                None => of_channel.push((part.kind, part.own, numbers.clone())),
            }
        }
        let template = part.template.unwrap_or_default();
        match self.templates.get_mut(template) {
            Some(sum) => sum.merge(numbers),
            None => drop(self.templates.insert(template.into(), numbers.clone())),
        }
    }

    /// The additions that write it.
    fn writes(self, project: &str, shard: u8) -> impl Iterator<Item = Write> {
        let mut adds = Vec::new();
        let mut all = |cell: Cell, numbers: &Numbers| {
            adds.extend(numbers.some().map(|(count, n)| (cell.attribute(count), n)));
        };
        for (name, of_channel) in &self.channels {
            for (kind, own, numbers) in of_channel {
                all(Cell::channel(*kind, name, *own), numbers);
            }
        }
        for (name, numbers) in &self.templates {
            all(Cell::template(name), numbers);
        }
        for (cell, numbers) in self.others {
            all(cell, &numbers);
        }
        let at = Timestamp::from_millis(self.minute.saturating_mul(60_000));
        let key = keys::stats_minute(project, at, shard);
        let chunks: Vec<Write> = adds
            .chunks(CHUNK)
            .map(|adds| Write { key: key.clone(), forget: at.after(MINUTES_LIFE), adds: adds.to_vec() })
            .collect();
        chunks.into_iter()
    }
}

/// One write of several additions.
struct Write {
    key: Key,
    forget: Timestamp,
    adds: Vec<(String, u64)>,
}

impl Write {
    fn op(&self) -> Op {
        let add = |(name, n): &(String, u64)| {
            Change::Add(name.clone().into(), i64::try_from(*n).unwrap_or(i64::MAX))
        };
        let changes = self.adds.iter().map(add).chain([Change::Expire(Some(self.forget))]);
        Op::Update(self.key.clone(), changes.collect(), Vec::new())
    }
}

/// What this process has counted and not written yet.
#[derive(Default)]
struct Pending {
    projects: HashMap<Box<str>, Vec<Minute>>,
    /// Writes that failed.
    late: Vec<Write>,
}

/// The counters of this process.
pub struct Stats {
    /// Processes that write at the same time write different items.
    shard: u8,
    pending: Mutex<Pending>,
    /// Up to which hour each project is known to be summed up.
    rolled: Mutex<HashMap<String, i64>>,
}

impl Stats {
    /// Counters that are written to this one of the store's partitions of a day.
    pub fn new(shard: u8) -> Self {
        Self { shard, pending: Mutex::default(), rolled: Mutex::default() }
    }

    /// Counts for a delivery.
    pub fn add(&self, now: Timestamp, part: &Part<'_>, numbers: &Numbers) {
        self.with(part.project, now, |minute| minute.add(part, numbers));
    }

    /// Counts what belongs to no delivery.
    pub fn note(&self, now: Timestamp, project: &str, cell: Cell, count: Count) {
        self.with(project, now, |minute| minute.others.entry(cell).or_default().add(count, 1));
    }

    fn with(&self, project: &str, now: Timestamp, work: impl FnOnce(&mut Minute)) {
        let minute = now.seconds().div_euclid(60);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if !pending.projects.contains_key(project) {
            pending.projects.insert(project.into(), Vec::with_capacity(1));
        }
        let Some(minutes) = pending.projects.get_mut(project) else { return };
        let at = match minutes.iter().rposition(|m| m.minute == minute) {
            Some(at) => at,
            None => {
                minutes.push(Minute { minute, ..Minute::default() });
                minutes.len() - 1
            }
        };
        work(&mut minutes[at]);
    }

    /// Writes what was counted. What the store does not take now is kept for the next time.
    pub async fn flush(&self, store: &dyn Store) {
        let Pending { projects, late } =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut writes = late;
        for (project, minutes) in projects {
            writes.extend(minutes.into_iter().flat_map(|minute| minute.writes(&project, self.shard)));
        }
        let mut again = Vec::new();
        let mut writes = writes.into_iter().peekable();
        while writes.peek().is_some() {
            let some = writes.by_ref().take(WIDTH).map(|write| async move {
                let result = store.write(write.op()).await;
                (write, result)
            });
            for (write, result) in join_all(some).await {
                match result {
                    Ok(_) | Err(WriteError::Conflict(_)) => {}
                    Err(WriteError::Failed(error)) if error.retry == Retry::Never => {
                        tracing::error!(error = %error, "counters cannot be written and are given up");
                    }
                    Err(WriteError::Failed(error)) => {
                        tracing::warn!(error = %error, "counters could not be written and will be later");
                        again.push(write);
                    }
                }
            }
        }
        if !again.is_empty() {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            again.append(&mut pending.late);
            let over = again.len().saturating_sub(MOST_LATE);
            pending.late = again.split_off(over);
        }
    }
}
