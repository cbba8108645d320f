//! The ledger of this process: what it counted and has not written yet, and what it knows of each channel's quotas.
//!
//! Where a channel is paced, or its operator set a number, the counts ride along in the one write that reserves an
//! envelope's slots ([`crate::pace`]). Everywhere else they gather here and [`flush`] writes them: every few seconds on
//! one machine, at the end of an invocation on Lambda. A crash in between forgets them, and a slot that was reserved
//! and not used was counted: where the platform tells its own figure, that corrects both.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::model::Priority;
use mc_core::ports::{Change, DAY, Op, RateLimit, Turn, Window};
use mc_core::{Error, Result, Timestamp};

use super::book::{Allowance, Book, Full};
use super::counters::{Counters, hour_of};
use super::notes::Notes;
use super::promises::{self, Promises};
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;

/// How long what is known of a channel is used before the store is asked again.
const FRESH: Duration = Duration::from_secs(60);

/// More channels than this and those that nobody used lately are forgotten.
const CAPACITY: usize = 10_000;

/// What is known of a channel's quotas.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    read: Timestamp,
    pub counters: Counters,
    pub notes: Notes,
    pub promises: Promises,
}

/// One channel as this process sees it.
struct Leaf {
    project: String,
    channel: Arc<str>,
    allowances: Arc<[Allowance]>,
    known: Option<Arc<Known>>,
    /// What was counted and not written yet, by hours.
    pending: BTreeMap<i64, u64>,
}

/// The ledger of this process.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<HashMap<String, Leaf>>);

impl Ledger {
    fn with<T>(&self, project: &str, entry: &ChannelEntry, look: impl FnOnce(&mut Leaf) -> T) -> T {
        let mut leaves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if leaves.len() >= CAPACITY {
            leaves.retain(|_, leaf| !leaf.pending.is_empty());
        }
        let leaf = leaves.entry(format!("{project}#{}", entry.name)).or_insert_with(|| Leaf {
            project: project.to_owned(),
            channel: entry.name.clone(),
            allowances: entry.allowances.clone(),
            known: None,
            pending: BTreeMap::new(),
        });
        if !Arc::ptr_eq(&leaf.allowances, &entry.allowances) {
            leaf.allowances = entry.allowances.clone();
        }
        look(leaf)
    }

    /// Counts `n` more. A channel without quotas counts nothing.
    pub fn count(&self, project: &str, entry: &ChannelEntry, n: u64, now: Timestamp) {
        if n > 0 && !entry.allowances.is_empty() {
            self.with(project, entry, |leaf| *leaf.pending.entry(hour_of(now)).or_default() += n);
        }
    }

    /// What is counted and not written yet.
    pub fn pending(&self, project: &str, entry: &ChannelEntry) -> u64 {
        self.with(project, entry, |leaf| leaf.pending.values().sum())
    }

    /// Takes what is not written yet, for a write that carries it.
    pub fn take(&self, project: &str, entry: &ChannelEntry) -> BTreeMap<i64, u64> {
        self.with(project, entry, |leaf| std::mem::take(&mut leaf.pending))
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, project: &str, entry: &ChannelEntry, counts: &BTreeMap<i64, u64>) {
        self.with(project, entry, |leaf| merge(&mut leaf.pending, counts));
    }

    /// Takes over the counters as a write answered them.
    pub fn learn(&self, project: &str, entry: &ChannelEntry, counters: Counters) {
        self.with(project, entry, |leaf| leaf.learn(counters));
    }

    /// Has everything about a channel looked up again.
    pub fn forget(&self, project: &str, entry: &ChannelEntry) {
        self.with(project, entry, |leaf| leaf.known = None);
    }
}

impl Leaf {
    fn learn(&mut self, counters: Counters) {
        if let Some(known) = &mut self.known {
            Arc::make_mut(known).counters = counters;
        }
    }
}

fn merge(into: &mut BTreeMap<i64, u64>, counts: &BTreeMap<i64, u64>) {
    for (hour, n) in counts {
        *into.entry(*hour).or_default() += n;
    }
}

/// The changes that write some counts, and drop what no window holds any more.
pub(crate) fn changes(
    allowances: &[Allowance],
    counters: &Counters,
    counts: &BTreeMap<i64, u64>,
    now: Timestamp,
) -> Vec<Change> {
    let mut all = counters.stale(allowances, now);
    for (hour, n) in counts {
        for change in Counters::adds(allowances, *hour, *n) {
            // Counts of two hours may belong to one day.
            match (&change, all.iter_mut().find(|old| same_name(old, &change))) {
                (Change::Add(_, n), Some(Change::Add(_, sum))) => *sum += n,
                (_, Some(_)) => {}
                (_, None) => all.push(change),
            }
        }
    }
    all
}

fn same_name(a: &Change, b: &Change) -> bool {
    let name = |change: &Change| match change {
        Change::Set(name, _) | Change::Add(name, _) | Change::Remove(name) => Some(name.clone()),
        Change::Expire(_) => None,
    };
    name(a) == name(b)
}

/// For how long counts are kept after the last one.
pub(crate) fn keep_for(allowances: &[Allowance]) -> Duration {
    match allowances.iter().any(|a| a.window == Window::Month) {
        true => DAY * 32,
        false if allowances.is_empty() => Duration::ZERO,
        false => DAY * 2,
    }
}

