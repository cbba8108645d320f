//! The lines of all groups, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mc_core::ports::{Clock, Family, Group, MAX_DELAY, QueueDepth};
use mc_core::{Result, Timestamp};
use rusqlite::Connection;
use tokio::sync::Notify;

use super::line::Line;
use super::time::QueueTime;
use crate::fault::{lock, of_sqlite};
use crate::row::{Place, RowKey, Waiting, family_number, family_of};
use crate::writer::{Request, Settle, Then};

/// One refill reads at most so many envelopes.
pub(crate) const REFILL_ROWS: usize = 256;

/// From so many tasks in memory on, each group keeps fewer.
const CROWD: usize = 16_000;

/// After so many receives without an answer an envelope goes to the crash loops.
const MOST_RECEIVES: i64 = 5;

/// All groups' lines in memory, and the queue's time and numbers.
pub(crate) struct Lines {
    families: [Mutex<Turns>; Family::ALL.len()],
    news: [Notify; Family::ALL.len()],
    time: QueueTime,
    seq: AtomicI64,
    /// The last number that an earlier process gave.
    inherited: i64,
}

/// The groups of one family.
struct Turns {
    lines: HashMap<Group, Line>,
    /// Groups with an envelope ready, each once.
    order: VecDeque<Group>,
    /// No line needs a look before this time unless something arrives.
    look_at: i64,
    /// Tasks of windows.
    in_memory: usize,
    waiting: u64,
    crash_loops: u64,
}

/// An envelope that was just written.
pub(crate) struct Arrived {
    pub(crate) family: Family,
    pub(crate) group: Group,
    pub(crate) delayed: bool,
    pub(crate) waiting: Waiting,
}

/// What a refill read.
pub(crate) struct Refilled {
    pub(crate) rows: Vec<Waiting>,
    pub(crate) next_due: i64,
}

/// An envelope whose turn it is.
pub(crate) struct Found {
    pub(crate) group: Group,
    pub(crate) waiting: Waiting,
}

/// What a look at a family's lines gave.
pub(crate) struct Look {
    pub(crate) found: Option<Found>,
    /// What the writer has to do before more can be found.
    pub(crate) requests: Vec<Request>,
    /// How long until it is worth looking again, if that is known.
    pub(crate) until: Option<Duration>,
}

