//! A stub of what stands behind the functions: table, queues, bucket, secrets, mail, and platforms that accept
//! everything. It counts what AWS counts.

mod expression;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::http::{Answer, Stub, bytes, json, serve};
use super::prices::Assumed;
use crate::Result;
use table::{Done, Table};

/// 64 KiB of a queue's request count as one.
const PIECE: usize = 64 << 10;

/// What any platform calls success, in one answer.
const ACCEPTED: &str = r#"{"errcode":0,"errmsg":"ok","code":0,"msg":"ok","StatusCode":0,"msgid":"1","access_token":"t",
    "tenant_access_token":"t","expires_in":7200,"expire":7200,"data":{"message_id":"om_1"},"ok":true,"ts":"1.1"}"#;

/// What was counted since the last time.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Write units of the table.
    pub(super) writes: u64,
    /// Read units of the table, in halves: one that need not be consistent costs half of one.
    pub(super) half_reads: u64,
    /// Requests to queues, in pieces of 64 KiB.
    pub(super) queue_requests: u64,
    /// Requests to Secrets Manager.
    pub(super) secrets: u64,
    /// Objects put into the bucket, and got from it.
    pub(super) puts: u64,
    pub(super) gets: u64,
    /// Pushes to platforms, mails among them.
    pub(super) pushes: u64,
}

/// A message of a queue.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) body: String,
    pub(super) group: String,
}

/// The stub.
pub(super) struct StubAws {
    state: Mutex<State>,
    slow: AtomicBool,
    assumed: Assumed,
}

#[derive(Default)]
struct State {
    table: Table,
    queues: BTreeMap<String, VecDeque<Queued>>,
    objects: BTreeMap<String, Bytes>,
    counts: Counts,
    problems: Vec<String>,
}

