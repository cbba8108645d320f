//! The queue in the same database.

mod driver;
pub(crate) mod line;
pub(crate) mod lines;
pub(crate) mod suspicion;
mod taken;
mod time;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use async_trait::async_trait;
use mc_core::Result;
use mc_core::ports::{Commit, Family, Group, Outgoing, Queue, QueueDepth};

pub use driver::{Drive, run};
pub use taken::Taken;

use suspicion::Suspicion;

use crate::open::Shared;
use crate::writer::Request;

/// While so many finished envelopes wait for room on the disk, no more are taken.
const MOST_PARKED: u64 = 4096;

/// How long to wait before looking again whether there is room.
const PARKED_REST: Duration = Duration::from_secs(1);

/// The queue of an open data folder. Clones share it.
#[derive(Clone)]
pub struct EmbeddedQueue {
    shared: Arc<Shared>,
}

impl fmt::Debug for EmbeddedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedQueue")
    }
}

impl EmbeddedQueue {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Waits for the next envelope of a family whose time has come; groups take turns.
    ///
    /// Safe to cancel: an envelope that was not handed over stays in line.
    pub async fn next(&self, family: Family) -> Taken {
        self.next_among(family, |_| true).await
    }

    /// Like [`next`](Self::next), but passes over groups that may not be served now.
    ///
    /// Call [`wake`](Self::wake) when the answer for a group changes while somebody waits.
    pub async fn next_among(&self, family: Family, may: impl Fn(&Group) -> bool) -> Taken {
        begin(self.take(family, may).await).await
    }

    /// Like [`next`](Self::next), but answers `None` once nothing is due and nobody holds an envelope of the family.
    pub async fn next_unless_idle(&self, family: Family) -> Option<Taken> {
        Some(begin(self.wait(family, |_| true, true).await?).await)
    }

    /// Whether nothing of a family is due and nobody holds an envelope of it.
    pub fn is_idle(&self, family: Family) -> bool {
        // In this order: what is taken meanwhile is no longer due, but held.
        self.shared.lines.depth(family).oldest.is_none() && self.shared.lines.rests(family)
    }

    /// An envelope that may be worked on as soon as its receipt is noted.
    async fn take(&self, family: Family, may: impl Fn(&Group) -> bool) -> Taken {
        loop {
            // Without leave to end at rest, the wait ends with an envelope.
            if let Some(taken) = self.wait(family, &may, false).await {
                return taken;
            }
        }
    }

    async fn wait(&self, family: Family, may: impl Fn(&Group) -> bool, may_rest: bool) -> Option<Taken> {
        let lines = &self.shared.lines;
        let news = lines.news(family);
        loop {
            let mut told = pin!(news.notified());
            // From here on no news is missed, so looking and then waiting is safe.
            told.as_mut().enable();
            if self.shared.counters.parked.load(Relaxed) > MOST_PARKED {
                tokio::time::sleep(PARKED_REST).await;
                continue;
            }
            let rests = may_rest && lines.rests(family);
            let look = lines.look(family, &may);
            let rests = rests && look.requests.is_empty();
            for request in look.requests {
                self.shared.writer.tell(request);
            }
            if let Some(found) = look.found {
                let inherited = lines.is_inherited(found.waiting.place.seq);
                let mut taken = Taken::new(Arc::clone(&self.shared), family, found);
                match Suspicion::of(taken.receives(), self.shared.rest).filter(|_| inherited) {
                    Some(suspicion) => taken.suspect(suspicion),
                    None => taken.note(inherited),
                }
                return Some(taken);
            }
            match look.until {
                _ if rests => return None,
                None => told.await,
                Some(wait) => {
                    let _ = tokio::time::timeout(wait, told).await;
                }
            }
        }
    }

    /// Looks at the clock again, after a test turned it.
    pub fn wake(&self) {
        for family in Family::ALL {
            self.shared.lines.news(family).notify_waiters();
        }
    }
}

/// Waits for the note of the receipt. Given up meanwhile, the envelope goes back uncounted.
async fn begin(mut taken: Taken) -> Taken {
    let turn = taken.noted().await;
    taken.keep_turn(turn);
    taken.begin();
    taken
}

#[async_trait]
impl Queue for EmbeddedQueue {
    async fn send(&self, tasks: Vec<Outgoing>) -> Result<()> {
        if tasks.is_empty() {
            return Ok(());
        }
        self.shared.commit(Commit { tasks, ..Commit::default() }).await?;
        Ok(())
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>> {
        Ok(Family::ALL.into_iter().map(|family| self.shared.lines.depth(family)).collect())
    }

    async fn redrive(&self, family: Family) -> Result<u64> {
        let mut sent = 0;
        // Only what lies there now: what crashes again meanwhile waits for the next redrive.
        let mut left = self.shared.lines.depth(family).crash_loops;
        loop {
            let (rows, tasks) = self.shared.writer.ask(|reply| Request::Redrive { family, reply }).await??;
            sent += tasks as u64;
            left = left.saturating_sub(rows as u64);
            if rows == 0 || left == 0 {
                return Ok(sent);
            }
        }
    }
}
