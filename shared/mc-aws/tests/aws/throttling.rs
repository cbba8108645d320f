//! AWS in trouble: too fast, lost answers, batches taken in part.

use std::sync::Arc;

use mc_aws::meter::{Operation, Reading};
use mc_core::model::Priority;
use mc_core::ports::Family;
use mc_core::ports::{
    Attrs, Change, Commit, Cond, Group, Item, Key, Op, Outgoing, Queue, Store, Task, WriteError,
};
use mc_core::{ErrorKind, Retry};
use mc_testkit::queue::{QueueUnderTest, Recorder};

use crate::proxy::{Proxy, Trouble};
use crate::rig::Rig;

async fn rig() -> (Proxy, Rig) {
    let proxy = Proxy::start().await;
    let rig = Rig::at(proxy.endpoint.clone()).await;
    (proxy, rig)
}

fn reading(rig: &Rig, operation: Operation) -> Reading {
    rig.aws.meter().readings().into_iter().find(|reading| reading.operation == operation).unwrap()
}

fn item(sk: &str, n: i64) -> Item {
    Item::new(Key::new("trouble", sk), Attrs::new().with("n", n).with("st", "q"))
}

#[tokio::test]
async fn throttling_is_waited_for_and_then_said() {
    let (proxy, rig) = rig().await;
    let store = rig.aws.store().unwrap();
    proxy.expect([Trouble::Throttle; 3]);
    store.write(Op::put_new(item("a", 1))).await.unwrap();
    let put = reading(&rig, Operation::PutItem);
    assert_eq!((put.calls, put.failures, put.units), (4, 3, 1));
    proxy.expect([Trouble::Throttle; 4]);
    let error = store.get(&item("a", 1).key).await.unwrap_err();
    assert_eq!((error.kind, error.retry), (ErrorKind::Throttled, Retry::Backoff));
    assert!(proxy.is_done());
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_known_by_its_effect() {
    let (proxy, rig) = rig().await;
    let store = rig.aws.store().unwrap();
    proxy.expect([Trouble::LoseAnswer]);
    store.write(Op::put_new(item("a", 1))).await.unwrap();
    let claim = |by: &str| {
        let changes = vec![Change::set("st", "p"), Change::set("by", by), Change::Add("at".into(), 1)];
        Op::Update(item("a", 1).key, changes, vec![Cond::Eq("st".into(), "q".into())])
    };
    proxy.expect([Trouble::LoseAnswer]);
    let claimed = store.write(claim("me")).await.unwrap().unwrap();
    assert_eq!((claimed.attrs.num("at"), claimed.attrs.text("by")), (Some(1), Some("me")));
    // Another's claim stays another's, lost answers or not.
    proxy.expect([Trouble::LoseAnswer]);
    assert!(matches!(store.write(claim("you")).await, Err(WriteError::Conflict(_))));
    proxy.expect([Trouble::LoseAnswer]);
    let gone = Op::Delete(item("a", 1).key, vec![Cond::Eq("st".into(), "p".into())]);
    assert_eq!(store.write(gone).await.unwrap(), None);
    assert!(proxy.is_done());
}

#[tokio::test]
async fn batches_that_are_taken_in_part_are_completed() {
    let (proxy, rig) = rig().await;
    let store = rig.aws.store().unwrap();
    let ops = (0..20).map(|n| Op::put(item(&format!("{n:02}"), n))).collect();
    proxy.expect([Trouble::TakeOne, Trouble::Throttle, Trouble::TakeOne]);
    store.commit(Commit { ops, ..Commit::default() }).await.unwrap();
    let writes = reading(&rig, Operation::BatchWriteItem);
    assert_eq!((writes.calls, writes.units), (4, 20));
    let keys: Vec<_> = (0..20).map(|n| item(&format!("{n:02}"), n).key).collect();
    proxy.expect([Trouble::TakeOne, Trouble::TakeOne]);
    let items = store.get_many(&keys).await.unwrap();
    assert!(items.iter().zip(0..).all(|(item, n)| item.as_ref().unwrap().attrs.num("n") == Some(n)));
    assert_eq!(reading(&rig, Operation::BatchGetItem).units, 40);
    assert!(proxy.is_done());
    assert_eq!(store.glance(&keys).await.unwrap(), items, "what is old enough is in a glance");
    assert_eq!(reading(&rig, Operation::BatchGetItem).units, 60, "which costs half as much");
}

#[tokio::test]
async fn messages_that_a_queue_did_not_take_are_sent_again() {
    let (proxy, rig) = rig().await;
    let outgoing = |n: u32| {
        let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
        Outgoing {
            family: Family::Email,
            group: Group::of(&format!("p{}", n % 5), Priority::Normal),
            task: Task::Deliver { project: "p".into(), message, share: n, channel: "c".into(), slot: None },
            delay: std::time::Duration::ZERO,
        }
    };
    proxy.expect([Trouble::TakeOne, Trouble::Throttle, Trouble::TakeOne]);
    Rig::queue(&rig).send((0..50).map(outgoing).collect()).await.unwrap();
    assert!(proxy.is_done());
    let recorder = Arc::new(Recorder::done());
    rig.drive(Family::Email, recorder.clone()).await;
    let mut came = recorder.take();
    came.sort_unstable();
    assert_eq!(came, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_commit_goes_on_after_its_guard() {
    let (proxy, rig) = rig().await;
    let store = rig.aws.store().unwrap();
    let commit = Commit {
        guard: Some(Op::put_new(item("guard", 0))),
        ops: vec![Op::put_new(item("part", 1))],
        then: vec![Op::put_new(item("head", 2))],
        tasks: vec![],
    };
    // More trouble than somebody who waits for an answer would wait for.
    proxy.expect([
        Trouble::None,
        Trouble::Throttle,
        Trouble::Throttle,
        Trouble::LoseAnswer,
        Trouble::Throttle,
    ]);
    proxy.expect([Trouble::Throttle]);
    store.commit(commit).await.unwrap();
    assert!(proxy.is_done());
    for sk in ["guard", "part", "head"] {
        assert!(store.get(&item(sk, 0).key).await.unwrap().is_some(), "{sk}");
    }
}
