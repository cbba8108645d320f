//! What each function does with its events.

mod callback;
mod console;
mod ingest;
mod quota;
mod requests;
mod schedule;
mod send;

use std::process::ExitCode;

use mc_core::ports::Family;

use crate::role::Role;
use crate::runtime::run;

/// Takes messages: over HTTP, and from EventBridge.
pub fn ingest() -> ExitCode {
    run(Role::Ingest, ingest::Ingest::default())
}

/// The management API.
pub fn console() -> ExitCode {
    run(Role::Console, console::Console::default())
}

/// Hears from platforms over HTTP, and from SES through EventBridge.
pub fn callback() -> ExitCode {
    run(Role::Callback, callback::Callback::default())
}

/// Sends through the channels of one family.
pub fn send(family: Family) -> ExitCode {
    run(Role::Send(family), send::Send(family))
}

/// Queues what has become due.
pub fn schedule() -> ExitCode {
    run(Role::Schedule, schedule::Schedule::default())
}

/// Looks at what the platforms still allow.
pub fn quota() -> ExitCode {
    run(Role::Quota, quota::Quota)
}
