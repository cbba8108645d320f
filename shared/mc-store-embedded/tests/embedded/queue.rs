//! What only this queue promises.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{Clock, Queue, Verdict};
use mc_store_embedded::{EmbeddedQueue, Taken};
use mc_testkit::MockClock;

use crate::support::{FAMILY, Folder, group, number, send, sends};

fn numbers(taken: &Taken) -> Vec<u32> {
    taken.envelope().tasks.iter().map(number).collect()
}

async fn finish_all(queue: &EmbeddedQueue) -> Vec<u32> {
    let mut all = vec![];
    while let Some(taken) = queue.next_unless_idle(FAMILY).await {
        let some = numbers(&taken);
        taken.finish(vec![Verdict::Done; some.len()]);
        all.extend(some);
    }
    all
}

#[tokio::test]
async fn a_dropped_envelope_comes_again_and_a_handed_back_one_uncounted() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let queue = data.queue();
    queue.send(sends(&group("a"), [0])).await.unwrap();
    for receives in 1..=5 {
        queue.next(FAMILY).await.hand_back();
        let taken = queue.next(FAMILY).await;
        assert_eq!((numbers(&taken), taken.receives()), (vec![0], receives));
    }
    assert!(queue.next_unless_idle(FAMILY).await.is_none());
    assert_eq!(queue.depths().await.unwrap()[0].crash_loops, 1);
}

#[tokio::test]
async fn receives_survive_restarts_and_in_the_end_the_guilty_one_is_alone() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    folder.open(&clock).queue().send(sends(&group("a"), 0..3)).await.unwrap();
    // Together at first, then as singles, then in little company, then one by one.
    for (restart, sizes) in (1..).zip([vec![3], vec![1, 1, 1], vec![1, 1, 1], vec![1, 1, 1], vec![1]]) {
        let data = folder.open(&clock);
        // Held until the process "dies": closing drops nothing that was taken.
        let mut held = vec![];
        while let Ok(taken) =
            tokio::time::timeout(Duration::from_millis(100), data.queue().next(FAMILY)).await
        {
            assert_eq!(taken.receives(), restart);
            held.push(taken);
        }
        assert_eq!(held.iter().map(|taken| numbers(taken).len()).collect::<Vec<_>>(), sizes);
        data.close().await.unwrap();
    }
    let data = folder.open(&clock);
    assert_eq!(finish_all(&data.queue()).await, [1, 2], "those that were only nearby go on");
    assert_eq!(data.queue().depths().await.unwrap()[0].crash_loops, 1);
    data.close().await.unwrap();
    drop(data);
    let data = folder.open(&clock);
    assert_eq!(data.queue().depths().await.unwrap()[0].crash_loops, 1);
    assert_eq!(data.queue().redrive(FAMILY).await.unwrap(), 1);
    assert_eq!(finish_all(&data.queue()).await, [0]);
}

#[tokio::test]
async fn a_restart_keeps_order_delays_and_counts() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    for n in 0..2000 {
        data.queue().send(sends(&group(if n % 2 == 0 { "a" } else { "b" }), [n])).await.unwrap();
    }
    data.queue().send(vec![send(&group("a"), 9000, Duration::from_secs(60))]).await.unwrap();
    drop(data);
    let data = folder.open(&clock);
    assert_eq!(data.queue().depths().await.unwrap()[0].waiting, Some(2001));
    let came = finish_all(&data.queue()).await;
    assert_eq!(came.len(), 2000);
    for parity in [0, 1] {
        let group: Vec<_> = came.iter().filter(|n| **n % 2 == parity).collect();
        assert!(group.is_sorted());
    }
    drop(data);
    clock.advance(Duration::from_secs(61));
    assert_eq!(finish_all(&folder.open(&clock).queue()).await, [9000]);
}

