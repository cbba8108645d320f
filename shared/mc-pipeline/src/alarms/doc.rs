//! Alarms as they are put, stored and found.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::{Clock, Item, Op, Store};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};

use super::judge::Standing;
use crate::accept;
use crate::keys;
use crate::repo::{self, Docs, Listed, Put};
use crate::share;

/// What an alarm watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// How much of the quota is left, in percent: the least of all windows.
    RemainingPercent,
    /// In how many hours the quota is used up at the present rate.
    Forecast,
    /// How many percent of all tries fail.
    FailureRate,
    /// How many recipients were given up.
    GaveUp,
    /// For how many seconds the oldest due message waits that nobody has begun to send.
    OldestQueuedAge,
    /// How many tasks were put aside.
    DeadLetters,
    /// How often a platform's access token could not be fetched since it last could.
    TokenRefreshFailing,
    /// For how many seconds a platform has told nothing of what was sent.
    CallbackSilence,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 8] = [
        Metric::RemainingPercent,
        Metric::Forecast,
        Metric::FailureRate,
        Metric::GaveUp,
        Metric::OldestQueuedAge,
        Metric::DeadLetters,
        Metric::TokenRefreshFailing,
        Metric::CallbackSilence,
    ];

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Metric::RemainingPercent => "remaining_percent",
            Metric::Forecast => "forecast",
            Metric::FailureRate => "failure_rate",
            Metric::GaveUp => "gave_up",
            Metric::OldestQueuedAge => "oldest_queued_age",
            Metric::DeadLetters => "dead_letters",
            Metric::TokenRefreshFailing => "token_refresh_failing",
            Metric::CallbackSilence => "callback_silence",
        }
    }

    /// Whether small values are the bad ones.
    pub const fn is_low(self) -> bool {
        matches!(self, Metric::RemainingPercent | Metric::Forecast)
    }

    /// How long is looked back by default, where a stretch of time is looked at.
    pub const fn window(self) -> Option<Duration> {
        match self {
            Metric::FailureRate => Some(Duration::from_secs(600)),
            Metric::TokenRefreshFailing => Some(Duration::from_secs(900)),
            Metric::GaveUp | Metric::DeadLetters => Some(Duration::from_secs(3600)),
            Metric::RemainingPercent
            | Metric::Forecast
            | Metric::OldestQueuedAge
            | Metric::CallbackSilence => None,
        }
    }
}

/// A length of time as somebody wrote it: a number of seconds, or a text like `5m` or `PT5M`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Span {
    written: Value,
    #[serde(skip)]
    length: Duration,
}

impl Span {
    /// How long it is.
    pub const fn length(&self) -> Duration {
        self.length
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Wrong;
        impl fmt::Display for Wrong {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("expected a number of seconds, or a text like \"90s\", \"5m\", \"1h\"")
            }
        }
        let written = Value::deserialize(deserializer)?;
        let length = match &written {
            Value::Number(seconds) => seconds.as_u64().map(Duration::from_secs),
            Value::String(text) => {
                let days = jiff::SpanRelativeTo::days_are_24_hours();
                let span = text.parse::<jiff::Span>().and_then(|span| span.to_duration(days));
                span.ok().and_then(|length| Duration::try_from(length).ok())
            }
            _ => None,
        };
        let length = length.ok_or_else(|| serde::de::Error::custom(Wrong))?;
        Ok(Self { written, length })
    }
}

/// What somebody puts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmBody {
    /// What is watched.
    pub metric: Metric,
    /// For which channel; for all of the project's if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// From which value on it is bad.
    pub threshold: Number,
    /// From which value on it is good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Number>,
    /// How long it must be bad.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Span>,
    /// How often the message is sent again while it is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Span>,
    /// How long is looked back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// Fewer tries than this say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_count: Option<u32>,
    /// What is sent: the body of a message.
    pub message: Map<String, Value>,
    /// Whether it is watched.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

