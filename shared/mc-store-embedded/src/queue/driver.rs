//! Whoever drives a consumer.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::{Consumer, Family, Group, Verdict};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

use super::{EmbeddedQueue, Taken};

/// How hard to drive a consumer.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// No further envelope is taken while so many tasks are in flight.
    pub concurrency: usize,
    /// How long tasks in flight may take after the shutdown; what is not done then stays in the queue.
    pub grace: Duration,
}

/// What is in flight.
#[derive(Default)]
struct Flight {
    /// Verdicts, or `None` for a suspect whose turn had not come at the shutdown.
    work: JoinSet<Option<Vec<Verdict>>>,
    held: HashMap<Id, Taken>,
    stopping: Arc<Notify>,
    tasks: usize,
    per_group: HashMap<Group, usize>,
}

/// Calls the consumer with the family's envelopes until `shutdown` completes.
///
/// Each envelope is worked on in a task of its own, so that a panic costs only that envelope. One group holds at most
/// three quarters of the concurrency, so that another group's task never waits for a slow platform to answer.
pub async fn run(
    queue: EmbeddedQueue,
    family: Family,
    consumer: Arc<dyn Consumer>,
    drive: Drive,
    shutdown: impl Future<Output = ()> + Send,
) {
    let mut shutdown = pin!(shutdown);
    let mut flight = Flight::default();
    let most = drive.concurrency.max(1);
    let share = (most - most / 4).max(1);
    loop {
        let may = |group: &Group| flight.per_group.get(group).is_none_or(|held| *held < share);
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = flight.work.join_next_with_id(), if !flight.work.is_empty() => flight.ended(ended),
            taken = queue.take(family, may), if flight.tasks < most => flight.begin(&consumer, taken),
        }
    }
    flight.stopping.notify_waiters();
    let rest = async {
        while let Some(ended) = flight.work.join_next_with_id().await {
            flight.ended(ended);
        }
    };
    if tokio::time::timeout(drive.grace, rest).await.is_err() {
        flight.work.shutdown().await;
        flight.held.into_values().for_each(Taken::hand_back);
    }
}

impl Flight {
    fn begin(&mut self, consumer: &Arc<dyn Consumer>, mut taken: Taken) {
        let (consumer, envelope) = (Arc::clone(consumer), taken.envelope().clone());
        let tasks = places(&taken);
        self.tasks += tasks;
        *self.per_group.entry(envelope.group.clone()).or_default() += tasks;
        let noted = taken.noted();
        taken.begin();
        let stopping = Arc::clone(&self.stopping);
        let work = self.work.spawn(async move {
            // Waiting here and not before lets many envelopes share one write.
            tokio::select! {
                _turn = noted => Some(consumer.consume(envelope).await),
                () = stopping.notified() => None,
            }
        });
        self.held.insert(work.id(), taken);
    }

    fn ended(&mut self, ended: Result<(Id, Option<Vec<Verdict>>), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Some(taken) = self.held.remove(&id) else { return };
        let tasks = places(&taken);
        self.tasks -= tasks;
        let group = &taken.envelope().group;
        if let Some(held) = self.per_group.get_mut(group) {
            *held -= tasks;
            if *held == 0 {
                self.per_group.remove(group);
            }
        }
        match ended {
            Ok((_, Some(verdicts))) => taken.finish(verdicts),
            Ok((_, None)) => taken.hand_back(),
            // Dropping the envelope counts the crash and puts it back into line.
            Err(error) => {
                tracing::error!(error = %error, group = %taken.envelope().group, "a consumer panicked");
            }
        }
    }
}

/// How many places an envelope takes in flight. A suspect waits for its turn out of the way.
fn places(taken: &Taken) -> usize {
    if taken.is_suspect() { 0 } else { taken.envelope().tasks.len() }
}
