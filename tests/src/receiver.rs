//! An HTTP server that remembers what came: a self-built IM, or the caller's end of a result webhook.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::wait::wait_until_some;

/// More than anybody sends here.
const LARGEST_BODY: usize = 64 << 20;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, for checking signatures.
    pub body: Bytes,
}

impl Received {
    /// The body read as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What the receiver answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// How long it thinks first.
    pub delay: Duration,
}

impl Default for Reply {
    fn default() -> Self {
        Self::new(200, r#"{"code":0}"#)
    }
}

impl Reply {
    /// An answer at once.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), delay: Duration::ZERO }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// After a while.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// A running receiver. It ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<Script>>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Script {
    received: Vec<Received>,
    /// Answers of the next requests, one each.
    next: VecDeque<Reply>,
    /// The answer of all others.
    otherwise: Reply,
}

impl Receiver {
    /// Starts one on a free port of this machine, which answers 200 with `{"code":0}`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("the address of a listener");
        let state = Arc::<Mutex<Script>>::default();
        let router = Router::new().fallback(receive).with_state(state.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("a receiver that goes on");
        });
        Self { address, state, server }
    }

    /// Its address with a path: `http://127.0.0.1:PORT/path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers this from now on.
    pub fn answer(&self, reply: Reply) {
        script(&self.state).otherwise = reply;
    }

    /// Answers this once, after what was said before to be answered once.
    pub fn answer_once(&self, reply: Reply) {
        script(&self.state).next.push_back(reply);
    }

    /// Everything that came so far, in order.
    pub fn received(&self) -> Vec<Received> {
        script(&self.state).received.clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        script(&self.state).received.len()
    }

    /// Waits until at least so many requests have come, and answers all. Panics if they do not come within `bound`.
    pub async fn wait_for(&self, count: usize, bound: Duration) -> Vec<Received> {
        let enough = || Some(self.received()).filter(|all| all.len() >= count);
        wait_until_some(bound, async || enough()).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A panic elsewhere leaves nothing half changed here.
fn script(state: &Mutex<Script>) -> MutexGuard<'_, Script> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request counts as received when its body is there, before it is answered.
async fn receive(State(state): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else { return StatusCode::BAD_REQUEST.into_response() };
    let reply = {
        let mut script = script(&state);
        script.received.push(Received { method: parts.method, uri: parts.uri, headers: parts.headers, body });
        script.next.pop_front().unwrap_or_else(|| script.otherwise.clone())
    };
    if !reply.delay.is_zero() {
        // tidy: sleeps because a slow platform is what the test asked for.
        tokio::time::sleep(reply.delay).await;
    }
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        response = response.header("content-type", "application/json");
    }
    response.body(reply.body.into()).expect("an answer made of valid parts")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::{Auth, Client};

    #[tokio::test]
    async fn it_remembers_and_answers_as_told() {
        let receiver = Receiver::start().await;
        let client = Client::new(receiver.url(""), Auth::None);
        receiver.answer_once(Reply::new(429, "{}").header("Retry-After", "2"));
        let refused = client.post("/hook?x=1", &json!({"a": 1})).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
        let request = client.request(Method::POST, "/hook").header("webhook-id", "evt_1").body("not JSON");
        let accepted = request.send().await.expect(200);
        assert_eq!(accepted.json, json!({"code": 0}));
        let received = receiver.wait_for(2, Duration::from_secs(5)).await;
        assert_eq!(received[0].json(), json!({"a": 1}));
        assert_eq!(received[0].uri, "/hook?x=1");
        assert_eq!(received[1].header("webhook-id"), Some("evt_1"));
        assert_eq!((&received[1].body[..], received[1].json()), (&b"not JSON"[..], Value::Null));
    }
}
