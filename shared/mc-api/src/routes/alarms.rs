//! Alarms: what is watched, and who is told.

use mc_core::Timestamp;
use mc_pipeline::alarms::{AlarmBody, AlarmDoc, Condition, Metric, Span, Standing, check};
use serde::Serialize;
use serde_json::{Map, Number, Value, json};
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// An alarm, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct AlarmView {
    /// Its name.
    name: String,
    /// What is watched.
    #[schema(value_type = schema::AlarmMetric)]
    metric: Metric,
    /// For which channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    channel: Option<String>,
    /// From which value on it is bad.
    #[schema(value_type = f64)]
    threshold: Number,
    /// From which value on it is good again, if that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    recover: Option<Number>,
    /// How long it must be bad.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Span, required = false)]
    hold: Option<Span>,
    /// How often the message is sent again while it is bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Span, required = false)]
    repeat: Option<Span>,
    /// How long is looked back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Span, required = false)]
    window: Option<Span>,
    /// Fewer tries than this say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    min_count: Option<u32>,
    /// What is sent.
    #[schema(value_type = Object)]
    message: Map<String, Value>,
    /// Whether it is watched.
    enabled: bool,
    /// How it stands.
    #[schema(value_type = schema::AlarmState)]
    state: Condition,
    /// The value when it was looked at last; null while there is none.
    value: Option<f64>,
    /// Since when it stands so; of a firing alarm, since when it is bad. Null while nobody has looked.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// When people were last told.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_notified_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(name: &str, doc: AlarmDoc, standing: Option<Standing>) -> AlarmView {
    let AlarmDoc { body, created_at, updated_at } = doc;
    let standing = standing.unwrap_or_default();
    AlarmView {
        name: name.to_owned(),
        metric: body.metric,
        channel: body.channel,
        threshold: body.threshold,
        recover: body.recover,
        hold: body.hold,
        repeat: body.repeat,
        window: body.window,
        min_count: body.min_count,
        message: body.message,
        enabled: body.enabled,
        state: standing.condition,
        value: standing.value,
        since: standing.since,
        last_notified_at: standing.last_notified_at,
        created_at,
        updated_at,
    }
}

/// List alarms
#[utoipa::path(
    get, path = "/v1/alarms", tag = "alarms", operation_id = "list_alarms",
    responses((status = 200, description = "A page of alarms", body = Page<AlarmView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let alarms = &call.center().alarms;
    let page = alarms.list(call.project(), limit, cursor).await?;
    let mut standings = alarms.standings(call.project()).await?;
    let items = page.items.into_iter().map(|(name, doc)| {
        let standing = standings.remove(&name);
        view(&name, doc, standing)
    });
    ok(&Page { items: items.collect(), next_cursor: page.next_cursor })
}

/// Look at an alarm, and how it stands
#[utoipa::path(
    get, path = "/v1/alarms/{name}", tag = "alarms", operation_id = "get_alarm",
    params(("name" = String, Path)),
    responses((status = 200, description = "The alarm", body = AlarmView))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "alarm")?;
    let alarms = &call.center().alarms;
    let doc = alarms.get(call.project(), name).await?.ok_or_else(|| ApiError::not_found("alarm"))?;
    ok(&view(name, doc, alarms.standing(call.project(), name).await?))
}

/// Make or replace an alarm
///
/// The message is checked as if it were sent. One that watches something else now, or is switched off, begins anew.
#[utoipa::path(
    put, path = "/v1/alarms/{name}", tag = "alarms", operation_id = "put_alarm",
    params(("name" = String, Path)),
    request_body = schema::AlarmBody,
    responses(
        (status = 201, description = "Made", body = AlarmView),
        (status = 200, description = "Replaced", body = AlarmView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let body: AlarmBody = call.read()?;
    check(call.center(), &call.caller(), name, &body).await?;
    let alarms = &call.center().alarms;
    let before = alarms.get(call.project(), name).await?.map(|doc| doc.body);
    let (put, doc) = alarms.put(call.project(), name, body).await?;
    call.audit_change("alarm.put", json!({"alarm": name}), before.as_ref(), Some(&doc.body)).await;
    answer::put(put, &view(name, doc, alarms.standing(call.project(), name).await?))
}

/// Delete an alarm
///
/// Nobody is told, even if it is firing.
#[utoipa::path(
    delete, path = "/v1/alarms/{name}", tag = "alarms", operation_id = "delete_alarm",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "alarm")?;
    let alarms = &call.center().alarms;
    let before = alarms.get(call.project(), name).await?.map(|doc| doc.body);
    if !alarms.delete(call.project(), name).await? {
        return Err(ApiError::not_found("alarm"));
    }
    call.audit_change("alarm.delete", json!({"alarm": name}), before.as_ref(), None).await;
    no_content()
}
