//! The figures, as one JSON line and as a table.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::Options;
use crate::measure::{Latency, processors};
use crate::payload;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Messages per measurement.
    pub messages: u64,
    /// Bytes of one message's body.
    pub body_bytes: usize,
    /// Connections.
    pub concurrency: u64,
    /// Processors, which generator, stub and server share.
    pub processors: usize,
    /// From the start of a process on an empty folder until it answered.
    pub ready_ms: f64,
    /// One message per call.
    pub single: Option<Single>,
    /// Many messages per call.
    pub batch: Option<Batch>,
    /// A platform that takes its time.
    pub slow: Option<Slow>,
    /// More and more messages stored.
    pub growth: Vec<Step>,
    /// Messages that are all due at one instant.
    pub scheduled: Option<Scheduled>,
    /// What was lost or refused.
    pub problems: Vec<String>,
}

/// Sending as fast as answers come.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Messages.
    pub messages: u64,
    /// Messages per call.
    pub per_call: u64,
    /// Messages accepted per second, from the first call to the last answer.
    pub accepted_per_s: f64,
    /// Messages delivered per second, from the first call until the platform has all. None if nothing is to be.
    pub delivered_per_s: Option<f64>,
    /// How long a call took.
    #[serde(flatten)]
    pub latency: Latency,
    /// Processor time of the server.
    pub cpu_ms_per_message: f64,
    /// Processor time of generator and stub.
    pub generator_cpu_ms_per_message: f64,
    /// How much of the machine others used meanwhile, in percent. Above a few, the figures say little.
    pub others_cpu_percent: f64,
    /// Transactions of the store, each one fsync. None if the server does not say.
    pub commits_per_message: Option<f64>,
    /// The most memory the server had so far.
    pub peak_mib: f64,
    /// Pushes that repeated a message.
    pub duplicates: u64,
}

/// Sending at a fixed rate.
#[derive(Clone, Debug, Serialize)]
pub struct Paced {
    /// Messages per second that were to be sent.
    pub offered_per_s: f64,
    /// Messages per second that were accepted.
    pub accepted_per_s: f64,
    /// How long a call took, counted from when it was due.
    #[serde(flatten)]
    pub latency: Latency,
    /// How much of the machine others used meanwhile, in percent.
    pub others_cpu_percent: f64,
}

/// The same messages at full and at half speed.
#[derive(Clone, Debug, Serialize)]
pub struct Ingest {
    /// As fast as answers come.
    #[serde(flatten)]
    pub full_speed: Run,
    /// At half of that.
    pub half_speed: Paced,
}

/// One message per call.
#[derive(Clone, Debug, Serialize)]
pub struct Single {
    /// Delivered at once, so that delivering and accepting share the machine.
    pub delivered: Ingest,
    /// Stored for later: accepting alone.
    pub stored: Ingest,
}

/// Many messages per call.
#[derive(Clone, Debug, Serialize)]
pub struct Batch {
    /// Delivered at once.
    pub delivered: Run,
    /// Stored for later: accepting alone.
    pub stored: Run,
}

/// A platform that takes its time.
#[derive(Clone, Debug, Serialize)]
pub struct Slow {
    /// How long it takes.
    pub delay_ms: u64,
    /// One message per call.
    pub single: Run,
    /// Many messages per call.
    pub batch: Run,
}

/// The same calls with so many messages stored.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Messages stored.
    pub stored: u64,
    /// Single messages, delivered at once.
    pub single: Run,
    /// Reading one message.
    pub get: Latency,
    /// Reading a page of 50.
    pub list: Latency,
    /// The data folder.
    pub data_mib: f64,
}

/// Messages that are all due at one instant, in the benchmark's own process.
#[derive(Clone, Debug, Serialize)]
pub struct Scheduled {
    /// Messages.
    pub messages: u64,
    /// Messages accepted per second, a hundred in each request.
    pub accepted_per_s: f64,
    /// Rows of the due index that were moved into the queue.
    pub promoted: u64,
    /// From the instant until all of them were.
    pub promoted_ms: f64,
    /// The same per second.
    pub promoted_per_s: f64,
    /// From the instant until the platform had all messages.
    pub delivered_ms: f64,
    /// The same per second.
    pub delivered_per_s: f64,
    /// How many the platform had in the end.
    pub arrived: u64,
    /// Pushes that repeated a message.
    pub duplicates: u64,
}

impl Report {
    /// A report without figures yet.
    pub fn new(options: &Options) -> Self {
        let mut body = Vec::new();
        payload::write_message(&mut body, options.messages, None);
        Self {
            messages: options.messages,
            body_bytes: body.len(),
            concurrency: options.concurrency,
            processors: processors(),
            ready_ms: 0.0,
            single: None,
            batch: None,
            slow: None,
            growth: Vec::new(),
            scheduled: None,
            problems: Vec::new(),
        }
    }

    /// The figures for people.
    pub fn table(&self) -> String {
        let mut out = format!(
            "\n{} messages of {} bytes, {} connections; generator, stub platform and server share {} processors; \
             ready after {} ms\n\n",
            self.messages, self.body_bytes, self.concurrency, self.processors, self.ready_ms
        );
        self.runs(&mut out);
        self.half_speed(&mut out);
        self.growth(&mut out);
        self.scheduled(&mut out);
        out.push('\n');
        out
    }

