//! Dead letters: tasks that were given up.

use std::collections::HashSet;

use http::StatusCode;
use mc_core::Timestamp;
use mc_core::ports::Task;
use mc_pipeline::dead::{self, DeadLetter};
use mc_pipeline::syslog::Entry;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_ulid;

/// A dead letter, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetterView {
    /// Its id.
    id: String,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Why.
    reason: String,
    /// `delivery`, `webhook`, `receipt`, `recall`, `schedule` or `condition`.
    kind: &'static str,
    /// The message, of a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message_id: Option<String>,
    /// The channel, of a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    channel: Option<String>,
    /// The webhook, of an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook: Option<String>,
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event_id: Option<String>,
    /// The schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    schedule: Option<String>,
}

fn view(id: String, letter: DeadLetter) -> DeadLetterView {
    let DeadLetter { at, task, reason } = letter;
    let mut shown = DeadLetterView {
        id,
        at,
        reason,
        kind: "delivery",
        message_id: None,
        channel: None,
        webhook: None,
        event_id: None,
        schedule: None,
    };
    match task {
        Task::Deliver { message, channel, .. } => {
            shown.message_id = Some(message.to_string());
            shown.channel = Some(channel.to_string());
        }
        Task::Notify { webhook, event, .. } => {
            shown.kind = "webhook";
            shown.webhook = Some(webhook);
            shown.event_id = Some(event);
        }
        Task::Receipt { channel, .. } | Task::Poll { channel, .. } => {
            shown.kind = "receipt";
            shown.channel = Some(channel.to_string());
        }
        Task::Recall { message, .. } => {
            shown.kind = "recall";
            shown.message_id = Some(message.to_string());
        }
        Task::Run { schedule, .. } => {
            shown.kind = "schedule";
            shown.schedule = Some(schedule.to_string());
        }
        Task::Ask { message, .. } => {
            shown.kind = "condition";
            shown.message_id = Some(message.to_string());
        }
    }
    shown
}

/// A page of dead letters.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetters {
    /// The dead letters.
    items: Vec<DeadLetterView>,
    /// Where the next page begins, if there is one.
    next_cursor: Option<String>,
    /// Envelopes of tasks, of any project, that processes died with again and again. Redriving all sends them too.
    crash_loops: u64,
}

/// List dead letters
#[utoipa::path(
    get, path = "/v1/dead-letters", tag = "monitoring", operation_id = "list_dead_letters",
    responses((status = 200, description = "A page of dead letters, newest first", body = DeadLetters))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_ulid)?);
    let (letters, next_cursor) = dead::list(call.center(), call.project(), limit, cursor).await?;
    ok(&DeadLetters {
        items: letters.into_iter().map(|(id, letter)| view(id, letter)).collect(),
        next_cursor,
        crash_loops: dead::crash_loops(call.center()).await?,
    })
}

/// Which dead letters: some by id, or all. Exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Redrive {
    /// These.
    ids: Option<Vec<String>>,
    /// All of the project.
    #[serde(default)]
    all: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Redriven {
    /// How many were sent again.
    redriven: usize,
    /// Those of the ids that no dead letter has, maybe because it was sent again before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unknown: Vec<String>,
}

/// Send dead letters again
#[utoipa::path(
    post, path = "/v1/dead-letters/redrive", tag = "monitoring", operation_id = "redrive_dead_letters",
    request_body = Redrive,
    responses((status = 202, description = "They are in the queue again", body = Redriven))
)]
pub async fn redrive(call: Call) -> Answer {
    let Redrive { ids, all } = call.read()?;
    let ids = match (ids, all) {
        (Some(ids), false) if !ids.is_empty() => Some(ids),
        (None, true) => None,
        _ => return Err(ApiError::field("invalid_request", "/ids", "give either ids, or all: true")),
    };
    let unknown = unknown(&call, ids.as_deref().unwrap_or_default()).await?;
    let redriven = dead::redrive(call.center(), call.project(), ids.as_deref()).await?;
    let (resource, what) = (Some("dead-letters".to_owned()), json!({"ids": ids, "redriven": redriven}));
    call.note(call.project(), Entry { resource, ..call.entry("dead_letters.redrive", what) }).await;
    Ok(answer::json(StatusCode::ACCEPTED, &Redriven { redriven, unknown }))
}

/// Those of the ids that no dead letter of the project has.
async fn unknown(call: &Call, ids: &[String]) -> Result<Vec<String>, ApiError> {
    let (mut unknown, mut cursor) = (ids.to_vec(), None::<String>);
    while !unknown.is_empty() {
        let (letters, next) = dead::list(call.center(), call.project(), 200, cursor.as_deref()).await?;
        let known: HashSet<String> = letters.into_iter().map(|(id, _)| id).collect();
        unknown.retain(|id| !known.contains(id));
        match next {
            Some(_) => cursor = next,
            None => break,
        }
    }
    Ok(unknown)
}
