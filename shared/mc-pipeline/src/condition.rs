//! Reminders that ask first: a URL that says, at the time of sending, whether to send.
//!
//! A message with a condition is stored with all of its shares, but their tasks are left out; one task asks, at the
//! message's time. Yes is written into the head, and then the shares' tasks are queued; no cancels the message with the
//! reason. Both can be repeated. A message without a condition pays nothing for this.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mc_core::id::MessageId;
use mc_core::model::{AskMethod, Condition, OnError, Priority};
use mc_core::ports::{
    Change, Commit, Cond, Family, Group, HttpErrorKind, HttpRequest, HttpResponse, MAX_DELAY, Op, Outgoing,
    Route, Task, Verdict, WriteError,
};
use mc_core::{Error, Result, Secret, Timestamp};
use serde_json::{Value, json};

use crate::accept::Refusal;
use crate::center::Center;
use crate::deliver::load;
use crate::share::{Head, Phase, attr};
use crate::{due, oldest, view};

/// How long an answer may take at most.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How large an answer may be.
const MAX_ANSWER: usize = 64 << 10;

/// A condition that gives no answer is asked again for so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// And so often at least, also when its time was long ago because nobody was there to ask.
const LEAST_TRIES: u32 = 5;

/// Whether a condition may be asked at all, as far as can be known now.
pub async fn check(center: &Center, condition: &Condition) -> Result<(), Refusal> {
    if let Some(pointer) = &condition.pointer
        && !pointer.is_empty()
        && !pointer.starts_with('/')
    {
        let detail = "a JSON pointer begins with a slash, like /data/open";
        return Err(Refusal::field("invalid_request", "/pointer", detail));
    }
    let holds_credentials = |url: url::Url| !url.username().is_empty() || url.password().is_some();
    if url::Url::parse(&condition.url).is_ok_and(holds_credentials) {
        let detail = "a condition's URL carries no user and password; \
                      use an address with a secret path, or a gateway";
        return Err(Refusal::field("invalid_request", "/url", detail));
    }
    center.http.admit(&condition.url).await.map_err(|error| {
        let code = match error.kind {
            HttpErrorKind::Forbidden => "forbidden_address",
            _ => "invalid_request",
        };
        Refusal::field(code, "/url", error.text)
    })
}

