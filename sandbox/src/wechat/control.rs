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

use super::{WechatAccount, WechatEvent};
use crate::control::{self, with_json};
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
    control::tell(&body, async |event: WechatEvent| sandbox.wechat_tell(&app_id, &event).await).await
}
