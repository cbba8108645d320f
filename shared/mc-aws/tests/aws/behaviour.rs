//! The behaviour suites.

use mc_testkit::Fault;

use crate::rig::{Emulator, Rig};

/// moto serves each request in a thread of its own and locks no table.
const UNLOCKED: &str = "two writes at the same time may both read the item as it was before";

/// What moto gets wrong of a table.
const MOTO_STORE: [Fault; 3] = [
    Fault { case: "a_hundred_increments_add_up", reason: UNLOCKED },
    Fault { case: "one_of_many_creates", reason: UNLOCKED },
    Fault { case: "one_of_many_claims", reason: UNLOCKED },
];

/// What moto gets wrong of queues: nothing.
const MOTO_QUEUE: [Fault; 0] = [];

/// What that does to use-cases whose processes write the same item at once.
const MOTO_USE_CASES: [Fault; 0] = [];

fn faults(moto: &[Fault]) -> &[Fault] {
    match Emulator::here() {
        Emulator::MiniStack => &[],
        Emulator::Moto => moto,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_behaves() {
    mc_testkit::store::all_but(Rig::new, faults(&MOTO_STORE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_behaves() {
    mc_testkit::queue::all_but(Rig::new, faults(&MOTO_QUEUE)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_use_cases_behave() {
    mc_suites::all_but(Rig::new, faults(&MOTO_USE_CASES)).await;
}
