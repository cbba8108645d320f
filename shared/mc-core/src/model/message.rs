//! Messages: what was accepted, how it is split, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::channel::Kind;
use super::content::{Button, Fact, Format, Level};
use super::schedule::Condition;
use crate::id::MessageId;
use crate::time::Timestamp;

/// What kind of address an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// `someone@example.com`.
    Email,
    /// A mobile number, E.164 or national.
    Mobile,
    /// A WeCom user id; `party:2` is a department, `tag:3` a tag, `@all` everybody.
    Wecom,
    /// A DingTalk user id.
    Dingtalk,
    /// A WeChat openid.
    Wechat,
    /// A Feishu open id, user id or union id.
    Feishu,
}

impl AddressKind {
    /// Every kind of address.
    pub const ALL: [AddressKind; 6] = [
        AddressKind::Email,
        AddressKind::Mobile,
        AddressKind::Wecom,
        AddressKind::Dingtalk,
        AddressKind::Wechat,
        AddressKind::Feishu,
    ];

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            AddressKind::Email => "email",
            AddressKind::Mobile => "mobile",
            AddressKind::Wecom => "wecom",
            AddressKind::Dingtalk => "dingtalk",
            AddressKind::Wechat => "wechat",
            AddressKind::Feishu => "feishu",
        }
    }
}

/// The addresses of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// E-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Mobile number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// WeCom user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wecom: Option<String>,
    /// DingTalk user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dingtalk: Option<String>,
    /// WeChat openid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wechat: Option<String>,
    /// Feishu id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feishu: Option<String>,
}

impl Addresses {
    /// The address of a kind.
    pub fn get(&self, kind: AddressKind) -> Option<&str> {
        match kind {
            AddressKind::Email => self.email.as_deref(),
            AddressKind::Mobile => self.mobile.as_deref(),
            AddressKind::Wecom => self.wecom.as_deref(),
            AddressKind::Dingtalk => self.dingtalk.as_deref(),
            AddressKind::Wechat => self.wechat.as_deref(),
            AddressKind::Feishu => self.feishu.as_deref(),
        }
    }

    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = (AddressKind, &str)> {
        AddressKind::ALL.into_iter().filter_map(|kind| self.get(kind).map(|address| (kind, address)))
    }

    /// The best of the kinds asked for that is there.
    pub fn first_of(&self, kinds: &[AddressKind]) -> Option<(AddressKind, &str)> {
        kinds.iter().find_map(|k| self.get(*k).map(|a| (*k, a)))
    }
}

/// One recipient: addresses, and values of its own that go over the message's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where it can be reached.
    #[serde(flatten)]
    pub addresses: Addresses,
    /// Its own values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Map<String, Value>>,
    /// The contact it was when the message was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// When it is not to be disturbed: `22:00-08:00@Asia/Shanghai`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<String>,
    /// The place in `to` of the entry that gave it values of its own. Without those an address is there once, and needs no place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<usize>,
}

/// How several channels share the recipients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Each channel takes the recipients it has an address for.
    #[default]
    All,
    /// The next channel takes only those for whom the one before failed for good.
    First,
}

/// Which channels, and how they share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    /// How several channels share the recipients.
    #[serde(default, deserialize_with = "super::or_default")]
    pub mode: Mode,
    /// The channels by name, in order.
    pub channels: Vec<String>,
}

/// Who may overtake whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// One-time passwords and alarms: a queue group and slots of their own.
    High,
    /// Everything else.
    #[default]
    Normal,
    /// Campaigns: never delays the others.
    Bulk,
}

impl Priority {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Bulk => "bulk",
        }
    }
}

/// A content given with the message: literal text, never a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineContent {
    /// The title; a mail's subject.
    #[serde(default, deserialize_with = "super::or_default")]
    pub title: String,
    /// The body.
    pub body: String,
    /// How the body is written.
    #[serde(default, deserialize_with = "super::or_default")]
    pub format: Format,
    /// Where a click leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the link there says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_label: Option<String>,
    /// Label and value pairs.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Buttons.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// A picture's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How grave it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// The version of a template that a message was accepted with, and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// The template.
    pub name: String,
    /// The version, counted from 1.
    pub version: u32,
    /// The versions of the templates that it includes, and of those that they include.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub includes: BTreeMap<String, u32>,
}

/// An attachment of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRef {
    /// The name the reader sees.
    pub filename: String,
    /// The media type.
    pub content_type: String,
    /// Where our copy is, in the blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
    /// Where to fetch it when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Size in bytes, of inline ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// One channel's part of a message, as planned when it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryPlan {
    /// The channel's name.
    pub channel: String,
    /// Its kind.
    pub kind: Kind,
    /// How many recipients it began with.
    pub recipients: u32,
}

/// What was accepted. Written once and never changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MessageDoc {
    /// The template, unless the content came with the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateRef>,
    /// The content, unless there is a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<InlineContent>,
    /// The values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
    /// The recipients, while they fit; else they lie in the shares.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<Recipient>,
    /// How the channels share.
    #[serde(default)]
    pub mode: Mode,
    /// The channels' parts, in routing order. In mode `first` those that are not needed stay empty.
    pub deliveries: Vec<DeliveryPlan>,
    /// Merge patches by channel.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub overrides: Map<String, Value>,
    /// Files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentRef>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_at: Option<Timestamp>,
    /// Not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_at: Option<Timestamp>,
    /// What is asked before it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Who may overtake whom.
    #[serde(default)]
    pub priority: Priority,
    /// The caller's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The id of the request that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
    /// The access key or operator that sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Arc<str>>,
    /// The message whose failed recipients it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<MessageId>,
}

/// How one try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The platform accepted it.
    Sent,
    /// It failed; `next` says whether there is another try.
    Failed,
    /// It was begun and its outcome was lost.
    InDoubt,
    /// Its time had passed.
    Expired,
    /// Its condition said no, or gave no answer.
    Canceled,
}

/// One try of one share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// How long the platform took, in milliseconds.
    pub ms: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The platform's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The platform's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When the next try is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// What the platform could not be shown as it was meant, by the codes of the warnings that a preview has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
