//! What a channel is: one way to reach people, with its limits and its manners.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::callback::{Callbacks, Polls, Recalls};
use super::lookup::Lookups;
use super::platform_templates::PlatformTemplates;
use super::queue::Slot;
use super::quota::{Figure, Quota, QuotaSource, Window};
use crate::id::MessageId;
use crate::model::{AddressKind, Content, Kind, Recipient};

/// How many recipients one push takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// One push reaches everybody who listens (a robot in a group, a webhook); recipients are mentioned at most.
    Broadcast,
    /// One push per recipient.
    Single,
    /// Up to this many recipients of the same content in one push.
    UpTo(usize),
}

/// So many pushes, or people, in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub count: u32,
    /// In any window of this length.
    pub per: Duration,
}

/// What a kind can do, as plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The kind it describes.
    pub kind: Kind,
    /// How many recipients one push takes.
    pub batching: Batching,
    /// The addresses it understands, best first. Broadcast kinds use them for mentions.
    pub addresses: &'static [AddressKind],
    /// For how long the platform recognises a repeated push by our id, if it does.
    pub dedupe: Option<Duration>,
    /// The platform's own limit per lane, in force unless the channel declares a lower one.
    pub limit: Option<RateLimit>,
    /// How many people the platform lets the channel write to in a window, where it counts them beside the pushes.
    pub people: Option<RateLimit>,
    /// The platform's quotas of days and months, in units of their own.
    pub quotas: &'static [Quota],
    /// At most so many pushes at a time per channel.
    pub concurrency: usize,
    /// Whether the platform tells, or can be asked, what became of a push: its ids are then kept.
    pub receipts: bool,
    /// Whether a message that was sent can be taken back.
    pub recall: bool,
}

/// Something the reader of a preview should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable, snake_case: `table_flattened`, `image_dropped`, `split`.
    pub code: Cow<'static, str>,
    /// What was done and why.
    pub detail: String,
    /// Where in the body, if it can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Warning {
    /// A warning without a place.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), at: None }
    }
}

/// What a size is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeUnit {
    /// Bytes of UTF-8.
    Bytes,
    /// Unicode characters.
    Characters,
}

/// How much of the platform's limit a rendering takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// The largest part's size.
    pub used: usize,
    /// What the platform takes.
    pub allowed: usize,
    /// What both are counted in.
    pub unit: SizeUnit,
}

/// One payload, exactly as it would be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The platform's own form (for e-mail `{subject, html, text, headers}`).
    pub payload: Value,
    /// The place in [`RenderContext::files`] and [`Push::attachments`] of the file that this part is, where files are
    /// messages of their own. What the platform will call the file is put into the payload when it is sent.
    pub file: Option<usize>,
}

impl Part {
    /// A payload that is no file.
    pub const fn new(payload: Value) -> Self {
        Self { payload, file: None }
    }
}

/// What is known of a file before its bytes are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// The name the reader sees.
    pub filename: String,
    /// The media type, as the caller gave it.
    pub content_type: String,
    /// The size in bytes; unknown of a file that is fetched when it is sent.
    pub size: Option<u64>,
}

/// What a content becomes on one platform.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// One payload, or several in order when the content had to be split.
    pub parts: Vec<Part>,
    /// The content as plain text.
    pub text: String,
    /// What was degraded.
    pub warnings: Vec<Warning>,
    /// How close it comes to the limit.
    pub size: Size,
}

/// What surrounds a content while it is rendered.
#[derive(Clone, Copy, Debug)]
pub struct RenderContext<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The message, or a placeholder in a preview.
    pub message: MessageId,
    /// The delivery's id.
    pub delivery: &'a str,
    /// The recipients of this push.
    pub to: &'a [Recipient],
    /// The values the caller gave.
    pub data: &'a Map<String, Value>,
    /// The project's common parameters.
    pub params: &'a Map<String, Value>,
    /// The caller's JSON merge patch on this channel's native payload, if any.
    pub overrides: Option<&'a Value>,
    /// The files that come with the message.
    pub files: &'a [FileInfo],
}

/// A content that this channel cannot send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderError {
    /// Stable, snake_case: `too_large`, `missing_variable`, `bad_override`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub detail: String,
    /// The member of the content that is at fault, by its name (`title`), or of the override, as a JSON pointer into it without
    /// the first slash (`headers/X-A`); `None` where it is the body or no single one.
    pub field: Option<Cow<'static, str>>,
    /// Whether a template in the channel's own settings failed, which `detail` names: the content is not what is wrong, but
    /// the values that the template reads may be.
    pub of_settings: bool,
}

