//! Answers that went well.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use mc_pipeline::repo::Put;
use serde::Serialize;
use utoipa::ToSchema;

/// What a handler answers.
pub(crate) type Answer = Result<Response, crate::ApiError>;

/// An answer of JSON. Nothing that we serialize can fail to be JSON, so a failure is an empty 500.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => bytes_of(status, "application/json", bytes),
        Err(error) => {
            tracing::error!(error = %error, "an answer cannot be written as JSON");
            bytes_of(StatusCode::INTERNAL_SERVER_ERROR, "application/json", Vec::new())
        }
    }
}

/// 200 with JSON.
pub(crate) fn ok<T: Serialize + ?Sized>(value: &T) -> Answer {
    Ok(json(StatusCode::OK, value))
}

/// 201 or 200 with the resource, after a `PUT`.
pub(crate) fn put<T: Serialize + ?Sized>(put: Put, value: &T) -> Answer {
    let status = match put {
        Put::Created => StatusCode::CREATED,
        Put::Replaced => StatusCode::OK,
    };
    Ok(json(status, value))
}

/// 204.
pub(crate) fn no_content() -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// An answer of any media type.
pub(crate) fn bytes_of(status: StatusCode, media: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// One page of a collection, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items; there may be fewer than `limit` while there is a next page.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
}
