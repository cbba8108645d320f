//! Making the message of a run, and moving the schedule on.

use std::sync::Arc;
use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::{CatchUp, LastRun, RunOutcome};
use mc_core::ports::{MAX_DELAY, Verdict};
use mc_core::{Result, Retry, Timestamp};
use ring::digest;
use serde_json::{Value, json};
use ulid::Ulid;

use super::Timetable;
use super::check::filled;
use super::stored::{self, Over, Schedule};
use crate::accept::commit::Answer;
use crate::accept::{self, Caller, Idempotency, Refusal};
use crate::center::Center;
use crate::condition::{self, Asked, Due};
use crate::{quota, syslog, upcoming};

/// A run that is made this long after its time, or after its condition was to be asked again, is still on time: it was not
/// missed.
pub const GRACE: Duration = Duration::from_secs(60);

/// Runs that are left out are counted up to so many.
const MOST_COUNTED: usize = 1000;

/// What a task has come to.
enum Ended {
    /// The run is over.
    Over(Over),
    /// Its condition is asked again after a while.
    Again(Duration),
}

/// A run of a schedule, as its task names it.
struct Run<'a> {
    center: &'a Center,
    project: &'a Arc<str>,
    name: &'a Arc<str>,
    at: Timestamp,
    tries: u32,
}

/// Works on the task of one run. It is done only when the schedule names another time.
pub async fn run(
    center: &Center,
    project: &Arc<str>,
    name: &Arc<str>,
    at: Timestamp,
    tries: u32,
) -> Result<Verdict> {
    let run = Run { center, project, name, at, tries };
    for _ in 0..3 {
        let Some(schedule) = stored::get(center, project, name).await? else { return Ok(Verdict::Done) };
        if schedule.next != Some(run.at) {
            return Ok(Verdict::Done);
        }
        let now = center.clock.now();
        if run.at > now {
            return Ok(run.again(tries, run.at.since(now)));
        }
        let timetable = Timetable::of(&schedule.doc);
        if let Ok(timetable) = &timetable
            && let Some((over, next)) = run.left_out(&schedule, timetable, now)?
        {
            // The schedule is moved on to a run that is then made like any other, by its own task: whoever comes to this
            // twice moves it once.
            if stored::advance(center, project, name, &schedule, next, &over).await? {
                return Ok(Verdict::Done);
            }
            continue;
        }
        let ended = match timetable {
            Ok(timetable) => (run.make(&schedule, &timetable).await?, Some(timetable)),
            // A zone that a newer version has renamed, say. Nobody can tell when it would run again.
            Err(refusal) => (Ended::Over(run.failed(&refusal)?), None),
        };
        let over = match ended.0 {
            Ended::Over(over) => over,
            Ended::Again(after) => {
                // Several tasks may come to this run; what is written down tells each of them the same.
                let again = (run.at, center.clock.now().after(after));
                if stored::ask_again(center, project, name, &schedule, again).await? {
                    return Ok(run.again(tries + 1, after));
                }
                continue;
            }
        };
        let next = ended.1.and_then(|timetable| timetable.next(run.at));
        if stored::advance(center, project, name, &schedule, next, &over).await? {
            let outcome = over.last.outcome;
            tracing::debug!(project = &**project, schedule = &**name, ?outcome, "a schedule ran");
            return Ok(Verdict::Done);
        }
        // It was changed meanwhile, or somebody else was faster: look again.
    }
    Ok(run.again(tries, Duration::from_secs(1)))
}

