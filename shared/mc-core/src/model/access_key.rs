//! Access keys: who calls, for which project, and what they may do.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a caller may do in its project. Each role includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Send, and read, cancel, retry and recall the project's messages.
    Send,
    /// See all of the project.
    Read,
    /// Change the project.
    Admin,
}

impl Role {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Send => "send",
            Role::Read => "read",
            Role::Admin => "admin",
        }
    }
}

/// An access key as it is stored. Its secret is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// The name of the key as a resource.
    pub id: String,
    /// The public half, which callers send (`MC…`).
    pub access_key_id: String,
    /// The secret half, sealed.
    pub secret: String,
    /// The project it opens.
    pub project: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether HTTP Basic is accepted.
    pub basic: bool,
    /// Whether it works.
    pub enabled: bool,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The networks it may be used from; everywhere if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_cidrs: Vec<String>,
    /// The channels it may send through; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_channels: Vec<String>,
    /// Who made it, as the audit log names them; for a key that was made by a key, who made that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The key it follows in a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// The key that follows it in a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}
