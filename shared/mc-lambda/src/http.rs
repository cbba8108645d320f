//! Requests from API Gateway into the router, and its answers back.
//!
//! Invariant: what a caller signed is what is verified. The body is the decoded bytes, the query is the text that was
//! sent, and neither is taken apart and put together again. The path comes with its escapes resolved; names in our paths
//! have none, and whatever else came is escaped again so that it can be refused like any other.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use mc_api::ApiError;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tower::ServiceExt;

use crate::event::Request;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer as API Gateway takes it (payload format 2.0).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub(crate) status_code: u16,
    headers: Headers,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

/// Headers, with repeated ones joined.
#[derive(Debug)]
struct Headers(HeaderMap);

impl Serialize for Headers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.keys_len()))?;
        for name in self.0.keys() {
            let mut values =
                self.0.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            let first = values.next().unwrap_or_default();
            let joined = values.fold(first, |all, value| Cow::Owned(format!("{all}, {value}")));
            map.serialize_entry(name.as_str(), &joined)?;
        }
        map.end()
    }
}

/// Answers one request.
pub(crate) async fn answer(router: Router, request: Request<'_>) -> Answer {
    let id = request.context.request_id.0.clone();
    let response = match into_http(request) {
        Ok(request) => match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        Err(detail) => refused(detail, &id),
    };
    from_http(response).await
}

/// The answer to what cannot even be handed to the router. It has API Gateway's id, as what the caller sent may be broken.
fn refused(detail: &'static str, request_id: &str) -> Response<Body> {
    let error = ApiError::new(StatusCode::BAD_REQUEST, "invalid_request", detail);
    let mut response = error.of_request(&Arc::from(request_id)).into_response();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn into_http(event: Request<'_>) -> Result<http::Request<Body>, &'static str> {
    let body = match event.base64 {
        false => Bytes::from(event.body.0.into_owned()),
        true => STANDARD.decode(&*event.body.0).map_err(|_| "the body is not in base64")?.into(),
    };
    let path = escaped(&event.path.0);
    let target = match &*event.query.0 {
        "" => path.into_owned(),
        query => format!("{path}?{}", escaped_query(query)),
    };
    let mut request = http::Request::new(Body::from(body));
    *request.method_mut() =
        Method::from_bytes(event.context.http.method.0.as_bytes()).map_err(|_| "this is no method")?;
    *request.uri_mut() = Uri::try_from(target).map_err(|_| "this is no path")?;
    let headers = request.headers_mut();
    headers.reserve(event.headers.0.len() + 2);
    for (name, value) in event.headers.0 {
        let name = HeaderName::from_bytes(name.0.as_bytes()).map_err(|_| "a header has no name")?;
        let value = HeaderValue::from_bytes(value.0.as_bytes()).map_err(|_| "a header has no value")?;
        headers.append(name, value);
    }
    if !event.cookies.is_empty() && !headers.contains_key(COOKIE) {
        let cookies: Vec<&str> = event.cookies.iter().map(|cookie| &*cookie.0).collect();
        headers
            .insert(COOKIE, HeaderValue::from_str(&cookies.join("; ")).map_err(|_| "a cookie has no value")?);
    }
    // API Gateway's id, which its access log has, unless the caller brings one.
    if !headers.contains_key(REQUEST_ID)
        && let Ok(id) = HeaderValue::from_str(&event.context.request_id.0)
    {
        headers.insert(REQUEST_ID, id);
    }
    if let Ok(address) = event.context.http.source_ip.0.parse::<IpAddr>() {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 0)));
    }
    Ok(request)
}

/// The path as a URI has it.
fn escaped(path: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~');
    escape(path, plain)
}

/// The query as it was sent; only what no URI may hold at all is escaped.
fn escaped_query(query: &str) -> Cow<'_, str> {
    escape(query, |b| b.is_ascii_graphic() && b != b'#')
}

fn escape(text: &str, plain: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if text.bytes().all(&plain) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            for half in [byte >> 4, byte & 15] {
                escaped.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
            }
        }
    }
    Cow::Owned(escaped)
}

