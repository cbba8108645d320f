//! The benchmark of Message Center: a load generator, a stub platform, and what is measured with them.
//!
//! It starts the real binary on an empty data folder, points a webhook channel at its own stub platform, sends
//! messages over signed HTTP calls and counts what arrives. Generator, stub and server share the machine, so the
//! generator is written for little CPU: hand-made requests on kept connections, one thread for the calls and one for
//! the stub.
//!
//! A benchmark prints and does not judge: slow figures are figures. Only a lost or refused message makes it fail.

#![deny(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time and signs with the real date")]

pub mod cli;
pub mod client;
pub mod lambda;
pub mod load;
pub mod measure;
pub mod payload;
pub mod report;
pub mod scenario;
pub mod server;
pub mod sign;
pub mod stub;
mod wire;

#[cfg(test)]
mod fake;

/// Anything that ends the benchmark early, as a sentence for people.
pub type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