impl RenderError {
    /// A refusal.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, of_settings: false }
    }

    /// The same refusal, of this member of the content or of the override.
    #[must_use]
    pub fn at(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same refusal, of the template at this place in the channel's own settings (`/settings/url`).
    #[must_use]
    pub fn in_settings(self, pointer: &str) -> Self {
        Self { detail: format!("the channel's {pointer}: {}", self.detail), of_settings: true, ..self }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// One push: one payload to some recipients.
#[derive(Clone, Debug)]
pub struct Push<'a> {
    /// The project's name.
    pub project: &'a str,
    /// The message.
    pub message: MessageId,
    /// The delivery's id.
    pub delivery: &'a str,
    /// The same for every try of this push, for platforms and receivers that recognise repeats.
    pub push_id: &'a str,
    /// Whether an earlier try of this push may have reached the platform.
    pub again: bool,
    /// What to send.
    pub part: &'a Part,
    /// To whom. Empty for a broadcast.
    pub to: &'a [Recipient],
    /// Files to go with it.
    pub attachments: &'a [Attachment],
    /// Through which of the channel's robots, and since when.
    pub slot: Option<Slot>,
}

/// A file with its bytes.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The name the reader sees.
    pub filename: String,
    /// The media type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// One recipient the platform refused while it accepted the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientFailure {
    /// Its place in [`Push::to`].
    pub index: usize,
    /// The platform's code.
    pub code: String,
    /// The platform's words.
    pub text: String,
}

/// The platform's acceptance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The platform's id of the message, by which it tells more later.
    pub platform_id: Option<String>,
    /// The recipients it did not take.
    pub refused: Vec<RecipientFailure>,
}

/// What kind of failure a push was, and so what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// This content or recipient will never be accepted: fail at once.
    Permanent,
    /// The channel itself is wrong (secret, robot removed, address refused): fail at once and say the channel fails.
    Channel,
    /// Too fast or over a quota: again later, not sooner than `after`.
    Throttled {
        /// The platform's own wait, if it names one.
        after: Option<Duration>,
    },
    /// The platform has trouble: again with backoff.
    Transient {
        /// The platform's own wait, if it names one.
        after: Option<Duration>,
    },
    /// The push may have been carried out; nobody knows.
    Doubt,
}

/// A push that was not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendError {
    /// What happens next.
    pub failure: SendFailure,
    /// The platform's code (`45009`, `550 5.1.1`) or ours (`connect`, `timeout`).
    pub code: String,
    /// The platform's words, without secrets.
    pub text: String,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// One step of a channel's check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckStep {
    /// What was looked at: `settings`, `connect`, `login`.
    pub name: Cow<'static, str>,
    /// Whether it is in order.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

/// One configured account on one platform.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What its kind can do, with this channel's own settings applied.
    fn capability(&self) -> &Capability;

    /// How many robots share the work; slots are reserved per lane.
    fn lanes(&self) -> u16 {
        1
    }

    /// Writes a content in the platform's form.
    ///
    /// # Behavior
    /// - Pure: no clock, no network; the same input gives the same payload, so a preview is what will be sent.
    /// - Nothing is cut in silence: what does not fit is split, or refused as `too_large`.
    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError>;

    /// Whether a content can be seen to be one that [`render`](Self::render) accepts, without rendering it.
    ///
    /// # Behavior
    /// - `true` only when `render` cannot fail; `false` says nothing. It is a shortcut for accepting many messages.
    fn surely_renders(&self, _content: &Content, _context: &RenderContext<'_>) -> bool {
        false
    }

    /// Pushes once; the caller owns retries.
    ///
    /// # Behavior
    /// - `Ok` means the platform accepted it for every recipient that is not in [`Receipt::refused`].
    /// - HTTP 200 is not success: the platform's own code decides.
    /// - Returns within the channel's timeout (at most 60 s).
    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError>;

    /// Looks at the configuration and the platform without sending anything.
    async fn check(&self) -> Vec<CheckStep>;

    /// What reads the platform's calls to us, if it makes any.
    fn callbacks(&self) -> Option<&dyn Callbacks> {
        None
    }

    /// What takes messages back, if the platform can.
    fn recalls(&self) -> Option<&dyn Recalls> {
        None
    }

    /// What lists the platform's own templates, if its messages are written in such.
    fn platform_templates(&self) -> Option<&dyn PlatformTemplates> {
        None
    }

    /// What asks for results, if the platform does not tell them.
    fn polls(&self) -> Option<&dyn Polls> {
        None
    }

    /// What finds people by their mobile number, if the platform can.
    fn lookups(&self) -> Option<&dyn Lookups> {
        None
    }

    /// What asks how much of the quotas is left, if the platform tells.
    fn quota_source(&self) -> Option<&dyn QuotaSource> {
        None
    }

    /// The window whose quota is used up, if that is what the platform's refusal says.
    ///
    /// # Behavior
    /// - Only for what lasts until the window turns: a rate that was exceeded for a moment is none.
    fn used_up(&self, _error: &SendError) -> Option<Window> {
        None
    }

    /// What the platform counted, if its refusal names the numbers.
    fn figure(&self, _error: &SendError) -> Option<Figure> {
        None
    }
}

/// A shared channel.
pub type SharedChannel = Arc<dyn Channel>;
