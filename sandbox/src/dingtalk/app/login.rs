//! `GET /gettoken?appkey=&appsecret=`, and the life of a token.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::Method;
use serde_json::json;

use crate::answer::Refusal;
use crate::item::Platform;
use crate::request;
use crate::sandbox::Sandbox;

const LIFE_MS: u64 = 7_200_000;

/// The tokens of one app. Asked again while it lives, the platform gives the same one and lets it live on.
#[derive(Default)]
pub(super) struct Tokens {
    known: Vec<Token>,
    made: u64,
}

struct Token {
    text: String,
    expires: u64,
}

impl Tokens {
    fn give(&mut self, agent: u64, now: u64) -> String {
        if let Some(token) = self.known.last_mut().filter(|token| now < token.expires) {
            token.expires = now + LIFE_MS;
            return token.text.clone();
        }
        self.made += 1;
        let text = format!("sandbox-access-token-{agent}-{:0>4}", self.made);
        self.known.push(Token { text: text.clone(), expires: now + LIFE_MS });
        text
    }

    /// Whether a token is good; `None` if it is not one of this app's.
    pub(super) fn judge(&self, text: &str, now: u64) -> Option<Result<(), Refusal>> {
        let token = self.known.iter().find(|token| token.text == text)?;
        Some(if now < token.expires { Ok(()) } else { Err(Refusal::new(42_001, "access_token超时")) })
    }

    pub(super) fn end(&mut self, forgets: bool, now: u64) {
        if forgets {
            self.known.clear();
        }
        for token in &mut self.known {
            token.expires = token.expires.min(now);
        }
    }

    pub(super) fn made(&self) -> u64 {
        self.made
    }
}

/// The parameters stand in the query. The caller's address need not be allowed for this call; nothing says so, and the
/// other calls are where practice meets 60020.
pub(super) async fn token(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
) -> Response {
    let given = |name| request::query(query.as_deref(), name).unwrap_or_default();
    let (app_key, secret, now) = (given("appkey"), given("appsecret"), sandbox.now());
    let judge = || {
        if method != Method::GET {
            return Err(Refusal::new(22, "invalid method"));
        }
        if app_key.is_empty() || secret.is_empty() {
            return Err(Refusal::new(40_035, "缺少参数 corpid or appkey"));
        }
        let given = sandbox.dingtalk_apps().with(&app_key, |state| {
            let is_right = state.app.app_secret == secret;
            is_right.then(|| state.tokens.give(state.app.agent_id, now))
        });
        let token = given.flatten();
        let token = token.ok_or_else(|| Refusal::new(40_096, "不合法的appKey或appSecret"))?;
        let lives = LIFE_MS / 1_000;
        Ok(json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": lives}))
    };
    sandbox.aside(Platform::DingtalkApp, "token", judge).await
}
