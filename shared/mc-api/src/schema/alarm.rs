//! Alarms, as they are put.

use serde::Serialize;
use utoipa::ToSchema;

use super::message::SendRequest;
use super::words::AlarmMetric;

/// A length of time: a number of seconds, or a text like `90s`, `5m`, `1h`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Span {
    /// Seconds.
    Seconds(u32),
    /// A text.
    Text(String),
}

/// What is watched, when it is bad, and what is sent.
#[derive(ToSchema)]
pub struct AlarmBody {
    /// What is watched.
    pub metric: AlarmMetric,
    /// For which channel; for all of the project's if not given.
    #[schema(nullable = false)]
    pub channel: Option<String>,
    /// From which value on it is bad: percent, hours (`forecast`), seconds (`oldest_queued_age`, `callback_silence`)
    /// or a count.
    pub threshold: f64,
    /// From which value on it is good again; a fifth away from the threshold by default.
    #[schema(nullable = false)]
    pub recover: Option<f64>,
    /// How long it must be bad; at the first look by default.
    #[schema(nullable = false)]
    pub r#for: Option<Span>,
    /// How often the message is sent again while it is bad, at least five minutes; never by default.
    #[schema(nullable = false)]
    pub repeat: Option<Span>,
    /// How long is looked back, up to six hours: for `failure_rate` (10 minutes by default), `token_refresh_failing`
    /// (15 minutes), `gave_up` and `dead_letters` (an hour).
    #[schema(nullable = false)]
    pub window: Option<Span>,
    /// Fewer tries than this say nothing of a `failure_rate`; 20 by default.
    #[schema(nullable = false)]
    pub min_count: Option<u32>,
    /// What is sent. Texts of its content and data may name `{{ alarm }}`, `{{ metric }}`, `{{ value }}`,
    /// `{{ threshold }}`, `{{ channel }}`, `{{ since }}` and `{{ state }}`; a template gets them as data. It is `high`
    /// unless it says otherwise.
    pub message: SendRequest,
    /// Whether it is watched; true by default.
    #[schema(required = false)]
    pub enabled: bool,
}
