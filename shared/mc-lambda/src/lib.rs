//! The message center as AWS Lambda functions.
//!
//! One function per line of [`role::Role`]. Each `main` calls one of the functions here, which run until the process is
//! ended. An event comes in, the same use-cases run as everywhere, one line of log goes out ([`log`]).
//!
//! Nothing is built before the first event needs it, unless [`settings::names::WARM_UP`] is set: then connections are
//! opened while Lambda still gives a whole processor away.
#![deny(missing_docs)]

mod ending;
mod entry;
mod event;
mod http;
pub mod log;
pub mod meters;
mod place;
pub mod role;
mod runtime;
pub mod settings;

pub use entry::{callback, console, ingest, quota, schedule, send};