/// What is known of a channel, at most a minute old.
pub(crate) async fn known(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Arc<Known>> {
    let now = center.clock.now();
    let fresh = |known: &&Arc<Known>| now.since(known.read) < FRESH;
    let found = center.ledger.with(project, entry, |leaf| leaf.known.as_ref().filter(fresh).cloned());
    match found {
        Some(found) => Ok(found),
        None => load(center, project, entry).await,
    }
}

/// After a refusal single pushes keep to the rate that their platform told for so long.
const CAREFUL: Duration = Duration::from_secs(3600);

/// The rate that a channel's platform told, if `pushes` at once are to keep to it.
///
/// Several always do. A single one does in the hour after the platform was sent too much: keeping to a rate is a write for
/// each, which is more than most messages need.
pub(crate) async fn told_rate(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    pushes: usize,
) -> Result<Option<RateLimit>> {
    if entry.allowances.is_empty() || entry.channel.quota_source().is_none() {
        return Ok(None);
    }
    let known = known(center, project, entry).await?;
    let is_careful = known.notes.too_fast_at.is_some_and(|at| center.clock.now().since(at) < CAREFUL);
    let count = known.notes.per_second.filter(|_| pushes > 1 || is_careful);
    Ok(count.map(|count| RateLimit { count, per: Duration::from_secs(1) }))
}

/// What is known of a channel, as it is now.
pub(crate) async fn load(center: &Center, project: &str, entry: &ChannelEntry) -> Result<Arc<Known>> {
    let now = center.clock.now();
    let ends = |a: &Allowance| match a.turn.period(a.window, now) {
        Some(period) if a.turn != Turn::Rolling => period.ends,
        _ => now.after(DAY),
    };
    let ends = entry.allowances.iter().map(ends).max().unwrap_or(now);
    let keys = [keys::pace(project, &entry.name), keys::quota_notes(project, &entry.name)];
    let (items, promises) =
        tokio::try_join!(center.store.get_many(&keys), promises::load(center, project, &entry.name, ends))?;
    let [pace, notes] = [items.first(), items.get(1)].map(|item| item.and_then(Option::as_ref));
    let known = Arc::new(Known {
        read: now,
        counters: pace.map(|item| Counters::read(&item.attrs)).unwrap_or_default(),
        notes: Notes::read(notes)?,
        promises,
    });
    center.ledger.with(project, entry, |leaf| leaf.known = Some(known.clone()));
    Ok(known)
}

impl Known {
    /// The book of a channel, with counters that may be newer.
    pub fn book<'a>(&'a self, entry: &'a ChannelEntry, counters: &'a Counters, pending: u64) -> Book<'a> {
        Book {
            allowances: &entry.allowances,
            counters,
            pending,
            notes: &self.notes,
            promises: &self.promises,
            changed_at: entry.doc.updated_at,
            kept_for_high: entry.doc.limits.reserve_for_high_percent,
        }
    }
}

/// How many of `n` may be sent as far as this process knows; they are counted.
///
/// For channels where nothing but the platform stops the last few: several processes know of each other's counts only
/// after a while.
pub(crate) async fn take_up_to(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    n: usize,
    priority: Priority,
) -> Result<std::result::Result<usize, Full>> {
    let known = known(center, project, entry).await?;
    let now = center.clock.now();
    let pending = center.ledger.pending(project, entry);
    let room = match known.book(entry, &known.counters, pending).room(priority, now) {
        Ok(room) => room,
        Err(full) => return Ok(Err(full)),
    };
    let some = n.min(usize::try_from(room).unwrap_or(usize::MAX));
    center.ledger.count(project, entry, some as u64, now);
    Ok(Ok(some))
}

/// Writes what was counted and not written yet: one write for each channel that counted something.
///
/// # Errors
/// The first write that failed. Its counts and those of the others that failed are kept for the next time.
pub async fn flush(center: &Center) -> Result<()> {
    let now = center.clock.now();
    let waiting: Vec<_> = {
        let mut leaves = center.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = leaves.iter_mut().filter(|(_, leaf)| !leaf.pending.is_empty());
        counted
            .map(|(name, leaf)| {
                let counts = std::mem::take(&mut leaf.pending);
                let known = leaf.known.clone().unwrap_or_default();
                let mut changes = changes(&leaf.allowances, &known.counters, &counts, now);
                changes.push(Change::Expire(Some(now.after(keep_for(&leaf.allowances)))));
                let key = keys::pace(&leaf.project, &leaf.channel);
                (name.clone(), counts, Op::Update(key, changes, Vec::new()))
            })
            .collect()
    };
    let writes = waiting.into_iter().map(|(name, counts, op)| async move {
        let written = center.store.write(op).await;
        let mut leaves = center.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        let leaf = leaves.get_mut(&name);
        match written {
            Ok(item) => {
                if let (Some(leaf), Some(item)) = (leaf, item) {
                    leaf.learn(Counters::read(&item.attrs));
                }
                Ok(())
            }
            Err(error) => {
                if let Some(leaf) = leaf {
                    merge(&mut leaf.pending, &counts);
                }
                Err(Error::from(error))
            }
        }
    });
    futures_util::future::join_all(writes).await.into_iter().collect()
}