impl Lines {
    /// Learns which groups have rows on the disk. Their tasks stay there until their turn.
    pub(crate) fn load(connection: &Connection, clock: Arc<dyn Clock>) -> Result<Self> {
        const GROUPS: &str = "SELECT family, grp, sum(n), min(due), max(due), max(seq) FROM queue \
            GROUP BY family, grp";
        const BURIED: &str = "SELECT family, count(*), max(seq) FROM crash_loop GROUP BY family";
        let families = [(); Family::ALL.len()].map(|()| Mutex::new(Turns::new()));
        let (mut inherited, mut latest) = (0, i64::MIN);
        let mut read = || {
            let mut statement = connection.prepare(GROUPS)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                latest = latest.max(row.get(4)?);
                inherited = inherited.max(row.get(5)?);
                // A family of a newer program waits for that program.
                let Some(family) = family_of(row.get(0)?) else { continue };
                let mut turns = lock(&families[index(family)]);
                turns.waiting += row.get::<_, u64>(2)?;
                let first_due = row.get(3)?;
                turns.look_at = turns.look_at.min(first_due);
                turns.lines.insert(Group::from_text(row.get(1)?), Line::new(first_due));
            }
            let mut statement = connection.prepare(BURIED)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                inherited = inherited.max(row.get(2)?);
                let Some(family) = family_of(row.get(0)?) else { continue };
                lock(&families[index(family)]).crash_loops = row.get(1)?;
            }
            Ok(())
        };
        read().map_err(of_sqlite)?;
        // Nothing is ever due later than this from the time it was sent, so a later row means that the clock was set
        // back while nobody ran.
        let longest = i64::try_from(MAX_DELAY.as_millis()).unwrap_or(i64::MAX);
        let time = QueueTime::new(clock, latest.saturating_sub(longest));
        let news = [(); Family::ALL.len()].map(|()| Notify::new());
        Ok(Self { families, news, time, seq: AtomicI64::new(inherited), inherited })
    }

    /// The queue's time.
    pub(crate) fn now(&self) -> i64 {
        self.time.now()
    }

    /// The clock's time, which items expire by.
    pub(crate) fn store_now(&self) -> Timestamp {
        self.time.clock()
    }

    pub(crate) fn next_seq(&self) -> i64 {
        self.seq.fetch_add(1, Relaxed) + 1
    }

    /// Whether an earlier process wrote the row, so that it may be what ended that process.
    pub(crate) fn is_inherited(&self, seq: i64) -> bool {
        seq <= self.inherited
    }

    /// Told whenever a look at the family's lines may find more than before.
    pub(crate) fn news(&self, family: Family) -> &Notify {
        &self.news[index(family)]
    }

    /// Rows were committed.
    pub(crate) fn arrived(&self, rows: Vec<Arrived>) {
        let mut told = [false; Family::ALL.len()];
        for Arrived { family, group, delayed, waiting } in rows {
            let mut turns = self.turns(family);
            turns.waiting += waiting.tasks.len() as u64;
            let crowded = turns.in_memory >= CROWD;
            let line = turns.line(&group);
            let kept = line.arrived(waiting, delayed, crowded);
            turns.in_memory += kept;
            turns.changed(&group);
            told[index(family)] = true;
        }
        for (news, _) in self.news.iter().zip(told).filter(|(_, told)| *told) {
            news.notify_waiters();
        }
    }

    /// A row has left the disk for good.
    pub(crate) fn settled(&self, settle: &Settle) {
        let mut turns = self.turns(settle.key.family);
        if matches!(settle.then, Then::CrashLoop { .. }) {
            turns.crash_loops += 1;
        }
        if let Some(line) = turns.lines.get_mut(&settle.key.group) {
            line.settled();
            if line.is_over() {
                turns.lines.remove(&settle.key.group);
            }
        }
        drop(turns);
        self.news(settle.key.family).notify_waiters();
    }

    /// Rows that cannot be read went to the crash loops.
    pub(crate) fn buried(&self, family: Family, rows: u64, tasks: u64) {
        let mut turns = self.turns(family);
        turns.crash_loops += rows;
        turns.waiting = turns.waiting.saturating_sub(tasks);
    }

    /// Whether nothing of the family is in anybody's hands or on its way from the disk.
    pub(crate) fn rests(&self, family: Family) -> bool {
        self.turns(family).lines.values().all(Line::rests)
    }

    /// Rows left the crash loops.
    pub(crate) fn redriven(&self, family: Family, rows: usize) {
        let mut turns = self.turns(family);
        turns.crash_loops = turns.crash_loops.saturating_sub(rows as u64);
    }

    /// An envelope that was taken is nobody's any more.
    pub(crate) fn put_back(&self, family: Family, group: &Group, waiting: Waiting) {
        let mut turns = self.turns(family);
        let n = waiting.tasks.len();
        turns.waiting += n as u64;
        turns.in_memory += n;
        turns.line(group).put_back(waiting);
        turns.changed(group);
        drop(turns);
        self.news(family).notify_waiters();
    }

    /// Where a group's window ends, and for how many tasks it has room.
    pub(crate) fn refill_from(&self, family: Family, group: &Group) -> (Place, usize) {
        let mut turns = self.turns(family);
        let crowded = turns.in_memory >= CROWD;
        turns.line(group).refill_from(crowded)
    }

    /// A group's rows were read from the disk.
    pub(crate) fn refilled(&self, family: Family, group: &Group, refilled: Refilled) {
        let mut turns = self.turns(family);
        let added = turns.line(group).refilled(refilled.rows, refilled.next_due);
        turns.in_memory += added;
        turns.changed(group);
        if turns.lines.get(group).is_some_and(Line::is_over) {
            turns.lines.remove(group);
        }
        drop(turns);
        self.news(family).notify_waiters();
    }

    /// Takes the envelope whose turn it is, among the groups that may be served.
    pub(crate) fn look(&self, family: Family, may: impl Fn(&Group) -> bool) -> Look {
        let now = self.now();
        let mut guard = self.turns(family);
        let turns = &mut *guard;
        let mut requests = Vec::new();
        if turns.look_at <= now {
            turns.refill_due(family, now, &mut requests);
        }
        let mut found = None;
        for _ in 0..turns.order.len() {
            let Some(group) = turns.order.pop_front() else { break };
            if !may(&group) {
                turns.order.push_back(group);
                continue;
            }
            found = turns.take(family, group, now, &mut requests);
            if found.is_some() {
                break;
            }
        }
        let until = (found.is_none() && turns.look_at < i64::MAX)
            .then(|| Duration::from_millis(u64::try_from(turns.look_at.saturating_sub(now)).unwrap_or(0)));
        Look { found, requests, until }
    }

    /// How full the family's queue is.
    pub(crate) fn depth(&self, family: Family) -> QueueDepth {
        let now = self.now();
        let turns = self.turns(family);
        QueueDepth {
            family,
            waiting: Some(turns.waiting),
            oldest: turns
                .lines
                .values()
                .filter_map(|line| line.oldest(now))
                .min()
                .map(Timestamp::from_millis),
            crash_loops: turns.crash_loops,
        }
    }

    fn turns(&self, family: Family) -> MutexGuard<'_, Turns> {
        lock(&self.families[index(family)])
    }
}

