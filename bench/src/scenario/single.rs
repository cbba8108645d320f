//! One message per call.

use std::time::Duration;

use super::rig::{Bench, When};
use crate::Result;
use crate::report::{Ingest, Single};

/// Delivering runs beside accepting and takes its share of the machine; messages for later show accepting alone.
pub(super) async fn measure(bench: &mut Bench) -> Result<Single> {
    let delivered = ingest(bench, "single, delivered at once", When::Now).await?;
    let stored = ingest(bench, "single, stored for later", When::Later).await?;
    Ok(Single { delivered, stored })
}

async fn ingest(bench: &mut Bench, name: &str, when: When) -> Result<Ingest> {
    let mut rig = bench.fresh(Duration::ZERO).await?;
    let load = bench.load(bench.options.messages, 1, when);
    let full_speed = bench.full_speed(&mut rig, name, load, when).await?;
    let half_speed = bench.half_speed(&mut rig, name, &full_speed, when).await?;
    Ok(Ingest { full_speed, half_speed })
}
