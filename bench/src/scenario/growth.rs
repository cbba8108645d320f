//! The same calls with more and more messages stored: their time must not grow.

use std::time::{Duration, Instant};

use super::rig::{Bench, Rig, When};
use crate::Result;
use crate::measure::{Durations, Latency, rounded};
use crate::report::Step;

/// Messages sent to see how long a call takes at each step.
const PROBE: u64 = 5_000;

/// The store is filled in portions of so many, each delivered before the next: a long queue is not what is measured.
const PORTION: u64 = 20_000;

/// How often it is said how far the filling is.
const PROGRESS: u64 = 100_000;

/// Batches, to fill the store quickly.
const PER_CALL: u64 = 100;

/// One process all the way, whose memory is looked at as its store grows.
pub(super) async fn measure(bench: &mut Bench) -> Result<Vec<Step>> {
    let mut rig = bench.fresh(Duration::ZERO).await?;
    let mut stored = 0;
    let mut steps = Vec::new();
    for step in bench.options.growth_steps() {
        while stored < *step {
            let portion = PORTION.min(*step - stored);
            let load = bench.load(portion, PER_CALL, When::Now);
            bench.send(&mut rig, "growth, filling", &load, When::Now).await?;
            if (stored + portion) / PROGRESS > stored / PROGRESS {
                bench.say(&format!("growth: {} messages stored", stored + portion));
            }
            stored += portion;
        }
        rig.server.settle().await?;
        steps.push(probe(bench, &mut rig, stored).await?);
        stored += PROBE;
    }
    Ok(steps)
}

async fn probe(bench: &mut Bench, rig: &mut Rig, stored: u64) -> Result<Step> {
    let load = bench.load(PROBE, 1, When::Now);
    let single = bench.full_speed(rig, &format!("growth, {stored} stored"), load, When::Now).await?;
    let one: Vec<String> = bench.some_ids(300).iter().map(|id| format!("/v1/messages/{id}")).collect();
    let page = vec!["/v1/messages?limit=50".to_owned(); 50];
    Ok(Step {
        stored,
        single,
        get: reads(rig, &one).await?,
        list: reads(rig, &page).await?,
        data_mib: rounded(rig.server.data_bytes() as f64 / 1_048_576.0),
    })
}

/// Reads one path after the other.
async fn reads(rig: &Rig, paths: &[String]) -> Result<Latency> {
    let mut connection = rig.server.connect().await?;
    let mut durations = Durations::default();
    for path in paths {
        let begun = Instant::now();
        let answer = connection.call("GET", path, b"").await?;
        durations.push(begun.elapsed());
        answer.success(&format!("GET {path}"))?;
    }
    Ok(durations.latency())
}
