//! What an alarm makes of a value. Pure: no store, no clock.

use std::time::Duration;

use mc_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::doc::{AlarmBody, Span};

/// A firing alarm ends when its value was good for so long (or for as long as it must be bad, if that is longer). A
/// value that swings to and fro is one alarm, and not one every few minutes.
pub(super) const CALM: Duration = Duration::from_secs(300);

/// When nobody has looked for so long, nobody knows whether the value was bad all the time.
const GAP: Duration = Duration::from_secs(180);

/// A look may come so much before its time, as rounds are never exactly a minute apart. What has lasted as long as it
/// must but for this has lasted long enough; otherwise it would be found out a whole round later.
const EARLY: Duration = Duration::from_secs(5);

/// How an alarm stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The value is good, or there is none.
    #[default]
    Ok,
    /// The value is bad, but not for long enough.
    Pending,
    /// The value is bad, and somebody was told.
    Firing,
}

impl Condition {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::Pending => "pending",
            Condition::Firing => "firing",
        }
    }
}

/// Why people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// It has begun.
    Fired,
    /// It still goes on.
    Repeated,
    /// It is over.
    Recovered,
}

/// What people are to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// A ULID, which makes it one message however often it is sent.
    pub id: String,
    /// Why.
    pub occasion: Occasion,
    /// When this was decided.
    pub at: Timestamp,
    /// Since when the value is bad, or was.
    pub since: Timestamp,
    /// The value.
    pub value: Option<f64>,
}

/// How an alarm stands, and what is still owed to people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// How it stands.
    pub condition: Condition,
    /// Since when; of a firing alarm, since when the value is bad.
    pub since: Option<Timestamp>,
    /// The last value, if there was one.
    pub value: Option<f64>,
    /// When it was last looked at, at least to the minute while the value is bad.
    pub checked_at: Option<Timestamp>,
    /// Since when a firing alarm's value is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm_since: Option<Timestamp>,
    /// When people were last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_notified_at: Option<Timestamp>,
    /// What people are still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Notice>,
}

/// How the alarm stands after a look at its value. What is owed is set anew; it must have been given before.
pub(super) fn judge(
    rule: &AlarmBody,
    before: &Standing,
    value: Option<f64>,
    now: Timestamp,
    id: impl FnOnce() -> String,
) -> Standing {
    let bad = value.is_some_and(|v| rule.is_bad(v));
    let good = value.is_none_or(|v| rule.is_good(v));
    let mut next = Standing { value, checked_at: Some(now), owed: None, ..before.clone() };
    let tell = |next: &mut Standing, occasion: Occasion| {
        next.last_notified_at = Some(now);
        Some((occasion, next.since.unwrap_or(now)))
    };
    let told = match before.condition {
        Condition::Ok | Condition::Pending if !bad => {
            if before.condition == Condition::Pending || before.since.is_none() {
                next.condition = Condition::Ok;
                next.since = Some(now);
            }
            None
        }
        Condition::Ok | Condition::Pending => {
            let unseen = before.checked_at.is_none_or(|at| now.since(at) > GAP);
            if before.condition == Condition::Ok || unseen {
                next.since = Some(now);
            }
            next.condition = Condition::Pending;
            let since = next.since.unwrap_or(now);
            if has_lasted(now.since(since), rule.hold()) {
                next.condition = Condition::Firing;
                next.calm_since = None;
                tell(&mut next, Occasion::Fired)
            } else {
                None
            }
        }
        Condition::Firing if good => {
            let calm = *next.calm_since.get_or_insert(now);
            if has_lasted(now.since(calm), CALM.max(rule.hold())) {
                let told = tell(&mut next, Occasion::Recovered);
                next.condition = Condition::Ok;
                next.since = Some(now);
                next.calm_since = None;
                told
            } else {
                None
            }
        }
        Condition::Firing => {
            next.calm_since = None;
            let due = rule.repeat.as_ref().map(Span::length).is_some_and(|every| {
                before.last_notified_at.is_none_or(|last| has_lasted(now.since(last), every))
            });
            if due { tell(&mut next, Occasion::Repeated) } else { None }
        }
    };
    next.owed = told.map(|(occasion, since)| Notice { id: id(), occasion, at: now, since, value });
    next
}

