//! What the embedded store costs: `cargo run --release -p mc-store-embedded --example store_bench -- [folder]`.
//!
//! Prints, for 1,000, 100,000 and 1,000,000 stored rows: commits per second at some concurrencies, the time until the
//! answer, the writer thread's processor time per commit, requests per `fsync`, the cost of reads, and the memory.
//! The last part drives whole messages: accepted, claimed, recorded, settled.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{
    Attrs, Change, Clock, Commit, Cond, Consumer, Envelope, Family, Group, Item, Key, Op, Outgoing, Query,
    Store, Task, Verdict,
};
use mc_store_embedded::{Drive, Embedded, EmbeddedStore, Options, run};
use tokio::task::JoinSet;
use ulid::Ulid;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Time since the start, on top of a fixed date.
struct Ticking(Instant);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_796_083_200_000).after(self.0.elapsed())
    }
}

/// Numbers for ids, so that keys ascend like ULIDs of one day.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let folder = std::env::args().nth(1).map_or_else(
        || std::env::temp_dir().join(format!("mc-store-bench-{}", std::process::id())),
        PathBuf::from,
    );
    let sizes: Vec<u64> = match std::env::args().nth(2) {
        Some(size) => vec![size.parse()?],
        None => vec![1_000, 100_000, 1_000_000],
    };
    let clock = Arc::new(Ticking(Instant::now()));
    let data = Embedded::open(Options::new(&folder), clock.clone())?;
    let mut stored = 0;
    for size in sizes {
        fill(&data, size.saturating_sub(stored)).await?;
        stored = stored.max(size);
        println!("--- {size} rows, database {} MiB", length(&folder.join("message-center.db")) >> 20);
        for concurrency in [1, 8, 16, 64] {
            commits(&data, concurrency, 400 * concurrency.min(16), false).await?;
        }
        commits(&data, 16, 20_000, false).await?;
        commits(&data, 16, 20_000, true).await?;
        more_ops(&data, 16, 500, 10).await?;
        reads(&data.store()).await?;
        messages(&data, clock.clone(), 16, 20_000).await?;
        println!("memory: {}", memory());
    }
    data.close().await?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// A message's head of about 900 bytes.
fn item(n: u64) -> Item {
    let attrs = Attrs::new()
        .with("st", "queued")
        .with("v", 1)
        .with("at", i64::try_from(n).unwrap_or(0))
        .with("doc", vec![b'x'; 780]);
    Item::new(Key::new("project#default#20261201#0", format!("msg_{}#head", ulid(n))), attrs)
}

fn ulid(n: u64) -> Ulid {
    Ulid::from_parts(1_796_083_200_000 + n / 8, u128::from(n))
}

fn task(n: u64) -> Outgoing {
    Outgoing {
        family: Family::Wecom,
        group: Group::of("default", Priority::Normal),
        task: Task::Deliver {
            project: "default".into(),
            message: MessageId::new(ulid(n)),
            share: 0,
            channel: "ops-robot".into(),
            slot: None,
        },
        delay: Duration::ZERO,
    }
}

async fn fill(data: &Embedded, rows: u64) -> Result<()> {
    let store = data.store();
    for chunk in (0..rows).collect::<Vec<_>>().chunks(1000) {
        let ops = chunk.iter().map(|_| Op::put(item(NEXT.fetch_add(1, Relaxed)))).collect();
        store.commit(Commit { ops, ..Commit::default() }).await.map_err(mc_core::Error::from)?;
    }
    Ok(())
}

/// What a phase cost.
struct Phase {
    name: String,
    begun: Instant,
    writer: Duration,
    process: Duration,
    commits: u64,
}

impl Phase {
    fn begin(data: &Embedded, name: String) -> Self {
        Self {
            name,
            begun: Instant::now(),
            writer: thread_time("mc-writer"),
            process: thread_time(""),
            commits: data.stats().commits,
        }
    }

