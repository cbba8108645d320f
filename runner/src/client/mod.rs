//! The client for people and scripts.

mod check;
mod declared;
mod http;
mod send;
mod sign;

pub use check::check;
pub use declared::{apply, export};
pub use send::send;
