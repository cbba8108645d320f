//! `GET /cgi-bin/gettoken`, and the addresses that callbacks come from.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde_json::json;

use crate::answer::Refusal;
use crate::item::Platform;
use crate::request;
use crate::sandbox::Sandbox;

/// The address need not be trusted for this call; the pages do not say so and practice does.
pub(crate) async fn token(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let given = |name| request::query(query.as_deref(), name).unwrap_or_default();
    let (corp, secret) = (given("corpid"), given("corpsecret"));
    let now = sandbox.now();
    let judge = || {
        if corp.is_empty() {
            return Err(Refusal::new(41002, "corpid missing"));
        }
        if secret.is_empty() {
            return Err(Refusal::new(41004, "corpsecret missing"));
        }
        let mut known = sandbox.wecom_apps().lock();
        if !known.keys().any(|(known, _)| *known == corp) {
            return Err(Refusal::new(40013, "invalid corpid"));
        }
        // The secret alone says which app of the corporation is meant.
        let state = known.values_mut().find(|state| state.corp == corp && state.app.secret == secret);
        let state = state.ok_or_else(|| Refusal::new(40001, "invalid credential"))?;
        let app = state.agent.to_string();
        let (token, lives) = state.tokens.give(&app, now);
        Ok(json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": lives}))
    };
    sandbox.aside(Platform::WecomApp, "token", judge).await
}

/// `GET /cgi-bin/getcallbackip?access_token=`
pub(crate) async fn callback_ip(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wecom_apps().by_token(query.as_deref(), now, |_| {
            Ok(json!({"errcode": 0, "errmsg": "ok", "ip_list": ["127.0.0.1"]}))
        })
    };
    sandbox.aside(Platform::WecomApp, "callback_ip", judge).await
}
