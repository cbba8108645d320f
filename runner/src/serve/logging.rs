//! Log lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::{Failure, context};
use crate::config::{Log, LogFormat};

/// Starts logging to standard error.
pub fn start(log: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&log.level).map_err(context("[log] level"))?;
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match log.format {
        LogFormat::Human => lines.compact().init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
