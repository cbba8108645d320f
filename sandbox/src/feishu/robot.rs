//! The custom robot (custom bot guide).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{content, describe};
use crate::answer::{Refusal, Verdict};
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::sandbox::Sandbox;
use crate::{request, signing};

const SIGN_WINDOW_SECONDS: u64 = 3_600;
/// "20 KB" may mean 20,480 bytes; the smaller reading is the stricter one.
const BODY_BYTES: usize = 20_000;
const SECOND: RateLimit = RateLimit { window: Duration::from_secs(1), messages: 5 };
const MINUTE: RateLimit = RateLimit { window: Duration::from_secs(60), messages: 100 };

/// A robot's security settings; each that is there must be kept to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeishuRobot {
    /// With it, every message must be signed.
    pub secret: Option<String>,
    /// One of these must occur in a text or title.
    pub keywords: Vec<String>,
    /// Addresses that may call; calls come from 127.0.0.1.
    pub ips: Vec<String>,
}

/// All robots, and how often they spoke.
pub(super) struct Robots {
    known: Mutex<HashMap<String, FeishuRobot>>,
    second: Limiter,
    minute: Limiter,
}

impl Robots {
    pub(super) fn new(limited: bool) -> Robots {
        // The guide names no ban after an overflow.
        let limiter = |limit| Limiter::new(limited.then_some(limit), 0);
        Robots { known: Mutex::default(), second: limiter(SECOND), minute: limiter(MINUTE) }
    }

    pub(super) fn register(&self, token: String, robot: FeishuRobot) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(token, robot);
    }

    fn judge(&self, method: &Method, token: &str, body: &[u8], now: u64) -> Result<(), Refusal> {
        let robot = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        let robot = robot
            .ok_or_else(|| Refusal::new(19001, "param invalid: incoming webhook access token invalid"))?;
        if !robot.ips.is_empty() && robot.ips.iter().all(|ip| ip != "127.0.0.1") {
            return Err(Refusal::new(19022, "Ip Not Allowed"));
        }
        // Both count every call, so none is skipped because the other one refused.
        let (second, minute) = (self.second.allows(token, now), self.minute.allows(token, now));
        if !(second && minute) {
            return Err(Refusal::new(11232, "frequency limited"));
        }
        let bad_request = || Refusal::new(9499, "Bad Request");
        if method != Method::POST || body.len() > BODY_BYTES {
            return Err(bad_request());
        }
        let message: Value = serde_json::from_slice(body).map_err(|_| bad_request())?;
        robot.check_signature(&message, now)?;
        content::check_hook(&message)?;
        robot.check_keywords(&message)
    }
}

impl FeishuRobot {
    fn check_signature(&self, message: &Value, now: u64) -> Result<(), Refusal> {
        let Some(secret) = self.secret.as_deref().filter(|secret| !secret.is_empty()) else { return Ok(()) };
        // The guide's examples write the seconds as a text.
        let timestamp = request::shown(message, "timestamp").unwrap_or_default();
        let recent = timestamp.parse::<u64>().is_ok_and(|at| at.abs_diff(now / 1_000) <= SIGN_WINDOW_SECONDS);
        let sign = request::shown(message, "sign").unwrap_or_default();
        if recent && signing::feishu(secret, &timestamp, &sign) {
            return Ok(());
        }
        let errmsg = "sign match fail or timestamp is not within one hour from current time";
        Err(Refusal::new(19021, errmsg))
    }

    /// Keywords are looked for in texts and titles, not in addresses.
    fn check_keywords(&self, message: &Value) -> Result<(), Refusal> {
        let mut shown = String::new();
        collect(message, &mut shown);
        if self.keywords.is_empty() || self.keywords.iter().any(|keyword| shown.contains(keyword)) {
            return Ok(());
        }
        Err(Refusal::new(19024, "Key Words Not Found"))
    }
}

/// Everything below `text`, `title` and a card's `content`.
fn collect(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if matches!(name.as_str(), "text" | "title" | "content") => {
                        out.push_str(text);
                        out.push('\n');
                    }
                    member => collect(member, out),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `POST /open-apis/bot/v2/hook/{token}`
pub(super) async fn send(
    State(sandbox): State<Sandbox>,
    Path(token): Path<String>,
    method: Method,
    body: Bytes,
) -> Response {
    let item = describe::hook(&token, &body);
    let now = sandbox.now();
    sandbox.receive(item, |_| Verdict::from(sandbox.feishu().robots.judge(&method, &token, &body, now))).await
}
