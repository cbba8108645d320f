//! Steering the accounts over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `PUT /_ses/{access_key_id}` | a [`SesAccount`]; 204 |
//! | `POST /_ses/{access_key_id}/subscribe` | asks the topic's subscriber for its consent; `{"status", "body"}` |

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;

use super::SesAccount;
use crate::control::{told, with_json};
use crate::sandbox::Sandbox;

/// `PUT /_ses/{access_key_id}`
pub(super) async fn put(
    State(sandbox): State<Sandbox>,
    Path(access_key_id): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |account: SesAccount| sandbox.ses_account(access_key_id, account))
}

/// `POST /_ses/{access_key_id}/subscribe`
pub(super) async fn subscribe(State(sandbox): State<Sandbox>, Path(access_key_id): Path<String>) -> Response {
    told(sandbox.ses_subscribe(&access_key_id).await)
}
