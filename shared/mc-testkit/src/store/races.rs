//! Many at the same item.

use mc_core::ports::{Attrs, Change, Cond, Item, Op, WriteError};
use tokio::task::JoinSet;

use super::{StoreUnderTest, key, num, put};
use crate::must::Must;

/// "Atomic with every other write to the same item": no increment is lost, and each sees a sum of its own.
pub(super) async fn a_hundred_increments_add_up(test: &impl StoreUnderTest) {
    let at = key("counter", "one");
    let mut writers = JoinSet::new();
    for _ in 0..100 {
        let (store, at) = (test.store(), at.clone());
        writers.spawn(async move {
            let add = Op::Update(at, vec![Change::Add("n".into(), 1)], vec![]);
            store.write(add).await.must().and_then(|item| item.attrs.num("n"))
        });
    }
    let mut seen = writers.join_all().await;
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).map(Some).collect::<Vec<_>>());
    assert_eq!(num(&*test.store(), &at, "n").await, Some(100));
}

/// Of many that create an item one succeeds, and the others learn whose it is.
pub(super) async fn one_of_many_creates(test: &impl StoreUnderTest) {
    let at = key("create", "one");
    let mut writers = JoinSet::new();
    for n in 0..50 {
        let (store, at) = (test.store(), at.clone());
        writers.spawn(async move {
            match store.write(Op::put_new(Item::new(at, Attrs::new().with("n", n)))).await {
                Ok(item) => (true, item),
                Err(WriteError::Conflict(conflict)) => (false, conflict.current),
                Err(WriteError::Failed(error)) => panic!("{error}"),
            }
        });
    }
    let outcomes = writers.join_all().await;
    assert_eq!(outcomes.iter().filter(|(won, _)| *won).count(), 1);
    let winner = num(&*test.store(), &at, "n").await;
    assert!(winner.is_some());
    assert!(outcomes.iter().all(|(_, item)| item.as_ref().and_then(|i| i.attrs.num("n")) == winner));
}

/// Of many that claim, one gets it and holds what the claim answered.
pub(super) async fn one_of_many_claims(test: &impl StoreUnderTest) {
    let at = key("claim", "one");
    put(&*test.store(), &at, Attrs::new().with("st", "queued").with("doc", "payload")).await;
    let mut writers = JoinSet::new();
    for n in 0..50_i64 {
        let (store, at) = (test.store(), at.clone());
        writers.spawn(async move {
            let changes = vec![Change::set("st", "sending"), Change::set("by", n)];
            let claim = Op::Update(at, changes, vec![Cond::Eq("st".into(), "queued".into())]);
            match store.write(claim).await {
                Ok(item) => Some((n, item.must())),
                Err(WriteError::Conflict(conflict)) => {
                    assert_eq!(conflict.current.must().attrs.text("st"), Some("sending"));
                    None
                }
                Err(WriteError::Failed(error)) => panic!("{error}"),
            }
        });
    }
    let won: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    assert_eq!(won[0].1.attrs.num("by"), Some(won[0].0));
    assert_eq!(won[0].1.attrs.text("doc"), Some("payload"));
}
