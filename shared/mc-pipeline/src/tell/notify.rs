//! Posting one event to one endpoint, until it arrives.

use std::time::Duration;

use bytes::Bytes;
use mc_core::model::{Event, WebhookDoc};
use mc_core::ports::{Attrs, Commit, HttpErrorKind, HttpRequest, Item, MAX_DELAY, Op, Route, Task, Verdict};
use mc_core::{Error, Result, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ulid::Ulid;

use super::{EVENT_LIFE, task};
use crate::center::Center;
use crate::share::{self, attr};
use crate::standard_webhooks::{self, WebhookSecret};
use crate::{due, keys, syslog};

/// The waits between tries, in seconds: 15 tries over a day and a little more.
const WAITS: [f64; 14] = [
    5.0, 30.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 3600.0, 7200.0, 7200.0, 10_800.0, 14_400.0, 18_000.0,
    21_600.0,
];

/// An endpoint that has failed for so long is switched off.
const OFF_AFTER: Duration = Duration::from_secs(5 * 86_400);

/// How long an endpoint may take to answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How far the telling of one event to one endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TellingState {
    /// It is tried again.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It was tried often enough, or the endpoint is gone.
    Failed,
}

/// One try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TellingAttempt {
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u32,
    /// The HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The telling of one event to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Telling {
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// How far it is.
    pub state: TellingState,
    /// The tries.
    pub attempts: Vec<TellingAttempt>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}

/// Works on one task: posts the event unless it was told already.
pub async fn notify(center: &Center, project: &str, webhook: &str, event_id: &str) -> Verdict {
    let again =
        || Task::Notify { project: project.into(), webhook: webhook.to_owned(), event: event_id.to_owned() };
    match try_notify(center, project, webhook, event_id).await {
        Ok(None) => Verdict::Done,
        Ok(Some(after)) => Verdict::Again { task: again(), after },
        Err(error) => {
            tracing::warn!(error = %error, "a webhook could not be worked on and comes again");
            Verdict::Again { task: again(), after: Duration::from_secs(5) }
        }
    }
}

/// The day of the ULID inside an event's id.
pub(crate) fn day_of(event_id: &str) -> Option<String> {
    let ulid = event_id.strip_prefix("evt_")?.get(..ulid::ULID_LEN)?;
    let ms = Ulid::from_string(ulid).ok()?.timestamp_ms();
    Some(Timestamp::from_millis(i64::try_from(ms).ok()?).day())
}

/// Reads a stored event.
pub(super) async fn event(center: &Center, project: &str, id: &str) -> Result<Option<Event>> {
    let Some(day) = day_of(id) else { return Ok(None) };
    let Some(item) = center.store.get(&keys::event(project, &day, id)).await? else { return Ok(None) };
    share::json(&item.attrs, attr::DOC)
}

async fn try_notify(
    center: &Center,
    project: &str,
    webhook: &str,
    event_id: &str,
) -> Result<Option<Duration>> {
    let Some(endpoint) = center.webhooks.get(project, webhook).await? else { return Ok(None) };
    let Some(event) = event(center, project, event_id).await? else { return Ok(None) };
    let key = keys::telling(project, webhook, event_id);
    let stored = center.store.get(&key).await?;
    let mut telling =
        match stored.as_ref().map(|i| share::json::<Telling>(&i.attrs, attr::DOC)).transpose()?.flatten() {
            Some(telling) => telling,
            None => Telling {
                kind: event.kind.as_str().to_owned(),
                state: TellingState::Pending,
                attempts: Vec::new(),
                next: None,
            },
        };
    let now = center.clock.now();
    if telling.state != TellingState::Pending || !endpoint.enabled {
        return Ok(None);
    }
    if let Some(next) = telling.next.filter(|next| *next > now) {
        return Ok(Some(next.since(now).min(MAX_DELAY)));
    }
    let (attempt, named_wait) = post(center, project, webhook, &endpoint, event_id, &event).await?;
    let status = attempt.status;
    telling.attempts.push(attempt);
    let ok = status.is_some_and(|s| (200..300).contains(&s));
    let wait = WAITS.get(telling.attempts.len() - 1).map(|nominal| {
        let wait = Duration::from_secs_f64(nominal * (0.8 + 0.4 * center.random.unit()));
        named_wait.map_or(wait, |named| named.max(wait).min(Duration::from_secs(86_400)))
    });
    telling.state = match (ok, status, wait) {
        (true, ..) => TellingState::Delivered,
        (false, Some(410), _) | (false, _, None) => TellingState::Failed,
        (false, _, Some(_)) => TellingState::Pending,
    };
    let next = wait.filter(|_| telling.state == TellingState::Pending).map(|w| center.clock.now().after(w));
    telling.next = next;
    health(center, project, webhook, ok, status).await?;
    let label = if ok { "delivered" } else { "failed" };
    metrics::counter!("message_center_webhook_attempts_total", "outcome" => label).increment(1);
    let item = Item::new(key, Attrs::new().with(attr::DOC, serde_json::to_vec(&telling)?));
    let mut commit = Commit { ops: vec![Op::put(item.expiring(now.after(EVENT_LIFE)))], ..Commit::default() };
    let mut after = None;
    if let Some(at) = next {
        let wait = at.since(center.clock.now());
        if wait > MAX_DELAY {
            commit.ops.push(due::row(center, &task(project, webhook, event_id), at)?);
        } else {
            after = Some(wait);
        }
    }
    center.store.commit(commit).await?;
    Ok(after)
}

