//! The DingTalk custom robot.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::Value;

use super::{describe, rules};
use crate::answer::{Refusal, Verdict};
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::sandbox::Sandbox;
use crate::{request, signing};

const SIGN_WINDOW_MS: u64 = 3_600_000;
const BODY_BYTES: usize = 20_000;
/// The window of `msgUuid` is UNCONFIRMED; a short one is the stricter reading, because a client must not
/// rely on a long one.
const DEDUPE_MS: u64 = 600_000;

/// What the robots remember.
pub(crate) struct Dingtalk {
    limiter: Limiter,
    robots: Mutex<HashMap<String, Robot>>,
    seen: Mutex<HashMap<(String, String), u64>>,
}

#[derive(Clone, Default)]
struct Robot {
    secret: Option<String>,
    keywords: Vec<String>,
}

/// What a call carries besides its body.
struct Call<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    token: &'a str,
    now: u64,
}

impl Dingtalk {
    /// Above 20 per minute the page throttles for 10 minutes, that is for ten windows.
    pub(crate) fn new(limit: Option<RateLimit>) -> Dingtalk {
        Dingtalk { limiter: Limiter::new(limit, 10), robots: Mutex::default(), seen: Mutex::default() }
    }

    pub(crate) fn register(&self, token: String, secret: Option<String>, keywords: Vec<String>) {
        let secret = secret.filter(|secret| !secret.is_empty());
        lock(&self.robots).insert(token, Robot { secret, keywords });
    }

    fn judge(&self, call: &Call<'_>, body: &[u8]) -> Result<Verdict, Refusal> {
        if call.method != Method::POST {
            return Err(Refusal::new(22, "invalid method"));
        }
        check_content_type(call.headers)?;
        let robot = lock(&self.robots).get(call.token).cloned();
        let robot = robot.ok_or_else(|| Refusal::new(400101, "token is not exist"))?;
        robot.check_signature(call)?;
        if !self.limiter.allows(call.token, call.now) {
            return Err(Refusal::new(130101, "send too fast, exceed 20 times per minute"));
        }
        // Official pages give no number; the limit and its code are what clients meet.
        if body.len() > BODY_BYTES {
            return Err(Refusal::new(460101, "message too long, exceed 20000 bytes"));
        }
        let message = serde_json::from_slice(body).map_err(|_| Refusal::new(40035, "json is missing"))?;
        rules::check(&message)?;
        robot.check_keywords(&message)?;
        Ok(self.first_time(call, &message))
    }

    /// A repeated `msgUuid` is answered as before and delivered once.
    fn first_time(&self, call: &Call<'_>, message: &Value) -> Verdict {
        let Some(uuid) = request::shown(message, "msgUuid") else { return Verdict::Accepted };
        let mut seen = lock(&self.seen);
        seen.retain(|_, at| call.now.saturating_sub(*at) < DEDUPE_MS);
        let key = (call.token.to_owned(), uuid);
        if seen.contains_key(&key) {
            return Verdict::Duplicate;
        }
        seen.insert(key, call.now);
        Verdict::Accepted
    }
}

impl Robot {
    fn check_signature(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let Some(secret) = &self.secret else { return Ok(()) };
        let timestamp = request::query(call.query, "timestamp").unwrap_or_default();
        let recent = timestamp.parse::<u64>().is_ok_and(|at| at.abs_diff(call.now) <= SIGN_WINDOW_MS);
        if !recent {
            return Err(Refusal::new(310000, "description:invalid timestamp"));
        }
        let sign = request::query(call.query, "sign").unwrap_or_default();
        if signing::dingtalk(secret, &timestamp, &sign) {
            return Ok(());
        }
        Err(Refusal::new(310000, "description:sign not match"))
    }

    fn check_keywords(&self, message: &Value) -> Result<(), Refusal> {
        let shown = describe::everything(message);
        if self.keywords.is_empty() || self.keywords.iter().any(|keyword| shown.contains(keyword)) {
            return Ok(());
        }
        Err(Refusal::new(310000, "description:keywords not in content"))
    }
}

/// `POST /robot/send?access_token=&timestamp=&sign=`
pub(crate) async fn send(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = request::query(query.as_deref(), "access_token").unwrap_or_default();
    let item = describe::describe(&token, &body);
    let call = Call {
        method: &method,
        headers: &headers,
        query: query.as_deref(),
        token: &token,
        now: sandbox.now(),
    };
    sandbox.receive(item, |_| sandbox.dingtalk().judge(&call, &body).unwrap_or_else(Verdict::Refused)).await
}

/// `application/json`, with no character set or with UTF-8.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = value.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let charset =
        parts.find_map(|part| part.to_ascii_lowercase().strip_prefix("charset=").map(str::to_owned));
    let utf8 = charset.is_none_or(|charset| charset.trim_matches('"') == "utf-8");
    if json && utf8 { Ok(()) } else { Err(Refusal::new(43004, "invalid content-type")) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
