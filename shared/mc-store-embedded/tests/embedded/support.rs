//! Folders that go away, and the data in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Family, Group, Outgoing, Task};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::MockClock;
use ulid::Ulid;

pub const FAMILY: Family = Family::Wecom;

/// A folder for one test, removed at its end.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("mc-store-embedded-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        Self(std::env::temp_dir().join(name))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Options for tests: a short log, because most of them write little, and no rest for suspects.
    pub fn options(&self) -> Options {
        Options { log_bytes: 0, rest: Duration::ZERO, ..Options::new(&self.0) }
    }

    pub fn open(&self, clock: &Arc<MockClock>) -> Embedded {
        Embedded::open(self.options(), clock.clone()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn group(name: &str) -> Group {
    Group::of(name, Priority::Normal)
}

pub fn task(n: u32) -> Task {
    Task::Deliver {
        project: "test".into(),
        message: MessageId::new(Ulid::from_parts(1_796_083_200_000, u128::from(n))),
        share: n,
        channel: "robot".into(),
        slot: None,
    }
}

pub fn number(task: &Task) -> u32 {
    match task {
        Task::Deliver { share, .. } => *share,
        Task::Notify { .. }
        | Task::Receipt { .. }
        | Task::Poll { .. }
        | Task::Recall { .. }
        | Task::Run { .. }
        | Task::Ask { .. } => u32::MAX,
    }
}

pub fn sends(group: &Group, numbers: impl IntoIterator<Item = u32>) -> Vec<Outgoing> {
    numbers.into_iter().map(|n| send(group, n, Duration::ZERO)).collect()
}

pub fn send(group: &Group, n: u32, delay: Duration) -> Outgoing {
    Outgoing { family: FAMILY, group: group.clone(), task: task(n), delay }
}
