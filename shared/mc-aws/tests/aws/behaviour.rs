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

/// What that does to use-cases: two processes that work at once may both believe that they were first.
const MOTO_USE_CASES: [Fault; 9] = [
    Fault { case: "a_run_is_one_message_whoever_works_on_it", reason: UNLOCKED },
    Fault { case: "after_an_hour_without_a_scheduler_one_run_comes_late", reason: UNLOCKED },
    Fault { case: "what_was_planned_before_a_change_does_nothing", reason: UNLOCKED },
    Fault { case: "a_message_goes_out_once_at_its_time", reason: UNLOCKED },
    Fault { case: "exactly_as_many_pass_as_there_is_room_for", reason: UNLOCKED },
    Fault { case: "two_processes_keep_to_one_day", reason: UNLOCKED },
    Fault { case: "what_two_processes_count_adds_up", reason: UNLOCKED },
    Fault { case: "two_pollers_at_once_ask_once", reason: UNLOCKED },
    Fault { case: "two_watchers_at_once_tell_once", reason: UNLOCKED },
];

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
