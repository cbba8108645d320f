//! How often an account may send, and looking at and clearing it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::json_body;
use super::login::check_secret;
use super::tokens::{Window, day};
use crate::answer::Refusal;
use crate::item::Platform;
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::request::text;
use crate::sandbox::Sandbox;

pub(super) const TEMPLATE_SEND: &str = "/cgi-bin/message/template/send";
pub(super) const SUBSCRIBE_SEND: &str = "/cgi-bin/message/subscribe/send";

/// A mini program without WeChat Pay has 10 million a day.
const SUBSCRIBE_A_DAY: u64 = 10_000_000;
const TEMPLATE_A_DAY: u64 = 100_000;
const CLEARS_A_MONTH: u32 = 10;
const CLEARS_OF_ONE_A_MONTH: u32 = 50;
/// The month is counted as 31 days, which is never less than the platform's.
const MONTH_DAYS: u64 = 31;

/// What is used up, by path.
#[derive(Default)]
pub(super) struct Quotas {
    used: BTreeMap<&'static str, Window>,
    cleared: Window,
    cleared_one: Window,
}

/// Counts calls of a minute; the next minute is free again.
pub(super) fn minute(messages: usize) -> Limiter {
    Limiter::new(Some(RateLimit { window: Duration::from_secs(60), messages }), 0)
}

impl super::State {
    /// Counts one more message, or refuses it.
    pub(super) fn count(&mut self, path: &'static str, now: u64) -> Result<(), Refusal> {
        if self.minute.as_ref().is_some_and(|minute| !minute.allows(path, now)) {
            return Err(Refusal::new(45011, "api minute-quota reach limit, must slower, retry next minute"));
        }
        let limit = u32::try_from(self.daily_limit(path)).unwrap_or(u32::MAX);
        if self.quotas.used.entry(path).or_default().take(day(now), limit) {
            return Ok(());
        }
        Err(Refusal::new(45009, "reach max api daily quota limit"))
    }

    fn daily_limit(&self, path: &str) -> u64 {
        let usual = if path == SUBSCRIBE_SEND { SUBSCRIBE_A_DAY } else { TEMPLATE_A_DAY };
        self.account.daily_limit.unwrap_or(usual)
    }

    fn quota(&self, path: &'static str, now: u64) -> Value {
        let limit = self.daily_limit(path);
        let used = self.quotas.used.get(path).map_or(0, |window| u64::from(window.used(day(now))));
        json!({
            "errcode": 0,
            "errmsg": "ok",
            "quota": {"daily_limit": limit, "used": used, "remain": limit - used.min(limit)},
            "rate_limit": {"call_count": self.account.per_minute.unwrap_or_default(), "refresh_second": 60},
        })
    }

    fn clear(&mut self, now: u64) -> Result<Value, Refusal> {
        if !self.quotas.cleared.take(day(now) / MONTH_DAYS, CLEARS_A_MONTH) {
            return Err(Refusal::new(48006, "forbid to clear quota because of reaching the limit"));
        }
        self.quotas.used.clear();
        Ok(json!({"errcode": 0, "errmsg": "ok"}))
    }
}

/// `POST /cgi-bin/openapi/quota/get {cgi_path}`
pub(crate) async fn read(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    let now = sandbox.now();
    let judge =
        || sandbox.wechat().by_token(query.as_deref(), now, |state| Ok(state.quota(path_of(&body)?, now)));
    sandbox.aside(Platform::Wechat, "quota", judge).await
}

/// `POST /cgi-bin/openapi/quota/clear {cgi_path}`
pub(crate) async fn clear_one(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wechat().by_token(query.as_deref(), now, |state| {
            let path = path_of(&body)?;
            if !state.quotas.cleared_one.take(day(now) / MONTH_DAYS, CLEARS_OF_ONE_A_MONTH) {
                return Err(Refusal::new(48006, "forbid to clear quota because of reaching the limit"));
            }
            state.quotas.used.remove(path);
            Ok(json!({"errcode": 0, "errmsg": "ok"}))
        })
    };
    sandbox.aside(Platform::Wechat, "quota", judge).await
}

/// `POST /cgi-bin/clear_quota {appid}`
pub(crate) async fn clear(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wechat().by_token(query.as_deref(), now, |state| {
            if text(&json_body(&body)?, "appid", 41002)? != state.app_id {
                return Err(Refusal::new(40013, "invalid appid"));
            }
            state.clear(now)
        })
    };
    sandbox.aside(Platform::Wechat, "quota", judge).await
}

/// `POST /cgi-bin/clear_quota/v2 {appid, appsecret}`, for when token calls themselves are used up.
pub(crate) async fn clear_by_secret(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    let now = sandbox.now();
    let judge = || {
        let body = json_body(&body)?;
        let (app_id, secret) = (text(&body, "appid", 41002)?, text(&body, "appsecret", 41004)?);
        let act = |state: &mut super::State| {
            check_secret(&state.account.secret, secret)?;
            state.clear(now)
        };
        let unknown = || Err(Refusal::new(40013, "invalid appid"));
        sandbox.wechat().with(app_id, act).unwrap_or_else(unknown)
    };
    sandbox.aside(Platform::Wechat, "quota", judge).await
}

/// The path asked about: with its leading slash, without host or query.
fn path_of(body: &[u8]) -> Result<&'static str, Refusal> {
    let body = json_body(body)?;
    let path = text(&body, "cgi_path", 76_003)?;
    if !path.starts_with('/') {
        return Err(Refusal::new(76_003, "cgi_path prefix is wrong"));
    }
    let known = [TEMPLATE_SEND, SUBSCRIBE_SEND].into_iter().find(|known| *known == path);
    known.ok_or_else(|| Refusal::new(76_021, "cgi_path not found"))
}
