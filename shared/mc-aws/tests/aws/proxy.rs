//! A proxy in front of the local AWS that makes trouble as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::rig::{http_client, variable};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It is refused as too fast.
    Throttle,
    /// It is carried out, and its answer is lost.
    LoseAnswer,
    /// Of a batch only the first is taken.
    TakeOne,
}

#[derive(Clone)]
pub struct Proxy {
    pub endpoint: String,
    troubles: Arc<Mutex<VecDeque<Trouble>>>,
    http: reqwest::Client,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { endpoint, troubles: Arc::default(), http: http_client() };
        let router = Router::new().fallback(pass).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    /// The next calls get these.
    pub fn expect(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().unwrap().extend(troubles);
    }

    /// Whether every trouble was made.
    pub fn is_done(&self) -> bool {
        self.troubles.lock().unwrap().is_empty()
    }

    async fn forward(&self, uri: &str, headers: HeaderMap, body: Bytes) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = self.http.post(format!("{}{uri}", variable("AWS_ENDPOINT_URL"))).body(body);
        for (name, value) in &headers {
            if name != "host" && name != "content-length" {
                request = request.header(name, value);
            }
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap())
    }
}

async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let trouble = proxy.troubles.lock().unwrap().pop_front().unwrap_or(Trouble::None);
    let uri = head.uri.path().to_owned();
    match trouble {
        Trouble::Throttle => failure(StatusCode::BAD_REQUEST, "ThrottlingException"),
        Trouble::LoseAnswer => {
            proxy.forward(&uri, head.headers, body).await;
            failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
        }
        Trouble::None => {
            let (status, headers, body) = proxy.forward(&uri, head.headers, body).await;
            (status, kept(&headers), body).into_response()
        }
        Trouble::TakeOne => {
            let (some, rest) = take_one(serde_json::from_slice(&body).unwrap());
            let body = serde_json::to_vec(&some).unwrap().into();
            let (status, headers, body) = proxy.forward(&uri, head.headers, body).await;
            let mut answer: Value = serde_json::from_slice(&body).unwrap();
            for (name, value) in rest.as_object().unwrap() {
                answer[name] = value.clone();
            }
            (status, kept(&headers), answer.to_string()).into_response()
        }
    }
}

fn kept(headers: &HeaderMap) -> HeaderMap {
    headers.iter().filter(|(name, _)| *name == "content-type").map(|(n, v)| (n.clone(), v.clone())).collect()
}

fn failure(status: StatusCode, code: &str) -> Response {
    let body = json!({"__type": format!("com.amazonaws#{code}"), "message": "made by the test"}).to_string();
    (status, [("content-type", "application/x-amz-json-1.0")], body).into_response()
}

/// A batch of one, and what the answer says of the rest.
fn take_one(mut body: Value) -> (Value, Value) {
    if let Some(entries) = body["Entries"].as_array_mut() {
        let rest = entries.split_off(1);
        let failed =
            rest.iter().map(|entry| json!({"Id": entry["Id"], "SenderFault": false, "Code": "Busy"}));
        let failed: Value = failed.collect();
        return (body, json!({"Failed": failed}));
    }
    let tables = body["RequestItems"].as_object_mut().unwrap();
    let (table, items) = tables.iter_mut().next().unwrap();
    let table = table.clone();
    let rest = match items {
        Value::Array(requests) => json!({"UnprocessedItems": {table: requests.split_off(1)}}),
        keys => {
            let rest = keys["Keys"].as_array_mut().unwrap().split_off(1);
            json!({"UnprocessedKeys": {table: {"Keys": rest, "ConsistentRead": true}}})
        }
    };
    (body, rest)
}
