//! The log: one line of JSON per invocation, with what was counted in the form CloudWatch reads metrics from (EMF).
//!
//! What the code says on its way (`tracing` events) is gathered and becomes part of the line; what is said outside an
//! invocation is a line of its own.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use mc_core::ports::Clock;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use crate::meters::{ALARMS_FIRING, CRASH_LOOPS, Dimensions, Meters, NAMESPACE, QUOTA_LEFT, Taken};
use crate::role::Role;
use crate::settings::Settings;

/// At most so many events are told in full.
const MOST_EVENTS: usize = 20;

/// At most so many characters of one field.
const MOST_CHARACTERS: usize = 600;

/// Fields of an invocation's line.
pub type Fields = Vec<(&'static str, Value)>;

/// The log of one function. Clones share what is gathered.
#[derive(Clone)]
pub struct Log {
    role: Role,
    stack: Arc<str>,
    level: Level,
    clock: Arc<dyn Clock>,
    meters: Meters,
    gathered: Arc<Mutex<Option<Gathered>>>,
}

/// What was said since the invocation began.
#[derive(Default)]
struct Gathered {
    events: Vec<Map<String, Value>>,
    more: usize,
    worst: Option<Level>,
}

impl Log {
    /// A log for a function.
    pub fn new(role: Role, settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            role,
            stack: settings.stack.as_str().into(),
            level: settings.log_level,
            clock,
            meters: Meters::default(),
            gathered: Arc::default(),
        }
    }

    /// Makes this the log of the whole process. A second one is ignored.
    pub fn install(&self) {
        let (subscriber, recorder) = (self.clone(), self.meters.clone());
        let first = tracing::subscriber::set_global_default(subscriber).is_ok();
        if first && metrics::set_global_recorder(recorder).is_ok() {
            std::panic::set_hook(Box::new(|panic| {
                let place = panic.location().map(ToString::to_string).unwrap_or_default();
                tracing::error!(place, "a panic: {}", panic.payload_as_str().unwrap_or("of another type"));
            }));
        }
    }

    /// Begins an invocation.
    pub fn begin(&self) {
        *self.gathered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Gathered::default());
    }

    /// Whether what was counted should be told now, however short ago it was told last.
    pub fn is_pressing(&self) -> bool {
        self.meters.is_pressing()
    }

    /// Ends it, and answers its lines: with what was counted, or with what happened only.
    pub fn end(&self, id: &str, fields: Fields, counts: bool) -> Vec<String> {
        let gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner).take();
        let gathered = gathered.unwrap_or_default();
        let taken = if counts { self.meters.take() } else { Taken::default() };
        let mut line = self.line(gathered.worst.unwrap_or(Level::INFO));
        put(&mut line, "id", &Value::from(id));
        for (name, value) in fields {
            put(&mut line, name, &value);
        }
        if !gathered.events.is_empty() {
            let events = gathered.events.into_iter().map(Value::Object).collect();
            put(&mut line, "events", &Value::Array(events));
        }
        if gathered.more > 0 {
            put(&mut line, "more_events", &Value::from(gathered.more));
        }
        let mut lines = vec![line];
        self.metrics(&taken, &mut lines);
        for line in &mut lines {
            line.push('}');
        }
        lines
    }

    /// Ends an invocation and prints its lines.
    pub fn finish(&self, id: &str, fields: Fields, counts: bool) {
        let mut all = self.end(id, fields, counts).join("\n");
        all.push('\n');
        print(&all);
    }

    /// Prints what was counted and not told yet, if there is anything: this process is about to end.
    pub fn last(&self) {
        let taken = self.meters.take();
        if taken == Taken::default() {
            return;
        }
        let mut lines = vec![self.line(Level::INFO)];
        self.metrics(&taken, &mut lines);
        print(&format!("{}}}\n", lines.join("}\n")));
    }

    /// The beginning of every line.
    fn line(&self, level: Level) -> String {
        let mut line = String::with_capacity(512);
        let _infallible = write!(
            line,
            r#"{{"level":"{level}","timestamp":"{}","function":"{}""#,
            self.clock.now(),
            self.role.as_str()
        );
        line
    }

    /// Adds what was counted: to the first line what belongs to the function as a whole, and a line for each kind of
    /// channel whose quota was looked at, because a line has one value for each dimension.
    fn metrics(&self, taken: &Taken, lines: &mut Vec<String>) {
        let now = self.clock.now().millis();
        let mut sets: [Vec<(&str, &str)>; 2] = Default::default();
        let mut values = String::new();
        for (name, dimensions, count) in &taken.counts {
            sets[usize::from(*dimensions == Dimensions::StackAndFamily)].push((name, ""));
            let _infallible = write!(values, r#","{name}":{count}"#);
        }
        for (name, times) in &taken.times {
            sets[1].push((name, "Milliseconds"));
            let _infallible = write!(values, r#","{name}":{times:?}"#);
        }
        for (name, gauge) in [(CRASH_LOOPS.1, taken.crash_loops), (ALARMS_FIRING.1, taken.alarms_firing)] {
            if let Some(value) = gauge {
                sets[0].push((name, ""));
                put(&mut values, name, &Value::from(value));
            }
        }
        let least = taken.quotas.iter().map(|(_, percent)| *percent).reduce(f64::min);
        if let Some(percent) = least {
            sets[0].push((QUOTA_LEFT.1, "Percent"));
            put(&mut values, QUOTA_LEFT.1, &Value::from(percent));
        }
        let [stack, family] = sets;
        let directives: Vec<_> = [(r#"["Stack"]"#, stack), (r#"["Stack","Family"]"#, family)]
            .into_iter()
            .filter(|(_, m)| !m.is_empty())
            .collect();
        if !directives.is_empty() {
            let line = &mut lines[0];
            emf(line, now, &directives);
            put(line, "Stack", &Value::from(&*self.stack));
            if let Some(family) = self.role.family() {
                put(line, "Family", &Value::from(family.as_str()));
            }
            line.push_str(&values);
        }
        for (kind, percent) in &taken.quotas {
            let mut line = self.line(Level::INFO);
            emf(&mut line, now, &[(r#"["Stack","Kind"]"#, vec![(QUOTA_LEFT.1, "Percent")])]);
            put(&mut line, "Stack", &Value::from(&*self.stack));
            put(&mut line, "Kind", &Value::from(kind.as_str()));
            put(&mut line, QUOTA_LEFT.1, &Value::from(*percent));
            lines.push(line);
        }
    }
}

/// Adds the part that tells CloudWatch which of a line's fields are metrics.
fn emf(line: &mut String, now: i64, directives: &[(&str, Vec<(&str, &str)>)]) {
    let _infallible = write!(line, r#","_aws":{{"Timestamp":{now},"CloudWatchMetrics":["#);
    for (n, (dimensions, metrics)) in directives.iter().enumerate() {
        line.push_str(if n > 0 { "," } else { "" });
        let _infallible =
            write!(line, r#"{{"Namespace":"{NAMESPACE}","Dimensions":[{dimensions}],"Metrics":["#);
        for (n, (name, unit)) in metrics.iter().enumerate() {
            line.push_str(if n > 0 { "," } else { "" });
            let _infallible = match *unit {
                "" => write!(line, r#"{{"Name":"{name}"}}"#),
                unit => write!(line, r#"{{"Name":"{name}","Unit":"{unit}"}}"#),
            };
        }
        line.push_str("]}");
    }
    line.push_str("]}");
}

fn put(line: &mut String, name: &str, value: &Value) {
    let _infallible = write!(line, r#","{name}":{value}"#);
}

/// A log that cannot be written is nobody's to hear of.
fn print(text: &str) {
    let _lost = std::io::stdout().lock().write_all(text.as_bytes());
}

impl Log {
    /// Whether something is told at all. Libraries are heard when something is wrong.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("mc_");
        let most = if ours { self.level } else { self.level.min(Level::WARN) };
        // The runtime tells every failure of a handler again, after its line.
        metadata.is_event()
            && *metadata.level() <= most
            && metadata.target() != "lambda_runtime::layers::panic"
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut told = Map::new();
        told.insert("level".to_owned(), Value::from(level.as_str()));
        event.record(&mut Said(&mut told));
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(gathered) = gathered.as_mut() else {
            let mut line = self.line(level);
            for (name, value) in told.into_iter().filter(|(name, _)| name != "level") {
                put(&mut line, &name, &value);
            }
            line.push_str("}\n");
            return print(&line);
        };
        gathered.worst = Some(gathered.worst.map_or(level, |worst| worst.min(level)));
        if gathered.events.len() < MOST_EVENTS {
            gathered.events.push(told);
        } else {
            gathered.more += 1;
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Reads an event's fields.
struct Said<'a>(&'a mut Map<String, Value>);

impl Said<'_> {
    fn text(&mut self, field: &Field, text: &str) {
        let end = text.char_indices().nth(MOST_CHARACTERS).map_or(text.len(), |(at, _)| at);
        self.0.insert(field.name().to_owned(), Value::from(&text[..end]));
    }
}

impl Visit for Said<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), Value::from(value));
    }
}

#[cfg(test)]
mod tests {
    use mc_core::Timestamp;
    use mc_core::ports::Family;
    use mc_testkit::MockClock;
    use serde_json::json;

    use super::*;
    use crate::settings::names;

    fn log(role: Role) -> Log {
        let settings = Settings::from_lookup(|name| (name == names::KEY_RING).then(|| "ring".to_owned()));
        let clock = Arc::new(MockClock::new(Timestamp::from_millis(1_790_000_000_000)));
        Log::new(role, &settings.unwrap(), clock)
    }

    fn lines(log: &Log, work: impl FnOnce()) -> Vec<Value> {
        log.begin();
        metrics::with_local_recorder(&log.meters.clone(), || {
            tracing::subscriber::with_default(log.clone(), work);
        });
        log.end("i", vec![("status", json!(202))], true)
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn an_uneventful_invocation_is_one_short_line() {
        let log = log(Role::Ingest);
        let told = lines(&log, || {
            tracing::debug!("nobody asked");
            metrics::counter!("message_center_messages_accepted_total").increment(1);
        });
        assert_eq!(
            told,
            [json!({
                "level": "INFO", "timestamp": "2026-09-21T14:13:20.000Z", "function": "ingest", "id": "i", "status": 202,
                "_aws": {"Timestamp": 1_790_000_000_000_i64, "CloudWatchMetrics": [
                    {"Namespace": "MessageCenter", "Dimensions": [["Stack"]], "Metrics": [{"Name": "Accepted"}]},
                ]},
                "Stack": "message-center", "Accepted": 1,
            })]
        );
        assert!(told[0].to_string().len() < 350, "every invocation pays for its line");
    }

    #[test]
    fn what_went_wrong_is_told_in_full_and_in_bounds() {
        let log = log(Role::Send(Family::Wecom));
        let told = lines(&log, || {
            for n in 0..30_u64 {
                tracing::warn!(n, code = "45009", error = %"x".repeat(5_000), "a delivery failed");
            }
            tracing::error!("worse");
            tracing::warn!(target: "hyper::client", "a library is heard");
            tracing::info!(target: "hyper::client", "and not always");
        });
        let line = &told[0];
        assert_eq!((line["level"].as_str(), line["more_events"].as_u64()), (Some("ERROR"), Some(12)));
        let first = &line["events"][0];
        assert_eq!((first["n"].as_u64(), first["code"].as_str()), (Some(0), Some("45009")));
        assert_eq!(first["message"], "a delivery failed");
        assert_eq!(first["error"].as_str().map(str::len), Some(600));
    }

    #[test]
    fn families_and_kinds_are_dimensions() {
        let told = lines(&log(Role::Send(Family::Email)), || {
            metrics::counter!("message_center_recipients_total", "state" => "sent").increment(2);
            metrics::counter!("message_center_gave_up_total").increment(1);
            metrics::histogram!("message_center_push_duration_seconds").record(0.5);
        });
        let directives = &told[0]["_aws"]["CloudWatchMetrics"];
        assert_eq!(directives[0]["Dimensions"], json!([["Stack"]]));
        assert_eq!(directives[1]["Dimensions"], json!([["Stack", "Family"]]));
        assert_eq!(
            directives[1]["Metrics"],
            json!([{"Name": "Sent"}, {"Name": "PushLatency", "Unit": "Milliseconds"}])
        );
        assert_eq!((&told[0]["Family"], &told[0]["PushLatency"]), (&json!("email"), &json!([500])));

        let told = lines(&log(Role::Quota), || {
            for (kind, percent) in [("email_ses", 80.0), ("wecom_robot", 15.0)] {
                metrics::gauge!("message_center_quota_left_percent", "kind" => kind).set(percent);
            }
        });
        assert_eq!(told.len(), 3);
        assert_eq!(told[0]["QuotaLeft"], json!(15.0));
        assert_eq!((&told[1]["Kind"], &told[1]["QuotaLeft"]), (&json!("email_ses"), &json!(80.0)));
    }
}
