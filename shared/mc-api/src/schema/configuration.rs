//! Templates, channels and webhooks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::message::Routing;
use super::preview::PreviewWarning;
use super::words::{Format, Kind, Level, OnDoubt};

/// What a template says. Every text in it is a Jinja template.
#[derive(ToSchema)]
pub struct TemplateBody {
    /// The title.
    #[schema(required = false)]
    pub title: String,
    /// The body.
    pub body: String,
    /// How the body is written; `text` by default.
    #[schema(required = false)]
    pub format: Format,
    /// A JSON Schema of the values.
    #[schema(required = false)]
    pub variables: Value,
    /// Values to preview with.
    #[schema(nullable = false)]
    pub sample: Option<Map<String, Value>>,
    /// What people can opt out of; nobody can opt out of what belongs to no category.
    #[schema(nullable = false)]
    pub category: Option<String>,
    /// The routing of messages that name none.
    #[schema(nullable = false)]
    pub routing: Option<Routing>,
    /// Where a click leads.
    #[schema(nullable = false)]
    pub url: Option<String>,
    /// What the link there says, up to the platforms' own limits; each platform's own word by default.
    #[schema(nullable = false)]
    pub url_label: Option<String>,
    /// Label and value pairs.
    #[schema(required = false)]
    pub facts: Vec<FactTemplate>,
    /// Buttons.
    #[schema(required = false)]
    pub buttons: Vec<ButtonTemplate>,
    /// A picture's URL.
    #[schema(nullable = false)]
    pub image: Option<String>,
    /// How grave it is.
    #[schema(nullable = false)]
    pub level: Option<Level>,
    /// Fields that differ, by channel name or kind.
    #[schema(required = false)]
    pub channels: BTreeMap<String, Map<String, Value>>,
}

/// A version of a template.
#[derive(ToSchema)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Counted from 1.
    pub version: u32,
    /// The title.
    pub title: String,
    /// The body.
    pub body: String,
    /// How the body is written.
    pub format: Format,
    /// A JSON Schema of the values.
    #[schema(required = false)]
    pub variables: Value,
    /// Values to preview with.
    #[schema(nullable = false)]
    pub sample: Option<Map<String, Value>>,
    /// What people can opt out of; nobody can opt out of what belongs to no category.
    #[schema(nullable = false)]
    pub category: Option<String>,
    /// The routing of messages that name none.
    #[schema(nullable = false)]
    pub routing: Option<Routing>,
    /// Where a click leads.
    #[schema(nullable = false)]
    pub url: Option<String>,
    /// What the link there says, up to the platforms' own limits; each platform's own word by default.
    #[schema(nullable = false)]
    pub url_label: Option<String>,
    /// Label and value pairs.
    #[schema(required = false)]
    pub facts: Vec<FactTemplate>,
    /// Buttons.
    #[schema(required = false)]
    pub buttons: Vec<ButtonTemplate>,
    /// A picture's URL.
    #[schema(nullable = false)]
    pub image: Option<String>,
    /// How grave it is.
    #[schema(nullable = false)]
    pub level: Option<Level>,
    /// Fields that differ, by channel name or kind.
    #[schema(required = false)]
    pub channels: BTreeMap<String, Map<String, Value>>,
    /// Whether it may be sent, where the project wants a second person to say so.
    #[schema(nullable = false)]
    pub approval: Option<TemplateApproval>,
    /// When this version was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// What may be a mistake; only in the answer of a `PUT`.
    #[schema(required = false)]
    pub warnings: Vec<PreviewWarning>,
}

/// A label and its value, both templates.
#[derive(ToSchema)]
pub struct FactTemplate {
    /// What it is.
    pub label: String,
    /// How much of it.
    pub value: String,
}

/// A button, all of it templates. One whose link and action both come out empty is left away.
#[derive(ToSchema)]
pub struct ButtonTemplate {
    /// What it says.
    pub text: String,
    /// Where it leads.
    #[schema(required = false)]
    pub url: String,
    /// What the event `channel.action` says when it is pressed, on platforms that tell of clicks.
    #[schema(required = false)]
    pub action: String,
}

