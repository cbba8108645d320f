//! The numbers that alarms watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use mc_core::ports::Window;
use mc_core::{Result, Timestamp};

use super::doc::{AlarmBody, AlarmDoc, Metric};
use super::judge::{Condition, Standing};
use crate::center::Center;
use crate::oldest;
use crate::quota::{self, QuotaItem};
use crate::stats::{Cell, Class, Count, Numbers, Sheet, minutes};

/// What is known of a project when its alarms are looked at.
pub(super) struct Facts {
    /// The counters of the last minutes, as far back as some alarm looks.
    minutes: BTreeMap<i64, Sheet>,
    /// How the quotas stand, if some alarm watches them. A minute's is left out: it is used up and full again all the time,
    /// and pacing waits for it.
    quotas: Vec<QuotaItem>,
    /// For how many seconds the oldest message waits, by the channel that an alarm watches for that, or for any.
    waiting: BTreeMap<Option<String>, Option<f64>>,
    now: Timestamp,
}

/// How far back an alarm looks at the counters.
fn looks_back(body: &AlarmBody) -> Duration {
    match body.metric {
        Metric::FailureRate | Metric::GaveUp | Metric::DeadLetters | Metric::TokenRefreshFailing => {
            body.window()
        }
        // It must be seen that the silence is longer than the threshold.
        Metric::CallbackSilence => Duration::from_secs(body.limit() as u64 + 1800),
        Metric::RemainingPercent | Metric::Forecast | Metric::OldestQueuedAge => Duration::ZERO,
    }
}

impl Facts {
    /// Reads what these alarms need.
    pub(super) async fn read(center: &Center, project: &str, alarms: &[(String, AlarmDoc)]) -> Result<Self> {
        let now = center.clock.now();
        let enabled = || alarms.iter().map(|(_, alarm)| &alarm.body).filter(|body| body.enabled);
        let back = enabled().map(looks_back).max().unwrap_or(Duration::ZERO);
        let mut quotas = Vec::new();
        if enabled().any(|body| matches!(body.metric, Metric::RemainingPercent | Metric::Forecast)) {
            quotas = quota::list(center, project).await?;
            quotas.retain(|item| item.window != Window::Minute);
        }
        let minutes = if back.is_zero() {
            BTreeMap::new()
        } else {
            minutes(center, project, minute(now.before(back)), minute(now) + 1).await?
        };
        let queued = enabled().filter(|body| body.metric == Metric::OldestQueuedAge);
        let watched: BTreeSet<Option<&str>> = queued.map(|body| body.channel.as_deref()).collect();
        let mut waiting = BTreeMap::new();
        for channel in watched {
            let age = oldest::age(center, project, channel).await?;
            waiting.insert(channel.map(str::to_owned), age.map(|age| age.as_secs() as f64));
        }
        Ok(Self { minutes, quotas, waiting, now })
    }

    /// The value an alarm watches, if there is one now.
    pub(super) fn value(&self, body: &AlarmBody, before: &Standing) -> Option<f64> {
        let channel = body.channel.as_deref();
        match body.metric {
            Metric::RemainingPercent => self.least_left(channel),
            Metric::Forecast => self.hours_left(channel),
            Metric::FailureRate => self.failure_rate(body),
            Metric::GaveUp => Some(self.sum(body.window(), channel).get(Count::GaveUp) as f64),
            Metric::DeadLetters => Some(self.sum(body.window(), channel).get(Count::DeadLetters) as f64),
            Metric::TokenRefreshFailing => Some(self.fetches_failing(body.window()) as f64),
            Metric::CallbackSilence => self.silence(channel.unwrap_or_default(), before),
            Metric::OldestQueuedAge => self.waiting.get(&body.channel).copied().flatten(),
        }
    }

    /// The quotas with a known limit, of one channel or of all.
    fn limited(&self, channel: Option<&str>) -> impl Iterator<Item = &QuotaItem> {
        self.quotas.iter().filter(move |q| q.limit.is_some() && channel.is_none_or(|c| c == q.channel))
    }

