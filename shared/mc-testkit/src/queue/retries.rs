//! Tasks that are sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{Slot, Task, Verdict};

use super::recorder::number;
use super::{FAMILY, QueueUnderTest, Recorder, group, now};
use crate::must::Must;

const MINUTE: Duration = Duration::from_secs(60);

/// "The partial outcome of an envelope sends the remainder again", and nothing else.
pub(super) async fn a_verdict_counts_for_one_task(test: &impl QueueUnderTest) {
    test.queue().send(now(&group("a"), 0..10)).await.must();
    let recorder = Arc::new(Recorder::answering(|task| match number(task) % 3 {
        0 => Verdict::Again { task: task.clone(), after: MINUTE },
        _ => Verdict::Done,
    }));
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.take().len(), 10);
    test.advance(2 * MINUTE).await;
    let rest = Arc::new(Recorder::done());
    test.drive(FAMILY, rest.clone()).await;
    let mut came = rest.take();
    came.sort_unstable();
    assert_eq!(came, [0, 3, 6, 9]);
}

/// The task that comes again is the one the verdict named, not before its time.
pub(super) async fn what_comes_again_waits_its_time(test: &impl QueueUnderTest) {
    test.queue().send(now(&group("a"), [1])).await.must();
    let slot = Some(Slot { at: Timestamp::from_millis(1_796_083_260_000), lane: 3 });
    let recorder = Arc::new(Recorder::answering(move |task| {
        let mut task = task.clone();
        if let Task::Deliver { slot: was, .. } = &mut task {
            *was = slot;
        }
        Verdict::Again { task, after: MINUTE }
    }));
    test.drive(FAMILY, recorder.clone()).await;
    test.advance(MINUTE - Duration::from_secs(5)).await;
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.envelopes().len(), 1);
    test.advance(Duration::from_secs(6)).await;
    let rest = Arc::new(Recorder::done());
    test.drive(FAMILY, rest.clone()).await;
    let envelopes = rest.envelopes();
    assert!(
        matches!(&envelopes[..], [e] if matches!(&e.tasks[..], [Task::Deliver { slot: s, .. }] if *s == slot))
    );
}

/// Coming again by a verdict is no crash, however often.
pub(super) async fn a_task_may_come_again_often(test: &impl QueueUnderTest) {
    test.queue().send(now(&group("a"), [1])).await.must();
    let calls = AtomicU32::new(0);
    let recorder = Arc::new(Recorder::answering(move |task| match calls.fetch_add(1, Relaxed) {
        0..20 => Verdict::Again { task: task.clone(), after: Duration::ZERO },
        _ => Verdict::Done,
    }));
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.take().len(), 21);
    let depths = test.queue().depths().await.must();
    assert!(depths.iter().all(|depth| depth.crash_loops == 0));
}
