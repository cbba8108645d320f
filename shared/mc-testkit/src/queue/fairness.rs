//! Groups take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use async_trait::async_trait;
use mc_core::model::Priority;
use mc_core::ports::{Consumer, Envelope, Group, Queue, Verdict};

use super::{FAMILY, QueueUnderTest, Recorder, group, now};
use crate::must::Must;

/// Sends one more task while it works on the first envelope.
struct Interrupted {
    queue: Arc<dyn Queue>,
    recorder: Recorder,
    high: Group,
    calls: AtomicU32,
}

#[async_trait]
impl Consumer for Interrupted {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        if self.calls.fetch_add(1, Relaxed) == 3 {
            self.queue.send(now(&self.high, [1_000_000])).await.must();
        }
        self.recorder.consume(envelope).await
    }
}

/// "A group with many tasks waiting delays another group's task by at most one envelope per group."
pub(super) async fn a_high_task_waits_for_one_envelope_per_group(test: &impl QueueUnderTest) {
    if !test.abilities().fair {
        return;
    }
    let bulk = ["x", "y"].map(|project| Group::of(project, Priority::Bulk));
    for group in &bulk {
        for first in (0..10_000).step_by(500) {
            test.queue().send(now(group, first..first + 500)).await.must();
        }
    }
    let high = Group::of("x", Priority::High);
    let recorder = Recorder::done();
    let consumer =
        Arc::new(Interrupted { queue: test.queue(), recorder, high: high.clone(), calls: 0.into() });
    test.drive(FAMILY, consumer.clone()).await;
    let envelopes = consumer.recorder.envelopes();
    let place = envelopes.iter().position(|envelope| envelope.group == high).must();
    assert!(place <= 4 + bulk.len(), "sent in envelope 3, served in envelope {place}");
    assert_eq!(consumer.recorder.take().len(), 20_001);
}

/// Groups with the same load get the same share at any time.
pub(super) async fn groups_take_turns(test: &impl QueueUnderTest) {
    if !test.abilities().fair {
        return;
    }
    let groups = ["a", "b", "c"].map(group);
    for group in &groups {
        for first in (0..1000).step_by(10) {
            test.queue().send(now(group, first..first + 10)).await.must();
        }
    }
    let recorder = Arc::new(Recorder::done());
    test.drive(FAMILY, recorder.clone()).await;
    let half = recorder.envelopes().len() / 2;
    for group in &groups {
        let served = recorder.envelopes()[..half].iter().filter(|envelope| envelope.group == *group).count();
        assert!(served.abs_diff(half / 3) <= half / 10, "{group} had {served} of {half} turns");
    }
}
