//! Messages: send, look, cancel, retry.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::state::{Counts, State};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{self, Accepted, Idempotency, Refusal, SendRequest, request};
use mc_pipeline::receipts;
use mc_pipeline::view::{self, Filter};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, ok};
use crate::call::Call;
use crate::limits;
use crate::problem::{ApiError, Problem};
use crate::query::is_ulid;
use crate::schema;

/// At most this many messages in one batch.
const MAX_BATCH: usize = 1000;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Send a message
///
/// 202 is answered only when the message can no longer be lost. With `dry_run` the answer is 200 with previews, and
/// nothing is queued.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages", operation_id = "send_message",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. A second \
        request with the same key and body within 24 hours is answered like the first.")),
    request_body = schema::SendRequest,
    responses(
        (status = 202, description = "Accepted", body = schema::Accepted,
            headers(("idempotent-replayed" = bool, description = "`true` when an earlier request is answered again"))),
        (status = 200, description = "What a dry run shows", body = schema::DryRun),
    )
)]
pub async fn send(call: Call) -> Answer {
    let message: SendRequest = call.read()?;
    let (center, caller) = (call.center(), call.caller());
    if message.dry_run {
        return ok(&accept::dry_run(center, &caller, message).await?);
    }
    let idempotency = idempotency(&call)?;
    accepted(accept::accept(center, &caller, vec![Ok(message)], idempotency).await?)
}

/// The answer to a request of one message.
pub(super) fn accepted(mut answer: accept::commit::Answer) -> Answer {
    match answer.outcomes.pop() {
        Some(Outcome::Accepted(accepted)) => {
            let response = replayed(answer::json(StatusCode::ACCEPTED, &accepted), answer.replayed);
            Ok(limits::tell(response, &answer.limits))
        }
        Some(Outcome::Refused(refusal)) => Err(refusal.into()),
        Some(Outcome::RefusedBefore(before)) => Err(before.into()),
        None => Err(ApiError::internal("a message has no outcome")),
    }
}

/// A batch, with each message still as text: one that is wrong does not spoil the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

/// What became of one message of a batch.
#[derive(Serialize)]
#[serde(untagged)]
enum BatchResult {
    Accepted(Accepted),
    Refused(Problem),
}

#[derive(Serialize)]
struct BatchResults {
    results: Vec<BatchResult>,
}

/// Send many messages in one call
///
/// Each message is accepted or refused by itself; the results are in the order of the messages. 422 only when none of
/// them was accepted.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "messages", operation_id = "send_messages",
    params(("Idempotency-Key" = Option<String>, Header, description = "As for one message; for the batch as a whole.")),
    request_body = schema::Batch,
    responses((status = 202, description = "At least one was accepted", body = schema::BatchResults,
        headers(("idempotent-replayed" = bool, description = "`true` when an earlier request is answered again"))))
)]
pub async fn send_batch(call: Call) -> Answer {
    let batch: Batch<'_> = call.read()?;
    if !(1..=MAX_BATCH).contains(&batch.messages.len()) {
        let detail = format!("a batch has 1 to {MAX_BATCH} messages");
        return Err(ApiError::field("invalid_request", "/messages", detail));
    }
    let idempotency = idempotency(&call)?;
    let messages = batch.messages.into_iter().map(|raw| {
        let message: SendRequest = request::read(raw.get().as_bytes())?;
        if message.dry_run {
            let detail = "a dry run is a call of its own: POST /v1/messages";
            return Err(Refusal::field("invalid_request", "/dry_run", detail));
        }
        Ok(message)
    });
    let answer = accept::accept(call.center(), &call.caller(), messages.collect(), idempotency).await?;
    let (mut results, mut errors, mut accepted) = (Vec::with_capacity(answer.outcomes.len()), Vec::new(), 0);
    for (index, outcome) in answer.outcomes.into_iter().enumerate() {
        let refused = match outcome {
            Outcome::Accepted(one) => {
                accepted += 1;
                results.push(BatchResult::Accepted(one));
                continue;
            }
            Outcome::Refused(refusal) => refusal.into(),
            Outcome::RefusedBefore(before) => before.into(),
        };
        let refused = named(refused, index);
        errors.extend_from_slice(refused.errors());
        results.push(BatchResult::Refused(refused.problem()));
    }
    if accepted == 0 {
        return Err(ApiError::fields("no_message_accepted", errors));
    }
    let response = replayed(answer::json(StatusCode::ACCEPTED, &BatchResults { results }), answer.replayed);
    Ok(limits::tell(response, &answer.limits))
}

