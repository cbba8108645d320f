//! Driving consumers in earnest.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use mc_core::ports::{Consumer, Envelope, Queue, Verdict};
use mc_store_embedded::{Drive, EmbeddedQueue, run};
use mc_testkit::MockClock;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::support::{FAMILY, Folder, group, number, send, sends};

/// Says what comes, and answers only as many tasks as it has leave to.
struct Gate {
    came: mpsc::UnboundedSender<Envelope>,
    leave: Semaphore,
    answer: fn(&Envelope) -> Vec<Verdict>,
}

#[async_trait]
impl Consumer for Gate {
    async fn consume(&self, envelope: Envelope) -> Vec<Verdict> {
        self.came.send(envelope.clone()).unwrap();
        self.leave.acquire_many(envelope.tasks.len() as u32).await.unwrap().forget();
        (self.answer)(&envelope)
    }
}

struct Driven {
    gate: Arc<Gate>,
    came: mpsc::UnboundedReceiver<Envelope>,
    stop: oneshot::Sender<()>,
    driver: JoinHandle<()>,
}

fn done(envelope: &Envelope) -> Vec<Verdict> {
    vec![Verdict::Done; envelope.tasks.len()]
}

fn drive(
    queue: EmbeddedQueue,
    concurrency: usize,
    grace: Duration,
    answer: fn(&Envelope) -> Vec<Verdict>,
) -> Driven {
    let (sender, came) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate { came: sender, leave: Semaphore::new(0), answer });
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { drop(stopped.await) };
    let driver = tokio::spawn(run(queue, FAMILY, gate.clone(), Drive { concurrency, grace }, shutdown));
    Driven { gate, came, stop, driver }
}

#[tokio::test]
async fn a_crowd_in_one_group_leaves_room_for_another() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let queue = data.queue();
    for n in 0..100 {
        queue.send(sends(&group("bulk"), [n])).await.unwrap();
    }
    let mut driven = drive(queue.clone(), 8, Duration::ZERO, done);
    for _ in 0..6 {
        assert_eq!(driven.came.recv().await.unwrap().group, group("bulk"));
    }
    // Three quarters are taken and none of them ends, yet somebody else is served.
    queue.send(sends(&group("high"), [1000])).await.unwrap();
    assert_eq!(driven.came.recv().await.unwrap().group, group("high"));
    assert!(driven.came.try_recv().is_err());
    driven.gate.leave.add_permits(1000);
    for _ in 0..94 {
        driven.came.recv().await.unwrap();
    }
    driven.stop.send(()).unwrap();
    driven.driver.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_in_flight() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    data.queue().send(sends(&group("a"), 0..2)).await.unwrap();
    let mut driven = drive(data.queue(), 4, Duration::from_secs(3600), done);
    driven.came.recv().await.unwrap();
    driven.stop.send(()).unwrap();
    data.queue().send(sends(&group("a"), [9])).await.unwrap();
    driven.gate.leave.add_permits(2);
    driven.driver.await.unwrap();
    let left = data.queue().next(FAMILY).await;
    assert_eq!(left.envelope().tasks.iter().map(number).collect::<Vec<_>>(), [9]);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_handed_back_uncounted() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    data.queue().send(sends(&group("a"), 0..2)).await.unwrap();
    let mut driven = drive(data.queue(), 4, Duration::ZERO, done);
    driven.came.recv().await.unwrap();
    driven.stop.send(()).unwrap();
    driven.driver.await.unwrap();
    let again = data.queue().next(FAMILY).await;
    assert_eq!((again.envelope().tasks.len(), again.receives()), (2, 1));
}

#[tokio::test]
async fn a_wrong_number_of_verdicts_is_a_crash() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    data.queue().send(sends(&group("a"), [0, 1])).await.unwrap();
    let mut driven = drive(data.queue(), 1, Duration::ZERO, |_| vec![]);
    driven.gate.leave.add_permits(1000);
    for _ in 0..9 {
        driven.came.recv().await.unwrap();
    }
    driven.stop.send(()).unwrap();
    driven.driver.await.unwrap();
    assert!(data.queue().next_unless_idle(FAMILY).await.is_none());
    assert_eq!(data.queue().depths().await.unwrap()[0].crash_loops, 2);
}

#[tokio::test]
async fn a_delayed_task_wakes_the_driver_by_itself() {
    /// Follows the runtime's time, so that timers and clock agree.
    struct Real(std::time::Instant);
    impl mc_core::ports::Clock for Real {
        fn now(&self) -> mc_core::Timestamp {
            mc_core::Timestamp::from_millis(1_796_083_200_000).after(self.0.elapsed())
        }
    }
    let folder = Folder::new();
    let clock = Arc::new(Real(std::time::Instant::now()));
    let data = mc_store_embedded::Embedded::open(folder.options(), clock).unwrap();
    let waiting = data.queue();
    let came = Arc::new(Mutex::new(vec![]));
    let waiter = {
        let came = came.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                let taken = waiting.next(FAMILY).await;
                came.lock().unwrap().extend(taken.envelope().tasks.iter().map(number));
                taken.finish(vec![Verdict::Done]);
            }
        })
    };
    for (n, millis) in [(1, 60), (0, 20), (2, 90)] {
        data.queue().send(vec![send(&group("a"), n, Duration::from_millis(millis))]).await.unwrap();
    }
    waiter.await.unwrap();
    assert_eq!(*came.lock().unwrap(), [0, 1, 2]);
}
