//! Who is calling: the credentials a request may carry, each checked by a pure function.
//!
//! [`basic`], [`password`], [`sigv4`] and [`throttle`] read no store, no clock and no network. [`caller`] looks up the
//! secret, hands over the time and turns every failure into the same 401; what a failure says is for the log only.

pub mod basic;
pub mod caller;
pub mod issue;
pub mod opened;
pub mod password;
pub mod session;
pub mod sigv4;
pub mod source;
pub mod throttle;
