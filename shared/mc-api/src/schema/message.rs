//! Messages, as they are asked for and as they are shown.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::schedule::Condition;
use super::words::{
    AttemptOutcome, Format, Kind, Level, MessageStatus, Mode, Priority, State, WaitingReason,
};
use crate::problem::Problem;

/// A message to send. Exactly one of `template` and `content`.
#[derive(ToSchema)]
pub struct SendRequest {
    /// The name of a stored template.
    #[schema(nullable = false, example = "deploy-done")]
    pub template: Option<String>,
    /// Literal content, never a template.
    #[schema(nullable = false)]
    pub content: Option<InlineContent>,
    /// The values for the template. With `content`, webhook channels see them.
    #[schema(required = false)]
    pub data: Map<String, Value>,
    /// Up to 10,000 recipients. May be empty when a robot or a webhook is among the channels.
    #[schema(required = false)]
    pub to: Vec<To>,
    /// Which channels; without it, the template's default routing.
    #[schema(nullable = false)]
    pub routing: Option<Routing>,
    /// JSON merge patches on the channels' native payloads, by channel name.
    #[schema(required = false)]
    pub overrides: BTreeMap<String, Map<String, Value>>,
    /// Files.
    #[schema(required = false)]
    pub attachments: Vec<Attachment>,
    /// Not before this time.
    #[schema(nullable = false, format = DateTime)]
    pub send_at: Option<String>,
    /// Not after this time.
    #[schema(nullable = false, format = DateTime)]
    pub expire_at: Option<String>,
    /// Who may overtake whom; `normal` by default.
    #[schema(required = false)]
    pub priority: Priority,
    /// Your own name for it, by which messages can be listed.
    #[schema(nullable = false, max_length = 128)]
    pub reference: Option<String>,
    /// Up to 20 words to find it by.
    #[schema(required = false)]
    pub tags: Vec<String>,
    /// What is asked before it is sent.
    #[schema(nullable = false)]
    pub condition: Option<Condition>,
    /// Show what would be sent, and send nothing.
    #[schema(required = false)]
    pub dry_run: bool,
}

/// A recipient: the id of a contact, `@` and the name of a group, or an address.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "it describes JSON and is never built")]
pub enum To {
    /// A contact or a group.
    Name(String),
    /// An address.
    Address(Address),
}

/// A contact, or one person's addresses (at least one), maybe with values of its own.
#[derive(Serialize, ToSchema)]
pub struct Address {
    /// The id of a contact, in place of addresses.
    #[schema(nullable = false)]
    pub contact: Option<String>,
    /// E-mail.
    #[schema(nullable = false, example = "a@example.com")]
    pub email: Option<String>,
    /// Mobile number.
    #[schema(nullable = false)]
    pub mobile: Option<String>,
    /// WeCom user id.
    #[schema(nullable = false)]
    pub wecom: Option<String>,
    /// DingTalk user id.
    #[schema(nullable = false)]
    pub dingtalk: Option<String>,
    /// WeChat openid.
    #[schema(nullable = false)]
    pub wechat: Option<String>,
    /// Feishu id.
    #[schema(nullable = false)]
    pub feishu: Option<String>,
    /// Values that go over the message's.
    #[schema(nullable = false)]
    pub data: Option<Map<String, Value>>,
}

/// Literal content.
#[derive(ToSchema)]
pub struct InlineContent {
    /// The title; a mail's subject.
    #[schema(required = false)]
    pub title: String,
    /// The body.
    pub body: String,
    /// How the body is written; `text` by default.
    #[schema(required = false)]
    pub format: Format,
    /// Where a click leads.
    #[schema(nullable = false)]
    pub url: Option<String>,
    /// What the link there says, up to the platforms' own limits; each platform's own word by default.
    #[schema(nullable = false)]
    pub url_label: Option<String>,
    /// Label and value pairs.
    #[schema(required = false)]
    pub facts: Vec<Fact>,
    /// Buttons that open pages, or tell that they were pressed.
    #[schema(required = false)]
    pub buttons: Vec<Button>,
    /// A picture's URL.
    #[schema(nullable = false)]
    pub image: Option<String>,
    /// How grave it is.
    #[schema(nullable = false)]
    pub level: Option<Level>,
}

/// A label and its value.
#[derive(ToSchema)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// How much of it.
    pub value: String,
}

/// A button that opens a page, or tells by the event `channel.action` that it was pressed. It has at least one of `url`
/// and `action`.
#[derive(ToSchema)]
pub struct Button {
    /// What it says.
    pub text: String,
    /// Where it leads.
    #[schema(required = false)]
    pub url: String,
    /// What the event says, on platforms that tell of clicks; others show the link, or leave the button away.
    #[schema(required = false)]
    pub action: String,
}

/// Which channels, and how they share.
#[derive(ToSchema)]
pub struct Routing {
    /// How several channels share the recipients; `all` by default.
    #[schema(required = false)]
    pub mode: Mode,
    /// The channels by name, in order.
    pub channels: Vec<String>,
}

/// A file: exactly one of `content` and `url`.
#[derive(ToSchema)]
pub struct Attachment {
    /// The name the reader sees.
    pub filename: String,
    /// The media type; `application/octet-stream` by default.
    #[schema(required = false)]
    pub content_type: String,
    /// The bytes in base64, at most 2.5 MiB in all files together.
    #[schema(nullable = false)]
    pub content: Option<String>,
    /// Where to fetch them when the message is sent.
    #[schema(nullable = false)]
    pub url: Option<String>,
}

/// Up to 1000 messages.
#[derive(ToSchema)]
pub struct Batch {
    /// The messages.
    #[schema(min_items = 1, max_items = 1000)]
    pub messages: Vec<SendRequest>,
}