/// One POST, signed for this moment.
async fn post(
    center: &Center,
    project: &str,
    webhook: &str,
    endpoint: &WebhookDoc,
    id: &str,
    event: &Event,
) -> Result<(TellingAttempt, Option<Duration>)> {
    let at = center.clock.now();
    let body = Bytes::from(serde_json::to_vec(event)?);
    let secret = center.sealer.open(&seal_context(project, webhook), &endpoint.secret).map_err(|e| {
        Error::new(mc_core::ErrorKind::Sealed, "a webhook's secret cannot be opened").because(e)
    })?;
    let secret = WebhookSecret::parse(&secret)
        .map_err(|e| Error::new(mc_core::ErrorKind::Corrupt, "a webhook's secret is not one").because(e))?;
    let signature = standard_webhooks::sign(&[secret], id, at.seconds(), &body);
    let mut request = HttpRequest::post_json(Secret::new(endpoint.url.as_str()), body);
    request.timeout = TIMEOUT;
    request.max_answer = 64 << 10;
    request.headers.push((standard_webhooks::ID_HEADER.to_owned(), id.to_owned()));
    request.headers.push((standard_webhooks::TIMESTAMP_HEADER.to_owned(), at.seconds().to_string()));
    request.headers.push((standard_webhooks::SIGNATURE_HEADER.to_owned(), signature));
    request
        .headers
        .push(("user-agent".to_owned(), concat!("message-center/", env!("CARGO_PKG_VERSION")).to_owned()));
    let result = center.http.call(&Route::default(), request).await;
    let ms = u32::try_from(center.clock.now().since(at).as_millis()).unwrap_or(u32::MAX);
    Ok(match result {
        Ok(answer) => {
            (TellingAttempt { at, ms, status: Some(answer.status), error: None }, answer.retry_after)
        }
        // An answer that is too long is still an answer: the endpoint has it.
        Err(error) if error.kind == HttpErrorKind::TooLarge => {
            (TellingAttempt { at, ms, status: Some(200), error: None }, None)
        }
        Err(error) => (TellingAttempt { at, ms, status: None, error: Some(error.text) }, None),
    })
}

/// What the sealed secret of an endpoint is bound to.
pub fn seal_context(project: &str, webhook: &str) -> String {
    format!("webhook/{project}/{webhook}")
}

#[derive(Serialize, Deserialize)]
struct FailingSince {
    at: Timestamp,
}

/// Forgets since when an endpoint fails, because somebody looked after it.
pub async fn forgive(center: &Center, project: &str, webhook: &str) -> Result<()> {
    center.store.write(Op::Delete(failing_key(project, webhook), Vec::new())).await?;
    Ok(())
}

fn failing_key(project: &str, webhook: &str) -> mc_core::ports::Key {
    mc_core::ports::Key::new(format!("wf#{project}"), webhook)
}

/// Remembers since when an endpoint fails, and switches it off after 410 or five days.
async fn health(center: &Center, project: &str, webhook: &str, ok: bool, status: Option<u16>) -> Result<()> {
    let key = failing_key(project, webhook);
    let now = center.clock.now();
    let stored = center.store.get(&key).await?;
    if ok {
        if stored.is_some() {
            center.store.write(Op::Delete(key, Vec::new())).await?;
        }
        return Ok(());
    }
    let since = match stored
        .as_ref()
        .map(|i| share::json::<FailingSince>(&i.attrs, attr::DOC))
        .transpose()?
        .flatten()
    {
        Some(since) => since.at,
        None => {
            let doc = serde_json::to_vec(&FailingSince { at: now })?;
            center.store.write(Op::put(Item::new(key, Attrs::new().with(attr::DOC, doc)))).await?;
            now
        }
    };
    let reason = if status == Some(410) {
        "the endpoint answered 410 Gone"
    } else if now.since(since) >= OFF_AFTER {
        "the endpoint failed for five days"
    } else {
        return Ok(());
    };
    let Some(mut doc) = center.webhooks.get(project, webhook).await? else { return Ok(()) };
    doc.enabled = false;
    doc.disabled_reason = Some(reason.to_owned());
    center.webhooks.put(project, webhook, doc).await?;
    tracing::warn!(project, webhook, reason, "a webhook was switched off");
    syslog::note(center, project, "webhook.disabled", json!({"webhook": webhook, "reason": reason})).await
}