impl AlarmBody {
    /// The threshold.
    pub fn limit(&self) -> f64 {
        self.threshold.as_f64().unwrap_or(0.0)
    }

    /// Where it is good again: what was given, or a fifth away from the threshold.
    pub fn good(&self) -> f64 {
        let limit = self.limit();
        let given = self.recover.as_ref().and_then(Number::as_f64);
        given.unwrap_or_else(|| match self.metric {
            Metric::RemainingPercent => (limit * 1.2).min(100.0),
            metric if metric.is_low() => limit * 1.2,
            _ => limit * 0.8,
        })
    }

    /// Whether a value is bad.
    pub fn is_bad(&self, value: f64) -> bool {
        if self.metric.is_low() { value <= self.limit() } else { value >= self.limit() }
    }

    /// Whether a value is good enough to end the alarm.
    pub fn is_good(&self, value: f64) -> bool {
        let beyond = if self.metric.is_low() { value >= self.good() } else { value <= self.good() };
        beyond && !self.is_bad(value)
    }

    /// How long it must be bad.
    pub fn hold(&self) -> Duration {
        self.hold.as_ref().map_or(Duration::ZERO, Span::length)
    }

    /// How long is looked back.
    pub fn window(&self) -> Duration {
        let given = self.window.as_ref().map(Span::length);
        given.or(self.metric.window()).unwrap_or(Duration::ZERO)
    }

    /// Fewer tries than this say nothing.
    pub fn min_count(&self) -> u64 {
        self.min_count.map_or(20, u64::from)
    }

    /// Whether its message goes through this channel, or the channel is watched.
    pub fn uses_channel(&self, name: &str) -> bool {
        self.channel.as_deref() == Some(name) || accept::goes_through(&self.message, name)
    }

    /// Whether its message is made of this template.
    pub fn uses_template(&self, name: &str) -> bool {
        accept::is_made_of(&self.message, name)
    }
}

/// An alarm as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmDoc {
    /// What was put.
    pub body: AlarmBody,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// How many alarms a project may have.
pub const MOST: usize = 200;

/// The alarms of all projects, and how they stand.
pub struct Alarms {
    docs: Docs<AlarmDoc>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Alarms {
    /// Alarms in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { docs: Docs::listed(store.clone(), "alarms", |doc| doc.created_at), store, clock }
    }

    /// One alarm.
    pub async fn get(&self, project: &str, name: &str) -> Result<Option<AlarmDoc>> {
        self.docs.get(project, name).await
    }

    /// All of a project's alarms.
    pub async fn all(&self, project: &str) -> Result<Vec<(String, AlarmDoc)>> {
        self.docs.all(project).await
    }

