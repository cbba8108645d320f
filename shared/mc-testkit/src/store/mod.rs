//! The suite of stores: one case per line of `# Behavior` of [`Store`].

mod commits;
mod expiry;
mod queries;
mod races;
mod reads;
mod writes;

use std::sync::Arc;

use async_trait::async_trait;
use mc_core::ports::{Attrs, Conflict, Item, Key, Op, Store, WriteError};

use crate::MockClock;
use crate::faults::{Cases, Fault};
use crate::must::Must;

/// A store and what a test needs around it.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The clock by which the store lets items expire.
    fn clock(&self) -> &MockClock;

    /// Closes and opens the store as a restart would, or answers `false` where that means nothing.
    async fn reopen(&mut self) -> bool {
        false
    }

    /// Whether a reader sees all of a commit or nothing of it.
    fn commits_are_atomic(&self) -> bool {
        false
    }
}

/// Runs every case, each on what `make` gives it. `make` may give the same table each time: no two cases share keys.
pub async fn all<S: StoreUnderTest>(make: impl AsyncFn() -> S) {
    all_but(make, &[]).await;
}

/// Runs every case but those that what stands behind the store gets wrong by itself.
pub async fn all_but<S: StoreUnderTest>(make: impl AsyncFn() -> S, faults: &[Fault]) {
    let mut cases = Cases::new(faults);
    if cases.wants("what_was_answered_survives_a_restart") {
        reads::what_was_answered_survives_a_restart(make().await).await;
    }
    crate::run_cases!(
        cases,
        make,
        reads::what_was_put_is_read,
        reads::many_keys_in_their_order,
        reads::a_read_sees_every_answered_write,
        writes::a_put_replaces_the_whole_item,
        writes::an_update_changes_some_attributes,
        writes::a_delete_answers_nothing,
        writes::every_condition_decides,
        writes::a_conflict_changes_nothing,
        expiry::an_expired_item_is_never_answered,
        expiry::an_expired_item_counts_as_absent,
        expiry::an_expiry_moves_both_ways,
        queries::bounds_order_and_limit,
        queries::keys_are_ordered_as_bytes,
        queries::pages_reach_everything,
        commits::guard_then_writes_in_order,
        commits::a_guard_that_conflicts_stops_everything,
        commits::a_write_that_does_not_hold_is_passed_over,
        commits::a_thousand_writes,
        commits::a_reader_sees_all_or_nothing,
        races::a_hundred_increments_add_up,
        races::one_of_many_creates,
        races::one_of_many_claims,
    );
    cases.finish();
}

fn key(case: &str, sk: &str) -> Key {
    Key::new(format!("suite/{case}"), sk)
}

async fn put(store: &dyn Store, key: &Key, attrs: Attrs) {
    store.write(Op::put(Item::new(key.clone(), attrs))).await.must();
}

async fn attrs(store: &dyn Store, key: &Key) -> Option<Attrs> {
    store.get(key).await.must().map(|item| item.attrs)
}

async fn num(store: &dyn Store, key: &Key, name: &str) -> Option<i64> {
    attrs(store, key).await.and_then(|attrs| attrs.num(name))
}

#[track_caller]
fn conflict(outcome: Result<Option<Item>, WriteError>) -> Conflict {
    match outcome {
        Err(WriteError::Conflict(conflict)) => *conflict,
        other => panic!("this has to be a conflict, but it is: {other:?}"),
    }
}
