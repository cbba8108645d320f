//! Steering the apps over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `PUT /_wecom/{corp}/{agent}` | a [`WecomApp`]; 204 |
//! | `POST /_wecom/{corp}/{agent}/expire` | `{"forgets": false}` or nothing; 204 |
//! | `POST /_wecom/{corp}/{agent}/events` | a [`WecomEvent`], posted to the app's callback; `{"status", "body"}` |
//! | `POST /_wecom/{corp}/{agent}/verify` | verifies the callback address; 204, or 400 with what is wrong |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;

use super::{WecomApp, WecomEvent};
use crate::control::{self, bad_request, with_json};
use crate::sandbox::Sandbox;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expire {
    forgets: bool,
}

/// Corporation and agent.
type Place = Path<(String, u64)>;

/// `PUT /_wecom/{corp}/{agent}`
pub(crate) async fn put(State(sandbox): State<Sandbox>, Path((corp, agent)): Place, body: Bytes) -> Response {
    with_json(&body, |app: WecomApp| sandbox.wecom_app(corp, agent, app))
}

/// `POST /_wecom/{corp}/{agent}/expire`
pub(crate) async fn expire(
    State(sandbox): State<Sandbox>,
    Path((corp, agent)): Place,
    body: Bytes,
) -> Response {
    if body.is_empty() {
        sandbox.wecom_end_tokens(&corp, agent, false);
        return StatusCode::NO_CONTENT.into_response();
    }
    with_json(&body, |expire: Expire| sandbox.wecom_end_tokens(&corp, agent, expire.forgets))
}

/// `POST /_wecom/{corp}/{agent}/events`
pub(crate) async fn tell(
    State(sandbox): State<Sandbox>,
    Path((corp, agent)): Place,
    body: Bytes,
) -> Response {
    control::tell(&body, async |event: WecomEvent| sandbox.wecom_tell(&corp, agent, &event).await).await
}

/// `POST /_wecom/{corp}/{agent}/verify`
pub(crate) async fn verify(State(sandbox): State<Sandbox>, Path((corp, agent)): Place) -> Response {
    match sandbox.wecom_verify(&corp, agent).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(detail) => bad_request(&detail),
    }
}
