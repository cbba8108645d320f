//! One call to Slack, and what its answer means.

use std::time::Duration;

use bytes::Bytes;
use mc_core::Secret;
use mc_core::ports::{Http, HttpRequest, HttpResponse, Push, Receipt, Route, SendError, SendFailure};
use serde_json::Value;

use super::config::{Config, Way};
use crate::outcome::{by_status, failure, not_json, unanswered, unlisted, words};

pub(super) async fn send(
    config: &Config,
    route: &Route,
    http: &dyn Http,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    match &config.way {
        Way::Hook { url } => {
            let request = HttpRequest::post_json(url.clone(), push.part.payload.to_string());
            judge_hook(&http.call(route, request).await.map_err(unanswered)?, url)
        }
        Way::Bot { token, channel } => {
            let mut payload = push.part.payload.clone();
            payload["channel"] = channel.as_str().into();
            let request = api_request(config, "chat.postMessage", token, payload.to_string());
            let answer = judge_api(&http.call(route, request).await.map_err(unanswered)?, token)?;
            let text = |name: &str| answer.get(name).and_then(Value::as_str);
            // Only both together name a message.
            let id = text("channel").zip(text("ts")).map(|(channel, ts)| format!("{channel}:{ts}"));
            Ok(Receipt { platform_id: id, refused: Vec::new() })
        }
    }
}

/// Whether a bot's token is good; a webhook has no harmless call.
pub(super) async fn try_token(
    config: &Config,
    route: &Route,
    http: &dyn Http,
    token: &Secret,
) -> Result<(), SendError> {
    let request = api_request(config, "auth.test", token, "{}");
    judge_api(&http.call(route, request).await.map_err(unanswered)?, token).map(drop)
}

fn api_request(config: &Config, method: &str, token: &Secret, body: impl Into<Bytes>) -> HttpRequest {
    let mut request = HttpRequest::post_json(Secret::new(format!("{}/api/{method}", config.base_url)), body);
    request.headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose())));
    request
}

/// A webhook answers `ok`, or a word with a status of its own.
fn judge_hook(response: &HttpResponse, url: &Secret) -> Result<Receipt, SendError> {
    let body = String::from_utf8_lossy(&response.body);
    let word = body.trim();
    let is_word =
        !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match (response.status, is_word) {
        (200..=299, true) if word == "ok" => Ok(Receipt::default()),
        // A page in Slack's place says nothing of Slack; 5xx and 429 speak for themselves.
        (_, false) => Err(not_json(response)),
        (429 | 500..=599, true) => Err(failure(by_status(response), word, words(word, [url]))),
        (_, true) => Err(failure(classify(word, response), word, words(word, [url]))),
    }
}

/// The Web API answers JSON with `ok`, whatever the status.
fn judge_api(response: &HttpResponse, token: &Secret) -> Result<Value, SendError> {
    let answer: Option<Value> = serde_json::from_slice(&response.body).ok();
    let Some((answer, ok)) = answer.and_then(|answer| {
        let ok = answer.get("ok")?.as_bool()?;
        Some((answer, ok))
    }) else {
        return Err(not_json(response));
    };
    if ok {
        return Ok(answer);
    }
    let word = answer.get("error").and_then(Value::as_str).unwrap_or("unknown_error");
    let more = answer.pointer("/response_metadata/messages/0").and_then(Value::as_str).unwrap_or(word);
    Err(failure(classify(word, response), words(word, [token]), words(more, [token])))
}

/// The words of Slack's pages on incoming webhooks and on chat.postMessage.
fn classify(word: &str, response: &HttpResponse) -> SendFailure {
    match word {
        "ratelimited" | "rate_limited" => {
            SendFailure::Throttled { after: response.retry_after.or(Some(Duration::from_secs(30))) }
        }
        "service_unavailable" | "request_timeout" | "rollup_error" | "team_added_to_org" => {
            SendFailure::Transient { after: response.retry_after }
        }
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "internal_error" | "fatal_error" => SendFailure::Doubt,
        // A channel's own rules against us; there are several such words.
        _ if word.starts_with("restricted_action") => SendFailure::Channel,
        // The channel is gone or closed to us, or its workspace is full; the app, its token or its rights are.
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "channel_is_archived"
        | "messages_tab_disabled"
        | "message_limit_exceeded"
        | "posting_to_general_channel_denied"
        | "action_prohibited"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "team_disabled"
        | "invalid_token"
        | "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "missing_scope"
        | "not_allowed_token_type"
        | "ekm_access_denied"
        | "org_login_required"
        | "access_denied"
        | "team_access_not_granted"
        | "enterprise_is_restricted"
        | "accesslimited"
        | "is_inactive" => SendFailure::Channel,
        // Everything else is about this message: no_text, msg_too_long, invalid_blocks, user_not_found …
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, judge_all};

    #[test]
    fn every_answer_has_its_meaning() {
        let secret = Secret::new("xoxb-hunter2-hunter2");
        let judge = |case: &Case| {
            let response = case.response();
            let judged = match case.is("hook") {
                true => judge_hook(&response, &secret).map(drop),
                false => judge_api(&response, &secret).map(drop),
            };
            judged.map(|()| "Ok".to_owned())
        };
        judge_all(include_str!("fixtures/answers.json"), &["hunter2"], judge, |_| "");
    }
}