    /// Makes or replaces an alarm. One that watches something else now, or nothing, begins anew.
    pub async fn put(&self, project: &str, name: &str, body: AlarmBody) -> Result<(Put, AlarmDoc)> {
        let before = self.docs.get(project, name).await?;
        let now = self.clock.now();
        let doc =
            AlarmDoc { body, created_at: before.as_ref().map_or(now, |b| b.created_at), updated_at: now };
        self.docs.put(project, name, &doc, before.as_ref()).await?;
        let same = before.as_ref().is_some_and(|b| {
            (b.body.metric, &b.body.channel) == (doc.body.metric, &doc.body.channel) && doc.body.enabled
        });
        if !same {
            self.forget(project, name).await?;
        }
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Deletes an alarm; answers whether there was one.
    pub async fn delete(&self, project: &str, name: &str) -> Result<bool> {
        let was = self.docs.delete(project, name).await?;
        self.forget(project, name).await?;
        Ok(was)
    }

    /// Deletes all of a project's alarms.
    pub async fn delete_all(&self, project: &str) -> Result<()> {
        for (name, _) in self.all(project).await? {
            self.delete(project, &name).await?;
        }
        Ok(())
    }

    /// A page of alarms.
    pub async fn list(&self, project: &str, limit: usize, cursor: Option<&str>) -> Result<Listed<AlarmDoc>> {
        self.docs.list(project, limit, cursor).await
    }

    /// How an alarm stands; nothing while nobody has looked at it.
    pub async fn standing(&self, project: &str, name: &str) -> Result<Option<Standing>> {
        let item = self.store.get(&keys::alarm_state(project, name)).await?;
        Ok(item.as_ref().map(Stored::read).transpose()?.map(|stored| stored.standing))
    }

    /// How all of a project's alarms stand, by name.
    pub async fn standings(&self, project: &str) -> Result<BTreeMap<String, Standing>> {
        let all = self.stored(project).await?;
        Ok(all.into_iter().map(|(name, stored)| (name, stored.standing)).collect())
    }

    pub(super) async fn stored(&self, project: &str) -> Result<BTreeMap<String, Stored>> {
        let items = repo::whole(&*self.store, keys::alarm_states_partition(project)).await?;
        items.iter().map(|item| Ok((item.key.sk.clone(), Stored::read(item)?))).collect()
    }

    async fn forget(&self, project: &str, name: &str) -> Result<()> {
        self.store.write(Op::Delete(keys::alarm_state(project, name), Vec::new())).await?;
        Ok(())
    }
}

/// How an alarm stands, as it was read.
pub(super) struct Stored {
    pub(super) standing: Standing,
    /// How often it was written.
    pub(super) revision: i64,
}

/// The attributes of a state.
pub(super) const REVISION: &str = "rev";
pub(super) const STANDING: &str = "doc";

impl Stored {
    pub(super) fn read(item: &Item) -> Result<Self> {
        Ok(Self {
            standing: share::json(&item.attrs, STANDING)?.unwrap_or_default(),
            revision: item.attrs.num(REVISION).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_are_kept_as_they_are_written() {
        for (written, seconds) in [
            (json!(300), 300),
            (json!("5m"), 300),
            (json!("1h 30m"), 5400),
            (json!("PT5M"), 300),
            (json!("1d"), 86_400),
            (json!(0), 0),
        ] {
            let span: Span = serde_json::from_value(written.clone()).unwrap();
            assert_eq!(span.length(), Duration::from_secs(seconds), "{written}");
            assert_eq!(serde_json::to_value(&span).unwrap(), written);
        }
        for bad in [json!(-1), json!("soon"), json!("-5m"), json!(1.5), json!(null), json!("5")] {
            assert!(serde_json::from_value::<Span>(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn between_bad_and_good_lies_a_margin() {
        let body = |metric: &str, threshold: Value, recover: Value| -> AlarmBody {
            let mut body = json!({"metric": metric, "threshold": threshold, "message": {}});
            if !recover.is_null() {
                body["recover"] = recover;
            }
            serde_json::from_value(body).unwrap()
        };
        // Metric, threshold, recover; and values that are bad, neither, good.
        for (body, bad, neither, good) in [
            (body("failure_rate", json!(50), json!(null)), 50.0, 45.0, 40.0),
            (body("failure_rate", json!(50), json!(10)), 60.0, 11.0, 10.0),
            (body("remaining_percent", json!(10), json!(null)), 10.0, 11.0, 12.0),
            (body("remaining_percent", json!(90), json!(null)), 90.0, 95.0, 100.0),
            (body("gave_up", json!(1), json!(null)), 1.0, 0.9, 0.0),
        ] {
            let looks = [bad, neither, good].map(|v| (body.is_bad(v), body.is_good(v)));
            assert_eq!(looks, [(true, false), (false, false), (false, true)], "{body:?}");
        }
        let nothing = body("remaining_percent", json!(0), json!(null));
        assert!(nothing.is_bad(0.0) && !nothing.is_good(0.0) && nothing.is_good(1.0));
    }
}
