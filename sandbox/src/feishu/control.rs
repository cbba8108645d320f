//! Steering the Feishu platform over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `PUT /_feishu/robots/{token}` | a [`FeishuRobot`]; 204 |
//! | `PUT /_feishu/apps/{app_id}` | a [`FeishuApp`]; 204 |
//! | `POST /_feishu/apps/{app_id}/expire` | 204; all tokens of the app are over |
//! | `POST /_feishu/apps/{app_id}/events` | a [`FeishuEvent`], posted to the app's callback; `{"status", "body"}` |

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;

use super::{FeishuApp, FeishuEvent, FeishuRobot};
use crate::control::{self, with_json};
use crate::sandbox::Sandbox;

/// `PUT /_feishu/robots/{token}`
pub(super) async fn put_robot(
    State(sandbox): State<Sandbox>,
    Path(token): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |robot: FeishuRobot| sandbox.feishu_robot(token, robot))
}

/// `PUT /_feishu/apps/{app_id}`
pub(super) async fn put_app(
    State(sandbox): State<Sandbox>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |app: FeishuApp| sandbox.feishu_app(app_id, app))
}

/// `POST /_feishu/apps/{app_id}/expire`
pub(super) async fn expire(State(sandbox): State<Sandbox>, Path(app_id): Path<String>) -> StatusCode {
    sandbox.feishu_expire_tokens(&app_id);
    StatusCode::NO_CONTENT
}

/// `POST /_feishu/apps/{app_id}/events`
pub(super) async fn tell(
    State(sandbox): State<Sandbox>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Response {
    control::tell(&body, async |event: FeishuEvent| sandbox.feishu_tell(&app_id, &event).await).await
}