/// A refusal of one message of a batch, with at least one pointer to it.
fn named(refused: ApiError, index: usize) -> ApiError {
    let refused = if refused.errors().is_empty() {
        let whole = mc_content::FieldError::new("", refused.detail().to_owned());
        refused.with_errors(vec![whole])
    } else {
        refused
    };
    refused.under(&format!("/messages/{index}"))
}

fn replayed(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

pub(super) fn idempotency(call: &Call) -> Result<Option<Idempotency>, ApiError> {
    let Some(key) = idempotency_key(&call.parts.headers)? else { return Ok(None) };
    let mut hash = digest::Context::new(&digest::SHA256);
    for part in [call.parts.uri.path().as_bytes(), b"\n", &call.body] {
        hash.update(part);
    }
    let hash = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, hash.finish());
    Ok(Some(Idempotency { key, hash }))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|t| t.bytes().all(|b| b.is_ascii_graphic()));
    match text {
        Some(key) if (1..=255).contains(&key.len()) && values.next().is_none() => Ok(Some(key.to_owned())),
        _ => {
            let detail = "an Idempotency-Key is one header of 1 to 255 visible ASCII characters";
            Err(ApiError::field("invalid_idempotency_key", "/idempotency-key", detail))
        }
    }
}

/// List messages, newest first
///
/// `reference` is looked up, and `status=scheduled` finds every message that waits for its time; the other filters work
/// inside `from..to`, by default the last 24 hours.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", operation_id = "list_messages",
    params(
        ("status" = Option<schema::MessageStatus>, Query),
        ("channel" = Option<String>, Query), ("template" = Option<String>, Query),
        ("tag" = Option<String>, Query), ("reference" = Option<String>, Query),
        ("sender" = Option<String>, Query, description = "Sent by them: `key:MC…`, `operator:zhang`"),
        ("from" = Option<String>, Query, description = "Accepted at or after this time"),
        ("to" = Option<String>, Query, description = "Accepted before this time"),
    ),
    responses((status = 200, description = "A page of messages", body = Page<schema::Message>))
)]
pub async fn list(call: Call) -> Answer {
    let query = &call.query;
    let (from, to) = query.range()?;
    let filter = Filter {
        status: query.word("status")?,
        channel: query.text("channel"),
        template: query.text("template"),
        tag: query.text("tag"),
        reference: query.text("reference"),
        sender: query.text("sender"),
        from,
        to,
    };
    let (limit, cursor) = (query.limit()?, query.cursor(is_ulid)?);
    let page = view::list(call.center(), call.project(), &filter, limit, cursor).await?;
    ok(&Page { items: page.items, next_cursor: page.next_cursor })
}

/// Look at a message
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "messages", operation_id = "get_message",
    params(("id" = String, Path)),
    responses((status = 200, description = "The message", body = schema::Message))
)]
pub async fn get(call: Call) -> Answer {
    ok(&found(&call, call.message_id()?).await?)
}

async fn found(call: &Call, id: MessageId) -> Result<view::MessageView, ApiError> {
    view::get(call.center(), call.project(), id).await?.ok_or_else(|| ApiError::not_found("message"))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageChange {
    /// When to send it; null, or a time that has passed, is at once.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    #[serde(deserialize_with = "Option::deserialize")]
    send_at: Option<Timestamp>,
}

/// Give a scheduled message another time
///
/// 409 `too_late` once its time has come.
#[utoipa::path(
    patch, path = "/v1/messages/{id}", tag = "messages", operation_id = "change_message",
    params(("id" = String, Path)),
    request_body = MessageChange,
    responses((status = 200, description = "The message, as it is now", body = schema::Message))
)]
pub async fn change(call: Call) -> Answer {
    let id = call.message_id()?;
    let MessageChange { send_at } = call.read()?;
    let before = found(&call, id).await?;
    let message = view::reschedule(call.center(), &call.caller(), id, send_at).await?;
    let time = |message: &view::MessageView| json!({"send_at": message.request.get("send_at")});
    let what = json!({"send_at": send_at});
    call.audit_change("message.change", what, Some(&time(&before)), Some(&time(&message))).await;
    ok(&message)
}

