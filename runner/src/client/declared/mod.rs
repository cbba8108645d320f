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
//! `{env: NAME}` stands for the value of an environment variable, so that no secret has to be in a file. `project` has no
//! name in it, so that the files of one project can be applied to another.

mod apply;
mod collections;
mod export;
mod files;
mod plan;
mod project;
mod schema;
mod secrets;
mod suspects;

pub use apply::apply;
pub use export::export;
