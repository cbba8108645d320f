//! Several writes at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mc_core::ports::{Attrs, Change, Commit, Cond, Item, Op};

use super::{StoreUnderTest, conflict, key, num, put};
use crate::must::Must;

/// The guard, then the others, then the last ones: a later write sees what an earlier one did to the same item.
pub(super) async fn guard_then_writes_in_order(test: &impl StoreUnderTest) {
    let store = test.store();
    let [head, part, counter, last] = ["head", "part", "counter", "last"].map(|sk| key("commit", sk));
    put(&*store, &part, Attrs::new().with("n", 1)).await;
    let add = |conds| Op::Update(counter.clone(), vec![Change::Add("n".into(), 1)], conds);
    let commit = Commit {
        guard: Some(Op::put_new(Item::new(head.clone(), Attrs::new().with("n", 7)))),
        ops: vec![
            Op::Delete(part.clone(), vec![Cond::Exists]),
            add(vec![Cond::NotExists]),
            add(vec![Cond::Eq("n".into(), 1.into())]),
            Op::put_new(Item::new(part.clone(), Attrs::new().with("n", 2))),
        ],
        then: vec![Op::Update(
            last.clone(),
            vec![Change::Add("n".into(), 1), Change::Remove("old".into())],
            vec![Cond::NotExists],
        )],
        tasks: vec![],
    };
    let answered = store.commit(commit).await.must().must();
    assert_eq!((answered.key, answered.attrs.num("n")), (head.clone(), Some(7)));
    assert_eq!(num(&*store, &head, "n").await, Some(7));
    assert_eq!(num(&*store, &counter, "n").await, Some(2));
    assert_eq!(num(&*store, &part, "n").await, Some(2));
    assert_eq!(num(&*store, &last, "n").await, Some(1));
    let unguarded = Commit { ops: vec![add(vec![])], ..Commit::default() };
    assert_eq!(store.commit(unguarded).await.must(), None);
    assert_eq!(store.commit(Commit::default()).await.must(), None);
    let update = Commit { guard: Some(add(vec![Cond::Exists])), ..Commit::default() };
    assert_eq!(store.commit(update).await.must().must().attrs.num("n"), Some(4));
}

/// "On a conflict of the guard nothing happens", and the answer is the item that stood in the way.
pub(super) async fn a_guard_that_conflicts_stops_everything(test: &impl StoreUnderTest) {
    let store = test.store();
    let [head, other, last] = ["head", "other", "last"].map(|sk| key("guard", sk));
    put(&*store, &head, Attrs::new().with("n", 1)).await;
    let commit = Commit {
        guard: Some(Op::put_new(Item::new(head.clone(), Attrs::new().with("n", 2)))),
        ops: vec![Op::put(Item::new(other.clone(), Attrs::new()))],
        then: vec![Op::put(Item::new(last.clone(), Attrs::new()))],
        tasks: vec![],
    };
    assert_eq!(conflict(store.commit(commit).await).current.must().attrs.num("n"), Some(1));
    assert_eq!(num(&*store, &head, "n").await, Some(1));
    assert_eq!(store.get(&other).await.must(), None);
    assert_eq!(store.get(&last).await.must(), None);
}

/// "One whose conditions do not hold is passed over", and the others are made.
pub(super) async fn a_write_that_does_not_hold_is_passed_over(test: &impl StoreUnderTest) {
    let store = test.store();
    let [one, two, three] = ["1", "2", "3"].map(|sk| key("passed", sk));
    put(&*store, &two, Attrs::new().with("n", 5)).await;
    let new = |at: &_| Op::put_new(Item::new(Clone::clone(at), Attrs::new().with("n", 1)));
    let ops = vec![new(&one), new(&two), Op::Delete(two.clone(), vec![Cond::Lt("n".into(), 5)]), new(&three)];
    store.commit(Commit { ops, ..Commit::default() }).await.must();
    assert_eq!(num(&*store, &one, "n").await, Some(1));
    assert_eq!(num(&*store, &two, "n").await, Some(5));
    assert_eq!(num(&*store, &three, "n").await, Some(1));
}

/// "Any number of writes."
pub(super) async fn a_thousand_writes(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = |n: i64| key("thousand", &format!("{n}"));
    let ops = (0..1000).map(|n| Op::put_new(Item::new(at(n), Attrs::new().with("n", n)))).collect();
    store.commit(Commit { ops, ..Commit::default() }).await.must();
    let keys: Vec<_> = (0..1000).map(at).collect();
    let items = store.get_many(&keys).await.must();
    assert!(items.iter().zip(0..).all(|(item, n)| item.as_ref().and_then(|i| i.attrs.num("n")) == Some(n)));
}

/// Where a commit is a transaction, no reader sees a part of it.
pub(super) async fn a_reader_sees_all_or_nothing(test: &impl StoreUnderTest) {
    if !test.commits_are_atomic() {
        return;
    }
    let store = test.store();
    let keys: Vec<_> = (0..5).map(|n| key("atomic", &format!("{n}"))).collect();
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (store, keys, done) = (test.store(), keys.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Relaxed) {
                let items = store.get_many(&keys).await.must();
                let seen: Vec<_> = items.iter().map(|i| i.as_ref().and_then(|i| i.attrs.num("n"))).collect();
                assert!(seen.iter().all(|n| *n == seen[0]), "{seen:?}");
                tokio::task::yield_now().await;
            }
        })
    };
    for n in 0..200 {
        let mut ops = keys.iter().map(|at| Op::put(Item::new(at.clone(), Attrs::new().with("n", n))));
        let guard = ops.next();
        store.commit(Commit { guard, ops: ops.collect(), ..Commit::default() }).await.must();
    }
    done.store(true, Relaxed);
    reader.await.must();
}
