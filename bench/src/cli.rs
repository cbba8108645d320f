//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures a Message Center on this machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "mc-bench", version)]
pub struct Options {
    /// The program to measure.
    #[arg(long, default_value = "target/release/message-center")]
    pub binary: PathBuf,
    /// Messages per measurement.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: u64,
    /// Calls under way at the same time, each on a connection of its own.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub concurrency: u64,
    /// Messages per call of the batch measurements.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub batch_size: u64,
    /// How long the slow platform takes to answer.
    #[arg(long, default_value_t = 100)]
    pub delay_ms: u64,
    /// What to measure; may be given several times. Everything, if it is not given.
    #[arg(long = "scenario", value_enum)]
    pub scenarios: Vec<Scenario>,
    /// Let the growth measurement go to a million stored messages, which takes minutes, instead of 20,000.
    #[arg(long)]
    pub growth: bool,
    /// Messages that are due at one instant.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub scheduled: u64,
    /// Where the data folders of the measured processes are made. It should be a real disk: on one in memory a commit
    /// costs nothing.
    #[arg(long, default_value = "target/bench-data")]
    pub work_dir: PathBuf,
    /// Print the JSON line only, without progress and table.
    #[arg(long)]
    pub json_only: bool,
}

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One message per call, delivered at once, and stored for later only.
    Single,
    /// Many messages per call, delivered at once, and stored for later only.
    Batch,
    /// A platform that takes its time.
    Slow,
    /// The same calls with more and more messages stored.
    Growth,
    /// Messages that are all due at one instant, promoted and delivered.
    Scheduled,
}

impl Options {
    /// Whether a scenario was asked for.
    pub fn wants(&self, scenario: Scenario) -> bool {
        self.scenarios.is_empty() || self.scenarios.contains(&scenario)
    }

    /// How long the slow platform takes.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// How many messages are stored at each step of the growth measurement.
    pub fn growth_steps(&self) -> &'static [u64] {
        if self.growth { &[1_000, 100_000, 1_000_000] } else { &[1_000, 20_000] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_measured_unless_told_otherwise() {
        let all = Options::parse_from(["mc-bench"]);
        assert!(all.wants(Scenario::Single) && all.wants(Scenario::Growth));
        assert_eq!(all.growth_steps(), [1_000, 20_000]);
        let some = Options::parse_from(["mc-bench", "--scenario", "batch", "--scenario", "slow", "--growth"]);
        assert!(some.wants(Scenario::Batch) && some.wants(Scenario::Slow));
        assert!(!some.wants(Scenario::Single) && !some.wants(Scenario::Growth));
        assert_eq!(some.growth_steps().last(), Some(&1_000_000));
    }
}
