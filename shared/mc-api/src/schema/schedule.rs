//! Parts of schedules, and the question that is asked before something is sent.

use utoipa::ToSchema;

use super::words::{AskMethod, OnError, RunOutcome};

/// A question that is asked at the time of sending. The answer is JSON: `true` or `false`, or `{"send": true}`.
#[derive(ToSchema)]
pub struct Condition {
    /// Whom to ask.
    pub url: String,
    /// How; `GET` by default. `POST` says in its body what is about to be sent.
    #[schema(required = false)]
    pub method: AskMethod,
    /// Where in the answer `true` or `false` is, as a JSON pointer.
    #[schema(nullable = false, example = "/task/open")]
    pub pointer: Option<String>,
    /// What is done when there is no answer in the end; `send` by default.
    #[schema(required = false)]
    pub on_error: OnError,
}

/// What became of a run.
#[derive(ToSchema)]
pub struct LastRun {
    /// The time it was planned for.
    #[schema(format = DateTime)]
    pub scheduled_at: String,
    /// What became of it.
    pub outcome: RunOutcome,
    /// The message it made.
    #[schema(nullable = false)]
    pub message_id: Option<String>,
    /// Why it made none, for programs.
    #[schema(nullable = false)]
    pub code: Option<String>,
    /// Why it made none, for people.
    #[schema(nullable = false)]
    pub detail: Option<String>,
}
