//! Signing in and out.

use std::time::Duration;

use http::{StatusCode, header};
use mc_core::model::Operator;
use mc_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operators::{OperatorView, view};
use crate::answer::{Answer, no_content, ok};
use crate::auth::caller::{SignedIn, Who, peer};
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
    let source = peer(&call.parts);
    call.api.throttle.admit(&username, source, center.clock.now().millis()).map_err(too_many)?;
    // An impossible name is nobody's, and is not asked for; the work is the same as for an unknown one.
    let account = if is_resource_name(&username) { center.operators.stored(&username).await? } else { None };
    let stored = account.as_ref().map(|account| account.password.clone());
    let verified = call.api.passwords.verify(password.clone(), stored).await;
    let right = verified.map_err(|error| ApiError::internal(error.to_string()))?;
    let Some(account) = account.filter(|_| right) else {
        metrics::counter!("message_center_auth_failures_total", "reason" => "password").increment(1);
        let detail = "the username or the password is wrong";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", detail));
    };
    call.api.throttle.succeeded(&username, source);
    let account = renewed(&call, &username, account, password).await?;
    let token = session::new_token(&username, &*center.random);
    let hash = session::token_hash(token.expose(), &account);
    let open = center.operators.open_session(&hash, &username).await?;
    let life = open.expires_at.since(center.clock.now());
    let mut response = ok(&OpenedSession {
        token: token.expose().to_owned(),
        expires_at: open.expires_at,
        operator: view(&username, &account),
    })?;
    if let Some(cookie) = session::set_cookie(token.expose(), life, call.api.options.cookie_secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
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
    call.center().operators.close_session(&signed_in(&call)?.token_hash).await?;
    let mut response = no_content()?;
    if let Some(cookie) = session::set_cookie("", Duration::ZERO, call.api.options.cookie_secure) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
