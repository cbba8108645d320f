//! A platform that takes its time: what counts is how many pushes are under way at once.

use super::rig::{Bench, When};
use crate::Result;
use crate::report::{Run, Slow};

/// Single calls, and batches, which fill the queue faster than it empties.
pub(super) async fn measure(bench: &mut Bench) -> Result<Slow> {
    let single = ingest(bench, "slow platform, single", 1).await?;
    let batch = ingest(bench, "slow platform, batch", bench.options.batch_size).await?;
    Ok(Slow { delay_ms: bench.options.delay_ms, single, batch })
}

async fn ingest(bench: &mut Bench, name: &str, per_call: u64) -> Result<Run> {
    let mut rig = bench.fresh(bench.options.delay()).await?;
    let load = bench.load(bench.options.messages, per_call, When::Now);
    bench.full_speed(&mut rig, name, load, When::Now).await
}
