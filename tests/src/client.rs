//! A small client of the API, with any kind of credentials.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::sign::{AccessKey, ToSign};

/// Longer than anything the API does by itself.
const TIMEOUT: Duration = Duration::from_secs(30);

/// With what a request says who is calling.
#[derive(Clone)]
pub enum Auth {
    /// Nothing.
    None,
    /// A signature of an access key.
    Signed(AccessKey),
    /// An access key and its secret as they are, by HTTP Basic.
    Basic(AccessKey),
    /// An operator's token.
    Bearer(String),
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    auth: Auth,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body read as JSON; null if it is none.
    pub json: Value,
    /// The body as it came.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The answer itself if it has this status. Panics with the body if it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A request before it is sent.
pub struct Request<'c> {
    client: &'c Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    /// A client of the server at `base` (`http://127.0.0.1:PORT`).
    pub fn new(base: String, auth: Auth) -> Self {
        Self { http: http_client(), base, auth }
    }

    /// The same with other credentials.
    #[must_use]
    pub fn with(&self, auth: Auth) -> Self {
        Self { auth, ..self.clone() }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path).send().await
    }

    /// `PUT` of JSON.
    pub async fn put(&self, path: &str, json: &Value) -> Answer {
        self.request(Method::PUT, path).json(json).send().await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, json: &Value) -> Answer {
        self.request(Method::POST, path).json(json).send().await
    }

    /// `PATCH` with JSON.
    pub async fn patch(&self, path: &str, json: &Value) -> Answer {
        self.request(Method::PATCH, path).json(json).send().await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path).send().await
    }

    /// Any request. `path` may carry a query; it is signed and sent as it stands here.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        Request { client: self, method, path: path.to_owned(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// Whether it answers and is well.
    pub async fn is_healthy(&self) -> bool {
        let answer = self.request(Method::GET, "/healthz").try_send().await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    fn authorize(&self, method: &Method, path: &str, body: &[u8], headers: &mut HeaderMap) {
        match &self.auth {
            Auth::None => {}
            Auth::Bearer(token) => insert(headers, "authorization", &format!("Bearer {token}")),
            Auth::Basic(key) => {
                let pair = STANDARD.encode(format!("{}:{}", key.id, key.secret));
                insert(headers, "authorization", &format!("Basic {pair}"));
            }
            Auth::Signed(key) => {
                let (path, query) = path.split_once('?').unwrap_or((path, ""));
                let host = self.base.trim_start_matches("http://");
                let request = ToSign { method: method.as_str(), path, query, host, body };
                for (name, value) in key.headers(&request) {
                    insert(headers, name, &value);
                }
            }
        }
    }
}

impl Request<'_> {
    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        insert(&mut self.headers, name, value);
        self
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, json: &Value) -> Self {
        self.header("content-type", "application/json").body(json.to_string())
    }

    /// With any body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it. Panics if no answer comes.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().await.unwrap_or_else(|error| panic!("{what}: {error:?}"))
    }

    /// Sends it to a server that may be killed before it answers.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let Self { client, method, path, mut headers, body } = self;
        client.authorize(&method, &path, &body, &mut headers);
        let url = format!("{}{path}", client.base);
        let response = client.http.request(method, url).headers(headers).body(body).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?;
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(Answer { status, headers, json, body })
    }
}

fn insert(headers: &mut HeaderMap, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).expect("the name of a header");
    headers.insert(name, HeaderValue::from_str(value).expect("the value of a header"));
}

/// Without a proxy, whatever the environment says, and without retries, which would hide a lost answer.
fn http_client() -> reqwest::Client {
    static PROVIDER: OnceLock<()> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        // Another test of the same process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .build()
        .expect("an HTTP client")
}