    fn end(self, data: &Embedded, n: u64, mut times: Vec<Duration>) {
        let (wall, n32) = (self.begun.elapsed(), u32::try_from(n).unwrap_or(u32::MAX));
        let fsyncs = data.stats().commits - self.commits;
        times.sort_unstable();
        let at =
            |part: usize| times.get(times.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
        println!(
            "{:<38} {:>8.0}/s  p50 {:>7.0?} p99 {:>7.0?}  writer {:>6.1?} all threads {:>6.1?} each  {:.2} per fsync",
            self.name,
            n as f64 / wall.as_secs_f64(),
            at(50),
            at(99),
            (thread_time("mc-writer").saturating_sub(self.writer)) / n32,
            (thread_time("").saturating_sub(self.process)) / n32,
            n as f64 / fsyncs.max(1) as f64,
        );
    }
}

/// Single messages, accepted one per commit.
async fn commits(data: &Embedded, concurrency: u64, total: u64, expiring: bool) -> Result<()> {
    let what = if expiring { "1 put + 1 task, expiring" } else { "1 put + 1 task" };
    let phase = Phase::begin(data, format!("{what}, {concurrency} at a time"));
    let left = Arc::new(AtomicI64::new(i64::try_from(total)?));
    let mut workers: JoinSet<mc_core::Result<Vec<Duration>>> = JoinSet::new();
    for _ in 0..concurrency {
        let (store, left) = (data.store(), Arc::clone(&left));
        workers.spawn(async move {
            let mut times = Vec::new();
            while left.fetch_sub(1, Relaxed) > 0 {
                let n = NEXT.fetch_add(1, Relaxed);
                let mut head = item(n);
                if expiring {
                    head = head
                        .expiring(Timestamp::from_millis(1_896_083_200_000).after(Duration::from_millis(n)));
                }
                let commit =
                    Commit { guard: Some(Op::put_new(head)), tasks: vec![task(n)], ..Commit::default() };
                let begun = Instant::now();
                store.commit(commit).await.map_err(mc_core::Error::from)?;
                times.push(begun.elapsed());
            }
            Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(worker) = workers.join_next().await {
        times.extend(worker??);
    }
    phase.end(data, total, times);
    drain(data).await;
    Ok(())
}

/// What one further write in a commit costs.
async fn more_ops(data: &Embedded, concurrency: u64, rounds: u64, ops: u64) -> Result<()> {
    let phase = Phase::begin(data, format!("{ops} puts per commit, cost per put"));
    let mut workers: JoinSet<mc_core::Result<()>> = JoinSet::new();
    for _ in 0..concurrency {
        let store = data.store();
        workers.spawn(async move {
            for _ in 0..rounds / concurrency {
                let ops = (0..ops).map(|_| Op::put(item(NEXT.fetch_add(1, Relaxed)))).collect();
                store.commit(Commit { ops, ..Commit::default() }).await.map_err(mc_core::Error::from)?;
            }
            Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    phase.end(data, rounds / concurrency * concurrency * ops, Vec::new());
    Ok(())
}

/// Point reads over the whole key space, new and old, and a page of fifty.
async fn reads(store: &EmbeddedStore) -> Result<()> {
    let newest = NEXT.load(Relaxed) - 1;
    let rounds = 20_000_u64;
    let begun = Instant::now();
    for round in 0..rounds {
        store.get(&item(round * 7919 % newest + 1).key).await?;
    }
    let scattered = begun.elapsed() / u32::try_from(rounds)?;
    let begun = Instant::now();
    for round in 0..rounds {
        store.get(&item(newest - round % 50).key).await?;
    }
    let recent = begun.elapsed() / u32::try_from(rounds)?;
    let query = Query {
        pk: item(1).key.pk,
        from: String::new(),
        to: "\u{10ffff}".into(),
        newest_first: true,
        limit: 50,
    };
    let begun = Instant::now();
    for _ in 0..500 {
        store.query(&query).await?;
    }
    println!(
        "reads: scattered {scattered:.1?}, recent {recent:.1?}, page of 50 {:.1?}",
        begun.elapsed() / 500
    );
    Ok(())
}

/// Claims and records each message like the delivery does, without a platform.
struct Deliver {
    store: EmbeddedStore,
    clock: Arc<Ticking>,
    done: AtomicU64,
}

impl Deliver {
    async fn deliver(&self, message: MessageId) -> mc_core::Result<()> {
        let key = Key::new("project#default#20261201#0", format!("msg_{}#head", message.ulid()));
        let lease = self.clock.now().after(Duration::from_secs(60));
        let claim = Op::Update(
            key.clone(),
            vec![Change::set("st", "sending"), Change::set("lease", lease), Change::Add("attempt".into(), 1)],
            vec![Cond::Eq("st".into(), "queued".into())],
        );
        self.store.write(claim).await?;
        let record = Op::Update(
            key,
            vec![Change::set("st", "sent"), Change::Remove("lease".into()), Change::Expire(Some(lease))],
            vec![Cond::Eq("attempt".into(), 1.into())],
        );
        self.store.write(record).await?;
        self.done.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[async_trait]
impl Consumer for Deliver {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        let work = envelope.tasks.iter().map(|task| async move {
            match task {
                Task::Deliver { message, .. } => self.deliver(*message).await,
                Task::Notify { .. }
                | Task::Receipt { .. }
                | Task::Poll { .. }
                | Task::Recall { .. }
                | Task::Run { .. }
                | Task::Ask { .. } => Ok(()),
            }
        });
        for outcome in futures_util::future::join_all(work).await {
            if let Err(error) = outcome {
                eprintln!("{error}");
            }
        }
        vec![Verdict::Done; envelope.tasks.len()]
    }
}

/// Accepting and delivering at the same time, until everything is delivered.
async fn messages(data: &Embedded, clock: Arc<Ticking>, concurrency: u64, total: u64) -> Result<()> {
    let phase = Phase::begin(data, format!("whole messages, {concurrency} at a time"));
    let consumer = Arc::new(Deliver { store: data.store(), clock, done: AtomicU64::new(0) });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let drive = Drive { concurrency: 64, grace: Duration::from_secs(5) };
    let driver = tokio::spawn(run(data.queue(), Family::Wecom, consumer.clone(), drive, async {
        let _ = stopped.await;
    }));
    let left = Arc::new(AtomicI64::new(i64::try_from(total)?));
    let mut workers: JoinSet<mc_core::Result<()>> = JoinSet::new();
    for _ in 0..concurrency {
        let (store, left) = (data.store(), Arc::clone(&left));
        workers.spawn(async move {
            while left.fetch_sub(1, Relaxed) > 0 {
                let n = NEXT.fetch_add(1, Relaxed);
                let commit =
                    Commit { guard: Some(Op::put_new(item(n))), tasks: vec![task(n)], ..Commit::default() };
                store.commit(commit).await.map_err(mc_core::Error::from)?;
            }
            Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    println!("accepted {:.0}/s while delivering", total as f64 / phase.begun.elapsed().as_secs_f64());
    while consumer.done.load(Relaxed) < total {
        tokio::task::yield_now().await;
    }
    drop(stop);
    driver.await?;
    phase.end(data, total, Vec::new());
    Ok(())
}

/// Settles everything that waits.
async fn drain(data: &Embedded) {
    let queue = data.queue();
    while let Ok(taken) = tokio::time::timeout(Duration::from_millis(50), queue.next(Family::Wecom)).await {
        let n = taken.envelope().tasks.len();
        taken.finish(vec![Verdict::Done; n]);
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |meta| meta.len())
}

/// The processor time of the threads whose name begins so.
fn thread_time(name: &str) -> Duration {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let spent = threads.flatten().filter_map(|thread| {
        let comm = std::fs::read_to_string(thread.path().join("comm")).ok()?;
        let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        comm.starts_with(name).then(|| stat.split(' ').next()?.parse::<u64>().ok()).flatten()
    });
    Duration::from_nanos(spent.sum())
}

/// The process's own memory now and at most.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let wanted =
        |line: &&str| ["VmHWM", "RssAnon", "RssFile", "RssShmem"].iter().any(|name| line.starts_with(name));
    status.lines().filter(wanted).map(|line| line.replace(['\t', ' '], "")).collect::<Vec<_>>().join(" ")
}
