//! Reading a request's body: once, bounded, without a copy where it came in one piece.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use mc_content::FieldError;

use crate::problem::ApiError;

/// The largest body that is read: a Lambda event holds no more.
pub(crate) const MAX_BODY: usize = 4 << 20;

/// A body that takes longer is not waited for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much of a refused body is read to throw it away, so that its sender gets to read the answer.
const MAX_DRAINED: usize = 64 << 20;

/// How long a refused body is read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the whole body.
pub(crate) async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(TIMEOUT, collect(&mut body)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large(body)),
        Ok(Err(_)) => {
            let detail = "the body broke off before its end";
            Err(closing(ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", detail)))
        }
        Err(_) => {
            let detail = "the body did not arrive within 30 seconds";
            Err(closing(ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)))
        }
    }
}

/// Refuses a body whose headers say that it is too large or packed, before any of it is read.
pub(crate) fn check_declared(headers: &HeaderMap, body: Body) -> Result<Body, ApiError> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large(body));
    }
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !body.is_end_stream() && !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            let detail = "a body is read as it is; send it without the header Content-Encoding";
            let error = ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
            let field = FieldError::new("/content-encoding", detail);
            Err(abandon(body, error.with_errors(vec![field])))
        }
        _ => Ok(body),
    }
}

/// Gives up on a request whose body nobody will look at.
pub(crate) fn abandon(body: Body, error: ApiError) -> ApiError {
    if body.is_end_stream() {
        return error;
    }
    drain(body);
    closing(error)
}

fn too_large(body: Body) -> ApiError {
    let detail =
        "a request body is at most 4 MiB; give attachments by url and send many messages in several calls";
    abandon(body, ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail))
}

fn closing(error: ApiError) -> ApiError {
    error.with_header(header::CONNECTION, HeaderValue::from_static("close"))
}

/// Throws the rest of a body away in the background.
///
/// A connection that is closed while its peer still writes is reset, and the peer may never see the answer.
fn drain(mut body: Body) {
    let rest = async move {
        let mut drained = 0;
        while let Some(Ok(frame)) = body.frame().await {
            drained += frame.data_ref().map_or(0, Bytes::len);
            if drained > MAX_DRAINED {
                return;
            }
        }
    };
    tokio::spawn(tokio::time::timeout(DRAIN_TIMEOUT, rest));
}

/// The body, or `None` as soon as it turns out too large.
async fn collect(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    let mut first = Bytes::new();
    let mut joined: Option<BytesMut> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let length = joined.as_ref().map_or(first.len(), BytesMut::len) + data.len();
        if length > MAX_BODY {
            return Ok(None);
        }
        match &mut joined {
            Some(joined) => joined.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                // What is still to come is known when the length was declared.
                let rest = usize::try_from(body.size_hint().lower()).unwrap_or(0);
                let mut all = BytesMut::with_capacity(length.saturating_add(rest).min(MAX_BODY));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                joined = Some(all);
            }
        }
    }
    Ok(Some(joined.map_or(first, BytesMut::freeze)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status_of(size: usize) -> Result<usize, u16> {
        read(Body::from(vec![b' '; size])).await.map(|b| b.len()).map_err(|e| e.status().as_u16())
    }

    #[tokio::test]
    async fn the_limit_is_four_mebibytes() {
        assert_eq!(status_of(0).await, Ok(0));
        assert_eq!(status_of(MAX_BODY).await, Ok(MAX_BODY));
        assert_eq!(status_of(MAX_BODY + 1).await, Err(413));
    }

    #[tokio::test]
    async fn a_declared_length_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("4194304"));
        assert!(check_declared(&headers, Body::empty()).is_ok());
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("4194305"));
        assert_eq!(check_declared(&headers, Body::empty()).unwrap_err().status().as_u16(), 413);
    }

    #[tokio::test]
    async fn a_packed_body_is_refused_by_the_name_of_its_header() {
        let mut headers = HeaderMap::new();
        let mut check = |encoding: &'static str, body: Body| {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            check_declared(&headers, body)
        };
        let refused = check("gzip", Body::from("x")).unwrap_err();
        assert_eq!(
            (refused.status().as_u16(), refused.errors()[0].pointer.as_str()),
            (415, "/content-encoding")
        );
        assert!(check("Identity", Body::from("x")).is_ok());
        assert!(check("gzip", Body::empty()).is_ok(), "there is nothing to read");
    }
}
