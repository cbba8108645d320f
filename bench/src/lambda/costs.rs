//! What a million messages cost: units counted on the way of some, priced.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::aws::Counts;
use super::events;
use super::prices::{File, Prices};
use super::runtime::{Function, Under};
use super::stage::{Stage, message};
use crate::Result;
use crate::measure::{Usage, rounded};

/// Envelopes that one invocation of a consumer gets when there is enough to do.
const BATCH: usize = 10;

/// One way of sending, counted.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    /// What is sent.
    pub way: &'static str,
    /// At most so many dollars per million.
    pub allowed: Option<f64>,
    /// Of each message or recipient.
    pub units: Units,
    /// Of a million.
    pub dollars: Dollars,
}

/// Units of one message or recipient.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Units {
    /// Write units of the table.
    pub writes: f64,
    /// Read units of the table.
    pub reads: f64,
    /// Requests to queues, those of the event source too.
    pub queue_requests: f64,
    /// Objects put into the bucket.
    pub puts: f64,
    /// Objects got from the bucket.
    pub gets: f64,
    /// Requests to the API.
    pub api_requests: f64,
    /// Invocations.
    pub invocations: f64,
    /// Seconds of a gigabyte.
    pub gigabyte_seconds: f64,
    /// Bytes of the functions' logs.
    pub log_bytes: f64,
    /// Bytes of the API's access log, which is of another class.
    pub access_log_bytes: f64,
    /// Pushes that arrived.
    pub pushes: f64,
}

/// Dollars, for a million messages or for a month.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Dollars {
    /// API Gateway.
    pub api: f64,
    /// Lambda.
    pub functions: f64,
    /// DynamoDB.
    pub table: f64,
    /// SQS.
    pub queues: f64,
    /// S3.
    pub bucket: f64,
    /// CloudWatch Logs.
    pub logs: f64,
    /// Secrets Manager's calls.
    pub secrets: f64,
    /// All of it.
    pub total: f64,
}

/// What a month costs in which nothing is sent.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Idle {
    /// At most so many dollars.
    pub allowed: f64,
    /// What polls and runs.
    pub running: Dollars,
    /// The secrets that the stack keeps.
    pub kept: f64,
    /// The alarms, and the metrics they look at.
    pub alarms: f64,
    /// The dashboard, if it is the fourth of the account.
    pub dashboard: f64,
}

/// What the invocations of a way came to.
#[derive(Default)]
struct Tally {
    invocations: u64,
    wall: Duration,
    cpu_ms: u64,
    log_bytes: u64,
    access_log_bytes: u64,
    api_requests: u64,
}

/// The functions that messages pass, and what they came to.
struct Course<'s> {
    stage: &'s mut Stage,
    file: File,
    ingest: Function,
    send: Function,
    tally: Tally,
}

/// Counts every way of sending.
pub(super) async fn ways(stage: &mut Stage, file: File) -> Result<Vec<Way>> {
    let ingest = stage.start("ingest", Under::Itself, false).await?;
    let send = stage.start("send-email", Under::Itself, false).await?;
    let mut course = Course { stage, file, ingest, send, tally: Tally::default() };
    // What every process does once is no part of a message's price.
    course.send_all((0..5).map(|n| message("email", &[n])).collect(), BATCH).await?;
    course.stage.aws.be_slow(true);
    let single = || (0..300).map(|n| message("email", &[n])).collect();
    let batches = (0..10)
        .map(|b| json!({"messages": (0..100).map(|n| message("email", &[b * 100 + n])).collect::<Vec<_>>()}));
    let people: Vec<u64> = (0..1_000).collect();
    let with_own = |n: u64| {
        let own = json!({"name": format!("Person number {n}"), "line": "x".repeat(150)});
        json!({"email": format!("person-{n}@example.com"), "data": own})
    };
    let mut own = message("email", &people);
    own["to"] = people.iter().map(|n| with_own(*n)).collect();
    let ways = vec![
        course.way("single calls", Some(4.00), single(), BATCH, 300).await?,
        course.way("batches of 100", Some(2.20), batches.collect(), BATCH, 1_000).await?,
        course.way("1,000 recipients", Some(0.60), vec![message("email", &people); 3], BATCH, 3_000).await?,
        course.way("1,000 recipients, 200 bytes each", None, vec![own; 3], BATCH, 3_000).await?,
        course.way("single calls, one at a time", None, single(), 1, 300).await?,
    ];
    course.stage.aws.be_slow(false);
    course.ingest.end().await?;
    course.send.end().await?;
    Ok(ways)
}

