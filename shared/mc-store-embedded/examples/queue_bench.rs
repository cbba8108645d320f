//! What a backlog costs: `cargo run --release -p mc-store-embedded --example queue_bench -- [folder]`.
//!
//! Sends a million tasks of twenty groups, in single sends and in hundreds, opens the folder again as a restart would,
//! and works some of it off. Memory has to stay the same whatever waits.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Clock, Consumer, Envelope, Family, Group, Outgoing, Queue, Task, Verdict};
use mc_store_embedded::{Drive, Embedded, Options, run};
use tokio::task::JoinSet;
use ulid::Ulid;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const TOTAL: u32 = 1_000_000;
const SENDERS: u32 = 64;
const GROUPS: u32 = 20;

/// Time since the start, on top of a fixed date.
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_796_083_200_000).after(self.0.elapsed())
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map_or_else(
        || std::env::temp_dir().join(format!("mc-queue-bench-{}", std::process::id())),
        PathBuf::from,
    );
    let clock: Arc<dyn Clock> = Arc::new(Ticking(Instant::now()));
    for size in [1, 100] {
        println!("--- {TOTAL} tasks in sends of {size}");
        backlog(&folder, Arc::clone(&clock), size).await?;
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

async fn backlog(folder: &Path, clock: Arc<dyn Clock>, size: u32) -> Result<()> {
    let data = Embedded::open(Options::new(folder), Arc::clone(&clock))?;
    let begun = Instant::now();
    let mut senders: JoinSet<mc_core::Result<()>> = JoinSet::new();
    for sender in 0..SENDERS {
        let queue = data.queue();
        senders.spawn(async move {
            for first in (sender * size..TOTAL).step_by((SENDERS * size) as usize) {
                queue
                    .send((first..TOTAL.min(first + size)).map(|n| outgoing(first / size, n)).collect())
                    .await?;
            }
            Ok(())
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender??;
    }
    let commits = data.stats().commits;
    println!(
        "sent in {:.1?}, {:.1} tasks per fsync; {}",
        begun.elapsed(),
        f64::from(TOTAL) / commits as f64,
        memory()
    );
    data.close().await?;
    drop(data);

    let begun = Instant::now();
    let data = Embedded::open(Options::new(folder), clock)?;
    let opened = begun.elapsed();
    finish(&data).await;
    println!("opened in {opened:.0?}, first envelope after {:.0?}; {}", begun.elapsed(), memory());
    let consumer = Arc::new(Done(AtomicUsize::new(0)));
    let (begun, drive) = (Instant::now(), Drive { concurrency: 256, grace: Duration::from_secs(1) });
    let ten_seconds = tokio::time::sleep(Duration::from_secs(10));
    let worked_off = async {
        while consumer.0.load(Relaxed) < TOTAL as usize - 1000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let end = async {
        futures_util::future::select(pin!(ten_seconds), pin!(worked_off)).await;
    };
    run(data.queue(), Family::Email, consumer.clone(), drive, end).await;
    println!("worked off {} tasks in {:.1?}; {}", consumer.0.load(Relaxed), begun.elapsed(), memory());
    data.close().await?;
    Ok(())
}

fn outgoing(group: u32, n: u32) -> Outgoing {
    Outgoing {
        family: Family::Email,
        group: Group::of(&format!("project{}", group % GROUPS), Priority::Bulk),
        task: Task::Deliver {
            project: "project".into(),
            message: MessageId::new(Ulid::from_parts(1_796_083_200_000, u128::from(n))),
            share: n,
            channel: "corp-mail".into(),
            slot: None,
        },
        delay: Duration::ZERO,
    }
}

/// Counts what comes.
struct Done(AtomicUsize);

#[async_trait]
impl Consumer for Done {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        self.0.fetch_add(envelope.tasks.len(), Relaxed);
        vec![Verdict::Done; envelope.tasks.len()]
    }
}

/// Takes one envelope and says that all of it is done.
async fn finish(data: &Embedded) {
    let taken = data.queue().next(Family::Email).await;
    let tasks = taken.envelope().tasks.len();
    taken.finish(vec![Verdict::Done; tasks]);
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.replace(['\t', ' '], "")
}
