//! Slack: incoming webhooks and `chat.postMessage`.

mod rules;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::mask;
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::request::shown;
use crate::sandbox::Sandbox;

/// How often one channel may be written to.
pub(crate) struct Slack(Limiter);

impl Slack {
    /// One message a second for each channel, if there are limits at all.
    pub(crate) fn new(limit: Option<RateLimit>) -> Slack {
        let second = std::time::Duration::from_secs(1);
        Slack(Limiter::new(limit.map(|_| RateLimit { window: second, messages: 1 }), 0))
    }
}

/// The platform's own paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/services/{team}/{app}/{key}", post(hook))
        .route("/api/chat.postMessage", post(post_message))
        .route("/api/auth.test", post(auth_test))
}

/// An error of a webhook: an HTTP status and a word.
fn hook_error(status: i64, word: &str) -> Refusal {
    Refusal::new(status, word)
}

/// An error of the Web API: HTTP 200 and a word in JSON. Too many calls are HTTP 429.
fn api_error(word: &str) -> Refusal {
    Refusal::new(if word == "ratelimited" { 429 } else { 200 }, word)
}

/// `POST /services/{team}/{app}/{key}`: any plausible address is a webhook, but for apps called `BGONE`.
pub(crate) async fn hook(
    State(sandbox): State<Sandbox>,
    Path((team, app, key)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let item = describe(mask::key(&key), &body);
    let now = sandbox.now();
    let judge = |_: &mut Item| {
        let judged = (|| {
            if !team.starts_with('T') {
                return Err(hook_error(404, "no_team"));
            }
            if !app.starts_with('B') || app == "BGONE" {
                return Err(hook_error(404, "no_service"));
            }
            if key.len() != 24 {
                return Err(hook_error(403, "invalid_token"));
            }
            if !sandbox.slack().0.allows(&key, now) {
                return Err(hook_error(429, "rate_limited"));
            }
            let message: Value =
                serde_json::from_slice(&body).map_err(|_| hook_error(400, "invalid_payload"))?;
            rules::check(&message).map_err(|word| hook_error(400, word))
        })();
        Verdict::from(judged)
    };
    sandbox.receive(item, judge).await
}

/// `POST /api/chat.postMessage`: any plausible bot token is one, but for those that begin with `xoxb-bad`.
pub(crate) async fn post_message(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let channel = shown(&message, "channel").unwrap_or_default();
    let item = describe(channel.clone(), &body);
    let now = sandbox.now();
    let judge = |_: &mut Item| {
        let judged = (|| {
            authorised(&headers)?;
            match channel.trim_start_matches('#') {
                "" | "missing" => return Err(api_error("channel_not_found")),
                "archived" => return Err(api_error("is_archived")),
                "private" => return Err(api_error("not_in_channel")),
                _ => {}
            }
            if !sandbox.slack().0.allows(&channel, now) {
                return Err(api_error("ratelimited"));
            }
            rules::check(&message).map_err(api_error)
        })();
        match judged {
            Ok(()) => {
                let ts = format!("{}.{:06}", now / 1_000, sandbox.last() + 1);
                Verdict::Answered(json!({"ok": true, "channel": "C0SANDBOX", "ts": ts}))
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    };
    sandbox.receive(item, judge).await
}

/// `POST /api/auth.test`
pub(crate) async fn auth_test(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    let judge = || {
        authorised(&headers)
            .map(|()| json!({"ok": true, "team": "Sandbox", "user": "center", "bot_id": "B0"}))
    };
    sandbox.aside(Platform::Slack, "auth", judge).await
}

fn authorised(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        value.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| api_error("not_authed"))?;
    if token.starts_with("xoxb-") && token.len() > 20 && !token.starts_with("xoxb-bad") {
        return Ok(());
    }
    Err(api_error("invalid_auth"))
}

/// An item for the inbox, made from whatever of the body can be read.
fn describe(target: String, body: &[u8]) -> Item {
    let mut item = Item::draft(Platform::Slack, target, body);
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let blocks = message.get("blocks").and_then(Value::as_array).filter(|blocks| !blocks.is_empty());
    item.kind = if blocks.is_some() { "blocks" } else { "text" }.to_owned();
    item.title = blocks.into_iter().flatten().find_map(|block| {
        let is_header = shown(block, "type").is_some_and(|kind| kind == "header");
        is_header.then(|| shown(&block["text"], "text"))?
    });
    item.text = match blocks {
        Some(blocks) => blocks.iter().flat_map(rules::texts).collect::<Vec<_>>().join("\n"),
        None => shown(&message, "text").unwrap_or_default(),
    };
    // What is escaped is seen as it was before.
    item.text = item.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    item
}
