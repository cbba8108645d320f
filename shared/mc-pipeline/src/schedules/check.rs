//! Putting a schedule: everything that can be known of its message at once is refused at once.

use mc_content::FieldError;
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{CatchUp, Condition, ScheduleDoc};
use serde_json::{Map, Value};

use super::stored::{self, Schedule};
use super::{Timetable, placeholder};
use crate::accept::{Caller, Refusal, SendRequest, plan, request};
use crate::center::Center;
use crate::repo::Put;
use crate::{condition, quota};

/// A schedule, as somebody wants it.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// When, again and again.
    pub cron: Option<String>,
    /// When, once.
    pub at: Option<Timestamp>,
    /// The time zone.
    pub timezone: String,
    /// The message's body, as JSON.
    pub message: &'a [u8],
    /// Whether it runs.
    pub enabled: bool,
    /// What happens with runs that were missed.
    pub catch_up: CatchUp,
    /// What is asked before each run.
    pub condition: Option<Condition>,
}

/// Makes or replaces a schedule, if its message would be accepted as things are.
pub async fn put(
    center: &Center,
    caller: &Caller,
    name: &str,
    draft: Draft<'_>,
) -> Result<(Put, Schedule), Refusal> {
    let Draft { cron, at, timezone, message, enabled, catch_up, condition } = draft;
    let now = center.clock.now();
    let timetable = Timetable::read(cron.as_deref(), at, &timezone)?;
    // As far ahead as a message may be.
    if let Some(problem) = at.and_then(|at| plan::time_problem(Some(at), None, now)) {
        return Err(Refusal::field("invalid_request", "/at", problem.detail));
    }
    let before = stored::get(center, &caller.project, name).await?;
    let ahead = timetable.next(now);
    // A run that is due and not made yet is made all the same where the times stay as they were: its condition may be asked
    // for minutes, and who changes the message meanwhile does not mean to leave it out.
    let same_times = |b: &&Schedule| (&b.doc.cron, b.doc.at, &b.doc.timezone) == (&cron, at, &timezone);
    let due = before.as_ref().filter(same_times).and_then(|b| b.next).filter(|next| *next <= now);
    // What has run may be put again as it is, whatever became of the run. Who puts a time that passed without one, because
    // the schedule was paused then, say, would wait for nothing.
    let has_run = before.as_ref().is_some_and(|b| at.is_some() && b.doc.at == at && b.ran_at() == at);
    if enabled && ahead.or(due).is_none() && !has_run {
        return Err(never(at));
    }
    if let Some(condition) = &condition {
        condition::check(center, condition).await.map_err(|refusal| refusal.under("/condition"))?;
    }
    let planned = ahead.or(at).unwrap_or(now);
    let (message, needs) = check_message(center, caller, message, &timetable, planned)
        .await
        .map_err(|refusal| refusal.under("/message"))?;
    let doc = ScheduleDoc {
        cron,
        at,
        timezone,
        message,
        enabled,
        catch_up,
        condition,
        created_at: now,
        updated_at: now,
    };
    let next = due.or(ahead).filter(|_| enabled);
    Ok(stored::put(center, &caller.project, name, doc, next.map(|at| (at, needs))).await?)
}

fn never(at: Option<Timestamp>) -> Refusal {
    match at {
        Some(_) => Refusal::field("invalid_request", "/at", "this time has passed"),
        None => Refusal::field("invalid_request", "/cron", "this cron never runs: there is no such day"),
    }
}

/// Reads and checks the message as if it were sent at `planned`; answers its body as it was given, and what it needs of
/// the channels' quotas.
async fn check_message(
    center: &Center,
    caller: &Caller,
    body: &[u8],
    timetable: &Timetable,
    planned: Timestamp,
) -> Result<(Map<String, Value>, Vec<quota::Need>), Refusal> {
    // Read as it is first, so that a mistake is named by its place.
    let read: SendRequest = request::read(body)?;
    let mut errors = Vec::new();
    if read.send_at.is_some() {
        errors.push(FieldError::new("/send_at", "the schedule says when; leave this out"));
    }
    if read.dry_run {
        errors.push(FieldError::new("/dry_run", "nobody would see what a schedule shows; leave this out"));
    }
    if !errors.is_empty() {
        return Err(Refusal::fields("invalid_request", errors));
    }
    let message: Map<String, Value> = request::read(body)?;
    let request = filled(&message, timetable, planned)?;
    // Nothing is made under this id. It is of now, because ids ascend: one of the run's time would draw all others after it.
    let id = MessageId::new(center.ids.ulid(center.clock.now()));
    let plan = plan::plan(center, caller, request, id, planned).await?;
    Ok((message, quota::needs_of_plan(&plan)))
}

/// The request of one run.
pub(super) fn filled(
    message: &Map<String, Value>,
    timetable: &Timetable,
    planned: Timestamp,
) -> Result<SendRequest, Refusal> {
    let text = timetable.written(planned);
    let mut message = message.clone();
    placeholder::fill(&mut message, &text);
    let body = serde_json::to_vec(&message).map_err(mc_core::Error::from)?;
    let mut request: SendRequest = request::read(&body)?;
    request.scheduled_at = Some(text);
    Ok(request)
}
