//! Schedules: when which message is made, and the question that is asked before it is sent.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::MessageId;
use crate::time::Timestamp;

/// What happens with a run of a `cron` whose time passed while nobody was there to make it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// It is left out; the next one that was not missed is made.
    Skip,
    /// One message is sent late, however many runs were missed.
    #[default]
    Once,
}

/// How a condition is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskMethod {
    /// The URL alone.
    #[default]
    #[serde(rename = "GET")]
    Get,
    /// With a body that says what is about to be sent.
    #[serde(rename = "POST")]
    Post,
}

/// What is done when a condition gives no answer in the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Send: a reminder that was not needed does less harm than one that is missing.
    #[default]
    Send,
    /// Send nothing.
    Skip,
}

/// A question that is asked at the time of sending: whether to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Whom to ask.
    pub url: String,
    /// How.
    #[serde(default, deserialize_with = "super::or_default")]
    pub method: AskMethod,
    /// Where in the answer `true` or `false` is, as a JSON pointer; without it the answer itself or its `send`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What is done when there is no answer in the end.
    #[serde(default, deserialize_with = "super::or_default")]
    pub on_error: OnError,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// A message was made.
    Accepted,
    /// The message was refused.
    Failed,
    /// It was too late for it, or its condition said no.
    Skipped,
}

/// The last run of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The time it was planned for.
    pub scheduled_at: Timestamp,
    /// What became of it.
    pub outcome: RunOutcome,
    /// The message it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// Why it made none, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it made none, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A schedule, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDoc {
    /// When, again and again; exactly one of `cron` and `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// When, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The IANA name of the time zone in which `cron` is read and `scheduled_at` is written.
    pub timezone: String,
    /// The body of the message, as `POST /v1/messages` takes it.
    pub message: Map<String, Value>,
    /// Whether it runs.
    pub enabled: bool,
    /// What happens with runs that were missed.
    pub catch_up: CatchUp,
    /// What is asked before each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}
