//! Steering the accounts over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `PUT /_wechat/{app_id}` | a [`WechatAccount`]; 204 |
//! | `POST /_wechat/{app_id}/expire` | `{"forgets": false}` or nothing; 204 |
//! | `POST /_wechat/{app_id}/events` | a [`WechatEvent`], posted to the account's callback; `{"status", "body"}` |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::{WechatAccount, WechatEvent};
use crate::answer::json_answer;
use crate::control::{bad_request, with_json};
use crate::sandbox::Sandbox;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expire {
    forgets: bool,
}

/// `PUT /_wechat/{app_id}`
pub(crate) async fn put(State(sandbox): State<Sandbox>, Path(app_id): Path<String>, body: Bytes) -> Response {
    with_json(&body, |account: WechatAccount| sandbox.wechat_account(app_id, account))
}

/// `POST /_wechat/{app_id}/expire`
pub(crate) async fn expire(
    State(sandbox): State<Sandbox>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Response {
    if body.is_empty() {
        sandbox.wechat_expire_tokens(&app_id, false);
        return StatusCode::NO_CONTENT.into_response();
    }
    with_json(&body, |expire: Expire| sandbox.wechat_expire_tokens(&app_id, expire.forgets))
}

/// `POST /_wechat/{app_id}/events`
pub(crate) async fn tell(
    State(sandbox): State<Sandbox>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Response {
    let event: WechatEvent = match serde_json::from_slice(&body) {
        Ok(event) => event,
        Err(error) => return bad_request(&error.to_string()),
    };
    match sandbox.wechat_tell(&app_id, &event).await {
        Ok((status, body)) => json_answer(StatusCode::OK, &json!({"status": status, "body": body})),
        Err(detail) => bad_request(&detail),
    }
}
