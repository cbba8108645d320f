//! The measurements, one after the other, each on a process (but the one of scheduled messages) and a data folder of its own.

mod batch;
mod growth;
mod rig;
mod scheduled;
mod single;
mod slow;

use crate::Result;
use crate::cli::{Options, Scenario};
use crate::report::Report;
use rig::Bench;

/// Measures everything that was asked for.
pub async fn run(options: &Options) -> Result<Report> {
    let mut bench = Bench::new(options)?;
    let mut report = Report::new(options);
    if options.wants(Scenario::Single) {
        report.single = Some(single::measure(&mut bench).await?);
    }
    if options.wants(Scenario::Batch) {
        report.batch = Some(batch::measure(&mut bench).await?);
    }
    if options.wants(Scenario::Slow) {
        report.slow = Some(slow::measure(&mut bench).await?);
    }
    if options.wants(Scenario::Growth) {
        report.growth = growth::measure(&mut bench).await?;
    }
    if options.wants(Scenario::Scheduled) {
        report.scheduled = Some(scheduled::measure(&mut bench).await?);
    }
    report.ready_ms = bench.ready_ms();
    report.problems = bench.into_problems();
    Ok(report)
}
