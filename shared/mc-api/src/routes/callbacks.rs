//! What platforms call: each channel checks its platform's own signature, which is the only authentication here.

use http::StatusCode;
use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, SendError};
use mc_pipeline::repo::ChannelEntry;
use mc_pipeline::{receipts, syslog};
use serde_json::json;

use crate::answer::{Answer, bytes_of};
use crate::call::Call;
use crate::problem::ApiError;

/// Let a platform verify the address
///
/// Some platforms ask by GET whether the address is theirs to call. The answer is the platform's own form.
#[utoipa::path(
    get, path = "/v1/callbacks/{project}/{channel}", tag = "callbacks", operation_id = "verify_callback",
    params(("project" = String, Path), ("channel" = String, Path)),
    responses(
        (status = 200, description = "What the platform wants to read", body = String, content_type = "*/*"),
        (status = 400, description = "It cannot be read", body = crate::problem::Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "It is not signed by the platform", body = crate::problem::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The channel lacks what the check needs; the detail names the setting",
            body = crate::problem::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn verify(call: Call) -> Answer {
    receive(call).await
}

/// Take what a platform tells
///
/// Receipts, pressed buttons, bounces. 200 means that all of it is stored.
#[utoipa::path(
    post, path = "/v1/callbacks/{project}/{channel}", tag = "callbacks", operation_id = "take_callback",
    params(("project" = String, Path), ("channel" = String, Path)),
    responses(
        (status = 200, description = "What the platform wants to read", body = String, content_type = "*/*"),
        (status = 400, description = "It cannot be read", body = crate::problem::Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "It is not signed by the platform", body = crate::problem::Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The channel lacks what the check needs; the detail names the setting",
            body = crate::problem::Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 4 MiB", body = crate::problem::Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn take(call: Call) -> Answer {
    receive(call).await
}

async fn receive(call: Call) -> Answer {
    let (project, name) = (call.name("project", "channel")?, call.name("channel", "channel")?);
    let entry = call.center().channels.get(project, name).await?;
    let entry = entry.ok_or_else(|| ApiError::not_found("channel"))?;
    let Some(callbacks) = entry.channel.callbacks() else {
        return Err(ApiError::not_found("callback: the platform of this channel does not call"));
    };
    let headers: Vec<(String, String)> = call
        .parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    let request = CallbackRequest {
        method: call.parts.method.as_str(),
        query: call.parts.uri.query().unwrap_or_default(),
        headers: &headers,
        body: &call.body,
    };
    match callbacks.callback(&request).await {
        Ok(CallbackAnswer { status, content_type, body, news, then }) => {
            receipts::called(call.center(), project, &entry, news).await?;
            if let Some(then) = then
                && let Err(error) = callbacks.follow(&then).await
            {
                not_followed(&call, project, &entry, &error).await;
            }
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            Ok(bytes_of(status, content_type, body))
        }
        Err(error) => Err(refuse(&call, project, &entry, error).await),
    }
}

/// What was told is stored and is answered as such; that the platform does not show it is only noted.
async fn not_followed(call: &Call, project: &str, entry: &ChannelEntry, error: &SendError) {
    let data = json!({"channel": entry.name, "code": error.code, "text": error.text});
    if let Err(error) = syslog::note(call.center(), project, "callback.not_followed", data).await {
        tracing::warn!(error = %error, "what a callback asked for failed and could not be noted");
    }
}

async fn refuse(call: &Call, project: &str, entry: &ChannelEntry, error: CallbackError) -> ApiError {
    // The log tells the operator which of the two it was. Strangers get one answer, and learn nothing of the settings.
    let strange = || {
        let detail = "the signature of this callback is not the platform's, or is too old";
        ApiError::new(StatusCode::UNAUTHORIZED, "bad_signature", detail)
    };
    let (reason, refusal) = match error {
        CallbackError::Signature => ("signature", strange()),
        CallbackError::Stranger(setting) => (setting, strange()),
        CallbackError::Malformed(detail) => {
            ("malformed", ApiError::new(StatusCode::BAD_REQUEST, "malformed_callback", detail))
        }
        CallbackError::NotConfigured(setting) => {
            let detail = format!("the channel cannot check callbacks yet: fill in {setting}");
            ("not_configured", ApiError::conflict("callback_not_configured", detail))
        }
    };
    let kind = entry.doc.kind.as_str();
    metrics::counter!("message_center_bad_callbacks_total", "kind" => kind, "reason" => reason).increment(1);
    let key = format!("{project}/{}/{reason}", entry.name);
    let now = call.center().clock.now();
    if let Some(count) = call.api.noting.count(key, now) {
        let from = call.source().map(|address| address.to_string());
        let data = json!({"channel": entry.name, "reason": reason, "count": count, "from": from});
        if let Err(error) = syslog::note(call.center(), project, "callback.refused", data).await {
            tracing::warn!(error = %error, "a refused callback could not be noted");
        }
    }
    refusal
}