/// List a message's recipients
#[utoipa::path(
    get, path = "/v1/messages/{id}/recipients", tag = "messages", operation_id = "list_recipients",
    params(("id" = String, Path), ("status" = Option<schema::State>, Query)),
    responses((status = 200, description = "A page of recipients", body = Page<schema::RecipientStatus>))
)]
pub async fn recipients(call: Call) -> Answer {
    let id = call.message_id()?;
    let (status, limit) = (call.query.word("status")?, call.query.limit()?);
    let cursor = call.query.cursor(is_place)?;
    let page = view::recipients(call.center(), call.project(), id, status, limit, cursor).await?;
    ok(&page.ok_or_else(|| ApiError::not_found("message"))?)
}

/// Whether a cursor is a share and a place in it.
fn is_place(cursor: &str) -> bool {
    cursor.split_once('.').is_some_and(|(s, u)| s.parse::<u32>().is_ok() && u.parse::<usize>().is_ok())
}

/// Stop what is not yet being sent
///
/// 409 `too_late` when nothing could be stopped.
#[utoipa::path(
    post, path = "/v1/messages/{id}/cancel", tag = "messages", operation_id = "cancel_message",
    params(("id" = String, Path)),
    responses((status = 200, description = "The message, as it is now", body = schema::Message))
)]
pub async fn cancel(call: Call) -> Answer {
    let message = view::cancel(call.center(), &call.caller(), call.message_id()?).await?;
    call.audit("message.cancel", json!({})).await;
    ok(&message)
}

#[derive(Serialize)]
struct Retried {
    #[serde(flatten)]
    accepted: Accepted,
    retry_of: MessageId,
}

/// Send again to the recipients that failed or are in doubt
///
/// Makes a new message; 409 `nothing_to_retry` when there is nobody to send to.
#[utoipa::path(
    post, path = "/v1/messages/{id}/retry", tag = "messages", operation_id = "retry_message",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for a new message")),
    responses((status = 202, description = "The new message", body = schema::Retried,
        headers(("idempotent-replayed" = bool, description = "`true` when an earlier request is answered again"))))
)]
pub async fn retry(call: Call) -> Answer {
    let id = call.message_id()?;
    let idempotency = idempotency(&call)?;
    let mut answer = view::retry(call.center(), &call.caller(), id, idempotency).await?;
    let Some(Outcome::Accepted(accepted)) = answer.outcomes.pop() else {
        return Err(ApiError::internal("a retry has no outcome"));
    };
    if !answer.replayed {
        call.audit("message.retry", json!({"message": accepted.id})).await;
    }
    let response = answer::json(StatusCode::ACCEPTED, &Retried { accepted, retry_of: id });
    Ok(limits::tell(replayed(response, answer.replayed), &answer.limits))
}

/// Take a message back
///
/// Where the platform can, everybody who has it loses it; the others keep it. 409 `not_recallable` when nobody's could be
/// taken back: the detail says why and what to do. When everybody's was taken back before, it is answered again.
#[utoipa::path(
    post, path = "/v1/messages/{id}/recall", tag = "messages", operation_id = "recall_message",
    params(("id" = String, Path)),
    responses((status = 200, description = "The message, as it is now", body = schema::Message))
)]
pub async fn recall(call: Call) -> Answer {
    let id = call.message_id()?;
    let refusal = match receipts::recall(call.center(), &call.caller(), id).await {
        Ok(message) => {
            call.audit("message.recall", json!({})).await;
            return ok(&message);
        }
        Err(refusal @ Refusal::Conflict { .. }) => refusal,
        Err(refusal) => return Err(refusal.into()),
    };
    match view::get(call.center(), call.project(), id).await? {
        Some(message) if is_taken_back(&message.counts) => ok(&message),
        _ => Err(refusal.into()),
    }
}

/// Whether it was taken back from all who had it.
fn is_taken_back(counts: &Counts) -> bool {
    let have_it = [State::Sent, State::Delivered, State::Read];
    counts.get(State::Recalled) > 0 && have_it.into_iter().all(|state| counts.get(state) == 0)
}
