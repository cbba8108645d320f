//! What the tests of the whole stand on: the real binary in a data folder of its own, a client that signs, a receiver
//! that remembers, and waiting for a condition.
//!
//! ```no_run
//! # async fn test() {
//! use mc_tests::TestApp;
//! use serde_json::json;
//!
//! let app = TestApp::start().await;
//! let answer = app.client().post("/v1/messages", &json!({"template": "hello"})).await;
//! assert_eq!(answer.status, 422);
//! # }
//! ```
//!
//! Everything here panics where a test would: a helper that cannot do its work has nothing better to say.

#![deny(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "the tests of the whole run in real time, as the binary does")]

mod app;
mod client;
mod folder;
mod process;
mod receiver;
mod sign;
mod wait;

pub use app::{ADMIN_PASSWORD, Builder, TestApp};
pub use client::{Answer, Auth, Client, Request};
pub use process::binary;
pub use receiver::{Received, Receiver, Reply};
pub use sign::AccessKey;
pub use wait::{wait_until, wait_until_some};
