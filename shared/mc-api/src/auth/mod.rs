//! Who is calling: the credentials a request may carry, each checked by a pure function.
//!
//! Nothing here reads a store, a clock or the network. The extractors look up the secret, hand over the time and turn
//! every failure into the same 401; what a failure says is for the log only.

pub mod basic;
pub mod password;
pub mod sigv4;
pub mod throttle;
