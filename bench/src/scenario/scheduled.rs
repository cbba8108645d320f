//! Messages that are all due at one instant: how long until all are in the queue, and until all have arrived.
//!
//! What lies less than a quarter of an hour ahead waits in the queue from the start, and nobody wants to wait longer for a
//! measurement. So this one has the center in its own process, with a clock that it turns. The harder case is measured: the
//! time is there, nothing was promoted ahead of it, and the consumers work while the rows move.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::Timestamp;
use mc_core::model::{ChannelDoc, TemplateBody};
use mc_core::ports::{Clock, Family, Random};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{Caller, SendRequest, accept, request};
use mc_pipeline::center::Tuning;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::{Center, Parts, due};
use mc_store_embedded::{Drive, Embedded, Options, run};
use mc_testkit::{MockClock, SeqIds, SeqRandom};
use serde_json::{Value, json};

use super::rig::Bench;
use crate::Result;
use crate::measure::{per_second, rounded};
use crate::payload;
use crate::report::Scheduled;
use crate::stub::Stub;

const PROJECT: &str = "default";

/// Messages per request.
const PER_CALL: u64 = 100;

/// How far ahead they are accepted: beyond the queue's own delay.
const AHEAD: Duration = Duration::from_secs(3600);

/// What is due in a minute has to be in the queue within it.
const MINUTE_MS: f64 = 60_000.0;

/// Messages that have not arrived when nothing new came for so long are lost.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(bench: &mut Bench) -> Result<Scheduled> {
    let messages = bench.options.scheduled;
    bench.say(&format!("scheduled: {messages} messages for one instant"));
    let (stub, work_dir) = (bench.stub(Duration::ZERO), bench.options.work_dir.clone());
    // On threads of its own, like a server; what this one waits for is only the end.
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(all(&stub, &work_dir, messages))
    });
    let scheduled = measured.await??;
    if scheduled.arrived != messages {
        bench.problem(format!(
            "scheduled: {messages} messages were accepted and {} arrived",
            scheduled.arrived
        ));
    }
    if scheduled.duplicates > 0 {
        bench.problem(format!("scheduled: {} messages arrived twice", scheduled.duplicates));
    }
    if scheduled.promoted_ms >= MINUTE_MS {
        bench.problem(format!(
            "scheduled: promoting took {} ms, which is more than a minute",
            scheduled.promoted_ms
        ));
    }
    Ok(scheduled)
}

async fn all(stub: &Stub, work_dir: &Path, messages: u64) -> Result<Scheduled> {
    let folder = Folder(work_dir.join(format!("scheduled-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let clock = Arc::new(MockClock::default());
    let data = Arc::new(Embedded::open(Options::new(&folder.0), clock.clone())?);
    let center = center(&data, clock.clone())?;
    set_up(&center, stub).await?;

    let at = clock.now().after(AHEAD);
    let begun = Instant::now();
    let caller = Caller::new(PROJECT, "bench", "bench");
    for first in (0..messages).step_by(PER_CALL as usize) {
        let numbers = first..messages.min(first + PER_CALL);
        let answer = accept(&center, &caller, numbers.map(|n| message(n, at)).collect(), None).await;
        let outcomes = answer.map_err(|refusal| format!("{refusal:?}"))?.outcomes;
        if let Some(refused) = outcomes.iter().find(|o| !matches!(o, Outcome::Accepted(_))) {
            return Err(format!("a message was refused: {refused:?}").into());
        }
    }
    let accepted_in = begun.elapsed();

    let deliverer = Arc::new(Deliverer::new(center.clone()));
    let drive = Drive { concurrency: 64, grace: Duration::from_secs(1) };
    for family in Family::ALL {
        tokio::spawn(run(data.queue(), family, deliverer.clone(), drive, std::future::pending()));
    }
    clock.set(at);
    let begun = Instant::now();
    let promoted = due::promote(&center).await?;
    let promoted_in = begun.elapsed();
    let mut progress = (stub.distinct(), Instant::now());
    while progress.0 < messages && progress.1.elapsed() < PATIENCE {
        data.queue().wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if stub.distinct() != progress.0 {
            progress = (stub.distinct(), Instant::now());
        }
    }
    let delivered_in = stub.last_arrival().duration_since(begun);
    Ok(Scheduled {
        messages,
        accepted_per_s: per_second(messages, accepted_in),
        promoted: promoted as u64,
        promoted_ms: rounded(promoted_in.as_secs_f64() * 1_000.0),
        promoted_per_s: per_second(promoted as u64, promoted_in),
        delivered_ms: rounded(delivered_in.as_secs_f64() * 1_000.0),
        delivered_per_s: per_second(stub.distinct(), delivered_in),
        arrived: stub.distinct(),
        duplicates: stub.duplicates(),
    })
}

/// A data folder that goes when it is no longer needed.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn center(data: &Embedded, clock: Arc<MockClock>) -> Result<Arc<Center>> {
    let random: Arc<dyn Random> = Arc::new(SeqRandom::default());
    let ring = KeyRing::generate("k1", &*random)?;
    Ok(Arc::new(Center::new(Parts {
        store: Arc::new(data.store()),
        queue: Arc::new(data.queue()),
        blobs: Arc::new(data.blobs()),
        http: Arc::new(GuardedHttp::new(EgressPolicy::parse(None, true)?, clock.clone())),
        mail: None,
        ids: Arc::new(SeqIds::default()),
        sealer: Arc::new(Sealer::new(&ring, random.clone())?),
        random,
        tuning: Tuning { leases_from: clock.now(), ..Tuning::default() },
        clock,
    })))
}

/// The channel that leads to the stub, and the template.
async fn set_up(center: &Center, stub: &Stub) -> Result<()> {
    center.projects.ensure(PROJECT).await?;
    let mut channel: Value = payload::channel(stub.address());
    let times = json!({"secrets": {}, "created_at": Timestamp::EPOCH, "updated_at": Timestamp::EPOCH});
    for (field, value) in times.as_object().into_iter().flatten() {
        channel[field] = value.clone();
    }
    let channel: ChannelDoc = serde_json::from_value(channel)?;
    center.channels.put(PROJECT, payload::CHANNEL, channel).await?;
    let template: TemplateBody = serde_json::from_value(payload::template())?;
    if center.templates.put(PROJECT, payload::TEMPLATE, template).await.is_err() {
        return Err("the template is refused".into());
    }
    Ok(())
}

fn message(number: u64, at: Timestamp) -> std::result::Result<SendRequest, mc_pipeline::accept::Refusal> {
    let mut body = Vec::new();
    payload::write_message(&mut body, number, Some(&at.to_string()));
    request::read(&body)
}
