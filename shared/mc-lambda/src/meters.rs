//! What is counted during an invocation, and under which names CloudWatch gets to see it.
//!
//! The use-cases count through the `metrics` crate as they do everywhere. Here each of the few that somebody watches has
//! a place; all others cost nothing. CloudWatch charges every name with every set of dimensions, so there are few.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The namespace of everything that is counted here.
pub const NAMESPACE: &str = "MessageCenter";

/// By what a metric is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimensions {
    /// The stack alone.
    Stack,
    /// The stack, and the family that the function sends for.
    StackAndFamily,
}

/// Something that is counted.
#[derive(Debug)]
pub struct Counted {
    /// Its name among the `metrics` of the use-cases.
    pub source: &'static str,
    /// Only with this label.
    pub label: Option<(&'static str, &'static str)>,
    /// Its name in CloudWatch.
    pub name: &'static str,
    /// By what it is told apart.
    pub dimensions: Dimensions,
    /// Whether it tells of trouble, and so does not wait for the next time that counts are told.
    pub trouble: bool,
}

/// Durations that are kept one by one.
#[derive(Debug)]
pub struct Timed {
    /// Its name among the `metrics` of the use-cases, in seconds.
    pub source: &'static str,
    /// Its name in CloudWatch, in milliseconds.
    pub name: &'static str,
}

const fn trouble(source: &'static str, name: &'static str) -> Counted {
    Counted { source, label: None, name, dimensions: Dimensions::Stack, trouble: true }
}

const fn by_family(source: &'static str, label: (&'static str, &'static str), name: &'static str) -> Counted {
    Counted { source, label: Some(label), name, dimensions: Dimensions::StackAndFamily, trouble: false }
}

/// Everything that is counted.
pub static COUNTED: [Counted; 9] = [
    Counted { trouble: false, ..trouble("message_center_messages_accepted_total", "Accepted") },
    trouble("message_center_gave_up_total", "GaveUp"),
    trouble("message_center_in_doubt_total", "InDoubt"),
    trouble("message_center_dead_letters_total", "DeadLetters"),
    trouble("message_center_task_errors_total", "TaskErrors"),
    by_family("message_center_recipients_total", ("state", "sent"), "Sent"),
    Counted { trouble: true, ..by_family("message_center_recipients_total", ("state", "failed"), "Failed") },
    by_family("message_center_webhook_attempts_total", ("outcome", "delivered"), "Told"),
    Counted {
        trouble: true,
        ..by_family("message_center_webhook_attempts_total", ("outcome", "failed"), "NotTold")
    },
];

/// Every duration that is kept. All are told apart by family.
pub static TIMED: [Timed; 2] = [
    Timed { source: "message_center_push_duration_seconds", name: "PushLatency" },
    Timed { source: "message_center_queue_age_seconds", name: "QueueAge" },
];

/// The gauge of what is left of a quota in percent, with the label `kind`, and its name in CloudWatch. It is told by
/// stack, and by stack and kind.
pub const QUOTA_LEFT: (&str, &str) = ("message_center_quota_left_percent", "QuotaLeft");

/// The gauge of envelopes that ended in crash loops, summed over its labels, and its name in CloudWatch. It is told even
/// when it is 0, so that its absence shows that nobody counts.
pub const CRASH_LOOPS: (&str, &str) = ("message_center_queue_crash_loops", "CrashLoops");

/// The gauge of alarms that are firing, and its name in CloudWatch. It is told with every look at them.
pub const ALARMS_FIRING: (&str, &str) = ("message_center_alarms_firing", "AlarmsFiring");

/// CloudWatch takes at most so many values of a metric in one line.
const MOST_VALUES: usize = 100;

