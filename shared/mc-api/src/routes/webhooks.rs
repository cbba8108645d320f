//! Webhooks: where we tell callers what became of their messages.

use http::StatusCode;
use mc_core::model::{EventKind, WebhookDoc};
use mc_core::ports::HttpErrorKind;
use mc_core::{Secret, Timestamp};
use mc_pipeline::repo::Put;
use mc_pipeline::standard_webhooks::WebhookSecret;
use mc_pipeline::tell::{self, Telling, TellingAttempt, TellingState};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// A webhook, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookView {
    /// Its name.
    name: String,
    /// Where to post.
    url: String,
    /// What to tell.
    #[schema(value_type = Vec<schema::EventKind>)]
    events: Vec<EventKind>,
    /// The signing secret: a text once, when it was generated; later only that it is set.
    #[schema(value_type = schema::WebhookSecretOnce)]
    secret: SecretView,
    /// Whether it is told anything.
    enabled: bool,
    /// Why it was switched off, if we did that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    disabled_reason: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

#[derive(Serialize)]
#[serde(untagged)]
enum SecretView {
    Shown(String),
    Set { set: bool },
}

fn view(name: &str, doc: WebhookDoc, generated: Option<Secret>) -> WebhookView {
    let secret = match generated {
        Some(secret) => SecretView::Shown(secret.expose().to_owned()),
        None => SecretView::Set { set: true },
    };
    WebhookView {
        name: name.to_owned(),
        url: doc.url,
        events: doc.events,
        secret,
        enabled: doc.enabled,
        disabled_reason: doc.disabled_reason,
        created_at: doc.created_at,
        updated_at: doc.updated_at,
    }
}

/// List webhooks
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, description = "A page of webhooks", body = Page<WebhookView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = call.center().webhooks.list(call.project(), limit, cursor).await?;
    let items = page.items.into_iter().map(|(name, doc)| view(&name, doc, None)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

async fn found(call: &Call, name: &str) -> Result<WebhookDoc, ApiError> {
    let doc = call.center().webhooks.get(call.project(), name).await?;
    doc.ok_or_else(|| ApiError::not_found("webhook"))
}

/// Look at a webhook
#[utoipa::path(
    get, path = "/v1/webhooks/{name}", tag = "webhooks", operation_id = "get_webhook",
    params(("name" = String, Path)),
    responses((status = 200, description = "The webhook", body = WebhookView))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "webhook")?;
    ok(&view(name, found(&call, name).await?, None))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookBody {
    /// Where to post.
    url: String,
    /// What to tell.
    #[schema(value_type = Vec<schema::EventKind>, min_items = 1)]
    events: Vec<EventKind>,
    /// `whsec_` and base64 of 24 to 64 bytes. Without it a new webhook gets a generated one, which the answer shows
    /// this once, and a replaced one keeps its own.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
    /// Whether it is told anything; true by default, which also switches on again what we switched off.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// Make or replace a webhook
#[utoipa::path(
    put, path = "/v1/webhooks/{name}", tag = "webhooks", operation_id = "put_webhook",
    params(("name" = String, Path)),
    request_body = WebhookBody,
    responses(
        (status = 201, description = "Made", body = WebhookView),
        (status = 200, description = "Replaced", body = WebhookView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let mut body: WebhookBody = call.read()?;
    check(&call, &mut body).await?;
    let center = call.center();
    let before = center.webhooks.get(call.project(), name).await?;
    let was = before.clone().map(|doc| view(name, doc, None));
    let given = body.secret.filter(|secret| !secret.is_empty());
    let secret_given = given.is_some();
    let (secret, generated) = match (given, before) {
        (Some(given), _) => (seal(&call, name, &given)?, None),
        (None, Some(before)) => (before.secret, None),
        (None, None) => {
            let secret = WebhookSecret::generate(&*center.random).to_text();
            (seal(&call, name, &secret)?, Some(secret))
        }
    };
    let doc = WebhookDoc {
        url: body.url,
        events: body.events,
        secret,
        enabled: body.enabled,
        disabled_reason: None,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    };
    let (put, doc) = center.webhooks.put(call.project(), name, doc).await?;
    if put == Put::Replaced {
        // What it failed at before must not switch it off again at the next failure.
        tell::forgive(center, call.project(), name).await?;
    }
    let mut what = json!({"webhook": name, "events": doc.events, "enabled": doc.enabled});
    if secret_given && put == Put::Replaced {
        // Before and after look the same.
        what["secrets_changed"] = json!(["secret"]);
    }
    let is = view(name, doc.clone(), None);
    call.audit_change("webhook.put", what, was.as_ref(), Some(&is)).await;
    answer::put(put, &view(name, doc, generated))
}

async fn check(call: &Call, body: &mut WebhookBody) -> Result<(), ApiError> {
    if body.events.is_empty() {
        return Err(ApiError::field("invalid_request", "/events", "name at least one event"));
    }
    let mut seen = Vec::with_capacity(body.events.len());
    body.events.retain(|event| {
        !seen.contains(event) && {
            seen.push(*event);
            true
        }
    });
    if let Some(secret) = body.secret.as_ref().filter(|secret| !secret.is_empty()) {
        WebhookSecret::parse(secret.expose())
            .map_err(|error| ApiError::field("invalid_request", "/secret", error.to_string()))?;
    }
    call.center().http.admit(&body.url).await.map_err(|error| {
        let code = match error.kind {
            HttpErrorKind::Forbidden => "forbidden_address",
            _ => "invalid_request",
        };
        ApiError::field(code, "/url", error.text)
    })
}

fn seal(call: &Call, name: &str, secret: &Secret) -> Result<String, ApiError> {
    let sealed = call.center().sealer.seal(&tell::seal_context(call.project(), name), secret.expose());
    sealed.map_err(|error| ApiError::internal(error.to_string()))
}

/// Delete a webhook
#[utoipa::path(
    delete, path = "/v1/webhooks/{name}", tag = "webhooks", operation_id = "delete_webhook",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "webhook")?;
    let webhooks = &call.center().webhooks;
    let before = webhooks.get(call.project(), name).await?.map(|doc| view(name, doc, None));
    if !webhooks.delete(call.project(), name).await? {
        return Err(ApiError::not_found("webhook"));
    }
    call.audit_change("webhook.delete", json!({"webhook": name}), before.as_ref(), None).await;
    no_content()
}

