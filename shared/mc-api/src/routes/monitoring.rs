//! Health, metrics and the API's own description.

use http::StatusCode;
use mc_core::ports::Key;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, bytes_of, ok};
use crate::call::Call;
use crate::problem::ApiError;

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
    Ok(bytes_of(StatusCode::OK, "application/json", crate::openapi::JSON))
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
