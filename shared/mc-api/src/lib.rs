//! HTTP routers, authentication and problem answers.