impl Course<'_> {
    async fn way(
        &mut self,
        way: &'static str,
        allowed: Option<f64>,
        calls: Vec<Value>,
        batch: usize,
        of: u64,
    ) -> Result<Way> {
        eprintln!("mc-bench-lambda: {way}");
        self.tally = Tally::default();
        self.stage.aws.take_counts();
        self.send_all(calls, batch).await?;
        let counts = self.stage.aws.take_counts();
        let units = units(&self.tally, &counts, &self.file, of as f64);
        if counts.pushes < of {
            return Err(format!("of {of} messages {} were pushed", counts.pushes).into());
        }
        Ok(Way { way, allowed, units, dollars: dollars(&units, 1e6, &self.file.prices) })
    }

    async fn send_all(&mut self, calls: Vec<Value>, batch: usize) -> Result<()> {
        for call in calls {
            let path = if call.get("messages").is_some() { "/v1/messages/batch" } else { "/v1/messages" };
            let event = self.stage.request("POST", path, Some(&call));
            let answer = invoke(&self.ingest, &event, &self.file, &mut self.tally).await?;
            if answer["statusCode"] != 202 {
                return Err(format!("{path} answered {answer}").into());
            }
            self.tally.api_requests += 1;
            self.tally.access_log_bytes += events::ACCESS_LINE.len() as u64 + self.file.assumed.line_overhead;
        }
        loop {
            let some = self.stage.aws.take_batch("email", batch);
            if some.is_empty() {
                return Ok(());
            }
            let answer =
                invoke(&self.send, &events::batch("email", &some), &self.file, &mut self.tally).await?;
            if answer["batchItemFailures"].as_array().is_none_or(|failures| !failures.is_empty()) {
                return Err(format!("send-email answered {answer}").into());
            }
        }
    }
}

async fn invoke(function: &Function, event: &Value, file: &File, tally: &mut Tally) -> Result<Value> {
    let before = Usage::of(function.pid())?.cpu_ms;
    let (answer, took) = function.invoke(event).await?;
    tally.cpu_ms += Usage::of(function.pid())?.cpu_ms.saturating_sub(before);
    tally.invocations += 1;
    tally.wall += took;
    for line in function.take_said() {
        tally.log_bytes += line.len() as u64 + file.assumed.line_overhead;
    }
    Ok(answer)
}

fn units(tally: &Tally, counts: &Counts, file: &File, of: f64) -> Units {
    let assumed = &file.assumed;
    // Here it had a whole processor; there it has a part of one, so its work takes longer and its waiting does not.
    let slower = (assumed.whole_processor_mb / assumed.memory_mb - 1.0).max(0.0);
    let seconds = tally.wall.as_secs_f64() + tally.cpu_ms as f64 / 1_000.0 * slower;
    Units {
        writes: counts.writes as f64 / of,
        reads: counts.half_reads as f64 / 2.0 / of,
        queue_requests: counts.queue_requests as f64 / of,
        puts: counts.puts as f64 / of,
        gets: counts.gets as f64 / of,
        api_requests: tally.api_requests as f64 / of,
        invocations: tally.invocations as f64 / of,
        gigabyte_seconds: seconds * assumed.memory_mb / 1_024.0 / of,
        log_bytes: tally.log_bytes as f64 / of,
        access_log_bytes: tally.access_log_bytes as f64 / of,
        pushes: counts.pushes as f64 / of,
    }
}

fn dollars(units: &Units, times: f64, prices: &Prices) -> Dollars {
    let million = times / 1e6;
    let mut dollars = Dollars {
        api: units.api_requests * million * prices.api_million,
        functions: units.invocations * million * prices.invocation_million
            + units.gigabyte_seconds * times * prices.gigabyte_second,
        table: units.writes * million * prices.write_million + units.reads * million * prices.read_million,
        queues: units.queue_requests * million * prices.queue_million,
        bucket: units.puts * million * prices.put_million + units.gets * million * prices.get_million,
        logs: (units.log_bytes * prices.log_gigabyte + units.access_log_bytes * prices.access_log_gigabyte)
            * times
            / 1e9,
        secrets: 0.0,
        total: 0.0,
    };
    let Dollars { api, functions, table, queues, bucket, logs, secrets, .. } = dollars;
    dollars.total = api + functions + table + queues + bucket + logs + secrets;
    dollars
}

/// Counts what runs when nothing is sent.
pub(super) async fn idle(stage: &mut Stage, file: File) -> Result<Idle> {
    const RUNS: u64 = 20;
    let (prices, assumed) = (&file.prices, &file.assumed);
    let mut running = Dollars::default();
    for (function, times) in [("schedule", assumed.minutes_month), ("quota", assumed.minutes_month / 5.0)] {
        let process = stage.start(function, Under::Itself, false).await?;
        process.invoke(&events::tick()).await?;
        process.take_said();
        stage.aws.be_slow(true);
        stage.aws.take_counts();
        let mut tally = Tally::default();
        for _ in 0..RUNS {
            invoke(&process, &events::tick(), &file, &mut tally).await?;
        }
        stage.aws.be_slow(false);
        process.end().await?;
        let counts = Counts { queue_requests: 0, ..stage.aws.take_counts() };
        let part = dollars(&units(&tally, &counts, &file, RUNS as f64), times, prices);
        running.functions += part.functions;
        running.table += part.table;
        running.logs += part.logs;
    }
    let polls = assumed.polls_per_queue_month * assumed.queues + assumed.queue_counts_month;
    running.queues = polls / 1e6 * prices.queue_million;
    // Each of the two reads the key ring again every five minutes.
    running.secrets = 2.0 * assumed.minutes_month / 5.0 / 1e6 * prices.secret_million;
    running.total = running.functions + running.table + running.logs + running.queues + running.secrets;
    Ok(Idle {
        allowed: 3.00,
        running,
        kept: assumed.secrets * prices.secret_month,
        // What is sent to nobody has no metrics but the one of crash loops.
        alarms: rounded(assumed.alarms * prices.alarm_month + prices.metric_month),
        dashboard: prices.dashboard_month,
    })
}
