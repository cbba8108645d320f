//! The figures, as one JSON line, as a table, and as the page `docs/COSTS.md`.

use std::fmt::Write as _;

use serde::Serialize;

use super::costs::{Dollars, Idle, Way};
use super::figures::Figures;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of each function.
    pub figures: Vec<Figures>,
    /// Of each way of sending.
    pub ways: Vec<Way>,
    /// Of a month without messages.
    pub idle: Option<Idle>,
    /// What could not be answered on the way.
    pub problems: Vec<String>,
}

/// What the figures are to stay under.
const PACKAGE: u64 = 4 << 20;
const START: u64 = 5_000_000;
const START_MS: f64 = 3.0;
const PEAK: f64 = 40.0;
const EVENT: u64 = 400_000;

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let _infallible = writeln!(
            out,
            "{:<14} {:>8} {:>10} {:>8} {:>12} {:>8} {:>8} {:>10}",
            "function", "zip KiB", "start M", "ms", "warm-up M", "ms", "MiB", "event M"
        );
        for f in &self.figures {
            let _infallible = writeln!(
                out,
                "{:<14} {:>8} {:>10.2} {:>8.2} {:>12} {:>8} {:>8.1} {:>10.3}",
                f.function,
                f.package_bytes >> 10,
                millions(f.start_instructions),
                f.start_ms,
                f.warm_up_instructions.map_or_else(String::new, |n| format!("{:.2}", millions(n))),
                f.warm_up_ms.map_or_else(String::new, |ms| format!("{ms:.2}")),
                f.peak_mib,
                millions(f.event_instructions),
            );
        }
        let _infallible = writeln!(
            out,
            "{:<14} {:>8} {:>10.2} {:>8.2} {:>12} {:>8} {:>8.1} {:>10.3}",
            "at most",
            PACKAGE >> 10,
            millions(START),
            START_MS,
            "",
            "",
            PEAK,
            millions(EVENT)
        );
        if let Some(idle) = &self.idle {
            out.push('\n');
            out.push_str(&self.tables(idle));
        }
        out
    }

    /// What is over its bound. The bound of an event is that of ingest.
    pub fn over(&self) -> Vec<String> {
        let mut over = Vec::new();
        for f in &self.figures {
            let mut look = |over_it: bool, what: String| {
                if over_it {
                    over.push(format!("{}: {what}", f.function));
                }
            };
            look(f.package_bytes > PACKAGE, format!("{} KiB zipped", f.package_bytes >> 10));
            look(f.start_instructions > START, format!("{} instructions to start", f.start_instructions));
            look(f.peak_mib > PEAK, format!("{} MiB", f.peak_mib));
            let event = f.event_instructions;
            look(f.function == "ingest" && event > EVENT, format!("{event} instructions for an event"));
        }
        for way in &self.ways {
            if way.allowed.is_some_and(|allowed| way.dollars.total > allowed) {
                over.push(format!("{}: {:.2} dollars", way.way, way.dollars.total));
            }
        }
        if let Some(idle) = self.idle.filter(|idle| idle.running.total > idle.allowed) {
            over.push(format!("idle: {:.2} dollars", idle.running.total));
        }
        over
    }

    /// The page `docs/COSTS.md`.
    pub fn page(&self) -> Option<String> {
        let idle = self.idle.as_ref()?;
        Some(format!("{HEAD}\n{}{TAIL}", self.tables(idle)))
    }

    fn tables(&self, idle: &Idle) -> String {
        let mut out = String::from(
            "| Dollars per million | in all | at most | API | functions | table | queues | bucket | logs |\n|---|---|---|---|---|---|---|---|---|\n",
        );
        for way in &self.ways {
            let allowed = way.allowed.map_or_else(String::new, |allowed| format!("{allowed:.2}"));
            let _infallible = writeln!(
                out,
                "| {} | **{:.2}** | {allowed} | {} |",
                way.way,
                way.dollars.total,
                parts(&way.dollars)
            );
        }
        out.push_str(
            "\n| Units of each | writes | reads | queue requests | objects | invocations | GB-seconds | bytes of logs |\n|---|---|---|---|---|---|---|---|\n",
        );
        for Way { way, units, .. } in &self.ways {
            let _infallible = writeln!(
                out,
                "| {way} | {:.2} | {:.2} | {:.3} | {:.4} | {:.3} | {:.5} | {:.0} |",
                units.writes,
                units.reads,
                units.queue_requests,
                units.puts + units.gets,
                units.invocations,
                units.gigabyte_seconds,
                units.log_bytes + units.access_log_bytes
            );
        }
        let running = &idle.running;
        let _infallible = write!(
            out,
            "\n| A month in which nothing is sent | dollars |\n|---|---|\n\
             | **what polls and runs** (at most {:.2}) | **{:.2}** |\n\
             | the queues' event sources, long polls | {:.2} |\n\
             | `schedule` and `quota` | {:.2} |\n\
             | their reads of the table | {:.2} |\n\
             | their logs | {:.2} |\n\
             | their reads of the key ring | {:.2} |\n\
             | apart: three secrets | {:.2} |\n\
             | apart: 15 alarms and a metric of ours | {:.2} |\n\
             | apart: a dashboard, from the fourth of an account on | {:.2} |\n",
            idle.allowed,
            running.total,
            running.queues,
            running.functions,
            running.table,
            running.logs,
            running.secrets,
            idle.kept,
            idle.alarms,
            idle.dashboard
        );
        out
    }
}

