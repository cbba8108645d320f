//! What people are told: the alarm's message with the alarm's values in it, and an event.

use std::time::Duration;

use mc_content::{FieldError, escape_member};
use mc_core::Result;
use mc_core::model::{Event, EventKind, Priority};
use serde_json::{Map, Value, json};

use super::doc::AlarmBody;
use super::judge::{Notice, Occasion};
use crate::accept::commit::Outcome;
use crate::accept::{self, Caller, Idempotency, Refusal, SendRequest, request};
use crate::center::Center;
use crate::stats::{self, OWN};
use crate::{syslog, tell};

/// What was to be told longer ago than this is of no use to anybody. (A repeated message is recognised for a day.)
const STALE: Duration = Duration::from_secs(12 * 3600);

/// The values that a message may name.
const NAMES: [&str; 7] = ["alarm", "metric", "value", "threshold", "channel", "since", "state"];

/// In place of a value that there is not.
const NONE: &str = "-";

/// Stands for all channels.
const EVERY: &str = "*";

impl Occasion {
    /// How the alarm stands, in the words of messages and events.
    const fn state(self) -> &'static str {
        match self {
            Occasion::Fired | Occasion::Repeated => "firing",
            Occasion::Recovered => "recovered",
        }
    }
}

/// The values of one notice.
fn values(name: &str, body: &AlarmBody, notice: &Notice) -> Map<String, Value> {
    let value = notice.value.map_or(Value::from(NONE), number);
    let values = json!({
        "alarm": name,
        "metric": body.metric,
        "value": value,
        "threshold": body.threshold,
        "channel": body.channel.as_deref().unwrap_or(EVERY),
        "since": notice.since,
        "state": notice.occasion.state(),
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

/// The same for programs, which read a number or nothing where people read a text.
fn event_data(name: &str, body: &AlarmBody, notice: &Notice) -> Map<String, Value> {
    let mut data = values(name, body, notice);
    if notice.value.is_none() {
        data.insert("value".to_owned(), Value::Null);
    }
    data
}

/// A value with two digits behind the point, and none if they are zero.
pub(super) fn number(value: f64) -> Value {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded.fract() == 0.0 { Value::from(rounded as i64) } else { Value::from(rounded) }
}

/// Makes the message: values in the place of their names, and all of them as data for a template.
pub(super) fn compose(
    name: &str,
    body: &AlarmBody,
    notice: &Notice,
) -> std::result::Result<SendRequest, Refusal> {
    let values = values(name, body, notice);
    let mut message = body.message.clone();
    let mut errors = Vec::new();
    if let Some(content) = message.get_mut("content") {
        let markdown = content["format"] == "markdown";
        fill(content, "/content", &values, markdown, &mut errors);
    }
    message.retain(|_, value| !value.is_null());
    let mut data = message.remove("data").unwrap_or_else(|| json!({}));
    fill(&mut data, "/data", &values, false, &mut errors);
    if !errors.is_empty() {
        return Err(Refusal::fields("invalid_request", errors));
    }
    if let Value::Object(data) = &mut data {
        data.extend(values);
    }
    message.insert("data".to_owned(), data);
    let urgent = !message.contains_key("priority");
    let bytes = serde_json::to_vec(&message).map_err(mc_core::Error::from)?;
    let mut request: SendRequest = request::read(&bytes)?;
    if urgent {
        request.priority = Priority::High;
    }
    if request.tags.len() < 20 && !request.tags.iter().any(|tag| tag == "alarm") {
        request.tags.push("alarm".to_owned());
    }
    Ok(request)
}

/// Puts values in the place of `{{ name }}` in every text.
fn fill(
    place: &mut Value,
    pointer: &str,
    values: &Map<String, Value>,
    markdown: bool,
    errors: &mut Vec<FieldError>,
) {
    match place {
        Value::String(text) => match filled(text, values, markdown) {
            Ok(filled) => *text = filled,
            Err(name) => {
                let detail = format!("an alarm has no value {name:?}; it has {}", NAMES.join(", "));
                errors.push(FieldError::new(pointer, detail));
            }
        },
        Value::Array(items) => {
            for (n, item) in items.iter_mut().enumerate() {
                fill(item, &format!("{pointer}/{n}"), values, markdown, errors);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let pointer = format!("{pointer}/{}", escape_member(name));
                // A plain title does not become formatted because the body is.
                let markdown = markdown && name == "body";
                fill(field, &pointer, values, markdown, errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text with the values in it, or the first name that there is not.
fn filled(text: &str, values: &Map<String, Value>, markdown: bool) -> std::result::Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        let name = name.trim();
        let value = values.get(name).ok_or_else(|| name.to_owned())?;
        out.push_str(before);
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        for letter in value.chars() {
            if markdown && letter.is_ascii_punctuation() {
                out.push('\\');
            }
            out.push(letter);
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// Who an alarm's messages come from.
pub(super) fn caller(project: &str, name: &str, id: &str) -> Caller {
    Caller::new(project, format!("{OWN}{name}"), id)
}

/// Tells people and endpoints. However often it is called for one notice, they hear of it once.
///
/// # Behavior
/// - An error means that it is to be called again.
/// - A message that is refused now, because its channel or template is gone, is noted in the system log.
pub(super) async fn tell(
    center: &Center,
    project: &str,
    name: &str,
    body: &AlarmBody,
    notice: &Notice,
) -> Result<()> {
    if center.clock.now().since(notice.at) > STALE {
        tracing::warn!(project, alarm = name, "what an alarm was to tell is too old and is dropped");
        return Ok(());
    }
    let sent = match compose(name, body, notice) {
        Ok(message) => send(center, project, name, notice, message).await,
        Err(refusal) => Err(refusal),
    };
    match sent {
        Ok(()) => {}
        Err(Refusal::Failed(error)) => return Err(error),
        Err(refusal) => {
            let reason = match refusal {
                Refusal::Invalid { code, detail, .. }
                | Refusal::Conflict { code, detail }
                | Refusal::Forbidden { code, detail, .. }
                | Refusal::Limited { code, detail, .. } => {
                    format!("{code}: {detail}")
                }
                Refusal::NotFound(what) => format!("not_found: {what}"),
                Refusal::Failed(error) => error.to_string(),
            };
            tracing::error!(project, alarm = name, reason, "an alarm's message was refused");
            syslog::note(center, project, "alarm.not_sent", json!({"alarm": name, "reason": reason})).await?;
        }
    }
    let kind = match notice.occasion {
        Occasion::Fired => EventKind::AlarmFired,
        Occasion::Recovered => EventKind::AlarmRecovered,
        Occasion::Repeated => return Ok(()),
    };
    let id = format!("evt_{}-alarm", notice.id);
    let day = tell::day_of(&id).unwrap_or_else(|| notice.at.day());
    let event = Event { kind, timestamp: notice.at, data: Value::Object(event_data(name, body, notice)) };
    tell::emit(center, project, &day, vec![(id, event)]).await
}

async fn send(
    center: &Center,
    project: &str,
    name: &str,
    notice: &Notice,
    message: SendRequest,
) -> std::result::Result<(), Refusal> {
    let caller = caller(project, name, &notice.id);
    // The id alone says what the message is: the alarm may have been changed in between.
    let idempotency = Idempotency { key: format!("{OWN}{}", notice.id), hash: notice.id.clone() };
    let accepting = Box::pin(accept::accept(center, &caller, vec![Ok(message)], Some(idempotency)));
    let mut answer = stats::as_own(true, accepting).await?;
    match answer.outcomes.pop() {
        Some(Outcome::Refused(refusal)) => Err(refusal),
        Some(Outcome::Accepted(_) | Outcome::RefusedBefore { .. }) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use mc_core::Timestamp;

    use super::*;

    fn compose_with(message: Value) -> std::result::Result<SendRequest, Refusal> {
        let body = json!({
            "metric": "failure_rate", "channel": "corp-mail", "threshold": 20, "message": message,
        });
        let body: AlarmBody = serde_json::from_value(body).unwrap();
        let at = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
        let notice = Notice { id: "x".into(), occasion: Occasion::Fired, at, since: at, value: Some(33.333) };
        compose("mail_fails", &body, &notice)
    }

    #[test]
    fn names_become_values_and_a_value_is_text() {
        let request = compose_with(json!({
            "content": {"title": "{{alarm}} is {{ state }}", "body": "**{{ alarm }}**: {{ value }}, not {{ threshold }}",
                "format": "markdown"},
            "data": {"text": "{{ channel }} since {{ since }}", "own": 1},
        }))
        .unwrap();
        let content = request.content.unwrap();
        assert_eq!(content.title, "mail_fails is firing");
        assert_eq!(content.body, "**mail\\_fails**: 33\\.33, not 20");
        assert_eq!(request.data["text"], "corp-mail since 2026-12-01T00:00:00.000Z");
        assert_eq!((&request.data["own"], &request.data["value"]), (&json!(1), &json!(33.33)));
        assert_eq!((request.priority, request.tags), (Priority::High, vec!["alarm".to_owned()]));
    }

    #[test]
    fn without_a_value_people_read_a_dash_and_programs_nothing() {
        let body = json!({
            "metric": "failure_rate", "threshold": 20, "message": {"content": {"title": "", "body": "{{ value }}"}},
        });
        let body: AlarmBody = serde_json::from_value(body).unwrap();
        let at = Timestamp::parse("2026-12-01T00:00:00Z").unwrap();
        let mut notice = Notice { id: "x".into(), occasion: Occasion::Recovered, at, since: at, value: None };
        assert_eq!(event_data("a", &body, &notice)["value"], Value::Null);
        assert_eq!(compose("a", &body, &notice).unwrap().content.unwrap().body, NONE);
        notice.value = Some(0.5);
        assert_eq!(event_data("a", &body, &notice)["value"], json!(0.5));
    }

    #[test]
    fn a_name_that_there_is_not_is_refused_with_its_place() {
        let refused = compose_with(json!({"content": {"title": "", "body": "{{ valeu }}"}}));
        match refused {
            Err(Refusal::Invalid { errors, .. }) => assert_eq!(errors[0].pointer, "/content/body"),
            other => panic!("{other:?}"),
        }
        let open = compose_with(json!({"content": {"body": "a {{ b"}})).unwrap();
        assert_eq!(open.content.unwrap().body, "a {{ b");
    }
}
