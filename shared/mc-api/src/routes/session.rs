//! Signing in and out.

use std::time::Duration;

use http::{StatusCode, header};
use mc_core::model::Operator;
use mc_core::{Secret, Timestamp};
use mc_pipeline::syslog;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::operators::{OperatorView, hashed, view};
use crate::answer::{Answer, no_content, ok};
use crate::auth::caller::{DEFAULT_PROJECT, SignedIn, Who};
use crate::auth::{password, session};
use crate::call::{Call, is_resource_name};
use crate::problem::ApiError;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    /// The operator's name.
    username: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A session that was just opened.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpenedSession {
    /// For `Authorization: Bearer`; browsers have it in a cookie.
    token: String,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Who is signed in.
    operator: OperatorView,
}

/// Sign in
///
/// Too many attempts are answered 429 with `Retry-After`.
#[utoipa::path(
    post, path = "/v1/session", tag = "operators", operation_id = "sign_in",
    request_body = Login,
    responses(
        (status = 200, description = "Signed in; the token is in a cookie too", body = OpenedSession,
            headers(("set-cookie" = String, description = "HttpOnly, SameSite=Strict"))),
        (status = 401, description = "Wrong name or password", body = crate::problem::Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many attempts", body = crate::problem::Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn open(call: Call) -> Answer {
    let Login { username, password } = call.read()?;
    let center = call.center();
    let source = call.source();
    call.api.throttle.admit(&username, source, center.clock.now().millis()).map_err(too_many)?;
    // An impossible name is nobody's, and is not asked for; the work is the same as for an unknown one.
    let account = if is_resource_name(&username) { center.operators.stored(&username).await? } else { None };
    let stored = account.as_ref().map(|account| account.password.clone());
    let verified = call.api.passwords.verify(password.clone(), stored).await;
    let right = verified.map_err(|error| ApiError::internal(error.to_string()))?;
    let known = account.is_some();
    let Some(account) = account.filter(|account| right && account.enabled) else {
        note_refused(&call, known.then_some(&username)).await;
        metrics::counter!("message_center_auth_failures_total", "reason" => "password").increment(1);
        let detail = "the username or the password is wrong";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    };
    call.api.throttle.succeeded(&username, source);
    let account = renewed(&call, &username, account, password).await?;
    let response = opened(&call, &username, &account).await?;
    note(&call, &username, "session.open").await;
    Ok(response)
}

/// Opens a session and answers its token, for programs and for browsers.
async fn opened(call: &Call, username: &str, account: &Operator) -> Answer {
    let center = call.center();
    let token = session::new_token(username, &*center.random);
    let hash = session::token_hash(token.expose(), account);
    let open = center.operators.open_session(&hash, username).await?;
    let life = open.expires_at.since(center.clock.now());
    let mut response = ok(&OpenedSession {
        token: token.expose().to_owned(),
        expires_at: open.expires_at,
        operator: OperatorView { last_sign_in_at: Some(open.opened_at()), ..view(username, account) },
    })?;
    if let Some(cookie) = session::set_cookie(token.expose(), life, call.api.options.cookie_secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Notes what somebody did with a session. Operators belong to no project, so it is in the log of `default`.
async fn note(call: &Call, username: &str, kind: &str) {
    let actor = Some(format!("operator:{username}"));
    let resource = Some(format!("operators/{username}"));
    let entry = call.entry(kind, json!({"operator": username}));
    call.note(DEFAULT_PROJECT, syslog::Entry { actor, resource, ..entry }).await;
}

/// Notes that somebody could not sign in, at most once a minute per operator. A name that is nobody's is not noted: people
/// type their password there.
async fn note_refused(call: &Call, known: Option<&String>) {
    let what = format!("session/{}", known.map_or("", String::as_str));
    let Some(count) = call.api.noting.count(what, call.center().clock.now()) else { return };
    let resource = known.map(|username| format!("operators/{username}"));
    let entry = call.entry("session.refused", json!({"operator": known, "count": count}));
    call.note(DEFAULT_PROJECT, syslog::Entry { actor: None, resource, ..entry }).await;
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The password as it is.
    #[schema(value_type = String, format = Password)]
    password: Secret,
    /// The password as it is to be; at least 8 characters.
    #[schema(value_type = String, format = Password)]
    new_password: Secret,
}

/// Change your own password
///
/// Ends all of your sessions and opens a new one, which is the answer.
#[utoipa::path(
    patch, path = "/v1/session", tag = "operators", operation_id = "change_password",
    request_body = PasswordChange,
    responses(
        (status = 200, description = "Changed; the new session", body = OpenedSession,
            headers(("set-cookie" = String, description = "HttpOnly, SameSite=Strict"))),
        (status = 429, description = "Too many attempts", body = crate::problem::Problem,
            content_type = "application/problem+json"),
    )
)]
pub async fn change_password(call: Call) -> Answer {
    let PasswordChange { password, new_password } = call.read()?;
    let username = signed_in(&call)?.username.clone();
    let (operators, source) = (&call.center().operators, call.source());
    call.api.throttle.admit(&username, source, call.center().clock.now().millis()).map_err(too_many)?;
    let gone = || ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "the account is gone");
    let mut account = operators.stored(&username).await?.ok_or_else(gone)?;
    let verified = call.api.passwords.verify(password, Some(account.password.clone())).await;
    if !verified.map_err(|error| ApiError::internal(error.to_string()))? {
        note_refused(&call, Some(&username)).await;
        return Err(ApiError::field("wrong_password", "/password", "this is not your password"));
    }
    call.api.throttle.succeeded(&username, source);
    account.password = hashed(&call, "/new_password", new_password).await?;
    let (_, account) = operators.put(&username, account).await?;
    note(&call, &username, "operator.password").await;
    opened(&call, &username, &account).await
}

