//! The seam of Message Center: the words everything else is written in.
//!
//! Types ([`model`]), the state machine ([`state`]), errors that say what happens next ([`error`]) and the ports
//! ([`ports`]) that stores, queues, channels and clients implement. Nothing here knows a cloud, an HTTP server, the
//! ambient clock or ambient randomness.
#![deny(missing_docs)]

pub mod error;
pub mod id;
pub mod model;
pub mod ports;
pub mod secret;
pub mod state;
pub mod time;

pub use error::{Error, ErrorKind, Result, Retry};
pub use secret::Secret;
pub use time::Timestamp;