impl Run<'_> {
    fn again(&self, tries: u32, after: Duration) -> Verdict {
        let outgoing = upcoming::run_task(self.project.clone(), self.name.clone(), self.at, tries);
        Verdict::Again { task: outgoing.task, after: after.min(MAX_DELAY) }
    }

    /// What became of the runs that are left out because they were missed, if this is one of them, and where the schedule goes
    /// on. Those after them that are still on time are made. A run whose condition is being asked was missed when nobody was
    /// there to ask again.
    fn left_out(
        &self,
        schedule: &Schedule,
        timetable: &Timetable,
        now: Timestamp,
    ) -> Result<Option<(Over, Option<Timestamp>)>> {
        let missed = now.since(schedule.waits_until(self.at)) > GRACE;
        if !missed || schedule.doc.cron.is_none() {
            return Ok(None);
        }
        let last_missed = now.before(GRACE + Duration::from_millis(1));
        let (runs, next, detail) = match schedule.doc.catch_up {
            CatchUp::Once => {
                let Some(last) = timetable.last_after(self.at, last_missed) else { return Ok(None) };
                let runs = timetable.count(self.at, last, MOST_COUNTED + 1).saturating_sub(1);
                let detail =
                    format!("runs were missed; catch_up is once: only the last one is made, of {last}");
                (runs, Some(last), detail)
            }
            CatchUp::Skip => {
                let runs = timetable.count(self.at, last_missed, MOST_COUNTED);
                let detail = format!("it came at {now}, and catch_up is skip");
                (runs, timetable.next(last_missed), detail)
            }
        };
        let runs = Some(("runs", Value::from(runs)));
        let over = self.over(RunOutcome::Skipped, "schedule.skipped", "late", detail, runs)?;
        Ok(Some((over, next)))
    }

    async fn make(&self, schedule: &Schedule, timetable: &Timetable) -> Result<Ended> {
        let doc = &schedule.doc;
        if let Some(condition) = &doc.condition {
            let due = Due { at: self.at, end: timetable.next(self.at) };
            let about = json!({
                "project": **self.project, "schedule": **self.name, "scheduled_at": timetable.written(self.at),
            });
            match condition::decide(self.center, condition, &about, self.tries, due).await {
                Asked::Send => {}
                Asked::Again(after) => return Ok(Ended::Again(after)),
                Asked::Skip(code, detail) => {
                    let over = self.over(RunOutcome::Skipped, "schedule.skipped", code, detail, None)?;
                    return Ok(Ended::Over(over));
                }
            }
        }
        let caller = Caller::new(
            self.project.clone(),
            format!("schedule:{}", self.name),
            format!("{}@{}", self.name, self.at.millis()),
        );
        let id = message_id(self.project, self.name, self.at);
        let accepted = match filled(&doc.message, timetable, self.at) {
            Ok(mut request) => {
                request.send_at = Some(self.at);
                accept::accept_once(self.center, &caller, request, id, self.at).await
            }
            Err(refusal) => Err(refusal),
        };
        match accepted {
            Ok(accepted) => {
                let needed =
                    quota::needs_of_accepted(self.center, self.project, &accepted.deliveries).await?;
                let last = self.last(RunOutcome::Accepted, Some(accepted.id), None);
                Ok(Ended::Over(Over { last, note: Vec::new(), needed: Some(needed) }))
            }
            Err(Refusal::Failed(error)) if error.retry != Retry::Never => Err(error),
            Err(refusal) => Ok(Ended::Over(self.failed(&refusal)?)),
        }
    }

    fn failed(&self, refusal: &Refusal) -> Result<Over> {
        if let Refusal::Failed(error) = refusal {
            tracing::error!(schedule = &**self.name, error = %error, "a schedule's message could not be made");
        }
        let (code, detail, pointers) = refusal.told();
        tracing::warn!(
            project = &**self.project,
            schedule = &**self.name,
            code,
            "a schedule's message is refused"
        );
        metrics::counter!("message_center_schedule_failures_total").increment(1);
        let pointers = Some(("pointers", Value::from(pointers)));
        self.over(RunOutcome::Failed, "schedule.failed", code, detail.to_owned(), pointers)
    }

    /// A run without a message, and the note that says why, with one thing more if there is one.
    fn over(
        &self,
        outcome: RunOutcome,
        kind: &str,
        code: &str,
        detail: String,
        more: Option<(&str, Value)>,
    ) -> Result<Over> {
        let mut data =
            json!({"schedule": **self.name, "scheduled_at": self.at, "code": code, "detail": detail});
        if let Some((name, value)) = more {
            data[name] = value;
        }
        let note = syslog::entry(self.center, self.project, kind, data)?;
        let last = self.last(outcome, None, Some((code, detail)));
        Ok(Over { last, note: vec![note], needed: None })
    }

    fn last(
        &self,
        outcome: RunOutcome,
        message_id: Option<MessageId>,
        why: Option<(&str, String)>,
    ) -> LastRun {
        let (code, detail) = why.map(|(code, detail)| (code.to_owned(), detail)).unzip();
        LastRun { scheduled_at: self.at, outcome, message_id, code, detail }
    }
}

/// The id of the message of a run: the same however often it is made.
fn message_id(project: &str, name: &str, at: Timestamp) -> MessageId {
    let text = format!("run\n{project}\n{name}\n{}", at.millis());
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let random = hash.as_ref().iter().take(10).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    MessageId::new(Ulid::from_parts(u64::try_from(at.millis()).unwrap_or(0), random))
}

/// Sends a schedule's message now. Nothing is asked, and the next run stays as it is.
pub async fn run_now(
    center: &Center,
    caller: &Caller,
    name: &str,
    idempotency: Option<Idempotency>,
) -> Result<Answer, Refusal> {
    let schedule = stored::get(center, &caller.project, name).await?.ok_or(Refusal::NotFound("schedule"))?;
    let timetable = Timetable::of(&schedule.doc)?;
    let under = |refusal: Refusal| refusal.under("/message");
    // To the second, as the times of a cron are.
    let now = Timestamp::from_millis(center.clock.now().seconds() * 1000);
    let request = filled(&schedule.doc.message, &timetable, now).map_err(under)?;
    accept::accept(center, caller, vec![Ok(request)], idempotency).await
}
