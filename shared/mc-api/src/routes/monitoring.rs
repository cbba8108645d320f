//! Health, metrics, the system log and the API's own description.

use http::StatusCode;
use mc_core::ports::Key;
use mc_pipeline::syslog;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{Answer, Page, bytes_of, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_ulid;

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

/// Is it alive
///
/// 200 only when the store answers.
#[utoipa::path(
    get, path = "/healthz", tag = "monitoring", operation_id = "health",
    responses((status = 200, description = "It is", body = Health))
)]
pub async fn healthz(call: Call) -> Answer {
    // There is nothing under this key; that the store says so is what counts.
    call.center().store.get(&Key::new("healthz", "healthz")).await?;
    ok(&Health { status: "ok", version: call.api.options.version })
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "monitoring", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub async fn openapi_json(_call: Call) -> Answer {
    Ok(bytes_of(StatusCode::OK, "application/json", crate::openapi::json()?))
}

/// Metrics for Prometheus
///
/// No credentials are needed on the machine itself.
#[utoipa::path(
    get, path = "/metrics", tag = "monitoring", operation_id = "metrics",
    responses((status = 200, description = "In the text format", content_type = "text/plain", body = String))
)]
pub async fn metrics_text(call: Call) -> Answer {
    let Some(render) = &call.api.options.metrics else {
        return Err(ApiError::not_found("page: metrics are kept elsewhere in this place"));
    };
    Ok(bytes_of(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", render()))
}

/// One entry of the system log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogEntry {
    /// Its id.
    id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: mc_core::Timestamp,
    /// What happened: `channel.put`, `webhook.disabled` …
    #[serde(rename = "type")]
    kind: String,
    /// Who did it, if somebody did: `key:…` or `operator:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    /// The details, without secrets.
    data: Value,
}

/// List what happened in the project: changes people made, and what the system noticed
#[utoipa::path(
    get, path = "/v1/events", tag = "monitoring", operation_id = "list_events",
    responses((status = 200, description = "A page of entries, newest first", body = Page<LogEntry>))
)]
pub async fn events(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_ulid)?);
    let (entries, next_cursor) = syslog::list(call.center(), call.project(), limit, cursor).await?;
    let items = entries.into_iter().map(|(id, entry)| {
        let syslog::Entry { at, kind, actor, data } = entry;
        LogEntry { id, at, kind, actor, data }
    });
    ok(&Page { items: items.collect(), next_cursor })
}
