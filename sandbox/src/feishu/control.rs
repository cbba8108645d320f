//! Steering the Feishu platform over HTTP.

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;

use super::FeishuRobot;
use crate::control::with_json;
use crate::sandbox::Sandbox;

/// `PUT /_feishu/robots/{token}` with a [`FeishuRobot`].
pub(super) async fn put_robot(
    State(sandbox): State<Sandbox>,
    Path(token): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |robot: FeishuRobot| sandbox.feishu_robot(token, robot))
}