impl Turns {
    fn new() -> Self {
        Self {
            lines: HashMap::new(),
            order: VecDeque::new(),
            look_at: i64::MAX,
            in_memory: 0,
            waiting: 0,
            crash_loops: 0,
        }
    }

    fn line(&mut self, group: &Group) -> &mut Line {
        self.lines.entry(group.clone()).or_insert_with(|| Line::new(i64::MAX))
    }

    /// Gives a group its turn if it has something ready, and remembers when it will.
    fn changed(&mut self, group: &Group) {
        let Some(line) = self.lines.get_mut(group) else { return };
        self.look_at = self.look_at.min(line.look_again_at());
        if line.has_ready() && !line.in_turn {
            line.in_turn = true;
            self.order.push_back(group.clone());
        }
    }

    /// Asks for the rows of all groups that have become due, and finds out when the next ones will.
    fn refill_due(&mut self, family: Family, now: i64, requests: &mut Vec<Request>) {
        self.look_at = i64::MAX;
        for (group, line) in &mut self.lines {
            if line.wants_refill(now) {
                requests.push(Request::Refill { family, group: group.clone() });
            }
            self.look_at = self.look_at.min(line.look_again_at());
        }
    }

    /// Takes the group's first envelope that may be worked on, and sends the group to the end of the order.
    fn take(&mut self, family: Family, group: Group, now: i64, requests: &mut Vec<Request>) -> Option<Found> {
        let line = self.lines.get_mut(&group)?;
        let mut found = None;
        while found.is_none() {
            let Some(mut waiting) = line.take() else { break };
            let n = waiting.tasks.len();
            self.waiting -= n as u64;
            self.in_memory -= n;
            match instead(family, &group, &mut waiting) {
                Some(settle) => requests.push(Request::Settle { settle, reply: None }),
                None => found = Some(waiting),
            }
        }
        if line.wants_refill(now) {
            requests.push(Request::Refill { family, group: group.clone() });
        }
        self.look_at = self.look_at.min(line.look_again_at());
        line.in_turn = line.has_ready();
        if line.in_turn {
            self.order.push_back(group.clone());
        }
        found.map(|waiting| Found { group, waiting })
    }
}

/// What is done with an envelope instead of working on it: one that came five times in vain is a crash loop, and one
/// of several tasks that came before is taken apart.
fn instead(family: Family, group: &Group, waiting: &mut Waiting) -> Option<Settle> {
    let (sent, receives) = (waiting.sent, waiting.receives);
    let key = RowKey { family, group: group.clone(), place: waiting.place };
    let then = if receives >= MOST_RECEIVES {
        Then::CrashLoop { tasks: std::mem::take(&mut waiting.tasks), sent, receives }
    } else if receives > 0 && waiting.tasks.len() > 1 {
        Then::Singles { tasks: std::mem::take(&mut waiting.tasks), sent, receives }
    } else {
        return None;
    };
    Some(Settle { key, then })
}

fn index(family: Family) -> usize {
    usize::try_from(family_number(family)).unwrap_or(0)
}
