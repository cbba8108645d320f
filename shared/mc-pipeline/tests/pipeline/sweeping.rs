//! Processes that end between writing a message and queueing its tasks, where the two are not one transaction.

use std::time::Duration;

use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::sweep::sweep;
use mc_sandbox::Platform;
use mc_testkit::Crash;
use serde_json::json;

use crate::asked::Asked;
use crate::world::{COMPLETED, World, inline};

const MINUTE: Duration = Duration::from_secs(60);

/// Turns the clock and sweeps every five minutes, as the schedule does; answers what was queued.
async fn sweep_for(world: &World, minutes: u32) -> usize {
    let mut queued = 0;
    for _ in 0..minutes / 5 {
        world.clock.advance(5 * MINUTE);
        queued += sweep(&world.center).await.unwrap();
        // The next turn of the clock would end the leases of what is being pushed.
        world.settle().await;
    }
    queued
}

/// A center whose sweeps have begun.
async fn swept() -> World {
    let world = World::quiet().await;
    sweep_for(&world, 10).await;
    world
}

#[tokio::test]
async fn what_was_written_and_not_queued_is_delivered_in_the_end() {
    let world = swept().await;
    world.store.crash(Crash::BeforeTasks);
    let one = world.send(inline("im", json!([]))).await;
    world.store.crash(Crash::BeforeTasks);
    let people: Vec<_> = (0..250).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
    let many = world.send(inline("mail", json!(people))).await;
    world.work();
    world.advance(MINUTE).await;
    assert_eq!(world.view(one).await.status, MessageStatus::Queued);

    assert_eq!(sweep_for(&world, 10).await, 1 + 2, "a task for each share");
    world.advance(MINUTE).await;
    assert_eq!(world.finished(one).await.status, COMPLETED);
    let view = world.finished(many).await;
    assert_eq!((view.status, view.counts.get(State::Sent)), (COMPLETED, 250));
    assert_eq!(sweep_for(&world, 180).await, 0, "it is found once");
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 250);
}

#[tokio::test]
async fn what_waits_in_the_queue_is_not_sent_twice() {
    let world = swept().await;
    let ids = [world.send(inline("im", json!([]))).await, world.send(inline("im", json!([]))).await];
    // Nobody works for an hour and a half, so each look takes them for lost.
    assert_eq!(sweep_for(&world, 90).await, 4);
    world.work();
    world.advance(MINUTE).await;
    for id in ids {
        assert_eq!(world.finished(id).await.status, COMPLETED);
    }
    world.advance(10 * MINUTE).await;
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 2);
}

#[tokio::test]
async fn what_waits_for_a_slot_or_for_its_time_is_left_alone() {
    let world = swept().await;
    world.work();
    let mut ids = Vec::new();
    for _ in 0..150 {
        ids.push(world.send(inline("robot", json!([]))).await);
    }
    let mut later = inline("im", json!([]));
    later["send_at"] = json!(world.clock.now().after(14 * MINUTE).to_string());
    ids.push(world.send(later).await);
    let mut queued = 0;
    for second in 0..660 {
        world.advance(Duration::from_secs(1)).await;
        if second % 300 == 0 {
            queued += sweep(&world.center).await.unwrap();
        }
    }
    assert_eq!(queued, 0);
    world.advance(5 * MINUTE).await;
    for id in ids {
        assert_eq!(world.finished(id).await.status, COMPLETED);
    }
}

#[tokio::test]
async fn a_share_whose_message_was_never_written_is_nobodys() {
    let world = swept().await;
    world.store.crash(Crash::BeforeHeads);
    let people: Vec<_> = (0..250).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
    world.send(inline("mail", json!(people))).await;
    assert_eq!(sweep_for(&world, 90).await, 0);
}

#[tokio::test]
async fn what_asks_first_is_asked_about_before_it_is_delivered() {
    let answers = [
        (200, "true", COMPLETED, 250),
        (200, "false", MessageStatus::Canceled, 0),
        (503, "", MessageStatus::Canceled, 0),
    ];
    for (code, answer, status, sent) in answers {
        let (world, asked) = (swept().await, Asked::start().await);
        asked.say(code, answer);
        let people: Vec<_> = (0..250).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
        let mut body = inline("mail", json!(people));
        body["condition"] = json!({"url": asked.url, "on_error": "skip"});
        world.store.crash(Crash::BeforeTasks);
        let id = world.send(body).await;
        world.work();
        world.advance(MINUTE).await;
        assert_eq!((world.view(id).await.status, asked.count()), (MessageStatus::Queued, 0));

        assert!(sweep_for(&world, 10).await > 0);
        // One that gives no answer is asked a few times.
        for _ in 0..10 {
            world.advance(MINUTE).await;
        }
        let view = world.finished(id).await;
        assert_eq!((view.status, view.counts.get(State::Sent)), (status, sent));
        assert!(asked.count() > 0);
        let asked_so_far = asked.count();
        assert_eq!(sweep_for(&world, 180).await, 0, "what is answered is nobody's to find");
        world.advance(MINUTE).await;
        assert_eq!(
            (world.sandbox.accepted(Platform::Smtp).len(), asked.count()),
            (sent as usize, asked_so_far)
        );
    }
}

#[tokio::test]
async fn two_sweeps_at_once_do_no_harm() {
    let world = swept().await;
    world.store.crash(Crash::BeforeTasks);
    let id = world.send(inline("im", json!([]))).await;
    world.advance(9 * MINUTE).await;
    let (one, other) = tokio::join!(sweep(&world.center), sweep(&world.center));
    assert!((1..=2).contains(&(one.unwrap() + other.unwrap())));
    world.work();
    world.advance(MINUTE).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}

#[tokio::test]
async fn a_repeated_request_completes_what_a_crash_left_out() {
    for crash in [Crash::BehindGuard, Crash::BeforeHeads, Crash::BeforeTasks] {
        let world = World::quiet().await;
        let people: Vec<_> = (0..250).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
        let body = inline("mail", json!(people));
        world.store.crash(crash);
        let (first, replayed) = world.try_send_once(body.clone(), Some("k")).await.unwrap();
        assert!(!replayed);
        let waiting = || async {
            world.center.queue.depths().await.unwrap().iter().filter_map(|d| d.waiting).sum::<u64>()
        };
        assert_eq!(waiting().await, 0);

        let (again, replayed) = world.try_send_once(body.clone(), Some("k")).await.unwrap();
        assert!(replayed);
        assert_eq!(again.id, first.id);
        let (third, _) = world.try_send_once(body, Some("k")).await.unwrap();
        assert_eq!(third.id, first.id);
        world.work();
        world.advance(MINUTE).await;
        let view = world.finished(first.id).await;
        assert_eq!((view.status, view.counts.get(State::Sent)), (COMPLETED, 250));
        assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 250);
    }
}

#[tokio::test]
async fn a_repeated_request_queues_a_small_message_that_was_not_queued() {
    let world = World::quiet().await;
    let body = inline("im", json!([]));
    world.store.crash(Crash::BeforeTasks);
    let (first, _) = world.try_send_once(body.clone(), Some("k")).await.unwrap();
    let (again, replayed) = world.try_send_once(body.clone(), Some("k")).await.unwrap();
    assert_eq!((again.id, replayed), (first.id, true));
    world.work();
    assert_eq!(world.finished(first.id).await.status, COMPLETED);
    world.try_send_once(body, Some("k")).await.unwrap();
    world.advance(MINUTE).await;
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}