/// Whether something has lasted for as long as it must, as far as looks once a minute can tell. A length of a few
/// seconds is not taken for none.
fn has_lasted(for_now: Duration, length: Duration) -> bool {
    for_now + EARLY.min(length / 2) >= length
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Looks once a minute at these values; answers the minutes in which people were told, and of what.
    fn told(rule: Value, values: &[Option<f64>]) -> Vec<(usize, Occasion)> {
        let mut body = json!({"metric": "failure_rate", "threshold": 50, "message": {}});
        for (name, value) in rule.as_object().unwrap() {
            body[name] = value.clone();
        }
        let rule: AlarmBody = serde_json::from_value(body).unwrap();
        let mut standing = Standing::default();
        let mut all = Vec::new();
        for (minute, value) in values.iter().enumerate() {
            let now = Timestamp::from_millis(minute as i64 * 60_000);
            standing = judge(&rule, &standing, *value, now, || minute.to_string());
            all.extend(standing.owed.as_ref().map(|owed| (minute, owed.occasion)));
        }
        all
    }

    fn repeated(value: f64, times: usize) -> Vec<Option<f64>> {
        vec![Some(value); times]
    }

    #[test]
    fn it_fires_once_and_recovers_once() {
        let values = [repeated(0.0, 3), repeated(90.0, 60), repeated(0.0, 30)].concat();
        assert_eq!(told(json!({}), &values), [(3, Occasion::Fired), (68, Occasion::Recovered)]);
    }

    #[test]
    fn it_has_to_be_bad_for_as_long_as_the_rule_says() {
        let values = [repeated(90.0, 4), repeated(0.0, 1), repeated(90.0, 6), repeated(0.0, 9)].concat();
        let told = told(json!({"for": "5m"}), &values);
        assert_eq!(told, [(10, Occasion::Fired), (16, Occasion::Recovered)]);
    }

    #[test]
    fn a_value_that_swings_is_one_alarm() {
        let swinging: Vec<Option<f64>> =
            (0..600).map(|n| Some(if n % 3 == 0 { 90.0 } else { 0.0 })).collect();
        assert_eq!(told(json!({}), &swinging), [(0, Occasion::Fired)]);
        let around: Vec<Option<f64>> = (0..600).map(|n| Some(if n % 2 == 0 { 50.0 } else { 49.0 })).collect();
        assert_eq!(told(json!({}), &around), [(0, Occasion::Fired)], "within the margin nothing ends");
        assert_eq!(told(json!({"for": "2m"}), &around), [], "it is never bad for two minutes on end");
    }

    #[test]
    fn it_repeats_while_it_is_not_good_and_no_more_often() {
        let values = [repeated(90.0, 25), repeated(45.0, 10), repeated(0.0, 10)].concat();
        let told = told(json!({"repeat": "10m"}), &values);
        let repeats = [10, 20, 30].map(|minute| (minute, Occasion::Repeated));
        assert_eq!(told[0], (0, Occasion::Fired));
        assert_eq!(told[1..4], repeats);
        assert_eq!(told[4..], [(40, Occasion::Recovered)]);
    }

    #[test]
    fn no_value_is_no_reason_to_fire_and_ends_an_alarm() {
        let values = [vec![None; 3], repeated(90.0, 2), vec![None; 8]].concat();
        assert_eq!(told(json!({}), &values), [(3, Occasion::Fired), (10, Occasion::Recovered)]);
    }

    #[test]
    fn a_round_that_comes_a_little_early_is_no_reason_to_wait_for_the_next() {
        let rule: AlarmBody = serde_json::from_value(
            json!({"metric": "failure_rate", "threshold": 50, "for": "2m", "repeat": "5m", "message": {}}),
        )
        .unwrap();
        let mut standing = Standing::default();
        let mut told = Vec::new();
        for round in 0..20_i64 {
            // Each round comes 12 ms sooner after the one before than a minute.
            let now = Timestamp::from_millis(1_000 + round * 59_988);
            let value = if round < 9 { 90.0 } else { 0.0 };
            standing = judge(&rule, &standing, Some(value), now, || round.to_string());
            told.extend(standing.owed.as_ref().map(|owed| (round, owed.occasion)));
        }
        assert_eq!(told, [(2, Occasion::Fired), (7, Occasion::Repeated), (14, Occasion::Recovered)]);
        assert!(!has_lasted(Duration::ZERO, Duration::from_secs(3)), "a short time is not none");
        assert!(has_lasted(Duration::ZERO, Duration::ZERO));
        assert!(!has_lasted(Duration::from_secs(114), Duration::from_secs(120)));
    }

    #[test]
    fn what_nobody_looked_at_was_not_bad_all_the_time() {
        let rule: AlarmBody = serde_json::from_value(
            json!({"metric": "failure_rate", "threshold": 50, "for": "5m", "message": {}}),
        )
        .unwrap();
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let standing = judge(&rule, &Standing::default(), Some(90.0), at(0), String::new);
        let later = judge(&rule, &standing, Some(90.0), at(60), String::new);
        assert_eq!((later.condition, later.since), (Condition::Pending, Some(at(60))));
    }
}
