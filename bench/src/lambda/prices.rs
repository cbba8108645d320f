//! What AWS charges, and what is assumed where nothing can be counted: `bench/prices.toml`.

use serde::Deserialize;

use crate::Result;

const FILE: &str = include_str!("../../prices.toml");

/// The file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) prices: Prices,
    pub(super) assumed: Assumed,
}

/// Prices in dollars.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    pub(super) api_million: f64,
    pub(super) invocation_million: f64,
    pub(super) gigabyte_second: f64,
    pub(super) write_million: f64,
    pub(super) read_million: f64,
    pub(super) queue_million: f64,
    pub(super) put_million: f64,
    pub(super) get_million: f64,
    pub(super) log_gigabyte: f64,
    pub(super) access_log_gigabyte: f64,
    pub(super) alarm_month: f64,
    pub(super) metric_month: f64,
    pub(super) dashboard_month: f64,
    pub(super) secret_month: f64,
    pub(super) secret_million: f64,
}

/// What the counts cannot say.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assumed {
    pub(super) memory_mb: f64,
    pub(super) whole_processor_mb: f64,
    pub(super) table_ms: u64,
    pub(super) queue_ms: u64,
    pub(super) secret_ms: u64,
    pub(super) object_ms: u64,
    pub(super) push_ms: u64,
    pub(super) polls_per_queue_month: f64,
    pub(super) queues: f64,
    pub(super) queue_counts_month: f64,
    pub(super) minutes_month: f64,
    pub(super) line_overhead: u64,
    pub(super) secrets: f64,
    pub(super) alarms: f64,
}

impl File {
    pub(super) fn read() -> Result<Self> {
        Ok(toml::from_str(FILE)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_every_price() {
        let file = File::read().unwrap();
        assert!(file.prices.write_million > file.prices.read_million);
    }
}
