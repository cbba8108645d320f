//! The one place that turns errors into answers, after RFC 9457, and logs them once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use mc_content::{FieldError, words};
use mc_core::{Error, ErrorKind, Retry};
use mc_pipeline::accept::{Refusal, RefusedAs, RefusedBefore};
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits;

/// How long to wait when nobody knows better.
const USUAL_WAIT: Duration = Duration::from_secs(2);

/// A request that is not carried out, and everything its answer says.
#[derive(Debug)]
pub struct ApiError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log, never for the answer.
    cause: Option<Error>,
    request_id: Option<Arc<str>>,
}

/// An error's answer, `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URN that ends in the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:message-center:problem:unknown_template")]
    pub kind: String,
    /// The code in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request and what to do.
    pub detail: String,
    /// Stable, snake_case: for programs.
    pub code: String,
    /// The fields that are wrong.
    pub errors: Vec<ProblemField>,
    /// The id of the request, as in the header `x-request-id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One field that is wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemField {
    /// A JSON pointer into the body (`/to/0/email`); for a query parameter or a header, a slash and its name.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl ApiError {
    /// An error of a status, with a code for programs and a text for people.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
            request_id: None,
        }))
    }

    /// 422: one field of the request is wrong.
    pub fn field(
        code: &'static str,
        pointer: impl Into<String>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let detail: Cow<'static, str> = detail.into();
        Self::fields(code, vec![FieldError::new(pointer, detail)])
    }

    /// 422: several fields of the request are wrong; the text for people is about the first.
    pub fn fields(code: &'static str, errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map(words::standalone).unwrap_or_default();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with_errors(errors)
    }

    /// 404: there is no such thing here.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// 409: it cannot be done as things are.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 403: the caller is known and may not do this.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 500 with a text for the log only.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Internal, message).into()
    }

    /// Says which fields are wrong.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        // Rounded up, so that who waits this long does not come too early.
        let seconds = wait.as_millis().div_ceil(1000).clamp(1, 86_400) as u64;
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Names the request in the answer.
    #[must_use]
    pub fn of_request(mut self, request_id: &Arc<str>) -> Self {
        self.0.request_id = Some(request_id.clone());
        self
    }

    /// Puts every pointer under a prefix, for a document inside of the body.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        let Inner { detail, errors, .. } = &mut *self.0;
        if let Some(moved) = words::put_under(prefix, detail, errors) {
            *detail = moved.into();
        }
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The fields that are wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The text for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What the answer's body says.
    pub fn problem(&self) -> Problem {
        let Inner { status, code, detail, errors, request_id, .. } = &*self.0;
        let errors =
            errors.iter().map(|e| ProblemField { pointer: e.pointer.clone(), detail: e.detail.clone() });
        Problem {
            kind: format!("urn:message-center:problem:{code}"),
            title: title_of(code),
            status: status.as_u16(),
            detail: detail.clone().into_owned(),
            code: code.clone().into_owned(),
            errors: errors.collect(),
            request_id: request_id.as_deref().map(str::to_owned),
        }
    }
}

/// `unknown_template` becomes `Unknown template`.
fn title_of(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.problem();
        let inner = self.0;
        if inner.status.is_server_error() {
            let cause = inner.cause.as_ref().map(tracing::field::display);
            tracing::error!(
                request.id = inner.request_id.as_deref(),
                http.status = inner.status.as_u16(),
                problem.code = &*inner.code,
                error = cause,
                "a request failed"
            );
        }
        let mut response = crate::answer::json(inner.status, &problem);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in inner.headers {
            headers.append(name, value);
        }
        response
    }
}

impl From<Error> for ApiError {
    /// A port failed. The answer tells whether it is worth coming again and nothing of the inside.
    fn from(error: Error) -> Self {
        let mut answer = match error.kind {
            ErrorKind::Unavailable | ErrorKind::Throttled => {
                let wait = match error.retry {
                    Retry::After(wait) => wait,
                    Retry::Backoff | Retry::Never => USUAL_WAIT,
                };
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "unavailable",
                    "this cannot be done now; try again later",
                )
                .retry_after(wait)
            }
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "something is wrong on our side; the log has it under the request_id",
            ),
        };
        answer.0.cause = Some(error);
        answer
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid { code, detail, errors } => {
                Self::new(of_invalid(code), code, detail).with_errors(errors)
            }
            Refusal::NotFound(what) => Self::not_found(what),
            Refusal::Conflict { code, detail } => Self::conflict(code, detail),
            Refusal::Forbidden { code, detail, errors } => {
                Self::new(StatusCode::FORBIDDEN, code, detail).with_errors(errors)
            }
            Refusal::Limited { code, detail, wait, standing } => {
                let limited = Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail).retry_after(wait);
                let headers = limits::headers(&standing).into_iter();
                headers.fold(limited, |limited, (name, value)| limited.with_header(name, value))
            }
            Refusal::Failed(error) => error.into(),
        }
    }
}

impl From<RefusedBefore> for ApiError {
    /// The same answer as to the [`Refusal`] that it was the first time.
    fn from(before: RefusedBefore) -> Self {
        let RefusedBefore { kind, code, detail, errors } = before;
        let status = match kind {
            RefusedAs::Invalid => of_invalid(&code),
            RefusedAs::NotFound => return Self::not_found(&detail),
            RefusedAs::Conflict => StatusCode::CONFLICT,
            RefusedAs::Forbidden => StatusCode::FORBIDDEN,
        };
        Self::new(status, code, detail).with_errors(errors)
    }
}

/// The status of a request that is wrong itself.
fn of_invalid(code: &str) -> StatusCode {
    match code {
        "invalid_json" => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_their_status() {
        let status = |refusal: Refusal| ApiError::from(refusal).status().as_u16();
        assert_eq!(status(Refusal::field("invalid_json", "", "x")), 400);
        assert_eq!(status(Refusal::field("unknown_template", "/template", "x")), 422);
        assert_eq!(status(Refusal::NotFound("message")), 404);
        assert_eq!(status(Refusal::Conflict { code: "too_late", detail: String::new() }), 409);
        assert_eq!(status(Refusal::Failed(Error::new(ErrorKind::Throttled, "x"))), 503);
        assert_eq!(status(Refusal::Failed(Error::new(ErrorKind::Corrupt, "x"))), 500);
    }

    #[test]
    fn a_failure_says_nothing_of_the_inside() {
        let mut error = Error::new(ErrorKind::Unavailable, "disk sdb1 is full").with("secret", "hunter2");
        error.retry = Retry::After(Duration::from_millis(1200));
        let answer = ApiError::from(error);
        let shown = serde_json::to_string(&answer.problem()).unwrap();
        assert!(!shown.contains("sdb1") && !shown.contains("hunter2"), "{shown}");
        assert_eq!(answer.into_response().headers()["retry-after"], "2");
    }

    #[test]
    fn a_title_is_the_code_in_words() {
        let problem = ApiError::field("unknown_template", "/template", "no").under("/messages/0").problem();
        assert_eq!(problem.title, "Unknown template");
        assert_eq!(problem.kind, "urn:message-center:problem:unknown_template");
        assert_eq!(problem.errors[0].pointer, "/messages/0/template");
    }
}
