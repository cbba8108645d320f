//! What the functions weigh and what messages cost on AWS.
//!
//! The real binaries run as they do on Lambda: a stub of its Runtime API ([`runtime`]) gives them events and takes their
//! answers, a stub of AWS ([`aws`]) stands behind them and counts units as AWS counts them. Instructions are counted by
//! callgrind, which gives the same figure on every machine; milliseconds and memory are this machine's.

mod aws;
pub mod cli;
mod costs;
mod events;
mod figures;
mod http;
mod prices;
pub mod report;
mod runtime;
mod stage;

use crate::Result;
use crate::sign::AccessKey;
use cli::Options;
use report::Report;

/// The access key of the first start.
const ACCESS_KEY: AccessKey = AccessKey { id: "MCFIRSTKEY", secret: "the-secret-of-the-first-access-key" };

/// The secrets of the first start.
const OPERATOR_SECRET: &str = "operator";
const ACCESS_KEY_SECRET: &str = "access-key";

/// Measures everything.
pub async fn run(options: &Options) -> Result<Report> {
    let file = prices::File::read()?;
    let mut stage = stage::Stage::set(options.bin.clone(), file.assumed).await?;
    let figures = figures::all(&mut stage, options).await?;
    let (mut ways, mut idle) = (Vec::new(), None);
    if !options.no_costs {
        ways = costs::ways(&mut stage, file).await?;
        idle = Some(costs::idle(&mut stage, file).await?);
    }
    Ok(Report { figures, ways, idle, problems: stage.aws.problems() })
}