/// What follows from asking.
pub enum Asked {
    /// Send.
    Send,
    /// Send nothing, and why.
    Skip(&'static str, String),
    /// There was no answer; ask again after this long.
    Again(Duration),
}

/// When something with a condition is due.
pub struct Due {
    /// Its time.
    pub at: Timestamp,
    /// From here on nobody needs to know any more.
    pub end: Option<Timestamp>,
}

impl Due {
    /// How long an answer may take that is asked for now: it leaves as much time before the end to do what follows. Whatever
    /// is asked about after its end, a run that comes late, has as long as any other.
    fn patience(&self, now: Timestamp) -> Duration {
        let left = self.end.map(|end| end.since(now)).filter(|left| !left.is_zero());
        left.map_or(TIMEOUT, |left| TIMEOUT.min(left / 2))
    }
}

/// Asks, for the `tries`th time after the first. Without an answer it is asked again for a while.
pub async fn decide(center: &Center, condition: &Condition, about: &Value, tries: u32, due: Due) -> Asked {
    let text = match ask(center, condition, about, due.patience(center.clock.now())).await {
        Ok(true) => return Asked::Send,
        Ok(false) => return Asked::Skip("condition_false", "the condition said no".to_owned()),
        Err(text) => text,
    };
    // 2, 4, 8 … 60 seconds, a little more or less.
    let seconds = f64::from(1_u32 << (tries + 1).min(6)).min(60.0);
    let wait = Duration::from_secs_f64(seconds * (0.9 + 0.2 * center.random.unit()));
    metrics::counter!("message_center_condition_errors_total").increment(1);
    let next = center.clock.now().after(wait);
    let patient = tries + 1 < LEAST_TRIES || next < due.at.after(PATIENCE);
    // Not when the answer could come too late for what `on_error` says.
    if patient && due.end.is_none_or(|end| next.after(TIMEOUT) < end) {
        tracing::info!(reason = %text, "a condition gave no answer and is asked again");
        return Asked::Again(wait);
    }
    tracing::warn!(reason = %text, on_error = ?condition.on_error, "a condition gave no answer in the end");
    match condition.on_error {
        OnError::Send => Asked::Send,
        OnError::Skip => Asked::Skip("condition_unanswered", format!("the condition gave no answer: {text}")),
    }
}

/// Asks once; an answer that is neither yes nor no is none.
async fn ask(
    center: &Center,
    condition: &Condition,
    about: &Value,
    timeout: Duration,
) -> Result<bool, String> {
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    let (method, body, redirects) = match condition.method {
        AskMethod::Get => ("GET", Bytes::new(), 3),
        AskMethod::Post => {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            ("POST", Bytes::from(about.to_string()), 0)
        }
    };
    let request = HttpRequest {
        method,
        url: Secret::new(condition.url.as_str()),
        headers,
        body,
        timeout,
        redirects,
        max_answer: MAX_ANSWER,
        body_optional: false,
    };
    let answer = center.http.call(&Route::default(), request).await.map_err(|error| error.text)?;
    read(&answer, condition.pointer.as_deref())
}

fn read(answer: &HttpResponse, pointer: Option<&str>) -> Result<bool, String> {
    if !(200..300).contains(&answer.status) {
        return Err(format!("HTTP {}", answer.status));
    }
    let value: Value =
        serde_json::from_slice(&answer.body).map_err(|_| "the answer is not JSON".to_owned())?;
    match pointer {
        Some(pointer) => value.pointer(pointer).and_then(Value::as_bool),
        None => value.as_bool().or_else(|| value.get("send").and_then(Value::as_bool)),
    }
    .ok_or_else(|| match pointer {
        Some(pointer) => format!("the answer has neither true nor false at {pointer:?}"),
        None => "the answer is neither true nor false, nor has it a \"send\" that is".to_owned(),
    })
}

/// The task that asks whether to send a message. The consumers of webhooks work on it: they may call the addresses
/// that users name.
pub(crate) fn task(project: &Arc<str>, message: MessageId, priority: Priority, tries: u32) -> Outgoing {
    Outgoing {
        family: Family::Webhook,
        group: Group::of(project, priority),
        task: Task::Ask { project: project.clone(), message, tries },
        delay: Duration::ZERO,
    }
}

/// Works on the task that asks whether to send a message.
pub(crate) async fn ask_for(
    center: &Center,
    project: &Arc<str>,
    id: MessageId,
    tries: u32,
) -> Result<Verdict> {
    let Some(head) = load::head(center, project, id).await? else { return Ok(Verdict::Done) };
    if head.is_final() {
        return Ok(Verdict::Done);
    }
    let doc = &head.doc;
    let Some(condition) = &doc.condition else { return Ok(Verdict::Done) };
    if head.canceled.is_some() {
        // A crash may have left a part of it.
        return call_off(center, project, id, None).await;
    }
    let now = center.clock.now();
    let start = doc.send_at.unwrap_or(doc.created_at);
    if start > now {
        return later(center, task(project, id, doc.priority, 0), start).await;
    }
    if head.asked || doc.expire_at.is_some_and(|at| at <= now) {
        // It was answered before, or nobody needs to know any more: expired is what it will be.
        return send(center, project, id, &head, false).await;
    }
    let about = json!({
        "project": **project, "message_id": id, "reference": doc.reference, "scheduled_at": start, "data": doc.data,
    });
    match decide(center, condition, &about, tries, Due { at: start, end: doc.expire_at }).await {
        Asked::Send => send(center, project, id, &head, true).await,
        Asked::Skip(code, text) => call_off(center, project, id, Some((code, &text))).await,
        Asked::Again(after) => {
            Ok(Verdict::Again { task: task(project, id, doc.priority, tries + 1).task, after })
        }
    }
}

/// The message was moved: its task comes back at the new time.
async fn later(center: &Center, outgoing: Outgoing, at: Timestamp) -> Result<Verdict> {
    let after = at.since(center.clock.now());
    if after <= MAX_DELAY {
        return Ok(Verdict::Again { task: outgoing.task, after });
    }
    let mut commit = Commit::default();
    due::send_at(center, outgoing, at, &mut commit)?;
    center.store.commit(commit).await?;
    Ok(Verdict::Done)
}

/// Queues the shares' tasks; `mark` writes the answer down first.
async fn send(
    center: &Center,
    project: &Arc<str>,
    id: MessageId,
    head: &Head,
    mark: bool,
) -> Result<Verdict> {
    let mut commit = Commit::default();
    for share in view::shares(center, project, id, head).await?.iter().filter(|s| s.phase != Phase::Final) {
        let plan = &head.doc.deliveries[share.delivery];
        commit.tasks.push(Outgoing {
            family: plan.kind.family(),
            group: Group::of(project, head.doc.priority),
            task: Task::Deliver {
                project: project.clone(),
                message: id,
                share: share.index,
                channel: plan.channel.as_str().into(),
                slot: None,
            },
            delay: Duration::ZERO,
        });
    }
    if mark {
        let conds = vec![Cond::Exists, Cond::Absent(attr::CANCELED.into())];
        commit.guard = Some(Op::Update(head.key.clone(), vec![Change::set(attr::ASKED, 1)], conds));
        oldest::note(center, project, id, center.clock.now(), &mut commit);
    }
    match center.store.commit(commit).await {
        Ok(_) => Ok(Verdict::Done),
        // It was cancelled meanwhile; whoever did that stops the shares.
        Err(WriteError::Conflict(_)) => Ok(Verdict::Done),
        Err(WriteError::Failed(error)) => Err(error),
    }
}

async fn call_off(
    center: &Center,
    project: &Arc<str>,
    id: MessageId,
    why: Option<(&str, &str)>,
) -> Result<Verdict> {
    match view::call_off(center, project, id, why).await {
        Ok(_) => Ok(Verdict::Done),
        Err(Refusal::Failed(error)) => Err(error),
        Err(refusal) => Err(Error::new(mc_core::ErrorKind::Internal, "a message could not be called off")
            .with("refusal", format!("{refusal:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> HttpResponse {
        HttpResponse { status, retry_after: None, content_type: None, body: Bytes::from(body.to_owned()) }
    }

    #[test]
    fn an_answer_leaves_time_before_the_end() {
        let seconds = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let patience =
            |end: Option<i64>, now: i64| Due { at: seconds(0), end: end.map(seconds) }.patience(seconds(now));
        assert_eq!(patience(None, 0), TIMEOUT);
        assert_eq!(patience(Some(30), 20), TIMEOUT);
        assert_eq!(patience(Some(30), 24), Duration::from_secs(3));
        assert_eq!(patience(Some(30), 31), TIMEOUT, "a late run is asked about all the same");
    }

    #[test]
    fn an_answer_is_yes_or_no_or_none() {
        let read = |body: &str, pointer: Option<&str>| read(&answer(200, body), pointer);
        assert_eq!(read("true", None), Ok(true));
        assert_eq!(read(" false\n", None), Ok(false));
        assert_eq!(read(r#"{"send": false}"#, None), Ok(false));
        assert_eq!(read(r#"{"task": {"open": true}}"#, Some("/task/open")), Ok(true));
        for (body, pointer) in [("yes", None), ("1", None), ("{}", None), (r#"{"send": true}"#, Some("/x"))] {
            assert!(read(body, pointer).is_err(), "{body}");
        }
        assert_eq!(super::read(&answer(404, "false"), None), Err("HTTP 404".to_owned()));
    }
}
