//! Starts the benchmark, prints its report, and fails if a message was lost or refused.

use std::process::ExitCode;

use clap::Parser;
use mc_bench::cli::Options;
use mc_bench::report::Report;
use mc_bench::{Result, scenario};

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
    runtime.block_on(scenario::run(options))
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