/// The results of a batch.
#[derive(ToSchema)]
pub struct BatchResults {
    /// One per message, in order.
    pub results: Vec<BatchResult>,
}

/// What became of one message of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// It was accepted.
    Accepted(Accepted),
    /// It was refused.
    Refused(Problem),
}

/// A message that was accepted.
#[derive(Serialize, ToSchema)]
pub struct Accepted {
    /// Its id.
    #[schema(example = "msg_01HF7YAT31000000000000001A")]
    pub id: String,
    /// `queued` or `scheduled`.
    pub status: MessageStatus,
    /// The template it keeps.
    #[schema(nullable = false)]
    pub template: Option<TemplateRef>,
    /// What begins.
    pub deliveries: Vec<AcceptedDelivery>,
    /// Where to look at it.
    pub url: String,
}

/// A version of a template.
#[derive(Serialize, ToSchema)]
pub struct TemplateRef {
    /// Its name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The versions of the templates that it includes.
    #[schema(required = false)]
    pub includes: BTreeMap<String, u32>,
}

/// One channel's part of an accepted message.
#[derive(Serialize, ToSchema)]
pub struct AcceptedDelivery {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// How many recipients.
    pub recipients: u32,
}

/// A message that repeats another's failed recipients.
#[derive(ToSchema)]
pub struct Retried {
    /// Its id.
    pub id: String,
    /// `queued`.
    pub status: MessageStatus,
    /// The template it keeps.
    #[schema(nullable = false)]
    pub template: Option<TemplateRef>,
    /// What begins.
    pub deliveries: Vec<AcceptedDelivery>,
    /// Where to look at it.
    pub url: String,
    /// The message it repeats.
    pub retry_of: String,
}

/// A message with its deliveries.
#[derive(ToSchema)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub status: MessageStatus,
    /// Recipients by state, every state with its number.
    pub counts: BTreeMap<String, u32>,
    /// One per channel.
    pub deliveries: Vec<Delivery>,
    /// The message whose failed recipients it repeats.
    #[schema(nullable = false)]
    pub retry_of: Option<String>,
    /// The template.
    #[schema(nullable = false)]
    pub template: Option<TemplateRef>,
    /// The literal content.
    #[schema(nullable = false)]
    pub content: Option<InlineContent>,
    /// The values.
    pub data: Map<String, Value>,
    /// Which channels, and how they share.
    pub routing: Routing,
    /// Files.
    #[schema(required = false)]
    pub attachments: Vec<AttachmentInfo>,
    /// Not before this time.
    #[schema(nullable = false, format = DateTime)]
    pub send_at: Option<String>,
    /// Not after this time.
    #[schema(nullable = false, format = DateTime)]
    pub expire_at: Option<String>,
    /// What is asked before it is sent.
    #[schema(nullable = false)]
    pub condition: Option<Condition>,
    /// Who may overtake whom.
    pub priority: Priority,
    /// The caller's own name for it.
    #[schema(nullable = false)]
    pub reference: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The id of the request that brought it.
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// Who sent it: `key:…` or `operator:…`.
    #[schema(nullable = false)]
    pub sender: Option<String>,
    /// When it was accepted.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its last recipient was decided.
    #[schema(nullable = false, format = DateTime)]
    pub completed_at: Option<String>,
}

/// A file of a message, without its bytes.
#[derive(ToSchema)]
pub struct AttachmentInfo {
    /// The name the reader sees.
    pub filename: String,
    /// The media type.
    pub content_type: String,
    /// Its size in bytes; null when it is fetched from a URL.
    pub size: Option<u64>,
}

/// One channel's part of a message.
#[derive(ToSchema)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// The channel.
    pub channel: String,
    /// The channel's kind.
    pub kind: Kind,
    /// Where it stands; any failure shows.
    pub status: State,
    /// How many recipients.
    pub recipients: u32,
    /// Recipients by state.
    pub counts: BTreeMap<String, u32>,
    /// What it waits for, if it does not go on now. A listing knows it only of messages to few recipients.
    #[schema(nullable = false)]
    pub waiting: Option<Waiting>,
    /// The tries.
    pub attempts: Vec<Attempt>,
}

/// What a delivery waits for.
#[derive(ToSchema)]
pub struct Waiting {
    /// In one word.
    pub reason: WaitingReason,
    /// Until when, where that is known.
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
    /// In a sentence.
    pub detail: String,
}

/// One try.
#[derive(ToSchema)]
pub struct Attempt {
    /// When it began.
    #[schema(format = DateTime)]
    pub at: String,
    /// How long it took, in milliseconds.
    pub ms: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The platform's code.
    pub code: Option<String>,
    /// The platform's words.
    pub text: Option<String>,
    /// When it is tried again.
    #[schema(format = DateTime)]
    pub next: Option<String>,
    /// What the platform could not be shown as it was meant, by the codes of the warnings that a preview explains.
    #[schema(required = false)]
    pub warnings: Vec<String>,
}

/// One recipient of one delivery.
#[derive(ToSchema)]
pub struct RecipientStatus {
    /// The delivery.
    pub delivery_id: String,
    /// The channel.
    pub channel: String,
    /// The address, or the channel's name where one push reaches everybody.
    pub address: String,
    /// The contact it was when the message was accepted.
    #[schema(nullable = false)]
    pub contact: Option<String>,
    /// The place in `to`, counted from 0, of an entry with `data` of its own: several may have one address.
    #[schema(nullable = false)]
    pub entry: Option<u32>,
    /// Where it stands.
    pub status: State,
    /// The platform's code, if it failed.
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// The platform's words, if it failed.
    #[schema(nullable = false)]
    pub text: Option<String>,
}
