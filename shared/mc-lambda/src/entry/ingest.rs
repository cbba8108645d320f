//! `ingest`: messages, from callers over HTTP and from events.
//!
//! An event of the detail-type `message-center.send` is a message: its detail is the body that `POST /v1/messages`
//! takes, besides `stack`, which the rule looks at. Its project follows from its source. Its id is the `Idempotency-Key`,
//! so that however often it is delivered it is sent once. Whoever may put events on the bus may send; that is the
//! authentication. The limits of the project hold as for a call: an event that they leave no room for fails, is delivered
//! again, and ends among the dead letters of events.

use axum::http::StatusCode;
use mc_api::noting::Noting;
use mc_core::{Error, ErrorKind, Result};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{self, Caller, Idempotency, Refusal, SendRequest, request};
use mc_pipeline::{Center, syslog};
use ring::digest;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::requests::Requests;
use crate::event::{BusEvent, Incoming};
use crate::http::Answer;
use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};
use crate::settings::names;

/// The events that are messages.
const SEND: &str = "message-center.send";

/// The handler.
pub(super) struct Ingest {
    requests: Requests,
    /// A burst of events beyond a limit need not fill the log.
    noting: Noting,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { requests: Requests::new(mc_api::ingest_router), noting: Noting::default() }
    }
}

/// To a caller, or to EventBridge, which does not look at it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Reply {
    Http(Answer),
    Event(Value),
}

impl Handler for Ingest {
    type Answer = Reply;

    async fn handle(&self, place: &Place, event: &str, _: &Invocation) -> Result<Done<Reply>, Error> {
        match Incoming::read(event)? {
            Some(Incoming::Request(request)) => {
                let Done { answer, fields } = self.requests.answer(place, *request).await?;
                Ok(Done { answer: Reply::Http(answer), fields })
            }
            Some(Incoming::Event(event)) => of_event(place, &event, &self.noting).await,
            None => Err(Error::new(ErrorKind::Internal, "this is neither a request nor an event")),
        }
    }
}

/// Accepts the message that an event is. One that is refused is told in the project's log; only what may pass with time
/// is an error, which is repeated.
async fn of_event(place: &Place, event: &BusEvent<'_>, noting: &Noting) -> Result<Done<Reply>> {
    if event.detail_type.0 != SEND {
        let text = "events of this detail-type are nothing to this function";
        return Err(Error::new(ErrorKind::Internal, text).with("detail_type", &event.detail_type.0));
    }
    let Some(project) = place.settings.event_projects.of(&event.source.0) else {
        return Err(Error::new(ErrorKind::Internal, "events of this source have no project; name one")
            .with("source", &event.source.0)
            .with("variable", names::EVENT_PROJECTS));
    };
    let center = place.center().await?;
    let accepted = match read(event) {
        Ok(message) => accept(&center, event, project, message).await,
        Err(refusal) => Err(refusal),
    };
    let (status, answer) = match accepted {
        Ok(accepted) => (StatusCode::ACCEPTED, json!({"id": accepted.id})),
        Err(Refusal::Failed(error)) => return Err(error),
        Err(refusal @ Refusal::Limited { .. }) => {
            note_limited(&center, event, project, &refusal, noting).await;
            return Err(no_room(project, &refusal));
        }
        Err(refusal) => {
            let told = told(event, &refusal);
            tracing::warn!(project, refusal = %told, "an event was refused");
            syslog::note(&center, project, "event.refused", told.clone()).await?;
            (StatusCode::UNPROCESSABLE_ENTITY, told)
        }
    };
    let fields = vec![("event", Value::from(&*event.id.0)), ("status", Value::from(status.as_u16()))];
    Ok(Done { answer: Reply::Event(answer), fields })
}

/// Tells the project's log that its limits hold events up, once a minute for each limit. The event itself is not lost,
/// whether this can be written or not.
async fn note_limited(
    center: &Center,
    event: &BusEvent<'_>,
    project: &str,
    refusal: &Refusal,
    noting: &Noting,
) {
    let mut told = told(event, refusal);
    let key = format!("{project}/{}", told["code"]);
    let Some(count) = noting.count(key, center.clock.now()) else { return };
    told["count"] = count.into();
    if let Err(error) = syslog::note(center, project, "event.limited", told).await {
        tracing::warn!(error = %error, "that events are beyond a limit could not be noted");
    }
}

/// The failure that has an event delivered again.
fn no_room(project: &str, refusal: &Refusal) -> Error {
    let (code, detail, _) = refusal.told();
    Error::new(ErrorKind::Throttled, "the project's limits leave no room for this event now")
        .with("project", project)
        .with("code", code)
        .with("detail", detail)
}

/// Reads the message out of the detail.
fn read(event: &BusEvent<'_>) -> Result<SendRequest, Refusal> {
    if event.id.0.is_empty() {
        let text = "the event has no id, by which it is known when it comes again; let the input transformer hand on $.id";
        return Err(Refusal::field("invalid_request", "/id", text));
    }
    let mut detail: Map<String, Value> = request::read(event.detail.get().as_bytes())?;
    detail.remove("stack");
    let body = serde_json::to_vec(&detail).map_err(Error::from)?;
    let message: SendRequest = request::read(&body)?;
    if message.dry_run {
        return Err(Refusal::field("invalid_request", "/dry_run", "nobody would see what an event shows"));
    }
    Ok(message)
}

async fn accept(
    center: &Center,
    event: &BusEvent<'_>,
    project: &str,
    message: SendRequest,
) -> Result<accept::Accepted, Refusal> {
    if center.projects.get(project).await?.is_none() {
        let text = format!("there is no project {project}; make it, or name another one for this source");
        return Err(Refusal::field("unknown_project", "", text));
    }
    let sender = format!("event:{}", event.source.0);
    let caller = Caller { limited: true, ..Caller::new(project, sender, &*event.id.0) };
    let hash = digest::digest(&digest::SHA256, event.detail.get().as_bytes());
    let hash = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let idempotency = Idempotency { key: format!("event:{}", event.id.0), hash };
    let mut answer = accept::accept(center, &caller, vec![Ok(message)], Some(idempotency)).await?;
    match answer.outcomes.pop() {
        Some(Outcome::Accepted(accepted)) => Ok(accepted),
        Some(Outcome::Refused(refusal)) => Err(refusal),
        Some(Outcome::RefusedBefore(before)) => {
            let detail = format!("{}: {}", before.code, before.detail);
            Err(Refusal::Conflict { code: "refused_before", detail })
        }
        None => Err(Error::new(ErrorKind::Internal, "a message has no outcome").into()),
    }
}

fn told(event: &BusEvent<'_>, refusal: &Refusal) -> Value {
    let (code, detail, pointers) = refusal.told();
    json!({"event": event.id.0, "source": event.source.0, "code": code, "detail": detail, "pointers": pointers})
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mc_core::Retry;

    use super::*;

    #[test]
    fn an_event_beyond_a_limit_is_delivered_again_and_says_why() {
        let refusal = Refusal::Limited {
            code: "daily_quota_exceeded",
            detail: "the project may send 3 messages per day".to_owned(),
            wait: Duration::from_secs(60),
            standing: Vec::new(),
        };
        let error = no_room("shop", &refusal);
        assert_eq!(error.retry, Retry::Backoff);
        let text = error.to_string();
        assert!(text.contains("shop") && text.contains("daily_quota_exceeded"), "{text}");
    }
}
