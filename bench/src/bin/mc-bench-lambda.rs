//! Measures the functions of AWS and what messages cost there.

use std::process::ExitCode;

use clap::Parser;
use mc_bench::Result;
use mc_bench::lambda::cli::Options;
use mc_bench::lambda::report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    let result = measure(&options);
    match result.and_then(|report| print(&options, &report)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mc-bench-lambda: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(mc_bench::lambda::run(options))
}

/// What is over its bound is told, and fails only what broke: figures are figures.
fn print(options: &Options, report: &Report) -> Result<ExitCode> {
    eprint!("{}", report.table());
    println!("{}", serde_json::to_string(report)?);
    if let (Some(path), Some(page)) = (&options.costs, report.page()) {
        std::fs::write(path, page)?;
    }
    for over in report.over() {
        eprintln!("mc-bench-lambda: over its bound: {over}");
    }
    for problem in &report.problems {
        eprintln!("mc-bench-lambda: {problem}");
    }
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
