//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Measures the functions' binaries against stubs of Lambda and of AWS, and prints a table and one JSON line.
#[derive(Clone, Debug, Parser)]
#[command(name = "mc-bench-lambda", version)]
pub struct Options {
    /// The folder of the functions' binaries.
    #[arg(long, default_value = "target/release-lambda")]
    pub bin: PathBuf,
    /// A function that does nothing, built the same way.
    #[arg(long, default_value = "target/release-lambda/examples/hello")]
    pub hello: PathBuf,
    /// Events before the memory is looked at.
    #[arg(long, default_value_t = 1_000)]
    pub invocations: u64,
    /// Starts whose median is taken.
    #[arg(long, default_value_t = 21)]
    pub starts: usize,
    /// Only these functions; may be given several times.
    #[arg(long = "function")]
    pub functions: Vec<String>,
    /// Leave the costs away.
    #[arg(long)]
    pub no_costs: bool,
    /// Write the page of costs to this file.
    #[arg(long)]
    pub costs: Option<PathBuf>,
}

impl Options {
    /// Whether a function is to be measured.
    pub fn wants(&self, function: &str) -> bool {
        self.functions.is_empty() || self.functions.iter().any(|name| name == function)
    }
}