fn too_many(wait: Duration) -> ApiError {
    let detail = "too many attempts to sign in; wait before the next one";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail).retry_after(wait)
}

/// Stores a hash with today's parameters where the password still has an older one.
async fn renewed(
    call: &Call,
    username: &str,
    mut account: Operator,
    password: Secret,
) -> Result<Operator, ApiError> {
    if !password::needs_rehash(&account.password) {
        return Ok(account);
    }
    let hash = call.api.passwords.hash(password, call.center().random.clone()).await;
    account.password = hash.map_err(|error| ApiError::internal(error.to_string()))?;
    let (_, account) = call.center().operators.put(username, account).await?;
    Ok(account)
}

/// The session somebody is in.
#[derive(Serialize, ToSchema)]
pub(crate) struct CurrentSession {
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// Who is signed in.
    operator: OperatorView,
}

fn signed_in(call: &Call) -> Result<&SignedIn, ApiError> {
    match &call.identity.who {
        Who::Operator(operator) => Ok(operator),
        Who::Nobody | Who::Key(_) => Err(ApiError::internal("a session route without a session")),
    }
}

/// Who is signed in
#[utoipa::path(
    get, path = "/v1/session", tag = "operators", operation_id = "get_session",
    responses((status = 200, description = "The session", body = CurrentSession))
)]
pub async fn get(call: Call) -> Answer {
    let session = signed_in(&call)?;
    ok(&CurrentSession {
        expires_at: session.expires_at,
        operator: view(&session.username, &session.account),
    })
}

/// Sign out
#[utoipa::path(
    delete, path = "/v1/session", tag = "operators", operation_id = "sign_out",
    responses((status = 204, description = "Signed out"))
)]
pub async fn close(call: Call) -> Answer {
    let session = signed_in(&call)?;
    call.center().operators.close_session(&session.token_hash).await?;
    note(&call, &session.username, "session.close").await;
    let mut response = no_content()?;
    if let Some(cookie) = session::set_cookie("", Duration::ZERO, call.api.options.cookie_secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
