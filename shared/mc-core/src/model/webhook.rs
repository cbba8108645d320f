//! Result webhooks: what we tell callers, and where.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// A message has its final status.
    #[serde(rename = "message.completed")]
    MessageCompleted,
    /// Recipients were sent.
    #[serde(rename = "delivery.sent")]
    DeliverySent,
    /// Recipients were reached.
    #[serde(rename = "delivery.delivered")]
    DeliveryDelivered,
    /// Recipients read it.
    #[serde(rename = "delivery.read")]
    DeliveryRead,
    /// Recipients were not reached.
    #[serde(rename = "delivery.failed")]
    DeliveryFailed,
    /// It was taken back.
    #[serde(rename = "delivery.recalled")]
    DeliveryRecalled,
    /// A button was pressed.
    #[serde(rename = "channel.action")]
    ChannelAction,
    /// A channel's own configuration is refused.
    #[serde(rename = "channel.failing")]
    ChannelFailing,
    /// Little quota is left.
    #[serde(rename = "quota.low")]
    QuotaLow,
    /// No quota is left.
    #[serde(rename = "quota.exhausted")]
    QuotaExhausted,
    /// An alarm began.
    #[serde(rename = "alarm.fired")]
    AlarmFired,
    /// An alarm ended.
    #[serde(rename = "alarm.recovered")]
    AlarmRecovered,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [EventKind; 12] = [
        EventKind::MessageCompleted,
        EventKind::DeliverySent,
        EventKind::DeliveryDelivered,
        EventKind::DeliveryRead,
        EventKind::DeliveryFailed,
        EventKind::DeliveryRecalled,
        EventKind::ChannelAction,
        EventKind::ChannelFailing,
        EventKind::QuotaLow,
        EventKind::QuotaExhausted,
        EventKind::AlarmFired,
        EventKind::AlarmRecovered,
    ];

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::MessageCompleted => "message.completed",
            EventKind::DeliverySent => "delivery.sent",
            EventKind::DeliveryDelivered => "delivery.delivered",
            EventKind::DeliveryRead => "delivery.read",
            EventKind::DeliveryFailed => "delivery.failed",
            EventKind::DeliveryRecalled => "delivery.recalled",
            EventKind::ChannelAction => "channel.action",
            EventKind::ChannelFailing => "channel.failing",
            EventKind::QuotaLow => "quota.low",
            EventKind::QuotaExhausted => "quota.exhausted",
            EventKind::AlarmFired => "alarm.fired",
            EventKind::AlarmRecovered => "alarm.recovered",
        }
    }
}

/// An endpoint of a project, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WebhookDoc {
    /// Where to post.
    pub url: String,
    /// What to tell.
    pub events: Vec<EventKind>,
    /// The signing secret, sealed.
    pub secret: String,
    /// Whether it is told anything.
    pub enabled: bool,
    /// Why it was switched off, if we did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// An event as it is stored and told: the same body on every try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When it happened.
    pub timestamp: Timestamp,
    /// The details.
    pub data: Value,
}
