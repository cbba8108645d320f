//! Templates as they are stored.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::content::{Format, Level};
use super::message::Routing;
use crate::time::Timestamp;

/// A label and its value, both templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactTemplate {
    /// What it is.
    pub label: String,
    /// How much of it.
    pub value: String,
}

/// A button, all of it templates. One whose link and action both come out empty is left away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonTemplate {
    /// What it says.
    pub text: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What the caller is told when somebody presses it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action: String,
}

/// One version of a template: what a `PUT` gives. Every text in it is a Jinja template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateBody {
    /// The title.
    #[serde(default)]
    pub title: String,
    /// The body.
    pub body: String,
    /// How the body is written.
    #[serde(default)]
    pub format: Format,
    /// A JSON Schema of the values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Value>,
    /// Values to preview with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Map<String, Value>>,
    /// What people can opt out of; nobody can opt out of what belongs to no category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// The routing of messages that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<Routing>,
    /// Where a click leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the link there says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_label: Option<String>,
    /// Label and value pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<FactTemplate>,
    /// Buttons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<ButtonTemplate>,
    /// A picture's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How grave it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Fields that differ per channel name or kind: a JSON object of the fields above (title, body, format, url,
    /// url_label, facts, buttons, image, level).
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub channels: Map<String, Value>,
}

/// A version of a template as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TemplateDoc {
    /// Counted from 1.
    pub version: u32,
    /// What it says.
    #[serde(flatten)]
    pub body: TemplateBody,
    /// Whether it may be sent, where the project wants a second person to say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// When this version was made.
    pub created_at: Timestamp,
}

impl TemplateDoc {
    /// Whether messages may be made of it.
    pub fn may_be_sent(&self) -> bool {
        self.approval.as_ref().is_none_or(|approval| approval.state == ApprovalState::Approved)
    }
}

/// How far a version is with its approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalState {
    /// Nobody looked at it yet.
    Pending,
    /// It may be sent.
    Approved,
    /// It will not be sent.
    Rejected,
}

/// Who made a version, and who says whether it may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// How far it is.
    pub state: ApprovalState,
    /// Who made the version: `operator:…` or `key:…`.
    pub author: String,
    /// Who made the author, if that is an access key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_of: Option<String>,
    /// Who looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_at: Option<Timestamp>,
    /// What they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
