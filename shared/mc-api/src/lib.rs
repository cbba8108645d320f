//! HTTP routers, authentication and problem answers.

pub mod auth;
