//! Projects and the people who run them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

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
    /// How many messages callers may send.
    #[serde(default, skip_serializing_if = "ProjectLimits::is_none")]
    pub limits: ProjectLimits,
    /// How the project is run.
    #[serde(default)]
    pub settings: ProjectSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How a project is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectSettings {
    /// Whether a second operator has to approve a version of a template before it is sent.
    pub template_approval: bool,
}

/// How many messages the callers of a project may send. What is not given has no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectLimits {
    /// In each second of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_second: Option<NonZeroU32>,
    /// In each minute of the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<NonZeroU32>,
    /// In each day of the clock, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_day: Option<NonZeroU32>,
}

impl ProjectLimits {
    /// Whether there is no limit at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
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
    /// Whether they may sign in.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Sessions that were opened until then are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_out_at: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

fn yes() -> bool {
    true
}

impl Operator {
    /// An account that may sign in.
    pub fn new(password: String, roles: BTreeMap<String, OperatorRole>) -> Self {
        let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
        Self { password, roles, enabled: true, signed_out_at: None, created_at, updated_at }
    }
}
