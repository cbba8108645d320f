//! Whether an alarm can be what somebody puts.

use std::time::Duration;

use mc_content::FieldError;
use mc_core::id::MessageId;
use serde_json::Number;

use super::doc::{AlarmBody, MOST, Metric, Span};
use super::judge::{Notice, Occasion};
use super::notice::compose;
use crate::accept::plan::plan;
use crate::accept::{Caller, Refusal, SendRequest};
use crate::center::Center;

/// A message is not larger than this.
const MOST_BYTES: usize = 64 << 10;

/// Checks an alarm against everything that can be known. Changes nothing and calls no platform.
pub async fn check(center: &Center, caller: &Caller, name: &str, body: &AlarmBody) -> Result<(), Refusal> {
    let project = &*caller.project;
    let mut errors = problems(body);
    if let Some(channel) = &body.channel
        && center.channels.doc(project, channel).await?.is_none()
    {
        let detail = format!("there is no channel {channel:?} in this project");
        return Err(Refusal::field("unknown_channel", "/channel", detail));
    }
    if body.metric == Metric::CallbackSilence
        && let Some(channel) = &body.channel
        && let Some(entry) = center.channels.find(project, channel).await?.live()
        && entry.channel.callbacks().is_none()
    {
        errors.push(FieldError::new(
            "/channel",
            "nobody ever calls back for this channel, by its kind or its settings: silence is all there is",
        ));
    }
    if !errors.is_empty() {
        return Err(Refusal::fields("invalid_request", errors));
    }
    if center.alarms.get(project, name).await?.is_none() && center.alarms.all(project).await?.len() >= MOST {
        let detail = format!("a project has at most {MOST} alarms");
        return Err(Refusal::Conflict { code: "too_many_alarms", detail });
    }
    check_message(center, caller, name, body).await.map_err(of_message)
}

/// Checks the message as it would be sent, first when the alarm fires and then when it ends.
async fn check_message(
    center: &Center,
    caller: &Caller,
    name: &str,
    body: &AlarmBody,
) -> Result<(), Refusal> {
    if serde_json::to_vec(&body.message).map_err(mc_core::Error::from)?.len() > MOST_BYTES {
        return Err(Refusal::field("invalid_request", "", "an alarm's message is at most 64 KiB"));
    }
    let now = center.clock.now();
    // It will be sent by the alarm, without limits, but only through what its maker may use.
    let caller = Caller { limited: false, ..caller.clone() };
    for (occasion, value) in [(Occasion::Fired, Some(body.limit())), (Occasion::Recovered, None)] {
        let id = center.ids.ulid(now);
        let notice = Notice { id: id.to_string(), occasion, at: now, since: now, value };
        let request = compose(name, body, &notice)?;
        let errors = senseless(&request);
        if !errors.is_empty() {
            return Err(Refusal::fields("invalid_request", errors));
        }
        plan(center, &caller, request, MessageId::new(id), now).await?;
    }
    Ok(())
}

/// What a message may have and an alarm's may not.
fn senseless(request: &SendRequest) -> Vec<FieldError> {
    let no =
        |there: bool, field: &str, detail: &str| there.then(|| FieldError::new(format!("/{field}"), detail));
    let at_once = "an alarm's message is sent at once, whenever that is";
    [
        no(request.send_at.is_some(), "send_at", at_once),
        no(request.expire_at.is_some(), "expire_at", at_once),
        no(request.dry_run, "dry_run", "nobody would see what it shows"),
        no(!request.attachments.is_empty(), "attachments", "an alarm's message has no files"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_message(refusal: Refusal) -> Refusal {
    match refusal.under("/message") {
        // The body as a whole could be read.
        Refusal::Invalid { code: "invalid_json", detail, errors } => {
            Refusal::Invalid { code: "invalid_request", detail, errors }
        }
        other => other,
    }
}

/// What is wrong with the fields by themselves.
fn problems(body: &AlarmBody) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, detail: String| errors.push(FieldError::new(format!("/{field}"), detail));
    let limit = body.limit();
    let (fits, range) = match body.metric {
        Metric::RemainingPercent => ((0.0..100.0).contains(&limit), "a percentage from 0 to below 100"),
        Metric::FailureRate => (limit > 0.0 && limit <= 100.0, "a percentage above 0 up to 100"),
        Metric::Forecast => (limit > 0.0 && limit <= 8784.0, "a number of hours, at most a year"),
        Metric::OldestQueuedAge => (limit > 0.0 && limit <= 86_400.0, "a number of seconds, at most a day"),
        Metric::CallbackSilence => {
            ((60.0..=43_200.0).contains(&limit), "a number of seconds from a minute to 12 hours")
        }
        Metric::GaveUp | Metric::DeadLetters | Metric::TokenRefreshFailing => {
            (limit >= 1.0, "a count of at least 1")
        }
    };
    let metric = body.metric.as_str();
    if !fits {
        wrong("threshold", format!("the threshold of {metric} is {range}"));
    }
    if let Some(recover) = body.recover.as_ref().and_then(Number::as_f64) {
        let sensible = if body.metric.is_low() { recover >= limit } else { (0.0..=limit).contains(&recover) };
        if !sensible {
            let side = if body.metric.is_low() { "above" } else { "below" };
            wrong("recover", format!("{metric} is good again {side} its threshold"));
        }
    }
    match (body.metric, &body.channel) {
        (Metric::CallbackSilence, None) => {
            wrong("channel", "name the channel whose platform should call".to_owned());
        }
        (Metric::TokenRefreshFailing, Some(_)) => {
            wrong(
                "channel",
                "accounts are shared by channels; this metric watches all of the project's".to_owned(),
            );
        }
        _ => {}
    }
    let mut span = |field: &str, span: &Option<Span>, least: u64, most: u64, range: &str| {
        let within = |length: Duration| (least..=most).contains(&length.as_secs());
        if span.as_ref().is_some_and(|span| !within(span.length())) {
            wrong(field, format!("this is {range}"));
        }
    };
    span("for", &body.hold, 0, 86_400, "at most a day");
    span("repeat", &body.repeat, 300, 30 * 86_400, "at least five minutes and at most 30 days");
    span("window", &body.window, 60, 6 * 3600, "at least a minute and at most six hours");
    if body.window.is_some() && body.metric.window().is_none() {
        wrong("window", format!("{metric} looks at this moment and not at a stretch of time"));
    }
    if body.min_count.is_some() && body.metric != Metric::FailureRate {
        wrong("min_count", "only failure_rate has a least count of tries".to_owned());
    }
    errors
}