/// Limits below the platform's own.
#[derive(ToSchema)]
pub struct Limits {
    /// Pushes in any minute, for each robot of the channel.
    #[schema(nullable = false)]
    pub per_minute: Option<u32>,
    /// Pushes in any second.
    #[schema(nullable = false)]
    pub per_second: Option<u32>,
    /// What the whole channel sends in a day, in the unit of its kind's quota: a day of China's calendar for the
    /// platforms there, any 24 hours elsewhere. What is over waits.
    #[schema(nullable = false)]
    pub per_day: Option<u32>,
    /// The same in a month of the calendar.
    #[schema(nullable = false)]
    pub per_month: Option<u32>,
    /// How much of a day's and a month's quota `bulk` leaves for the others, in percent; 10 if it is not said.
    #[schema(nullable = false)]
    pub reserve_for_high_percent: Option<u8>,
}

/// A secret, which is never shown.
#[derive(Serialize, ToSchema)]
pub struct ChannelSecret {
    /// Always true: what is not set is not listed.
    pub set: bool,
}

/// A channel.
#[derive(ToSchema)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What platform it speaks.
    pub kind: Kind,
    /// The kind's settings.
    pub settings: Map<String, Value>,
    /// The secrets that are set.
    pub secrets: BTreeMap<String, ChannelSecret>,
    /// Scheme and host in place of the platform's own.
    #[schema(nullable = false)]
    pub base_url: Option<String>,
    /// The way out, its password hidden.
    #[schema(nullable = false)]
    pub proxy: Option<String>,
    /// PEM of certificates to trust besides Mozilla's.
    #[schema(nullable = false)]
    pub tls_ca: Option<String>,
    /// Limits below the platform's own.
    pub limits: Limits,
    /// Alarm thresholds.
    #[schema(nullable = false)]
    pub alarm: Option<Map<String, Value>>,
    /// What to do with a push whose outcome was lost.
    pub on_doubt: OnDoubt,
    /// Whether it may be sent through.
    pub enabled: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A webhook's secret: the text itself once, in the answer to the `PUT` that made it; after that only that it is set.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum WebhookSecretOnce {
    /// `whsec_…`, to keep.
    Shown(String),
    /// It is set.
    Hidden(ChannelSecret),
}

/// How many messages the callers of a project may send. What is not given has no limit.
#[derive(ToSchema)]
pub struct ProjectLimits {
    /// In each second.
    #[schema(nullable = false, minimum = 1)]
    pub messages_per_second: Option<u32>,
    /// In each minute.
    #[schema(nullable = false, minimum = 1)]
    pub messages_per_minute: Option<u32>,
    /// In each day, in UTC.
    #[schema(nullable = false, minimum = 1)]
    pub messages_per_day: Option<u32>,
}

/// Who made a version, and who says whether it may be sent.
#[derive(ToSchema)]
pub struct TemplateApproval {
    /// `pending`, `approved` or `rejected`.
    #[schema(pattern = "^(pending|approved|rejected)$")]
    pub state: String,
    /// Who made the version: `operator:…` or `key:…`.
    pub author: String,
    /// Who made the author, if that is an access key.
    #[schema(nullable = false)]
    pub key_of: Option<String>,
    /// Who looked at it.
    #[schema(nullable = false)]
    pub reviewer: Option<String>,
    /// When.
    #[schema(nullable = false, format = DateTime)]
    pub reviewed_at: Option<String>,
    /// What they said.
    #[schema(nullable = false)]
    pub comment: Option<String>,
}

/// How a project is run.
#[derive(ToSchema)]
pub struct ProjectSettings {
    /// Whether a second operator has to approve a version of a template before it is sent; false by default.
    #[schema(required = false)]
    pub template_approval: bool,
}
