//! What every measurement does: start a process, send, wait for what must arrive, and read what it cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::Result;
use crate::cli::Options;
use crate::load::{Load, Outcome, Target, drive};
use crate::measure::{Usage, machine_cpu_ms, per_second, processors, rounded};
use crate::report::{Paced, Run};
use crate::server::{ACCESS_KEY, Server};
use crate::stub::Stub;

/// Sent before anything is measured, so that caches and connections are there.
const WARM_UP: u64 = 500;

/// Messages that have not arrived when nothing new came for so long are lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole benchmark: the stub platform, and what went wrong so far.
pub(super) struct Bench {
    pub(super) options: Options,
    stub: Stub,
    next_number: u64,
    ready: Option<Duration>,
    problems: Vec<String>,
}

/// A process under test, ready and warm.
pub(super) struct Rig {
    pub(super) server: Server,
    /// Messages that were to be delivered at once and were accepted.
    due: u64,
}

/// What is counted before and after a measurement.
struct Counts {
    commits: Option<f64>,
    server: Usage,
    own: Usage,
    machine_ms: u64,
    at: Instant,
}

/// What was used between two counts.
struct Used {
    commits: Option<f64>,
    server_ms: u64,
    own_ms: u64,
    others_percent: f64,
}

impl Counts {
    fn since(&self, before: &Self) -> Used {
        let server_ms = self.server.cpu_ms - before.server.cpu_ms;
        let own_ms = self.own.cpu_ms - before.own.cpu_ms;
        // The counts are not taken at one instant, so a little may seem to be missing.
        let others_ms = (self.machine_ms - before.machine_ms).saturating_sub(server_ms + own_ms);
        let all_ms = self.at.duration_since(before.at).as_secs_f64() * 1_000.0 * processors() as f64;
        Used {
            commits: self.commits.zip(before.commits).map(|(now, before)| now - before),
            server_ms,
            own_ms,
            others_percent: (others_ms as f64 / all_ms * 100.0).round(),
        }
    }
}

/// Whether messages are delivered at once, or stored for later and nothing is pushed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Now,
    Later,
}

