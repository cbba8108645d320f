//! What every request goes through: body, caller, role, handler, answer.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::auth::caller;
use crate::body;
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::Query;
use crate::routes::Route;
use crate::state::Api;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers one request of a route.
pub(crate) async fn run<F, Fut>(
    route: &'static Route,
    api: Arc<Api>,
    request: Request,
    handler: F,
) -> Response
where
    F: FnOnce(Call) -> Fut,
    Fut: Future<Output = Answer>,
{
    let begun = Instant::now();
    let request_id = request_id(&api, request.headers());
    let outcome = match enter(route, api, request, &request_id).await {
        Ok(call) => match AssertUnwindSafe(handler(call)).catch_unwind().await {
            Ok(outcome) => outcome,
            // The hook has printed the panic; its caller gets an answer all the same.
            Err(_) => Err(ApiError::internal("a handler panicked")),
        },
        Err(error) => Err(error),
    };
    let mut response = outcome.unwrap_or_else(|error| error.of_request(&request_id).into_response());
    finish(&mut response, &request_id);
    note(route.path, response.status(), begun);
    tracing::debug!(
        http.route = route.path,
        http.method = route.method.as_str(),
        http.status = response.status().as_u16(),
        request.id = &*request_id,
        "answered"
    );
    response
}

/// Reads the body, finds out who is calling, and whether they may.
async fn enter(
    route: &'static Route,
    api: Arc<Api>,
    request: Request,
    request_id: &Arc<str>,
) -> Result<Call, ApiError> {
    let (mut parts, body) = request.into_parts();
    let body = body::check_declared(&parts.headers, body)?;
    let body = match caller::check_presented(&parts, route.need) {
        Ok(()) => body::read(body).await?,
        Err(error) => return Err(body::abandon(body, error)),
    };
    let identity = caller::identify(&api, &parts, &body, route.need).await?;
    let query = Query::parse(parts.uri.query(), route.query)?;
    let path = match route.path.contains('{') {
        true => RawPathParams::from_request_parts(&mut parts, &()).await.ok(),
        false => None,
    };
    Ok(Call { api, route, identity, request_id: request_id.clone(), parts, path, query, body })
}

/// The caller's own id for its request if it is a sane one, else a new one.
fn request_id(api: &Api, headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    match given.filter(|id| is_sane(id)) {
        Some(id) => id.into(),
        None => new_request_id(api),
    }
}

/// A new request id.
fn new_request_id(api: &Api) -> Arc<str> {
    let center = &api.center;
    center.ids.ulid(center.clock.now()).to_string().into()
}

/// It is stored with the message and goes into logs, so it is short and plain.
fn is_sane(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-' | b':' | b'=' | b'/' | b'+')
        })
}

/// The headers every answer has.
fn finish(response: &mut Response, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Answers differ by caller, and some hold a secret once.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Counts a request. The duration is the runtime's, as the wall clock only has milliseconds.
fn note(route: &'static str, status: StatusCode, begun: Instant) {
    metrics::counter!("message_center_http_requests_total", "route" => route, "status" => status_label(status))
        .increment(1);
    metrics::histogram!("message_center_http_request_duration_seconds", "route" => route)
        .record(begun.elapsed().as_secs_f64());
}

/// The statuses we answer as text, without building one for each request.
fn status_label(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

/// The answer to a path that is nobody's.
pub(crate) async fn not_found(api: Arc<Api>, request: Request) -> Response {
    let error = ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is no such path; see /openapi.json");
    refuse(&api, request, error, "unmatched")
}

/// The answer to a method that a path does not have. The router adds `Allow`.
pub(crate) async fn method_not_allowed(api: Arc<Api>, request: Request) -> Response {
    let detail = "this path has other methods; see the header Allow";
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    refuse(&api, request, error, "unmatched")
}

fn refuse(api: &Api, request: Request, error: ApiError, route: &'static str) -> Response {
    let begun = Instant::now();
    let request_id = request_id(api, request.headers());
    let error = body::abandon(request.into_body(), error);
    let mut response = error.of_request(&request_id).into_response();
    finish(&mut response, &request_id);
    note(route, response.status(), begun);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_short_and_plain() {
        for good in ["01JABC", "a-b_c.d~e", "Root=1-67891233-abcdef", "x".repeat(64).as_str()] {
            assert!(is_sane(good), "{good}");
        }
        for bad in ["", "a b", "a\"b", "é", "x".repeat(65).as_str()] {
            assert!(!is_sane(bad), "{bad}");
        }
    }
}
