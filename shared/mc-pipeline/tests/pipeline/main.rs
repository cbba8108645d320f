//! The pipeline with real parts: SQLite, HTTP, SMTP, and platforms that enforce their rules. Only time stands still
//! until a test moves it.

mod accepting;
mod delivering;
mod failing;
mod pacing;
mod telling;
mod world;
