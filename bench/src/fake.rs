//! A server for the tests of this crate: verifies signatures and accepts messages, and does nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::{HeaderMap, HeaderName, Method};
use mc_api::auth::sigv4::{self, SignedRequest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::server::ACCESS_KEY;
use crate::wire::{Arrived, Frame, arrived};

pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// Every n-th message is refused.
    refuse_every: Option<u64>,
    numbers: Mutex<Vec<u64>>,
}

impl Fake {
    pub(crate) async fn start(refuse_every: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { refuse_every, numbers: Mutex::default() });
        let shared = state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(stream, shared.clone()));
            }
        });
        Self { address, state }
    }

    /// The numbers of the messages that came, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers = self.state.numbers.lock().unwrap().clone();
        numbers.sort_unstable();
        numbers
    }
}

async fn converse(mut stream: TcpStream, state: Arc<State>) {
    let mut buffer = Vec::new();
    while stream.read_buf(&mut buffer).await.unwrap() > 0 {
        let Arrived::Whole(frame) = arrived(&buffer) else { continue };
        let (status, body) = answer(&state, &buffer, frame);
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        buffer.drain(..frame.end);
    }
}

fn answer(state: &State, request: &[u8], frame: Frame) -> (u16, String) {
    let head = std::str::from_utf8(&request[..frame.body]).unwrap();
    let body = &request[frame.body..frame.end];
    let path = head.split(' ').nth(1).unwrap();
    if !is_well_signed(head, path, body) {
        return (401, "{}".to_owned());
    }
    let sent: Value = serde_json::from_slice(body).unwrap();
    if path == "/v1/messages" {
        return state.accept(&sent);
    }
    let results: Vec<Value> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| serde_json::from_str(&state.accept(message).1).unwrap())
        .collect();
    (202, json!({ "results": results }).to_string())
}

impl State {
    fn accept(&self, message: &Value) -> (u16, String) {
        let number: u64 = message["data"]["ticket"].as_str().unwrap()[4..].parse().unwrap();
        if self.refuse_every.is_some_and(|every| number.is_multiple_of(every)) {
            return (422, json!({"detail": "every third is refused"}).to_string());
        }
        self.numbers.lock().unwrap().push(number);
        (202, json!({"id": format!("msg_{number:026}"), "status": "queued"}).to_string())
    }
}

fn is_well_signed(head: &str, path: &str, body: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap();
        headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    let parsed = sigv4::parse(&headers).unwrap();
    let request =
        SignedRequest { method: &Method::POST, raw_path: path, raw_query: "", headers: &headers, body };
    let now = jiff::Timestamp::now().as_millisecond();
    parsed.access_key_id == ACCESS_KEY.id
        && sigv4::verify(&parsed, &request, ACCESS_KEY.secret.as_bytes(), now).is_ok()
}