#[tokio::test]
async fn order_holds_while_tasks_come_go_and_come_due() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let queue = data.queue();
    // Every round sends more than it takes, so that the window overflows, runs empty and is passed by delayed tasks.
    let (mut sent, mut came, mut delayed) = (0, vec![], 0);
    for round in 0..60 {
        for _ in 0..20 {
            queue.send(sends(&group("a"), sent..sent + 7)).await.unwrap();
            sent += 7;
        }
        let later = Duration::from_millis(150 * (round % 5));
        queue.send(vec![send(&group("a"), 1_000_000 + round as u32, later)]).await.unwrap();
        delayed += 1;
        clock.advance(Duration::from_millis(100));
        queue.wake();
        for _ in 0..if round % 10 == 9 { 10_000 } else { 9 } {
            let Some(taken) = queue.next_unless_idle(FAMILY).await else { break };
            came.extend(numbers(&taken));
            let tasks = taken.envelope().tasks.len();
            taken.finish(vec![Verdict::Done; tasks]);
        }
    }
    clock.advance(Duration::from_secs(10));
    queue.wake();
    came.extend(finish_all(&queue).await);
    assert_eq!(came.iter().filter(|n| **n >= 1_000_000).count(), delayed);
    came.retain(|n| *n < 1_000_000);
    assert_eq!(came, (0..sent).collect::<Vec<_>>());
    assert_eq!(queue.depths().await.unwrap()[0].waiting, Some(0));
}

#[tokio::test]
async fn a_clock_that_is_set_back_neither_holds_up_nor_hurries() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let day = Duration::from_secs(86_400);
    clock.advance(day);
    let data = folder.open(&clock);
    data.queue().send(sends(&group("a"), [0])).await.unwrap();
    data.queue().send(vec![send(&group("a"), 1, Duration::from_secs(60))]).await.unwrap();
    clock.set(Timestamp::from_millis(clock.now().before(day).millis()));
    data.queue().send(sends(&group("a"), [2])).await.unwrap();
    assert_eq!(finish_all(&data.queue()).await, [0, 2]);
    clock.advance(Duration::from_secs(59));
    assert_eq!(finish_all(&data.queue()).await, [0u32; 0]);
    clock.advance(Duration::from_secs(2));
    assert_eq!(finish_all(&data.queue()).await, [1]);
    // The same while nobody runs: what lies there is due at most one longest delay later.
    data.queue().send(vec![send(&group("a"), 3, Duration::from_secs(60))]).await.unwrap();
    drop(data);
    clock.set(Timestamp::from_millis(clock.now().before(day).millis()));
    let data = folder.open(&clock);
    clock.advance(mc_core::ports::MAX_DELAY);
    assert_eq!(finish_all(&data.queue()).await, [3]);
}

#[tokio::test]
async fn what_cannot_be_read_is_set_aside() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    for n in 0..3 {
        data.queue().send(sends(&group("a"), [n])).await.unwrap();
    }
    drop(data);
    let connection = rusqlite::Connection::open(folder.path().join("message-center.db")).unwrap();
    let unknown = r#"UPDATE queue SET tasks = CAST('[{"t":"deliver.99"}]' AS BLOB) WHERE seq = 2"#;
    assert_eq!(connection.execute(unknown, []).unwrap(), 1);
    drop(connection);
    let data = folder.open(&clock);
    assert_eq!(finish_all(&data.queue()).await, [0, 2]);
    let depth = &data.queue().depths().await.unwrap()[0];
    assert_eq!((depth.waiting, depth.crash_loops), (Some(0), 1));
    assert_eq!(data.queue().redrive(FAMILY).await.unwrap(), 0, "it waits for a program that can read it");
}

#[tokio::test]
async fn waiting_can_be_given_up() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let queue = data.queue();
    for n in 0..200 {
        let mut waiting = Box::pin(queue.next(FAMILY));
        // One look, in which nothing is there or something is just on its way.
        let early = futures_util::future::poll_immediate(&mut waiting).await;
        assert!(early.is_none());
        queue.send(sends(&group("a"), [n])).await.unwrap();
        if n % 2 == 0 {
            drop(waiting);
            queue.next(FAMILY).await.finish(vec![Verdict::Done]);
        } else {
            waiting.await.finish(vec![Verdict::Done]);
        }
    }
    assert!(queue.next_unless_idle(FAMILY).await.is_none());
    assert_eq!(queue.depths().await.unwrap()[0].waiting, Some(0));
}

#[tokio::test]
async fn a_delay_longer_than_queues_take_is_refused() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let too_long = mc_core::ports::MAX_DELAY + Duration::from_millis(1);
    let data = folder.open(&clock);
    assert!(data.queue().send(vec![send(&group("a"), 0, too_long)]).await.is_err());
}