    fn scheduled(&self, out: &mut String) {
        let Some(scheduled) = &self.scheduled else { return };
        out.push('\n');
        line(
            out,
            "due at one instant",
            &["accepted/s", "promoted ms", "promoted/s", "arrived ms", "arrived/s", "repeated"],
        );
        let cells = [
            scheduled.accepted_per_s,
            scheduled.promoted_ms,
            scheduled.promoted_per_s,
            scheduled.delivered_ms,
            scheduled.delivered_per_s,
            scheduled.duplicates as f64,
        ];
        line(out, &scheduled.messages.to_string(), &cells.map(|cell| cell.to_string()));
    }

    fn runs(&self, out: &mut String) {
        let mut rows = Vec::new();
        if let Some(single) = &self.single {
            rows.push(("single, delivered at once".to_owned(), &single.delivered.full_speed));
            rows.push(("single, stored for later".to_owned(), &single.stored.full_speed));
        }
        if let Some(batch) = &self.batch {
            rows.push((
                format!("batch of {}, delivered at once", batch.delivered.per_call),
                &batch.delivered,
            ));
            rows.push((format!("batch of {}, stored for later", batch.stored.per_call), &batch.stored));
        }
        if let Some(slow) = &self.slow {
            rows.push((format!("single, platform takes {} ms", slow.delay_ms), &slow.single));
            rows.push((format!("batch, platform takes {} ms", slow.delay_ms), &slow.batch));
        }
        for step in &self.growth {
            rows.push((format!("single, {} stored before", step.stored), &step.single));
        }
        line(
            out,
            "",
            &[
                "accepted/s",
                "p50 ms",
                "p99 ms",
                "max ms",
                "delivered/s",
                "CPU ms/msg",
                "gen. CPU",
                "others CPU",
                "fsync/msg",
                "peak MiB",
                "repeated",
            ],
        );
        for (name, run) in rows {
            let latency = run.latency;
            let cells = [
                run.accepted_per_s.to_string(),
                latency.p50_ms.to_string(),
                latency.p99_ms.to_string(),
                latency.max_ms.to_string(),
                run.delivered_per_s.map_or_else(|| "-".to_owned(), |rate| rate.to_string()),
                run.cpu_ms_per_message.to_string(),
                run.generator_cpu_ms_per_message.to_string(),
                format!("{} %", run.others_cpu_percent),
                run.commits_per_message.map_or_else(|| "?".to_owned(), |commits| commits.to_string()),
                run.peak_mib.to_string(),
                run.duplicates.to_string(),
            ];
            line(out, &name, &cells);
        }
    }

    fn half_speed(&self, out: &mut String) {
        let Some(single) = &self.single else { return };
        out.push('\n');
        line(out, "at half speed", &["offered/s", "p50 ms", "p99 ms", "max ms", "accepted/s", "others CPU"]);
        for (name, ingest) in
            [("single, delivered at once", &single.delivered), ("single, stored for later", &single.stored)]
        {
            let paced = &ingest.half_speed;
            let latency = paced.latency;
            let cells = [
                paced.offered_per_s.to_string(),
                latency.p50_ms.to_string(),
                latency.p99_ms.to_string(),
                latency.max_ms.to_string(),
                paced.accepted_per_s.to_string(),
                format!("{} %", paced.others_cpu_percent),
            ];
            line(out, name, &cells);
        }
    }

    fn growth(&self, out: &mut String) {
        if self.growth.is_empty() {
            return;
        }
        out.push('\n');
        line(out, "messages stored", &["get p50", "get p99", "list p50", "list p99", "data MiB", "peak MiB"]);
        for step in &self.growth {
            let cells = [
                step.get.p50_ms,
                step.get.p99_ms,
                step.list.p50_ms,
                step.list.p99_ms,
                step.data_mib,
                step.single.peak_mib,
            ];
            line(out, &step.stored.to_string(), &cells.map(|cell| cell.to_string()));
        }
    }
}

fn line(out: &mut String, name: &str, cells: &[impl AsRef<str>]) {
    // Writing into a string cannot fail.
    let _ = write!(out, "{name:<32}");
    for cell in cells {
        let _ = write!(out, "{:>12}", cell.as_ref());
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn run() -> Run {
        Run {
            messages: 10,
            per_call: 1,
            accepted_per_s: 8_000.0,
            delivered_per_s: Some(6_000.0),
            latency: Latency { p50_ms: 1.5, p99_ms: 4.25, max_ms: 9.0 },
            cpu_ms_per_message: 0.2,
            generator_cpu_ms_per_message: 0.05,
            others_cpu_percent: 2.0,
            commits_per_message: None,
            peak_mib: 40.0,
            duplicates: 0,
        }
    }

    #[test]
    fn the_report_is_one_line_and_a_table() {
        let paced = Paced {
            offered_per_s: 4_000.0,
            accepted_per_s: 3_999.0,
            latency: Latency::default(),
            others_cpu_percent: 0.0,
        };
        let ingest = Ingest { full_speed: run(), half_speed: paced };
        let mut report = Report::new(&Options::parse_from(["mc-bench"]));
        report.single = Some(Single { delivered: ingest.clone(), stored: ingest });
        let step = |stored| Step {
            stored,
            single: run(),
            get: Latency::default(),
            list: Latency::default(),
            data_mib: 1.0,
        };
        report.growth = vec![step(1_000), step(20_000)];
        let line = serde_json::to_string(&report).unwrap();
        assert!(!line.contains('\n'));
        assert!(line.contains("\"p99_ms\":4.25") && line.contains("\"commits_per_message\":null"), "{line}");
        let table = report.table();
        for part in
            ["single, stored for later", "single, 20000 stored before", "4.25", "offered/s", "data MiB"]
        {
            assert!(table.contains(part), "{part} in\n{table}");
        }
    }
}