/// What was counted since it was taken last.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Names, dimensions and counts, of what was counted at all.
    pub counts: Vec<(&'static str, Dimensions, u64)>,
    /// Names and milliseconds.
    pub times: Vec<(&'static str, Vec<u32>)>,
    /// Kinds and the least that is left of their quotas.
    pub quotas: Vec<(String, f64)>,
    /// Envelopes in crash loops, if they were counted.
    pub crash_loops: Option<u64>,
    /// Alarms that are firing, if they were looked at.
    pub alarms_firing: Option<u64>,
}

/// The places of everything that is counted.
#[derive(Clone, Default)]
pub struct Meters {
    counts: [Arc<Count>; COUNTED.len()],
    times: [Arc<Times>; TIMED.len()],
    quotas: Arc<Mutex<Vec<(String, f64)>>>,
    crash_loops: Arc<Sum>,
    alarms_firing: Arc<Sum>,
}

impl Meters {
    /// Whether there is something that should be told now: trouble, or a gauge, which is right at this moment only.
    pub fn is_pressing(&self) -> bool {
        let trouble =
            COUNTED.iter().zip(&self.counts).any(|(what, count)| what.trouble && count.0.load(Relaxed) > 0);
        trouble
            || self.crash_loops.is_set()
            || self.alarms_firing.is_set()
            || !self.quotas.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes what was counted, and begins again.
    pub fn take(&self) -> Taken {
        let counts = COUNTED.iter().zip(&self.counts);
        let counts = counts.map(|(what, count)| (what.name, what.dimensions, count.0.swap(0, Relaxed)));
        let times = TIMED.iter().zip(&self.times);
        let times = times.map(|(what, times)| (what.name, thinned(std::mem::take(&mut *times.lock()))));
        Taken {
            counts: counts.filter(|(.., count)| *count > 0).collect(),
            times: times.filter(|(_, values)| !values.is_empty()).collect(),
            quotas: std::mem::take(&mut *self.quotas.lock().unwrap_or_else(PoisonError::into_inner)),
            crash_loops: self.crash_loops.take(),
            alarms_firing: self.alarms_firing.take(),
        }
    }
}

impl Recorder for Meters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let wanted = |what: &Counted| {
            what.source == key.name()
                && what.label.is_none_or(|(name, value)| {
                    key.labels().any(|label| label.key() == name && label.value() == value)
                })
        };
        match COUNTED.iter().position(wanted) {
            Some(place) => Counter::from_arc(Arc::clone(&self.counts[place])),
            None => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() == CRASH_LOOPS.0 {
            return Gauge::from_arc(Arc::clone(&self.crash_loops));
        }
        if key.name() == ALARMS_FIRING.0 {
            return Gauge::from_arc(Arc::clone(&self.alarms_firing));
        }
        if key.name() != QUOTA_LEFT.0 {
            return Gauge::noop();
        }
        let kind = key.labels().find(|label| label.key() == "kind");
        let kind = kind.map_or_else(String::new, |label| label.value().to_owned());
        Gauge::from_arc(Arc::new(Least { kind, quotas: Arc::clone(&self.quotas) }))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match TIMED.iter().position(|what| what.source == key.name()) {
            Some(place) => Histogram::from_arc(Arc::clone(&self.times[place])),
            None => Histogram::noop(),
        }
    }
}

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

#[derive(Default)]
struct Times(Mutex<Vec<u32>>);

impl Times {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HistogramFn for Times {
    fn record(&self, seconds: f64) {
        // A float that is too large or not a number becomes the nearest number there is.
        self.lock().push((seconds * 1000.0).round() as u32);
    }
}

/// Of all channels of a kind, the one with the least left counts.
struct Least {
    kind: String,
    quotas: Arc<Mutex<Vec<(String, f64)>>>,
}

impl GaugeFn for Least {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, percent: f64) {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        match quotas.iter_mut().find(|(kind, _)| *kind == self.kind) {
            Some((_, least)) => *least = least.min(percent),
            None => quotas.push((self.kind.clone(), percent)),
        }
    }
}

/// What is set under different labels adds up.
#[derive(Default)]
struct Sum(Mutex<Option<u64>>);

impl Sum {
    fn is_set(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn take(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl GaugeFn for Sum {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, count: f64) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *sum = Some(sum.unwrap_or(0) + count as u64);
    }
}

/// At most as many values as CloudWatch takes: of more, every so-manyth of their order, so that percentiles stay.
fn thinned(mut values: Vec<u32>) -> Vec<u32> {
    if values.len() <= MOST_VALUES {
        return values;
    }
    values.sort_unstable();
    (0..MOST_VALUES).map(|n| values[n * (values.len() - 1) / (MOST_VALUES - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(count: impl FnOnce()) -> Taken {
        let meters = Meters::default();
        metrics::with_local_recorder(&meters, count);
        meters.take()
    }

    #[test]
    fn what_is_watched_is_counted_and_nothing_else() {
        let taken = with(|| {
            metrics::counter!("message_center_messages_accepted_total").increment(3);
            metrics::counter!("message_center_recipients_total", "kind" => "webhook", "state" => "sent")
                .increment(2);
            metrics::counter!("message_center_recipients_total", "kind" => "webhook", "state" => "expired")
                .increment(2);
            metrics::counter!("message_center_http_requests_total", "route" => "/").increment(1);
            metrics::histogram!("message_center_push_duration_seconds", "kind" => "webhook").record(0.25);
        });
        assert_eq!(
            taken.counts,
            [("Accepted", Dimensions::Stack, 3), ("Sent", Dimensions::StackAndFamily, 2)]
        );
        assert_eq!(taken.times, [("PushLatency", vec![250])]);
    }

    #[test]
    fn the_tightest_quota_of_a_kind_counts() {
        let taken = with(|| {
            for percent in [40.0, 12.5, 90.0] {
                metrics::gauge!("message_center_quota_left_percent", "kind" => "email_ses").set(percent);
            }
        });
        assert_eq!(taken.quotas, [("email_ses".to_owned(), 12.5)]);
    }

    #[test]
    fn crash_loops_add_up_and_none_is_a_count_too() {
        let count = |loops: &[u32]| {
            with(|| {
                for loops in loops {
                    metrics::gauge!("message_center_queue_crash_loops", "family" => "email").set(*loops);
                }
            })
        };
        let counts = [&[][..], &[0, 0], &[2, 1]].map(|loops| count(loops).crash_loops);
        assert_eq!(counts, [None, Some(0), Some(3)]);
    }

    #[test]
    fn trouble_and_gauges_are_pressing_and_what_went_well_is_not() {
        let meters = Meters::default();
        metrics::with_local_recorder(&meters, || {
            metrics::counter!("message_center_messages_accepted_total").increment(1);
            metrics::counter!("message_center_recipients_total", "kind" => "webhook", "state" => "sent")
                .increment(1);
            metrics::histogram!("message_center_push_duration_seconds", "kind" => "webhook").record(0.25);
            assert!(!meters.is_pressing());
            metrics::counter!("message_center_recipients_total", "kind" => "webhook", "state" => "failed")
                .increment(1);
            assert!(meters.is_pressing());
            meters.take();
            metrics::gauge!("message_center_queue_crash_loops", "family" => "email").set(0);
            assert!(meters.is_pressing());
        });
    }

    #[test]
    fn taking_begins_again() {
        let meters = Meters::default();
        metrics::with_local_recorder(&meters, || {
            metrics::counter!("message_center_gave_up_total").increment(1);
        });
        assert_eq!(meters.take().counts.len(), 1);
        assert_eq!(meters.take(), Taken::default());
    }

    #[test]
    fn many_values_keep_their_ends_and_their_middle() {
        let thin = thinned((0..10_001).rev().collect());
        assert_eq!((thin.len(), thin[0], thin[99]), (100, 0, 10_000));
        assert!((4_900..5_100).contains(&thin[50]));
    }
}
