//! Behaviour suites, builders and a clock to turn by hand.
//!
//! [`store::all`] and [`queue::all`] hold a store or a queue to every `# Behavior` line of its port; each adapter's
//! tests call them. [`channel::all`] does the same for channels, against a counterpart that plays the platform.
#![deny(missing_docs)]

pub mod ambient;
pub mod channel;
pub mod faults;
mod flaky;
mod must;
mod platform;
pub mod queue;
pub mod store;
mod tokens;

pub use ambient::{MockClock, SeqIds, SeqRandom};
pub use faults::Fault;
pub use flaky::{Crash, FlakyStore};
pub use must::Must;
pub use platform::{Answer, Platform};
pub use tokens::MemoryTokens;
