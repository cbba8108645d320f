//! Steering the apps over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `PUT /_dingtalk/apps/{app_key}` | a [`DingtalkApp`]; 204 |
//! | `POST /_dingtalk/apps/{app_key}/expire` | `{"forgets": false}` or nothing; 204 |
//! | `POST /_dingtalk/apps/{app_key}/read` | `{"task_id": 1, "user": "…"}`; 204, or 400 if they did not get it |
//! | `POST /_dingtalk/apps/{app_key}/events` | a [`DingtalkEvent`], posted to the app's callback; `{"status", "body"}` |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;

use super::{DingtalkApp, DingtalkEvent};
use crate::control::{self, bad_request, with_json};
use crate::sandbox::Sandbox;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expire {
    forgets: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    task_id: u64,
    user: String,
}

pub(super) async fn put(
    State(sandbox): State<Sandbox>,
    Path(app_key): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |app: DingtalkApp| sandbox.dingtalk_app(app_key, app))
}

pub(super) async fn expire(
    State(sandbox): State<Sandbox>,
    Path(app_key): Path<String>,
    body: Bytes,
) -> Response {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body };
    with_json(&body, |expire: Expire| sandbox.dingtalk_end_tokens(&app_key, expire.forgets))
}

pub(super) async fn read(
    State(sandbox): State<Sandbox>,
    Path(app_key): Path<String>,
    body: Bytes,
) -> Response {
    match serde_json::from_slice::<Read>(&body) {
        Ok(read) if sandbox.dingtalk_read(&app_key, read.task_id, &read.user) => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => bad_request("they did not get this message"),
        Err(error) => bad_request(&error.to_string()),
    }
}

pub(super) async fn tell(
    State(sandbox): State<Sandbox>,
    Path(app_key): Path<String>,
    body: Bytes,
) -> Response {
    control::tell(&body, async |event: DingtalkEvent| sandbox.dingtalk_tell(&app_key, &event).await).await
}
