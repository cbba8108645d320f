//! The pipeline with real parts: SQLite, HTTP, SMTP, and platforms that enforce their rules. Only time stands still
//! until a test moves it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod accepting;
mod alarming;
mod asked;
mod asking;
mod broken;
mod chatty;
mod conditions;
mod counting;
mod delivering;
mod failing;
mod finding;
mod imports;
mod including;
mod limits;
mod metered;
mod pacing;
mod people;
mod polling;
mod queued;
mod quotas;
mod recalling;
mod receipts;
mod repeats;
mod resealing;
mod reserving;
mod schedules;
mod scheduling;
mod ses;
mod suppressing;
mod sweeping;
mod telling;
mod tokens;
mod waiting;
mod world;
mod writing;
