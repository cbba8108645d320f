//! The client for people and scripts.

mod check;
mod http;
mod send;
mod sign;

pub use check::check;
pub use send::send;
