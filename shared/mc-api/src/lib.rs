//! HTTP routers, authentication and problem answers.
//!
//! A request goes one way: [`routes`] finds its line in the table, `endpoint` reads the body and finds out who is
//! calling, a handler calls a use-case of `mc-pipeline`, and [`problem`] writes down what went wrong, if anything.
//!
//! Invariant: a handler runs only after the line of its route in the table was satisfied, so handlers check no roles.

pub mod access;
pub mod auth;
pub mod first_start;
pub mod openapi;
pub mod problem;
pub mod routes;
pub mod schema;
pub mod state;

mod answer;
mod body;
mod call;
mod endpoint;
mod limits;
pub mod noting;
mod query;

pub use auth::issue::{NewAccessKey, issue};
pub use problem::ApiError;
pub use routes::{callback_router, ingest_router, router};
pub use state::{Api, ApiOptions};