fn parts(dollars: &Dollars) -> String {
    let Dollars { api, functions, table, queues, bucket, logs, .. } = dollars;
    format!("{api:.2} | {functions:.2} | {table:.2} | {queues:.2} | {bucket:.2} | {logs:.2}")
}

fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

const HEAD: &str = "# Costs on AWS

This page is written by `make bench-lambda`. The functions' own binaries send messages through a stub of AWS that counts units as AWS counts
them; prices and what cannot be counted stand in `bench/prices.toml`: list prices of us-east-1, without the free tier. What the platforms
themselves charge (SES, for one) is not in it.
";

const TAIL: &str = "
- **A message** has a template, 600 bytes with one recipient, goes out as a mail through SES, and has no `Idempotency-Key`, reference, webhook or
  receipts. A key, a webhook and a receipt each add a write or two; a reference adds one.
- **Batches** are of ten in the queues, as when there is enough to do. In the last row each message is worked on by an invocation of its own,
  as when one comes every few seconds. `BatchingWindow=1` gathers those of a second.
- **Functions** have 256 MB and are charged for the time they take: what they waited for the stubs (4 ms for the table, 6 ms for a queue, 60 ms for a
  platform), and their processor time as a 256 MB function gets it, a seventh of a processor.
- **Statistics** are written every five seconds of a busy process and at its end, so they do not show above. Of messages that come more seldom, each pays up to
  two writes more.
- **Pace and ledger**: a channel with a limit takes one write more per invocation and channel, not per message.
- **Looking after what got lost** between the table and the queue reads each message once more, a fifth of a read unit.
- **An alarm on `oldest_queued_age`** reads each message of its project once or twice more, a third of a read unit, and asks 16 partitions a minute, about 12
  cents a month; so does each further channel that is watched. A message that becomes due more than 30 seconds after it was accepted is noted for that, one
  write more, with or without alarms.
- **Also charged**: what is stored (0.25 dollars a gigabyte and month in the table, 0.20 more for point-in-time recovery; 600 bytes of a message become
  about a kilobyte), what goes out to the internet, each custom metric of CloudWatch that gets data (0.30 dollars a month each; at most ten, and six more
  for each family in use), and the NAT gateway of `FixedAddress` (about 33 dollars a month).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_bound_is_named() {
        let figures = |function: &str, package_bytes, event_instructions| Figures {
            function: function.to_owned(),
            package_bytes,
            event_instructions,
            ..Figures::default()
        };
        let figures = vec![figures("ingest", 1, 500_000), figures("quota", 5 << 20, 500_000)];
        let report = Report { figures, ways: Vec::new(), idle: None, problems: Vec::new() };
        assert_eq!(report.over(), ["ingest: 500000 instructions for an event", "quota: 5120 KiB zipped"]);
        assert!(report.page().is_none());
    }
}
