//! What the writer did so far, for metrics and benchmarks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that were answered: commits of the store, sends, and what the queue writes by itself.
    pub requests: u64,
    /// Transactions committed; each costs one `fsync` of the log.
    pub commits: u64,
    /// Transactions that failed and were rolled back.
    pub failed_commits: u64,
    /// Copies of the log into the database file.
    pub checkpoints: u64,
    /// Queue writes that wait for room on the disk.
    pub parked: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) parked: AtomicU64,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            commits: self.commits.load(Relaxed),
            failed_commits: self.failed_commits.load(Relaxed),
            checkpoints: self.checkpoints.load(Relaxed),
            parked: self.parked.load(Relaxed),
        }
    }
}
