//! What the use-cases promise when several processes run them at once, held against any store and queue.
//!
//! `mc-testkit` holds a store and a queue to their ports, line by line. This holds the pair of them to what is built on
//! both: schedules, limits, quotas and alarms, each with two processes over one store and a clock to turn by hand.
#![deny(missing_docs)]

mod alarms;
mod limits;
mod quotas;
mod schedules;
mod two;

use std::sync::Arc;

use mc_core::ports::Blobs;
use mc_testkit::faults::{Cases, Fault};
use mc_testkit::queue::QueueUnderTest;
use mc_testkit::store::StoreUnderTest;

/// A store, and a queue that its commits send into.
pub trait PlaceUnderTest: StoreUnderTest + QueueUnderTest {
    /// The clock that both go by, for a center to share.
    fn shared_clock(&self) -> Arc<mc_testkit::MockClock>;

    /// The attachments.
    fn blobs(&self) -> Arc<dyn Blobs>;
}

/// Runs every case, each on what `make` gives it.
pub async fn all<P: PlaceUnderTest>(make: impl AsyncFn() -> P) {
    all_but(make, &[]).await;
}

/// Runs every case but those that what stands behind the place gets wrong by itself.
pub async fn all_but<P: PlaceUnderTest>(make: impl AsyncFn() -> P, faults: &[Fault]) {
    let mut cases = Cases::new(faults);
    mc_testkit::run_cases!(
        cases,
        make,
        schedules::a_run_is_one_message_whoever_works_on_it,
        schedules::after_an_hour_without_a_scheduler_one_run_comes_late,
        schedules::what_was_planned_before_a_change_does_nothing,
        schedules::a_message_goes_out_once_at_its_time,
        limits::exactly_as_many_pass_as_there_is_room_for,
        limits::a_day_goes_on_where_the_minute_begins_anew,
        quotas::two_processes_keep_to_one_day,
        quotas::what_two_processes_count_adds_up,
        quotas::two_pollers_at_once_ask_once,
        quotas::a_poller_that_dies_holds_nobody_up_for_long,
        alarms::two_watchers_at_once_tell_once,
        alarms::how_long_the_oldest_message_waits_is_seen_by_any_watcher,
    );
    cases.finish();
}
