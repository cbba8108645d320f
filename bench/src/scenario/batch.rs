//! Many messages per call.

use std::time::Duration;

use super::rig::{Bench, When};
use crate::Result;
use crate::report::{Batch, Run};

/// The same messages as single ones, a hundred per call.
pub(super) async fn measure(bench: &mut Bench) -> Result<Batch> {
    let delivered = ingest(bench, "batch, delivered at once", When::Now).await?;
    let stored = ingest(bench, "batch, stored for later", When::Later).await?;
    Ok(Batch { delivered, stored })
}

async fn ingest(bench: &mut Bench, name: &str, when: When) -> Result<Run> {
    let mut rig = bench.fresh(Duration::ZERO).await?;
    let load = bench.load(bench.options.messages, bench.options.batch_size, when);
    bench.full_speed(&mut rig, name, load, when).await
}
