//! WeCom: the group robot (pages 91770 and 99110), and apps.

pub(crate) mod app;
mod card;
mod describe;
mod media;
mod rules;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use self::media::Media;
pub(crate) use self::media::upload;
use crate::answer::Refusal;
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::request;
use crate::sandbox::Sandbox;

/// What the robots remember.
pub(crate) struct Wecom {
    limiter: Limiter,
    media: Media,
}

impl Wecom {
    /// Page 90312: minute rules block for 60 seconds, that is for one window.
    pub(crate) fn new(limit: Option<RateLimit>) -> Wecom {
        Wecom { limiter: Limiter::new(limit, 1), media: Media::default() }
    }
}

/// `POST /cgi-bin/webhook/send?key=`
pub(crate) async fn send(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let key = request::query(query.as_deref(), "key").unwrap_or_default();
    let item = describe::describe(&key, &body);
    let now = sandbox.now();
    sandbox.receive(item, |_| judge(sandbox.wecom(), &method, &key, &body, now).into()).await
}

fn judge(wecom: &Wecom, method: &Method, key: &str, body: &[u8], now: u64) -> Result<(), Refusal> {
    known(key)?;
    if method != Method::POST {
        return Err(Refusal::new(40058, "invalid request: POST expected"));
    }
    if !wecom.limiter.allows(key, now) {
        // The page names no code for this; 45009 is what robots answer in practice.
        return Err(Refusal::new(45009, "api freq out of limit"));
    }
    if rules::has_unicode_escape(body) {
        return Err(Refusal::new(40033, "invalid charset: \\uXXXX is not allowed"));
    }
    let message: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::new(40058, format!("Warning: wrong json format. {error}")))?;
    rules::check(&message, |media_id| wecom.media.usable(media_id, key, now))
}

/// Any plausible key is a robot, so that nobody has to register one; keys that start with `bad` are not.
fn known(key: &str) -> Result<(), Refusal> {
    let plausible = (8..=64).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !key.starts_with("bad");
    if plausible { Ok(()) } else { Err(Refusal::new(93000, "invalid webhook url")) }
}
