//! The suite of queues: one case per line of `# Behavior` of [`Queue`] and [`Consumer`].

mod crashes;
mod delivery;
mod fairness;
mod recorder;
mod retries;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_core::id::MessageId;
use mc_core::model::Priority;
use mc_core::ports::{Consumer, Family, Group, Outgoing, Queue, Store, Task};
use ulid::Ulid;

pub use recorder::Recorder;

use crate::faults::{Cases, Fault};

/// What a queue promises beyond the least; cases that need more are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Tasks of one group come in the order sent.
    pub ordered: bool,
    /// Groups take turns.
    pub fair: bool,
    /// The numbers of waiting tasks are known.
    pub counted: bool,
    /// What crashes again and again goes to a crash-loop queue, and can be sent again from there.
    pub crash_loops: bool,
}

/// A queue and what a test needs around it.
#[async_trait]
pub trait QueueUnderTest: Send + Sync {
    /// The queue.
    fn queue(&self) -> Arc<dyn Queue>;

    /// A store whose commits send into this queue, if there is one.
    fn store(&self) -> Option<Arc<dyn Store>>;

    /// What it promises.
    fn abilities(&self) -> Abilities;

    /// Calls the consumer with one envelope after the other, until nothing is left that is due now.
    ///
    /// A panic of the consumer is treated as whoever drives consumers in earnest treats it.
    async fn drive(&self, family: Family, consumer: Arc<dyn Consumer>);

    /// Lets time pass.
    async fn advance(&self, by: Duration);
}

/// Runs every case, each on what `make` gives it.
pub async fn all<Q: QueueUnderTest>(make: impl AsyncFn() -> Q) {
    all_but(make, &[]).await;
}

/// Runs every case but those that what stands behind the queue gets wrong by itself.
pub async fn all_but<Q: QueueUnderTest>(make: impl AsyncFn() -> Q, faults: &[Fault]) {
    let mut cases = Cases::new(faults);
    crate::run_cases!(
        cases,
        make,
        delivery::every_task_comes_once,
        delivery::a_group_keeps_its_order,
        delivery::an_envelope_has_one_group,
        delivery::families_are_apart,
        delivery::no_task_comes_before_its_delay,
        delivery::delayed_tasks_come_in_the_order_of_their_times,
        delivery::tasks_of_a_commit_are_sent,
        delivery::waiting_tasks_are_counted,
        fairness::a_high_task_waits_for_one_envelope_per_group,
        fairness::groups_take_turns,
        retries::a_verdict_counts_for_one_task,
        retries::what_comes_again_waits_its_time,
        retries::a_task_may_come_again_often,
        crashes::a_panic_brings_the_envelope_again,
        crashes::a_poisoned_task_takes_nobody_along,
        crashes::crash_loops_are_sent_again,
    );
    cases.finish();
}

/// The queue that the cases use.
const FAMILY: Family = Family::Email;

fn group(name: &str) -> Group {
    Group::of(name, Priority::Normal)
}

/// A task that is told apart by its number.
fn task(n: u32) -> Task {
    Task::Deliver {
        project: "suite".into(),
        message: MessageId::new(Ulid::from_parts(1_796_083_200_000, u128::from(n))),
        share: n,
        channel: "robot".into(),
        slot: None,
    }
}

fn outgoing(group: &Group, n: u32, delay: Duration) -> Outgoing {
    Outgoing { family: FAMILY, group: group.clone(), task: task(n), delay }
}

fn now(group: &Group, numbers: impl IntoIterator<Item = u32>) -> Vec<Outgoing> {
    numbers.into_iter().map(|n| outgoing(group, n, Duration::ZERO)).collect()
}
