//! Schedules: messages again and again, or once at a time.

use mc_core::Timestamp;
use mc_core::model::{CatchUp, Condition, LastRun};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::schedules::{self, Draft, Schedule, Timetable};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::messages;
use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// How many runs an answer names.
const NEXT_RUNS: usize = 5;

/// A schedule, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduleView {
    /// Its name.
    name: String,
    /// When, again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cron: Option<String>,
    /// When, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    at: Option<Timestamp>,
    /// The time zone.
    timezone: String,
    /// The message.
    #[schema(value_type = schema::SendRequest)]
    message: Map<String, Value>,
    /// Whether it runs.
    enabled: bool,
    /// What happens with runs that were missed.
    #[schema(value_type = schema::CatchUp)]
    catch_up: CatchUp,
    /// What is asked before each run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Condition>, nullable = false)]
    condition: Option<Condition>,
    /// The next five runs, with the offset of the time zone; none when it is paused or over.
    #[schema(value_type = Vec<String>)]
    next_runs: Vec<String>,
    /// What became of the last run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::LastRun>, nullable = false)]
    last_run: Option<LastRun>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(name: &str, schedule: Schedule) -> ScheduleView {
    let Schedule { doc, next, last, .. } = schedule;
    let next_runs = Timetable::of(&doc).map_or_else(
        |_| Vec::new(),
        |timetable| timetable.from(next, NEXT_RUNS).into_iter().map(|at| timetable.written(at)).collect(),
    );
    ScheduleView {
        name: name.to_owned(),
        cron: doc.cron,
        at: doc.at,
        timezone: doc.timezone,
        message: doc.message,
        enabled: doc.enabled,
        catch_up: doc.catch_up,
        condition: doc.condition,
        next_runs,
        last_run: last,
        created_at: doc.created_at,
        updated_at: doc.updated_at,
    }
}

/// List schedules
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules", operation_id = "list_schedules",
    responses((status = 200, description = "A page of schedules", body = Page<ScheduleView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = schedules::list(call.center(), call.project(), limit, cursor).await?;
    let items = page.items.into_iter().map(|(name, schedule)| view(&name, schedule)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at a schedule
#[utoipa::path(
    get, path = "/v1/schedules/{name}", tag = "schedules", operation_id = "get_schedule",
    params(("name" = String, Path)),
    responses((status = 200, description = "The schedule", body = ScheduleView))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "schedule")?;
    let found = schedules::get(call.center(), call.project(), name).await?;
    ok(&view(name, found.ok_or_else(|| ApiError::not_found("schedule"))?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleBody {
    /// When, again and again: five fields, or six with seconds first; `L`, `#` and `W` are known. Exactly one of `cron`
    /// and `at`.
    #[schema(nullable = false, example = "0 9 * * MON-FRI")]
    cron: Option<String>,
    /// When, once.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    at: Option<Timestamp>,
    /// The IANA name of the time zone in which `cron` is read and `scheduled_at` is written; `UTC` by default.
    #[serde(default = "utc")]
    #[schema(example = "Asia/Shanghai")]
    timezone: String,
    /// The message, as for `POST /v1/messages`, without `send_at` and `dry_run`.
    #[schema(value_type = schema::SendRequest)]
    message: Box<RawValue>,
    /// Whether it runs; true by default.
    #[serde(default = "yes")]
    enabled: bool,
    /// What happens with runs of a `cron` that were missed; `once` by default.
    #[serde(default)]
    #[schema(value_type = schema::CatchUp, required = false)]
    catch_up: CatchUp,
    /// What is asked before each run.
    #[schema(value_type = Option<schema::Condition>, nullable = false)]
    condition: Option<Condition>,
}

fn yes() -> bool {
    true
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Make or replace a schedule
///
/// The message is checked as if it were sent: what is wrong with it is named under `/message`.
#[utoipa::path(
    put, path = "/v1/schedules/{name}", tag = "schedules", operation_id = "put_schedule",
    params(("name" = String, Path)),
    request_body = ScheduleBody,
    responses(
        (status = 201, description = "Made", body = ScheduleView),
        (status = 200, description = "Replaced", body = ScheduleView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let ScheduleBody { cron, at, timezone, message, enabled, catch_up, condition } = call.read()?;
    let message = message.get().as_bytes();
    let draft = Draft { cron, at, timezone, message, enabled, catch_up, condition };
    let before = schedules::get(call.center(), call.project(), name).await?.map(|before| before.doc);
    let (put, schedule) = schedules::put(call.center(), &call.caller(), name, draft).await?;
    let what = json!({"schedule": name});
    call.audit_change("schedule.put", what, before.as_ref(), Some(&schedule.doc)).await;
    answer::put(put, &view(name, schedule))
}

/// Delete a schedule
///
/// The messages it made stay.
#[utoipa::path(
    delete, path = "/v1/schedules/{name}", tag = "schedules", operation_id = "delete_schedule",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "schedule")?;
    let before = schedules::get(call.center(), call.project(), name).await?.map(|before| before.doc);
    if !schedules::delete(call.center(), call.project(), name).await? {
        return Err(ApiError::not_found("schedule"));
    }
    call.audit_change("schedule.delete", json!({"schedule": name}), before.as_ref(), None).await;
    no_content()
}

/// What a run by hand may be told: nothing, and a field that somebody counts on is refused.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunBody {}

/// Send a schedule's message now
///
/// It is answered like `POST /v1/messages`. Its condition is not asked, and its next run stays as it is.
#[utoipa::path(
    post, path = "/v1/schedules/{name}/run", tag = "schedules", operation_id = "run_schedule",
    params(("name" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for a message.")),
    responses((status = 202, description = "Accepted", body = schema::Accepted,
        headers(("idempotent-replayed" = bool, description = "`true` when an earlier request is answered again"))))
)]
pub async fn run(call: Call) -> Answer {
    let name = call.name("name", "schedule")?;
    let RunBody {} = call.read_or_default()?;
    let idempotency = messages::idempotency(&call)?;
    let mut answer = schedules::run_now(call.center(), &call.caller(), name, idempotency).await?;
    // The message stands in a schedule, and so does what is wrong with it.
    let in_schedule = |outcome| match outcome {
        Outcome::Refused(refusal) => Outcome::Refused(refusal.under("/message")),
        outcome @ (Outcome::Accepted(_) | Outcome::RefusedBefore(_)) => outcome,
    };
    answer.outcomes = answer.outcomes.into_iter().map(in_schedule).collect();
    messages::accepted(answer)
}
