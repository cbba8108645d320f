//! Tasks come, when they should.

use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::{Attrs, Commit, Family, Item, Key, MAX_DELAY, Op, Outgoing, WriteError};

use super::{FAMILY, QueueUnderTest, Recorder, group, now, outgoing, task};
use crate::must::Must;

/// A done task comes once; sending nothing is no error.
pub(super) async fn every_task_comes_once(test: &impl QueueUnderTest) {
    test.queue().send(vec![]).await.must();
    for first in [0, 250, 251, 260] {
        let size = if first == 0 { 250 } else { 1 };
        test.queue().send(now(&group("a"), first..first + size)).await.must();
    }
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    let mut came = recorder.take();
    came.sort_unstable();
    assert_eq!(came, (0..252).chain([260]).collect::<Vec<_>>());
    test.drive(FAMILY, recorder.clone()).await;
    assert!(recorder.take().is_empty());
}

/// "Tasks of one group without a delay are delivered in the order sent", far more of them than fit into memory.
pub(super) async fn a_group_keeps_its_order(test: &impl QueueUnderTest) {
    if !test.abilities().ordered {
        return;
    }
    for first in (0..5000).step_by(10) {
        test.queue().send(now(&group("a"), first..first + 10)).await.must();
    }
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.take(), (0..5000).collect::<Vec<_>>());
}

/// Tasks of several groups never share an envelope, not even when they are sent together.
pub(super) async fn an_envelope_has_one_group(test: &impl QueueUnderTest) {
    let groups = ["a", "b", "c"].map(group);
    let mixed = (0..300).map(|n| outgoing(&groups[n as usize % 3], n, Duration::ZERO)).collect();
    test.queue().send(mixed).await.must();
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    for envelope in recorder.envelopes() {
        assert!(!envelope.tasks.is_empty() && envelope.tasks.len() <= 100);
        let expected = groups.iter().position(|g| *g == envelope.group).must();
        assert!(envelope.tasks.iter().all(|t| super::recorder::number(t) as usize % 3 == expected));
    }
    assert_eq!(recorder.take().len(), 300);
}

/// Each family has a queue of its own.
pub(super) async fn families_are_apart(test: &impl QueueUnderTest) {
    for (family, n) in Family::ALL.into_iter().zip(0..) {
        let sent = Outgoing { family, ..outgoing(&group("a"), n, Duration::ZERO) };
        test.queue().send(vec![sent]).await.must();
    }
    for (family, n) in Family::ALL.into_iter().zip(0..) {
        let recorder = Arc::new(Recorder::done());
        test.drive(family, recorder.clone()).await;
        assert_eq!(recorder.take(), [n]);
    }
}

/// "Not before its delay", and soon after it.
pub(super) async fn no_task_comes_before_its_delay(test: &impl QueueUnderTest) {
    let seconds = Duration::from_secs;
    let delays = [seconds(0), seconds(5), seconds(60), MAX_DELAY];
    let sent = delays.iter().zip(0..).map(|(delay, n)| outgoing(&group("a"), n, *delay)).collect();
    test.queue().send(sent).await.must();
    let recorder = Arc::new(Recorder::done());
    for (wait, expected) in
        [(0, vec![0]), (4, vec![]), (2, vec![1]), (60, vec![2]), (820, vec![]), (20, vec![3])]
    {
        test.advance(seconds(wait)).await;
        test.drive(FAMILY, recorder.clone()).await;
        assert_eq!(recorder.take(), expected, "after {wait} more seconds");
    }
}

/// The earlier time comes first, whatever was sent first; tasks of the same time keep their order.
pub(super) async fn delayed_tasks_come_in_the_order_of_their_times(test: &impl QueueUnderTest) {
    if !test.abilities().ordered {
        return;
    }
    let sent = [(30, 4), (10, 0), (20, 2), (10, 1), (30, 5), (20, 3)];
    for (delay, n) in sent {
        let sent = outgoing(&group("a"), n, Duration::from_secs(delay));
        test.queue().send(vec![sent]).await.must();
    }
    test.advance(Duration::from_secs(31)).await;
    test.queue().send(now(&group("a"), [6])).await.must();
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.take(), [0, 1, 2, 3, 4, 5, 6]);
}

/// A commit sends its tasks after its writes; one that conflicts sends none.
pub(super) async fn tasks_of_a_commit_are_sent(test: &impl QueueUnderTest) {
    let Some(store) = test.store() else { return };
    let at = Key::new("suite/queue", "head");
    let commit = |n| Commit {
        guard: Some(Op::put_new(Item::new(at.clone(), Attrs::new()))),
        tasks: vec![outgoing(&group("a"), n, Duration::ZERO)],
        ..Commit::default()
    };
    store.commit(commit(1)).await.must();
    assert!(matches!(store.commit(commit(2)).await, Err(WriteError::Conflict(_))));
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.envelopes()[0].tasks, [task(1)]);
    assert_eq!(recorder.take(), [1]);
}

/// Depths say what waits, delayed or not, and since when.
pub(super) async fn waiting_tasks_are_counted(test: &impl QueueUnderTest) {
    let depths = async || {
        let depths = test.queue().depths().await.must();
        assert_eq!(depths.len(), Family::ALL.len());
        depths.into_iter().find(|depth| depth.family == FAMILY).must()
    };
    if !test.abilities().counted {
        depths().await;
        return;
    }
    assert_eq!((depths().await.waiting, depths().await.oldest), (Some(0), None));
    test.queue().send(now(&group("a"), 0..7)).await.must();
    test.queue().send(vec![outgoing(&group("b"), 7, Duration::from_secs(60))]).await.must();
    assert_eq!(depths().await.waiting, Some(8));
    assert!(depths().await.oldest.is_some());
    test.drive(FAMILY, Arc::new(Recorder::done())).await;
    assert_eq!((depths().await.waiting, depths().await.oldest), (Some(1), None));
}
