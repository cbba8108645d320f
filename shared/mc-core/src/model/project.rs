//! Projects and the people who run them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::time::Timestamp;

/// A project: everything else belongs to one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProjectDoc {
    /// What people call it.
    #[serde(default)]
    pub display_name: String,
    /// Common parameters, readable in every template as `params.*`.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an operator may do in a project. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorRole {
    /// Look.
    Viewer,
    /// Send, cancel, retry.
    Operator,
    /// Change the project.
    Admin,
}

/// Somebody who signs in with a password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operator {
    /// The argon2id hash of the password.
    pub password: String,
    /// The role per project; `*` stands for every project.
    pub roles: BTreeMap<String, OperatorRole>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
