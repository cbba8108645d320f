//! The behaviour suites.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_core::ports::{Blobs, Consumer, Family, Queue, Store};
use mc_store_embedded::Embedded;
use mc_suites::PlaceUnderTest;
use mc_testkit::MockClock;
use mc_testkit::queue::{Abilities, QueueUnderTest};
use mc_testkit::store::StoreUnderTest;

use crate::support::Folder;

struct UnderTest {
    clock: Arc<MockClock>,
    data: Option<Embedded>,
    folder: Folder,
}

impl UnderTest {
    async fn new() -> Self {
        let (clock, folder) = (Arc::new(MockClock::default()), Folder::new());
        let data = Some(folder.open(&clock));
        Self { clock, data, folder }
    }

    fn data(&self) -> &Embedded {
        self.data.as_ref().unwrap()
    }
}

#[async_trait]
impl StoreUnderTest for UnderTest {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.data().store())
    }

    fn clock(&self) -> &MockClock {
        &self.clock
    }

    async fn reopen(&mut self) -> bool {
        // The old one has to free the folder before the new one can have it.
        self.data = None;
        self.data = Some(self.folder.open(&self.clock));
        true
    }

    fn commits_are_atomic(&self) -> bool {
        true
    }
}

#[async_trait]
impl QueueUnderTest for UnderTest {
    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(self.data().queue())
    }

    fn store(&self) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.data().store()))
    }

    fn abilities(&self) -> Abilities {
        Abilities { ordered: true, fair: true, counted: true, crash_loops: true }
    }

    async fn drive(&self, family: Family, consumer: Arc<dyn Consumer>) {
        while let Some(taken) = self.data().queue().next_unless_idle(family).await {
            let (consumer, envelope) = (consumer.clone(), taken.envelope().clone());
            if let Ok(verdicts) = tokio::spawn(async move { consumer.consume(envelope).await }).await {
                taken.finish(verdicts);
            }
        }
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.data().queue().wake();
    }
}

impl PlaceUnderTest for UnderTest {
    fn shared_clock(&self) -> Arc<MockClock> {
        self.clock.clone()
    }

    fn blobs(&self) -> Arc<dyn Blobs> {
        Arc::new(self.data().blobs())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_behaves() {
    mc_testkit::store::all(UnderTest::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_behaves() {
    mc_testkit::queue::all(UnderTest::new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_use_cases_behave() {
    mc_suites::all(UnderTest::new).await;
}