async fn from_http(response: Response<Body>) -> Answer {
    let (mut parts, body) = response.into_parts();
    let cookies = parts.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.map(str::to_owned).collect();
    parts.headers.remove(SET_COOKIE);
    // The router's bodies are in memory already, so reading them cannot fail.
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let (body, is_base64_encoded) = match String::from_utf8(bytes.into()) {
        Ok(text) => (text, false),
        Err(other) => (STANDARD.encode(other.into_bytes()), true),
    };
    Answer {
        status_code: parts.status.as_u16(),
        headers: Headers(parts.headers),
        cookies,
        body,
        is_base64_encoded,
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::Request as Incoming;
    use axum::response::AppendHeaders;
    use axum::routing::any;
    use serde_json::{Value, json};

    use super::*;
    use crate::event;

    /// Sends an event through a router that says what it got.
    async fn echo(event: Value) -> Value {
        let router = Router::new().fallback(any(|request: Incoming| async move {
            let (parts, body) = request.into_parts();
            let header = |name: &str| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|c| c.0.ip().to_string());
            let bytes = body.collect().await.unwrap().to_bytes();
            let cookies = AppendHeaders([
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("x-more", "1"),
                ("x-more", "2"),
            ]);
            let seen = json!([
                parts.method.as_str(),
                parts.uri.path(),
                parts.uri.query(),
                header("cookie"),
                header("x-request-id"),
                peer,
                bytes.to_vec(),
            ]);
            (cookies, axum::Json(seen))
        }));
        let event = event.to_string();
        let Ok(Some(event::Incoming::Request(request))) = event::Incoming::read(&event) else {
            panic!("a request")
        };
        serde_json::to_value(answer(router, *request).await).unwrap()
    }

    fn event(path: &str, query: &str, body: &str, base64: bool) -> Value {
        json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "body": body, "isBase64Encoded": base64,
            "headers": {"host": "h"}, "cookies": ["x=1", "y=2"],
            "requestContext": {"requestId": "JKJaXmPLvHcESHA=", "http": {"method": "POST", "sourceIp": "192.0.2.7"}},
        })
    }

    fn seen(answer: &Value) -> Value {
        serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_request_arrives_as_it_was_signed() {
        let answer = echo(event("/v1/messages", "b=2&a=%e5+1&c", "{\"a\": \"告\"}", false)).await;
        let bytes = "{\"a\": \"告\"}".as_bytes();
        assert_eq!(
            seen(&answer),
            json!([
                "POST",
                "/v1/messages",
                "b=2&a=%e5+1&c",
                "x=1; y=2",
                "JKJaXmPLvHcESHA=",
                "192.0.2.7",
                bytes
            ])
        );
    }

    #[tokio::test]
    async fn a_body_in_base64_is_decoded() {
        let answer = echo(event("/", "", "AP8=", true)).await;
        assert_eq!(seen(&answer)[6], json!([0, 255]));
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_like_any_other() {
        let answer = echo(event("/", "", "*", true)).await;
        assert_eq!(answer["statusCode"], 400);
        assert_eq!(answer["headers"]["content-type"], "application/problem+json");
        assert_eq!(answer["headers"]["x-request-id"], "JKJaXmPLvHcESHA=");
        assert_eq!(
            seen(&answer),
            json!({
                "type": "urn:message-center:problem:invalid_request", "title": "Invalid request", "status": 400,
                "detail": "the body is not in base64", "code": "invalid_request", "errors": [],
                "request_id": "JKJaXmPLvHcESHA=",
            })
        );
    }

    #[tokio::test]
    async fn paths_and_queries_that_no_uri_may_hold_are_escaped() {
        let answer = echo(event("/v1/templates/a b/告", "x=\u{7f}é&y=%", "", false)).await;
        let seen = seen(&answer);
        assert_eq!(seen[1], "/v1/templates/a%20b/%E5%91%8A");
        assert_eq!(seen[2], "x=%7F%C3%A9&y=%");
    }

    #[tokio::test]
    async fn cookies_and_repeated_headers_go_back() {
        let answer = echo(event("/", "", "", false)).await;
        assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(answer["headers"]["x-more"], "1, 2");
        assert_eq!((&answer["statusCode"], &answer["isBase64Encoded"]), (&json!(200), &json!(false)));
    }
}
