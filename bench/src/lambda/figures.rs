//! What each function weighs: its package, its start, its memory, its work per event.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::cli::Options;
use super::runtime::{Function, Under};
use super::stage::{FUNCTIONS, Stage};
use crate::Result;
use crate::measure::{Usage, rounded};

/// Events before a function counts as warm.
const WARM: u64 = 5;

/// Events whose instructions are counted.
const COUNTED: u64 = 20;

/// The figures of one function.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// Its name.
    pub function: String,
    /// The zipped package, in bytes.
    pub package_bytes: u64,
    /// From exec to the first request for an event: instructions.
    pub start_instructions: u64,
    /// The same in milliseconds, the median.
    pub start_ms: f64,
    /// The same with the warm-up that opens connections.
    pub warm_up_instructions: Option<u64>,
    /// The same in milliseconds, the median.
    pub warm_up_ms: Option<f64>,
    /// The most memory after all invocations, in MiB.
    pub peak_mib: f64,
    /// Instructions of an event, once warm.
    pub event_instructions: u64,
}

/// Measures every function, and a function that does nothing beside them.
pub(super) async fn all(stage: &mut Stage, options: &Options) -> Result<Vec<Figures>> {
    let mut all = vec![hello(stage, options).await?];
    for function in FUNCTIONS {
        if options.wants(function.0) {
            eprintln!("mc-bench-lambda: {}", function.0);
            all.push(one(stage, options, function).await?);
        }
    }
    Ok(all)
}

async fn hello(stage: &Stage, options: &Options) -> Result<Figures> {
    let (binary, environment) = (&options.hello, stage.environment(false));
    let event = super::events::tick();
    let function = Function::start(binary, &environment, Under::Itself).await?;
    for _ in 0..options.invocations {
        function.invoke(&event).await?;
    }
    let peak_mib = Usage::of(function.pid())?.peak_mib();
    function.end().await?;
    let mut counts = [0; 2];
    for (count, events) in counts.iter_mut().zip([WARM, WARM + COUNTED]) {
        let function = Function::start(binary, &environment, Under::Callgrind).await?;
        for _ in 0..events {
            function.invoke(&event).await?;
        }
        *count = function.instructions().await?;
    }
    Ok(Figures {
        function: "hello world".to_owned(),
        package_bytes: zipped(binary)?,
        start_instructions: started(binary, &environment).await?,
        start_ms: median(binary, &environment, options.starts).await?,
        warm_up_instructions: None,
        warm_up_ms: None,
        peak_mib,
        event_instructions: (counts[1] - counts[0]) / COUNTED,
    })
}

async fn one(stage: &mut Stage, options: &Options, function: (&str, Option<&str>)) -> Result<Figures> {
    let binary = stage.binary(function.0);
    let ingest = stage.start("ingest", Under::Itself, false).await?;

    let running = stage.start(function.0, Under::Itself, false).await?;
    for number in 0..options.invocations {
        let event = stage.event(function, &ingest, number).await?;
        running.invoke(&event).await?;
    }
    let peak_mib = Usage::of(running.pid())?.peak_mib();
    running.end().await?;

    let mut counts = [0; 2];
    for (count, events) in counts.iter_mut().zip([WARM, WARM + COUNTED]) {
        let running = stage.start(function.0, Under::Callgrind, false).await?;
        for number in 0..events {
            let event = stage.event(function, &ingest, number).await?;
            running.invoke(&event).await?;
        }
        *count = running.instructions().await?;
    }
    ingest.end().await?;

    let (cold, warm) = (stage.environment(false), stage.environment(true));
    Ok(Figures {
        function: function.0.to_owned(),
        package_bytes: zipped(&binary)?,
        start_instructions: started(&binary, &cold).await?,
        start_ms: median(&binary, &cold, options.starts).await?,
        warm_up_instructions: Some(started(&binary, &warm).await?),
        warm_up_ms: Some(median(&binary, &warm, options.starts).await?),
        peak_mib,
        event_instructions: (counts[1].saturating_sub(counts[0])) / COUNTED,
    })
}

/// Instructions from exec to the first request for an event.
async fn started(binary: &Path, environment: &[(String, String)]) -> Result<u64> {
    Function::start(binary, environment, Under::Callgrind).await?.instructions().await
}

/// Milliseconds from exec to the first request for an event: the median of many starts.
async fn median(binary: &Path, environment: &[(String, String)], starts: usize) -> Result<f64> {
    let mut all = Vec::with_capacity(starts);
    for _ in 0..starts {
        let function = Function::start(binary, environment, Under::Itself).await?;
        all.push(function.start);
        function.end().await?;
    }
    all.sort_unstable();
    let middle = all.get(all.len() / 2).copied().unwrap_or_default();
    Ok(rounded(middle.as_secs_f64() * 1_000.0))
}

/// The size of the package: what zip would make of the binary, give or take its directory.
fn zipped(binary: &Path) -> Result<u64> {
    let packed = Command::new("gzip").args(["-9", "--stdout"]).arg(binary).output()?;
    if !packed.status.success() {
        return Err(format!("{} cannot be packed", binary.display()).into());
    }
    Ok(packed.stdout.len() as u64)
}