    /// How many percent are left where the least is left.
    fn least_left(&self, channel: Option<&str>) -> Option<f64> {
        let left = |item: &QuotaItem| match item.exhausted_at {
            Some(_) => Some(0.0),
            None => item.remaining_percent,
        };
        self.limited(channel).filter_map(left).min_by(f64::total_cmp)
    }

    /// In how many hours the first quota is used up. There is no such time, which is good, while all of them last until they
    /// begin anew.
    fn hours_left(&self, channel: Option<&str>) -> Option<f64> {
        let hours = |item: &QuotaItem| match item.exhausted_at {
            Some(_) => Some(0.0),
            None => item.forecast.map(|at| at.since(self.now).as_secs_f64() / 3600.0),
        };
        self.limited(channel).filter_map(hours).min_by(f64::total_cmp)
    }

    /// The sheets of the last minutes.
    fn last(&self, window: Duration) -> impl DoubleEndedIterator<Item = (&i64, &Sheet)> {
        self.minutes.range(minute(self.now.before(window))..)
    }

    /// The counters of the window, of one channel or of all; without what alarms themselves send.
    fn sum(&self, window: Duration, channel: Option<&str>) -> Numbers {
        let mut sum = Numbers::default();
        for (cell, numbers) in self.last(window).flat_map(|(_, sheet)| &sheet.0) {
            let counts = match channel {
                Some(name) => cell.class == Class::Channel && cell.name == name,
                None => matches!(cell.class, Class::Channel | Class::Project),
            };
            if counts {
                sum.merge(numbers);
            }
        }
        sum
    }

    /// How many percent of all tries fail. Too few of them say nothing.
    fn failure_rate(&self, body: &AlarmBody) -> Option<f64> {
        let sum = self.sum(body.window(), body.channel.as_deref());
        let failed: u64 =
            [Count::Failed, Count::Expired, Count::InDoubt, Count::Retries].iter().map(|c| sum.get(*c)).sum();
        let all = failed + sum.get(Count::Sent);
        (all >= body.min_count().max(1)).then(|| failed as f64 * 100.0 / all as f64)
    }

    /// How often the worst account's token could not be fetched since it last could.
    fn fetches_failing(&self, window: Duration) -> u64 {
        let mut failing: HashMap<&Cell, u64> = HashMap::new();
        for (_, sheet) in self.last(window) {
            for (cell, numbers) in sheet.0.iter().filter(|(cell, _)| cell.class == Class::Token) {
                let count = failing.entry(cell).or_default();
                *count = match numbers.get(Count::Fetched) {
                    0 => *count + numbers.get(Count::NotFetched),
                    _ => 0,
                };
            }
        }
        failing.into_values().max().unwrap_or(0)
    }

    /// For how long a channel's platform has told nothing though something was sent to it. A silence that is known goes on
    /// until the platform tells something, also when what was sent lies further back than anybody looks.
    fn silence(&self, channel: &str, before: &Standing) -> Option<f64> {
        let known = before.value.zip(before.checked_at).filter(|_| before.condition != Condition::Ok);
        let mut known = known.map(|(value, at)| value + self.now.since(at).as_secs() as f64);
        let mut owing = None;
        for (minute, sheet) in &self.minutes {
            let of = |class: Class, count: Count| -> u64 {
                let mine = sheet.0.iter().filter(|(cell, _)| cell.class == class && cell.name == channel);
                mine.map(|(_, numbers)| numbers.get(count)).sum()
            };
            if of(Class::Channel, Count::Callbacks) > 0 {
                (owing, known) = (None, None);
            } else if owing.is_none() && of(Class::Channel, Count::Sent) > 0 {
                owing = Some(Timestamp::from_millis(minute * 60_000));
            }
        }
        let owing = owing.map(|since| self.now.since(since).as_secs() as f64);
        owing.into_iter().chain(known).reduce(f64::max)
    }
}

fn minute(at: Timestamp) -> i64 {
    at.seconds().div_euclid(60)
}