impl Bench {
    pub(super) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            options: options.clone(),
            stub: Stub::start()?,
            next_number: 0,
            ready: None,
            problems: Vec::new(),
        })
    }

    /// Starts a process on an empty folder, with a platform that answers after `delay`.
    pub(super) async fn fresh(&mut self, delay: Duration) -> Result<Rig> {
        let server = Server::start(&self.options.binary, &self.options.work_dir).await?;
        self.ready.get_or_insert(server.ready_after());
        self.stub.reset(delay);
        server.set_up(&self.stub).await?;
        let mut rig = Rig { server, due: 0 };
        let warm_up = self.load(WARM_UP, 1, When::Now);
        self.send(&mut rig, "warm-up", &warm_up, When::Now).await?;
        rig.server.settle().await?;
        Ok(rig)
    }

    /// Messages that were never sent before.
    pub(super) fn load(&mut self, messages: u64, per_call: u64, when: When) -> Load {
        let first = self.next_number;
        self.next_number += messages;
        let send_at = (when == When::Later).then(in_an_hour);
        Load { first, messages, per_call, concurrency: self.options.concurrency, send_at, rate: None }
    }

    /// Sends as fast as answers come, and measures.
    pub(super) async fn full_speed(
        &mut self,
        rig: &mut Rig,
        name: &str,
        load: Load,
        when: When,
    ) -> Result<Run> {
        self.say(&format!("{name}: {} messages", load.messages));
        let before = self.counts(rig).await?;
        let duplicates = self.stub.duplicates();
        let outcome = self.send(rig, name, &load, when).await?;
        let delivered_in =
            self.stub.last_arrival().duration_since(outcome.begun.unwrap_or_else(Instant::now));
        rig.server.settle().await?;
        let used = self.counts(rig).await?.since(&before);
        let per_message = |amount: f64| rounded(amount / load.messages as f64);
        Ok(Run {
            messages: load.messages,
            per_call: load.per_call,
            accepted_per_s: per_second(outcome.accepted, outcome.elapsed),
            delivered_per_s: (when == When::Now).then(|| per_second(outcome.accepted, delivered_in)),
            latency: outcome.durations.latency(),
            cpu_ms_per_message: per_message(used.server_ms as f64),
            generator_cpu_ms_per_message: per_message(used.own_ms as f64),
            others_cpu_percent: used.others_percent,
            commits_per_message: used.commits.map(per_message),
            peak_mib: rig.server.usage()?.peak_mib(),
            duplicates: self.stub.duplicates() - duplicates,
        })
    }

    async fn counts(&self, rig: &Rig) -> Result<Counts> {
        Ok(Counts {
            commits: rig.server.commits().await?,
            server: rig.server.usage()?,
            own: Usage::of(std::process::id())?,
            machine_ms: machine_cpu_ms()?,
            at: Instant::now(),
        })
    }

    /// Sends half of the messages at half of the speed that was measured.
    pub(super) async fn half_speed(
        &mut self,
        rig: &mut Rig,
        name: &str,
        full: &Run,
        when: When,
    ) -> Result<Paced> {
        let rate = (full.accepted_per_s / 2.0).max(1.0);
        let load = self.load(full.messages.div_ceil(2), full.per_call, when);
        let load = Load { rate: Some(rate / full.per_call as f64), ..load };
        let name = format!("{name} at half speed");
        self.say(&format!("{name}: {} messages", load.messages));
        let before = self.counts(rig).await?;
        let outcome = self.send(rig, &name, &load, when).await?;
        rig.server.settle().await?;
        let used = self.counts(rig).await?.since(&before);
        Ok(Paced {
            offered_per_s: rate.round(),
            accepted_per_s: per_second(outcome.accepted, outcome.elapsed),
            latency: outcome.durations.latency(),
            others_cpu_percent: used.others_percent,
        })
    }

    /// Sends, waits until everything has arrived that must, and notes what was refused or lost.
    pub(super) async fn send(
        &mut self,
        rig: &mut Rig,
        name: &str,
        load: &Load,
        when: When,
    ) -> Result<Outcome> {
        let target = Target { address: rig.server.address(), access_key: ACCESS_KEY };
        // Fifty messages a second are slow, and still an answer.
        let bound = 2 * PATIENCE + Duration::from_millis(load.messages * 20);
        let outcome = match timeout(bound, drive(target, load)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                return Err(
                    format!("{name}: {error}; the server's log ends: {}", rig.server.last_log()).into()
                );
            }
            Err(_) => return Err(format!("{name}: not all calls were answered within {bound:?}").into()),
        };
        for (reason, messages) in &outcome.refused.reasons {
            self.problems.push(format!("{name}: {messages} messages were refused: {reason}"));
        }
        if when == When::Now {
            rig.due += outcome.accepted;
            self.wait_for_arrivals(rig, name).await;
        }
        Ok(outcome)
    }

    async fn wait_for_arrivals(&mut self, rig: &mut Rig, name: &str) {
        let mut progress = (self.stub.distinct(), Instant::now());
        while progress.0 < rig.due && progress.1.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5)).await;
            let arrived = self.stub.distinct();
            if arrived != progress.0 {
                progress = (arrived, Instant::now());
            }
        }
        if progress.0 != rig.due {
            let (came, due) = (progress.0, rig.due);
            self.problems.push(format!("{name}: {due} messages were accepted and {came} arrived"));
            // What is missing is told once, not again by every measurement that follows.
            rig.due = came;
        }
        if self.stub.nameless() > 0 {
            self.problems.push(format!("{name}: {} pushes had no message id", self.stub.nameless()));
        }
    }

    /// The stub platform, as if nothing had come, answering after `delay`.
    pub(super) fn stub(&self, delay: Duration) -> Stub {
        self.stub.reset(delay);
        self.stub.clone()
    }

    /// Notes that something went wrong.
    pub(super) fn problem(&mut self, text: String) {
        self.problems.push(text);
    }

    pub(super) fn some_ids(&self, count: usize) -> Vec<String> {
        self.stub.some_ids(count)
    }

    pub(super) fn say(&self, line: &str) {
        if !self.options.json_only {
            eprintln!("… {line}");
        }
    }

    /// How long the first process took to be ready.
    pub(super) fn ready_ms(&self) -> f64 {
        self.ready.map_or(0.0, |ready| rounded(ready.as_secs_f64() * 1_000.0))
    }

    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }
}

fn in_an_hour() -> Arc<str> {
    let hour = jiff::SignedDuration::from_hours(1);
    let then = jiff::Timestamp::now().saturating_add(hour).unwrap_or(jiff::Timestamp::MAX);
    then.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