impl StubAws {
    /// Starts it.
    pub(super) async fn start(assumed: Assumed) -> Result<(Arc<Self>, SocketAddr)> {
        let stub = Arc::new(Self { state: Mutex::default(), slow: AtomicBool::new(false), assumed });
        let address = serve(stub.clone()).await?;
        Ok((stub, address))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers as slowly as the real ones from now on, or at once.
    pub(super) fn be_slow(&self, slow: bool) {
        self.slow.store(slow, Relaxed);
    }

    /// What was counted since the last time.
    pub(super) fn take_counts(&self) -> Counts {
        std::mem::take(&mut self.state().counts)
    }

    /// Hands out up to `most` messages of a queue as an event source does: one request to get them, one to delete them.
    pub(super) fn take_batch(&self, family: &str, most: usize) -> Vec<Queued> {
        let mut state = self.state();
        let queue = state.queues.entry(family.to_owned()).or_default();
        let batch: Vec<Queued> = (0..most).map_while(|_| queue.pop_front()).collect();
        if !batch.is_empty() {
            let bytes = batch.iter().map(|message| message.body.len()).sum();
            state.counts.queue_requests += pieces(bytes) + 1;
        }
        batch
    }

    /// What could not be answered.
    pub(super) fn problems(&self) -> Vec<String> {
        self.state().problems.clone()
    }

    fn aws(&self, target: &str, request: &Value) -> (Duration, Answer) {
        let mut state = self.state();
        let (service, operation) = target.split_once('.').unwrap_or(("", target));
        let answer = match service {
            "DynamoDB_20120810" => state.table.call(operation, request).map(|done| {
                let Done { answer, refused, writes, half_reads } = done;
                state.counts.writes += writes;
                state.counts.half_reads += half_reads;
                (self.assumed.table_ms, json(if refused { 400 } else { 200 }, &answer))
            }),
            "AmazonSQS" => state.queue(operation, request).map(|a| (self.assumed.queue_ms, json(200, &a))),
            "secretsmanager" => {
                state.counts.secrets += 1;
                Ok((self.assumed.secret_ms, json(200, &secret(request))))
            }
            _ => Err(format!("nobody knows {target}").into()),
        };
        let (ms, answer) = answer.unwrap_or_else(|error| {
            state.problems.push(error.to_string());
            (0, json(500, &json!({"__type": "InternalFailure", "message": error.to_string()})))
        });
        (Duration::from_millis(ms), answer)
    }

    /// An object of the bucket, which functions name in the path.
    fn object(&self, request: &Request<Bytes>) -> (Duration, Answer) {
        let mut state = self.state();
        let name = request.uri().path();
        let answer = if request.method() == "PUT" {
            state.counts.puts += 1;
            state.objects.insert(name.to_owned(), request.body().clone());
            bytes(200, Bytes::new())
        } else {
            state.counts.gets += 1;
            let found = state.objects.get(name).cloned();
            bytes(if found.is_some() { 200 } else { 404 }, found.unwrap_or_default())
        };
        (Duration::from_millis(self.assumed.object_ms), answer)
    }

    fn push(&self, path: &str) -> (Duration, Answer) {
        if path == "/v2/email/account" {
            let quota = json!({"Max24HourSend": 50_000.0, "MaxSendRate": 500.0, "SentLast24Hours": 0.0});
            let account =
                json!({"ProductionAccessEnabled": true, "SendingEnabled": true, "SendQuota": quota});
            return (Duration::from_millis(self.assumed.push_ms), json(200, &account));
        }
        self.state().counts.pushes += 1;
        let answer = match path {
            "/v2/email/outbound-emails" => json(200, &json!({"MessageId": "0100019"})),
            _ => json(200, &serde_json::from_str(ACCEPTED).unwrap_or_default()),
        };
        (Duration::from_millis(self.assumed.push_ms), answer)
    }
}

impl Stub for StubAws {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answer {
        let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
        let (wait, answer) = match target {
            Some(target) => self.aws(target, &serde_json::from_slice(request.body()).unwrap_or_default()),
            // The warm-up wants a connection and no more.
            None if request.uri().path() == "/" => (Duration::ZERO, json(200, &json!({}))),
            None if request.uri().path().starts_with("/mc/") => self.object(&request),
            None => self.push(request.uri().path()),
        };
        if self.slow.load(Relaxed) {
            tokio::time::sleep(wait).await;
        }
        answer
    }
}

impl State {
    fn queue(&mut self, operation: &str, request: &Value) -> Result<Value> {
        let url = request["QueueUrl"].as_str().unwrap_or_default();
        let family = url.rsplit('-').next().unwrap_or_default().to_owned();
        match operation {
            "SendMessageBatch" => {
                let (mut sent, mut bytes) = (Vec::new(), 0);
                for entry in request["Entries"].as_array().into_iter().flatten() {
                    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                    let message = Queued { body: text("MessageBody"), group: text("MessageGroupId") };
                    bytes += message.body.len();
                    self.queues.entry(family.clone()).or_default().push_back(message);
                    sent.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0"}));
                }
                self.counts.queue_requests += pieces(bytes);
                Ok(json!({"Successful": sent, "Failed": []}))
            }
            "GetQueueAttributes" => {
                self.counts.queue_requests += 1;
                Ok(json!({"Attributes": {"ApproximateNumberOfMessages": "0"}}))
            }
            other => Err(format!("the queues do not know {other}").into()),
        }
    }
}

fn pieces(bytes: usize) -> u64 {
    bytes.div_ceil(PIECE).max(1) as u64
}

/// The secrets that the stack would generate.
fn secret(request: &Value) -> Value {
    let name = request["SecretId"].as_str().unwrap_or_default();
    let value = match name {
        super::OPERATOR_SECRET => json!({"username": "admin", "password": "a-first-password-of-24"}),
        super::ACCESS_KEY_SECRET => {
            json!({"access_key_id": super::ACCESS_KEY.id, "secret_access_key": super::ACCESS_KEY.secret})
        }
        _ => json!({"current": "k0", "keys": {}, "generated": "k".repeat(64)}),
    };
    json!({"ARN": name, "Name": name, "VersionId": "1", "SecretString": value.to_string()})
}
