//! `GET /cgi-bin/token` and `POST /cgi-bin/stable_token`.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::json_body;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::request;
use crate::sandbox::Sandbox;

/// Always a new token; the last one dies five minutes later.
pub(crate) async fn token(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let given = |name| request::query(query.as_deref(), name).unwrap_or_default();
    let (grant, app_id, secret) = (given("grant_type"), given("appid"), given("secret"));
    let now = sandbox.now();
    let issue = || {
        let state = |state: &mut super::State| {
            check_secret(&state.account.secret, &secret)?;
            state.check_address()?;
            Ok(state.tokens.plain(now))
        };
        check_grant(&grant, &app_id, &secret)?;
        sandbox.wechat().with(&app_id, state).unwrap_or_else(|| Err(unknown_app())).map(answer)
    };
    sandbox.aside(platform(&sandbox, &app_id), "token", issue).await
}

/// The same token while it is good.
pub(crate) async fn stable_token(State(sandbox): State<Sandbox>, method: Method, body: Bytes) -> Response {
    let now = sandbox.now();
    let parsed = json_body(&body);
    let text = |name| {
        let value = parsed.as_ref().ok().and_then(|body| body.get(name)).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let (grant, app_id, secret) = (text("grant_type"), text("appid"), text("secret"));
    let issue = || {
        if method != Method::POST {
            return Err(Refusal::new(43002, "require POST method"));
        }
        let body = parsed.as_ref().map_err(Clone::clone)?;
        check_grant(&grant, &app_id, &secret)?;
        let force = body.get("force_refresh").and_then(Value::as_bool).unwrap_or(false);
        let state = |state: &mut super::State| {
            check_secret(&state.account.secret, &secret)?;
            state.check_address()?;
            state.tokens.stable(force, now)
        };
        sandbox.wechat().with(&app_id, state).unwrap_or_else(|| Err(unknown_app())).map(answer)
    };
    sandbox.aside(platform(&sandbox, &app_id), "token", issue).await
}

/// Faults are told for official accounts and mini programs apart.
fn platform(sandbox: &Sandbox, app_id: &str) -> Platform {
    let mini = sandbox.wechat().with(app_id, |state| state.account.mini);
    if mini == Some(true) { Platform::WechatMini } else { Platform::Wechat }
}

/// A success has no errcode.
fn answer((token, lives): (String, u64)) -> Value {
    json!({"access_token": token, "expires_in": lives})
}

fn check_grant(grant: &str, app_id: &str, secret: &str) -> Result<(), Refusal> {
    if grant != "client_credential" {
        return Err(Refusal::new(40002, "invalid grant_type"));
    }
    if app_id.is_empty() {
        return Err(Refusal::new(41002, "appid missing"));
    }
    if secret.is_empty() {
        return Err(Refusal::new(41004, "appsecret missing"));
    }
    Ok(())
}

/// A secret of another form is invalid; one of the right form is another's.
pub(super) fn check_secret(known: &str, given: &str) -> Result<(), Refusal> {
    if given == known {
        return Ok(());
    }
    let form = given.len() == 32 && given.bytes().all(|b| b.is_ascii_hexdigit());
    let code = if form { 40001 } else { 40125 };
    Err(Refusal::new(code, "invalid appsecret, view more at the platform's page"))
}

fn unknown_app() -> Refusal {
    Refusal::new(40013, "invalid appid")
}
