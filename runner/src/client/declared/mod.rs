//! A project's configuration as YAML: `export` writes it, `apply` makes it so.
//!
//! A file is a map of collections, each a map of names to what `PUT` takes:
//!
//! ```yaml
//! channels:
//!   ops-robot:
//!     kind: wecom_robot
//!     secrets:
//!       key: {env: OPS_ROBOT_KEY}
//! templates:
//!   deploy-done:
//!     title: "{{ app }} is live"
//! ```
//!
//! A secret is never in a file: `{env: NAME}` stands for the value of an environment variable.

mod apply;
mod collections;
mod export;
mod files;
mod plan;
mod secrets;

pub use apply::apply;
pub use export::export;
