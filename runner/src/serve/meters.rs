//! What `/metrics` tells: every metric with its unit and its meaning, and counters that are there before they count.
//!
//! A counter that appears with its first event shows no increase, so nobody is alarmed. Each is therefore registered at
//! the start, with every value of its labels that is known by then: "avoid missing metrics" in
//! <https://prometheus.io/docs/practices/instrumentation/>.

use mc_core::model::Kind;
use mc_core::ports::Family;
use mc_core::state::State;
use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{Failure, context};

/// The boundaries of every duration's histogram, in seconds.
const BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Starts counting.
pub fn start() -> Result<PrometheusHandle, Failure> {
    let handle = builder()?.install_recorder().map_err(context("metrics"))?;
    introduce();
    Ok(handle)
}

fn builder() -> Result<PrometheusBuilder, Failure> {
    let durations = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(durations, &BUCKETS).map_err(context("metrics"))
}

/// Describes every metric, and registers the counters at zero.
fn introduce() {
    for meter in METERS {
        match meter.form {
            Form::Counter => {
                metrics::describe_counter!(meter.name, meter.unit, meter.tells);
                for labels in combinations(meter.labels) {
                    metrics::counter!(meter.name, &labels).increment(0);
                }
            }
            Form::Gauge => metrics::describe_gauge!(meter.name, meter.unit, meter.tells),
            Form::Histogram => metrics::describe_histogram!(meter.name, meter.unit, meter.tells),
        }
    }
}

/// Every label with one of its values, in all ways; one way without any if there are no labels.
fn combinations(labels: Labels) -> Vec<Vec<(&'static str, &'static str)>> {
    labels.iter().fold(vec![Vec::new()], |known, (name, values)| {
        let mut longer = Vec::new();
        for value in values.all() {
            longer.extend(known.iter().cloned().map(|mut labels| {
                labels.push((*name, value));
                labels
            }));
        }
        longer
    })
}

/// One metric.
struct Meter {
    name: &'static str,
    form: Form,
    unit: Unit,
    /// In the order in which they are written wherever it is measured.
    labels: Labels,
    /// The page repeats it behind `# HELP`, where no unit is said otherwise.
    tells: &'static str,
}

#[derive(Clone, Copy)]
enum Form {
    Counter,
    Gauge,
    Histogram,
}

type Labels = &'static [(&'static str, Values)];

/// The values of a label that are known beforehand.
#[derive(Clone, Copy)]
enum Values {
    Kinds,
    Families,
    Routes,
    States(&'static [State]),
    Words(&'static [&'static str]),
}

impl Values {
    fn all(self) -> Vec<&'static str> {
        match self {
            Values::Kinds => Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
            Values::Families => Family::ALL.iter().map(|family| family.as_str()).collect(),
            Values::Routes => mc_api::routes::all().map(|route| route.path).collect(),
            Values::States(states) => states.iter().map(|state| state.as_str()).collect(),
            Values::Words(words) => words.to_vec(),
        }
    }
}

const KIND: (&str, Values) = ("kind", Values::Kinds);
const FAMILY: (&str, Values) = ("family", Values::Families);
const ROUTE: (&str, Values) = ("route", Values::Routes);

/// What a recipient is when nothing is left to be done.
const DECIDED: (&str, Values) = (
    "state",
    Values::States(&[
        State::Sent,
        State::Failed,
        State::InDoubt,
        State::Expired,
        State::Canceled,
        State::Suppressed,
    ]),
);
/// What platforms tell of a recipient.
const TOLD: (&str, Values) =
    ("state", Values::States(&[State::Sent, State::Delivered, State::Read, State::Failed, State::Recalled]));
const CLASS: (&str, Values) =
    ("class", Values::Words(&["permanent", "channel", "throttled", "transient", "doubt"]));
const OUTCOME: (&str, Values) = ("outcome", Values::Words(&["delivered", "failed"]));
const CALLBACK: (&str, Values) =
    ("reason", Values::Words(&["signature", "topic_arn", "malformed", "not_configured"]));
