//! The load generator: a number of connections that share one list of messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Answer, Connection};
use crate::measure::Durations;
use crate::payload;
use crate::sign::AccessKey;
use crate::wire::find;

/// What every accepted message's answer holds once.
const ACCEPTED: &[u8] = b"\"id\":\"msg_";

/// Kinds of refusal that are kept; a thousand different ones help nobody.
const MOST_REFUSALS: usize = 5;

/// Where calls go.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The server.
    pub address: SocketAddr,
    /// With what they are signed.
    pub access_key: AccessKey,
}

/// What is to be sent, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// The number of the first message: messages of different numbers differ.
    pub first: u64,
    /// How many messages.
    pub messages: u64,
    /// How many messages per call; 1 uses the call for single ones.
    pub per_call: u64,
    /// Connections.
    pub concurrency: u64,
    /// When they are to be sent; at once if not given.
    pub send_at: Option<Arc<str>>,
    /// Calls per second; as fast as they are answered if not given.
    pub rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages not accepted, and why.
    pub refused: Refused,
    /// How long each call took.
    pub durations: Durations,
    /// When the first call began.
    pub begun: Option<Instant>,
    /// From the first call to the last answer.
    pub elapsed: Duration,
}

/// Messages that were not accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub messages: u64,
    /// The answers, with how many messages each.
    pub reasons: BTreeMap<String, u64>,
}

impl Refused {
    fn add(&mut self, messages: u64, reason: impl FnOnce() -> String) {
        self.messages += messages;
        if self.reasons.len() < MOST_REFUSALS {
            *self.reasons.entry(reason()).or_default() += messages;
        }
    }

    fn append(&mut self, other: Self) {
        self.messages += other.messages;
        for (reason, messages) in other.reasons {
            if self.reasons.len() < MOST_REFUSALS || self.reasons.contains_key(&reason) {
                *self.reasons.entry(reason).or_default() += messages;
            }
        }
    }
}

/// Sends everything and waits for all answers.
pub async fn drive(target: Target, load: &Load) -> Result<Outcome> {
    let mut connections = Vec::new();
    for _ in 0..load.concurrency {
        connections.push(Connection::open(target.address, target.access_key).await?);
    }
    let plan = Arc::new(Plan { load: load.clone(), next: AtomicU64::new(0), begun: Instant::now() });
    let workers: Vec<_> =
        connections.into_iter().map(|connection| tokio::spawn(work(connection, plan.clone()))).collect();
    let mut outcome = Outcome { begun: Some(plan.begun), ..Outcome::default() };
    for worker in workers {
        let part = worker.await??;
        outcome.accepted += part.accepted;
        outcome.refused.append(part.refused);
        outcome.durations.append(part.durations);
    }
    outcome.elapsed = plan.begun.elapsed();
    Ok(outcome)
}

/// What the connections share.
struct Plan {
    load: Load,
    next: AtomicU64,
    begun: Instant,
}

/// One call's part of the messages.
struct Call {
    first: u64,
    messages: u64,
    due: Option<Instant>,
}

impl Plan {
    fn take(&self) -> Option<Call> {
        let index = self.next.fetch_add(1, Relaxed);
        let done = index * self.load.per_call;
        let messages = self.load.per_call.min(self.load.messages.checked_sub(done)?);
        let due = self.load.rate.map(|rate| self.begun + Duration::from_secs_f64(index as f64 / rate));
        (messages > 0).then(|| Call { first: self.load.first + done, messages, due })
    }

    fn write(&self, body: &mut Vec<u8>, call: &Call) -> &'static str {
        body.clear();
        let send_at = self.load.send_at.as_deref();
        if self.load.per_call == 1 {
            payload::write_message(body, call.first, send_at);
            "/v1/messages"
        } else {
            payload::write_batch(body, call.first, call.messages, send_at);
            "/v1/messages/batch"
        }
    }
}

async fn work(mut connection: Connection, plan: Arc<Plan>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut body = Vec::with_capacity(1 << 10);
    while let Some(call) = plan.take() {
        let path = plan.write(&mut body, &call);
        let begun = begin(call.due).await;
        let answer = connection.call("POST", path, &body).await?;
        outcome.durations.push(begun.elapsed());
        count(&mut outcome, &call, &answer);
    }
    Ok(outcome)
}

/// Waits until a call is due, and answers from when on it is timed.
///
/// A call that was due while all connections were busy is timed from when it was due, or the wait behind a slow call
/// would go unseen. That our own timer wakes late is not the server's fault and not counted.
async fn begin(due: Option<Instant>) -> Instant {
    let Some(due) = due else { return Instant::now() };
    if due <= Instant::now() {
        return due;
    }
    tokio::time::sleep_until(due.into()).await;
    Instant::now()
}

fn count(outcome: &mut Outcome, call: &Call, answer: &Answer<'_>) {
    let accepted = match answer.status {
        202 => occurrences(answer.body, ACCEPTED).min(call.messages),
        _ => 0,
    };
    outcome.accepted += accepted;
    if accepted < call.messages {
        outcome.refused.add(call.messages - accepted, || answer.excerpt());
    }
}

fn occurrences(text: &[u8], needle: &[u8]) -> u64 {
    let (mut count, mut rest) = (0, text);
    while let Some(at) = find(rest, needle) {
        count += 1;
        rest = &rest[at + needle.len()..];
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::server::ACCESS_KEY;

    fn load(messages: u64) -> Load {
        Load { first: 0, messages, per_call: 1, concurrency: 4, send_at: None, rate: None }
    }

    async fn driven(fake: &Fake, load: &Load) -> Outcome {
        drive(Target { address: fake.address, access_key: ACCESS_KEY }, load).await.unwrap()
    }

    #[tokio::test]
    async fn every_message_is_sent_once_and_well_signed() {
        let fake = Fake::start(None).await;
        let outcome = driven(&fake, &load(100)).await;
        assert_eq!((outcome.accepted, outcome.refused), (100, Refused::default()));
        assert_eq!(outcome.durations.latency().p50_ms.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater));
        assert_eq!(fake.numbers(), (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_batch_may_be_smaller_at_the_end() {
        let fake = Fake::start(None).await;
        let outcome = driven(&fake, &Load { first: 7, per_call: 30, ..load(100) }).await;
        assert_eq!((outcome.accepted, outcome.refused.messages), (100, 0));
        assert_eq!(fake.numbers(), (7..107).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_is_refused_is_counted_with_its_reason() {
        let fake = Fake::start(Some(3)).await;
        for per_call in [1, 10] {
            let outcome = driven(&fake, &Load { per_call, ..load(30) }).await;
            assert_eq!((outcome.accepted, outcome.refused.messages), (20, 10));
            assert!(outcome.refused.reasons.keys().any(|reason| reason.contains("every third")));
        }
    }

    #[tokio::test]
    async fn a_rate_is_kept() {
        let fake = Fake::start(None).await;
        let outcome = driven(&fake, &Load { rate: Some(1_000.0), ..load(101) }).await;
        assert!(outcome.elapsed >= Duration::from_millis(100), "{:?}", outcome.elapsed);
    }
}
