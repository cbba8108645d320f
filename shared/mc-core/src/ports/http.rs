//! One guarded way out to the world.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::secret::Secret;

/// How a request leaves: directly, or through a channel's own proxy and trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// `http://`, `https://`, `socks5://` or `socks5h://` with optional credentials.
    pub proxy: Option<Secret>,
    /// PEM certificates to trust besides Mozilla's.
    pub tls_ca: Option<String>,
}

/// A request to a host that a user named.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: &'static str,
    /// The whole URL. It may hold a platform's secret and is never logged.
    pub url: Secret,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// From the first byte out to the last byte in.
    pub timeout: Duration,
    /// How many redirects to follow, each checked like the first address.
    pub redirects: u8,
    /// At most this many bytes of answer are read.
    pub max_answer: usize,
    /// Whether a status is an answer without its body: one that is larger than that, breaks off or does not end in time
    /// is then answered as an empty one, and no error.
    pub body_optional: bool,
}

impl HttpRequest {
    /// A POST of JSON with the usual bounds: 15 s, no redirects, 1 MiB of answer, all of which is wanted.
    pub fn post_json(url: Secret, body: impl Into<Bytes>) -> Self {
        Self {
            method: "POST",
            url,
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: body.into(),
            timeout: Duration::from_secs(15),
            redirects: 0,
            max_answer: 1 << 20,
            body_optional: false,
        }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// `Retry-After` as a wait from now, if the answer named one in seconds or as a date.
    pub retry_after: Option<Duration>,
    /// The content type, if any.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// The URL cannot be used at all.
    BadUrl,
    /// The address is one that nobody may make us call.
    Forbidden,
    /// The name does not resolve now.
    NotResolved,
    /// No connection: nothing of the request left.
    NotConnected,
    /// The channel's proxy opens no way: it does not answer, does not take the credentials in its URL or refuses. Nothing
    /// of the request left for the target.
    Proxy,
    /// The connection's TLS could not be set up: nothing of the request left.
    Tls,
    /// The connection broke or time ran out after the request may have left: the outcome is unknown.
    Unknown,
    /// The answer is larger than allowed: the request was carried out.
    TooLarge,
}

/// A request without an answer. Its text never holds the URL's path, query or credentials.
#[derive(Clone, Debug)]
pub struct HttpError {
    /// What went wrong.
    pub kind: HttpErrorKind,
    /// For people, with the host at most.
    pub text: String,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HttpError {}

/// The guarded HTTP client.
///
/// # Behavior
/// - Private, link-local, metadata and otherwise special addresses are refused after name resolution, at every hop,
///   unless the operator's allow-list names them.
/// - Connections are kept and used again; one pool per process and route.
#[async_trait]
pub trait Http: Send + Sync {
    /// Makes one request.
    async fn call(&self, route: &Route, request: HttpRequest) -> Result<HttpResponse, HttpError>;

    /// Whether a URL may be called at all, as far as can be known now.
    ///
    /// # Behavior
    /// - A name that does not resolve is accepted: it is checked again when it is used.
    async fn admit(&self, url: &str) -> Result<(), HttpError>;

    /// The addresses a host may be reached at (for protocols other than HTTP), each of them allowed.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<std::net::SocketAddr>, HttpError>;
}