/// The telling of one event.
#[derive(Serialize, ToSchema)]
pub(crate) struct TellingView {
    /// The event's id, which is its `webhook-id`.
    event_id: String,
    /// The event's type.
    #[serde(rename = "type")]
    kind: String,
    /// How far it is.
    #[schema(value_type = schema::TellingState)]
    state: TellingState,
    /// The tries.
    #[schema(value_type = Vec<TellingAttemptView>)]
    attempts: Vec<TellingAttempt>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    next: Option<Timestamp>,
}

/// One try.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_pipeline's TellingAttempt, which knows nothing of OpenAPI")]
pub(crate) struct TellingAttemptView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// How long it took, in milliseconds.
    ms: u32,
    /// The HTTP status, if there was an answer.
    #[schema(nullable = false)]
    status: Option<u16>,
    /// Why there was none.
    #[schema(nullable = false)]
    error: Option<String>,
}

/// List what a webhook was told
#[utoipa::path(
    get, path = "/v1/webhooks/{name}/attempts", tag = "webhooks", operation_id = "list_webhook_attempts",
    params(("name" = String, Path)),
    responses((status = 200, description = "A page of events with their tries", body = Page<TellingView>))
)]
pub async fn attempts(call: Call) -> Answer {
    let name = call.name("name", "webhook")?;
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_event_id)?);
    found(&call, name).await?;
    let (tellings, next_cursor) = tell::tellings(call.center(), call.project(), name, limit, cursor).await?;
    let items = tellings.into_iter().map(|(event_id, telling)| {
        let Telling { kind, state, attempts, next } = telling;
        TellingView { event_id, kind, state, attempts, next }
    });
    ok(&Page { items: items.collect(), next_cursor })
}

fn is_event_id(cursor: &str) -> bool {
    cursor.starts_with("evt_") && mc_core::id::is_name(cursor)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    /// Events at or after this time; at most 30 days back.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Events before this time; until now by default.
    #[schema(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// How many events are told again.
    events: usize,
}

/// Tell past events again, under the same ids
#[utoipa::path(
    post, path = "/v1/webhooks/{name}/replay", tag = "webhooks", operation_id = "replay_webhook",
    params(("name" = String, Path)),
    request_body = Replay,
    responses((status = 202, description = "They are on their way", body = Replayed))
)]
pub async fn replay(call: Call) -> Answer {
    let name = call.name("name", "webhook")?;
    let Replay { from, to } = call.read()?;
    let webhook = found(&call, name).await?;
    if !webhook.enabled {
        let detail =
            "this webhook is switched off, and nothing would be told to it; switch it on with a PUT first";
        return Err(ApiError::conflict("webhook_disabled", detail));
    }
    let to = to.unwrap_or_else(|| call.center().clock.now());
    if to <= from {
        return Err(ApiError::field("invalid_request", "/to", "to must be after from"));
    }
    let events = tell::replay(call.center(), call.project(), name, from, to).await?;
    call.audit("webhook.replay", json!({"webhook": name, "from": from, "to": to, "events": events})).await;
    Ok(answer::json(StatusCode::ACCEPTED, &Replayed { events }))
}
