//! Starts the benchmark, prints its report, and fails if a message was lost or refused.

use std::process::ExitCode;

use clap::Parser;
use mc_bench::cli::Options;
use mc_bench::report::Report;
use mc_bench::{Result, scenario};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(report) => print(&options, &report),
        Err(error) => {
            eprintln!("mc-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One thread makes all calls: a second one would take the processor from the server.
fn measure(options: &Options) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Leaving by the usual way ends the measured process and removes its data.
        tokio::select! {
            report = scenario::run(options) => report,
            () = told_to_stop() => Err("told to stop".into()),
        }
    })
}

async fn told_to_stop() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => std::future::pending().await,
    }
}

fn print(options: &Options, report: &Report) -> ExitCode {
    if !options.json_only {
        eprint!("{}", report.table());
    }
    match serde_json::to_string(report) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("mc-bench: the report cannot be written as JSON: {error}"),
    }
    for problem in &report.problems {
        eprintln!("mc-bench: {problem}");
    }
    if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