const CREDENTIALS: (&str, Values) = (
    "reason",
    Values::Words(&[
        "missing",
        "malformed",
        "access_key",
        "secret",
        "basic_off",
        "address",
        "session",
        "password",
        "wrong_service",
        "header_not_signed",
        "unsigned_payload",
        "expired",
        "from_the_future",
        "body_changed",
        "wrong_signature",
    ]),
);
/// Those that one is alarmed by. All statuses of all routes would be thousands.
const TROUBLE: (&str, Values) = ("status", Values::Words(&["500", "503"]));

const fn counter(name: &'static str, labels: Labels, tells: &'static str) -> Meter {
    Meter { name, form: Form::Counter, unit: Unit::Count, labels, tells }
}

const fn gauge(name: &'static str, unit: Unit, labels: Labels, tells: &'static str) -> Meter {
    Meter { name, form: Form::Gauge, unit, labels, tells }
}

const fn duration(name: &'static str, labels: Labels, tells: &'static str) -> Meter {
    Meter { name, form: Form::Histogram, unit: Unit::Seconds, labels, tells }
}

/// All there are, in the order of the handbook.
const METERS: &[Meter] = &[
    counter("message_center_messages_accepted_total", &[], "Messages answered with 202."),
    counter("message_center_recipients_total", &[KIND, DECIDED], "Recipients decided."),
    duration("message_center_push_duration_seconds", &[KIND], "Seconds from claim to outcome of a push."),
    counter("message_center_push_failures_total", &[KIND, CLASS], "Pushes that were not accepted."),
    counter("message_center_retries_total", &[KIND], "Shares that are tried again."),
    counter("message_center_gave_up_total", &[], "Recipients given up after give_up_hours."),
    counter("message_center_in_doubt_total", &[], "Pushes whose outcome nobody knows."),
    counter("message_center_receipts_total", &[KIND, TOLD], "Recipients of whom a platform told more."),
    counter("message_center_receipts_unknown_total", &[], "Receipts of pushes that are not ours."),
    counter("message_center_bad_callbacks_total", &[KIND, CALLBACK], "Callbacks that were refused."),
    counter("message_center_dead_letters_total", &[], "Tasks put aside."),
    counter("message_center_schedule_failures_total", &[], "Runs of schedules whose message was refused."),
    counter("message_center_condition_errors_total", &[], "Conditions that gave no answer."),
    counter("message_center_task_errors_total", &[], "Tasks that met trouble of ours and come again."),
    counter("message_center_webhook_attempts_total", &[OUTCOME], "Result webhooks posted."),
    gauge(
        "message_center_quota_left_percent",
        Unit::Percent,
        &[KIND],
        "Percent left of the kind's tightest quota of a day or month.",
    ),
    gauge(
        "message_center_quota_remaining",
        Unit::Count,
        &[KIND],
        "What is left of the kind's tightest quota, in that quota's own unit.",
    ),
    gauge("message_center_queue_waiting", Unit::Count, &[FAMILY], "Tasks in the queue."),
    gauge(
        "message_center_queue_oldest_age_seconds",
        Unit::Seconds,
        &[FAMILY],
        "Seconds that the oldest due task has waited.",
    ),
    gauge(
        "message_center_queue_crash_loops",
        Unit::Count,
        &[FAMILY],
        "Envelopes put aside after processes died with them five times.",
    ),
    gauge("message_center_alarms_firing", Unit::Count, &[], "Alarms of all projects that are firing."),
    counter("message_center_http_requests_total", &[ROUTE, TROUBLE], "HTTP requests answered."),
    duration("message_center_http_request_duration_seconds", &[ROUTE], "Seconds to answer a request."),
    counter("message_center_auth_failures_total", &[CREDENTIALS], "Credentials that were refused."),
    counter("message_center_store_commits_total", &[], "Commits of the store, each one fsync."),
    counter("message_center_store_requests_total", &[], "Writes that the store was asked for."),
    gauge(
        "message_center_backup_timestamp_seconds",
        Unit::Seconds,
        &[],
        "When the last backup was made, in seconds since 1970.",
    ),
    counter("message_center_backup_failures_total", &[], "Backups that failed."),
    counter("message_center_store_failed_commits_total", &[], "Commits that the disk refused."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    /// The code in these folders.
    fn sources(folders: &[&str]) -> String {
        fn add(folder: &Path, text: &mut String) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    add(&path, text);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    text.push_str(&fs::read_to_string(&path).unwrap());
                }
            }
        }
        let mut text = String::new();
        for folder in folders {
            add(&root().join(folder), &mut text);
        }
        text
    }

    #[test]
    fn counters_are_there_before_they_count_and_every_metric_says_what_it_is() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            introduce();
            metrics::gauge!("message_center_alarms_firing").set(2.0);
            metrics::histogram!("message_center_push_duration_seconds", "kind" => "slack").record(0.2);
            metrics::counter!("message_center_gave_up_total").increment(3);
        });
        let page = recorder.handle().render();
        for meter in METERS.iter().filter(|meter| matches!(meter.form, Form::Counter)) {
            let begin = format!("# HELP {0} {1}\n# TYPE {0} counter\n{0}", meter.name, meter.tells);
            assert!(page.contains(&begin), "{begin}\nis not in\n{page}");
        }
        for line in [
            "message_center_in_doubt_total 0",
            "message_center_gave_up_total 3",
            r#"message_center_recipients_total{kind="email_ses",state="failed"} 0"#,
            r#"message_center_auth_failures_total{reason="password"} 0"#,
            r#"message_center_http_requests_total{route="/v1/messages",status="500"} 0"#,
            "# HELP message_center_alarms_firing Alarms of all projects that are firing.",
            "message_center_alarms_firing 2",
            "# HELP message_center_push_duration_seconds Seconds from claim to outcome of a push.",
            r#"message_center_push_duration_seconds_count{kind="slack"} 1"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\nis not in\n{page}");
        }
    }

    #[test]
    fn every_metric_that_is_measured_is_described_and_nothing_else() {
        let shared = sources(&["shared/mc-api/src", "shared/mc-channels/src", "shared/mc-pipeline/src"]);
        let own = sources(&["runner/src"]);
        let mut measured = BTreeSet::new();
        for word in ["counter", "gauge", "histogram"] {
            let mark = format!("metrics::{word}!(");
            for call in [&shared, &own].into_iter().flat_map(|text| text.split(&mark).skip(1)) {
                let name = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                measured.extend(name.map(|name| (word, name)));
            }
        }
        let word = |form: Form| match form {
            Form::Counter => "counter",
            Form::Gauge => "gauge",
            Form::Histogram => "histogram",
        };
        let described: BTreeSet<_> = METERS.iter().map(|meter| (word(meter.form), meter.name)).collect();
        assert_eq!(described, measured);
        for (label, values) in METERS.iter().flat_map(|meter| meter.labels) {
            let Values::Words(words) = values else { continue };
            for word in *words {
                assert!(shared.contains(&format!("\"{word}\"")), "no {label} is {word}");
            }
        }
    }

    #[test]
    fn the_handbook_has_every_metric_with_its_labels() {
        let handbook = fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
        let told: Vec<(&str, String)> = handbook
            .lines()
            .filter_map(|line| line.strip_prefix("| `message_center_")?.split_once("` | "))
            .map(|(name, rest)| (name, rest.split('|').next().unwrap_or_default().trim().to_owned()))
            .collect();
        let known = METERS.iter().map(|meter| {
            let labels: Vec<&str> = meter.labels.iter().map(|(name, _)| *name).collect();
            (meter.name.trim_start_matches("message_center_"), labels.join(", "))
        });
        assert_eq!(told, known.collect::<Vec<_>>());
    }
}
