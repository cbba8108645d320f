//! Consumers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mc_core::ports::Verdict;

use super::recorder::number;
use super::{FAMILY, QueueUnderTest, Recorder, group, now};
use crate::must::Must;

/// A consumer that panics about one task, every time.
fn poisoned(by: u32) -> Arc<Recorder> {
    Arc::new(Recorder::answering(move |task| {
        assert_ne!(number(task), by, "this panic belongs to the test");
        Verdict::Done
    }))
}

/// "When the call panics the envelope comes again", and nothing of it is lost.
pub(super) async fn a_panic_brings_the_envelope_again(test: &impl QueueUnderTest) {
    if !test.abilities().crash_loops {
        return;
    }
    test.queue().send(now(&group("a"), 0..20)).await.must();
    let broken = AtomicBool::new(true);
    let recorder = Arc::new(Recorder::answering(move |_| {
        assert!(!broken.swap(false, Relaxed), "this panic belongs to the test");
        Verdict::Done
    }));
    test.drive(FAMILY, recorder.clone()).await;
    let envelopes = recorder.envelopes();
    assert_eq!(envelopes[0].tasks.len(), 20);
    assert!(
        envelopes[1..].iter().all(|envelope| envelope.tasks.len() == 1),
        "a second time they come one by one"
    );
    let mut again: Vec<_> = envelopes[1..].iter().map(|envelope| number(&envelope.tasks[0])).collect();
    again.sort_unstable();
    assert_eq!(again, (0..20).collect::<Vec<_>>());
}

/// "A poisoned task cannot take its neighbours along"; it goes to the crash loops alone, after five times.
pub(super) async fn a_poisoned_task_takes_nobody_along(test: &impl QueueUnderTest) {
    if !test.abilities().crash_loops {
        return;
    }
    test.queue().send(now(&group("a"), 0..20)).await.must();
    let recorder = poisoned(7);
    test.drive(FAMILY, recorder.clone()).await;
    let envelopes = recorder.envelopes();
    let times = |n| envelopes.iter().flat_map(|e| &e.tasks).filter(|task| number(task) == n).count();
    // Where the second time is a new message, the first time is not counted with the others.
    assert!((5..=6).contains(&times(7)), "{} times", times(7));
    assert!((0..20).filter(|n| *n != 7).all(|n| times(n) == 2));
    let depths = test.queue().depths().await.must();
    assert_eq!(depths.iter().find(|depth| depth.family == FAMILY).must().crash_loops, 1);
}

/// What crashed in a loop is sent again on demand, and counts from the beginning.
pub(super) async fn crash_loops_are_sent_again(test: &impl QueueUnderTest) {
    if !test.abilities().crash_loops {
        return;
    }
    assert_eq!(test.queue().redrive(FAMILY).await.must(), 0);
    test.queue().send(now(&group("a"), [7])).await.must();
    for _ in 0..2 {
        let recorder = poisoned(7);
        test.drive(FAMILY, recorder.clone()).await;
        assert_eq!(recorder.take(), [7; 5]);
        assert_eq!(test.queue().redrive(FAMILY).await.must(), 1);
    }
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    assert_eq!(recorder.take(), [7]);
    let depths = test.queue().depths().await.must();
    assert!(depths.iter().all(|depth| depth.crash_loops == 0));
}
