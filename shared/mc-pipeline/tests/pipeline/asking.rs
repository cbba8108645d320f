//! Schedules whose runs ask first: what they make, when nobody answers, and when nobody is there to ask again.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::{CatchUp, Condition, RunOutcome};
use mc_core::ports::{Clock, Verdict};
use mc_pipeline::schedules;
use serde_json::json;

use crate::asked::Asked;
use crate::schedules::{Wish, arrived, asking, log, messages, put, stored, try_put};
use crate::world::{PROJECT, World, pointer};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn wish(asked: &Asked) -> Wish {
    Wish { condition: Some(asking(&asked.url)), ..Wish::default() }
}

/// Works on the task of a run, as it is after so many tries.
async fn run(world: &World, at: Timestamp, tries: u32) -> Verdict {
    schedules::run(&world.center, &Arc::from(PROJECT), &Arc::from("s"), at, tries).await.unwrap()
}

#[tokio::test]
async fn a_run_whose_condition_says_no_makes_no_message() {
    let world = World::working().await;
    let asked = Asked::start().await;
    let condition = Condition { method: mc_core::model::AskMethod::Post, ..asking(&asked.url) };
    let next =
        put(&world, "0 9 * * *", Wish { condition: Some(condition), ..Wish::default() }).await.next.unwrap();
    asked.say(200, "false");
    world.clock.set(next);
    world.advance(Duration::ZERO).await;
    assert_eq!((arrived(&world), messages(&world).await.len()), (0, 0));
    assert_eq!(log(&world, "schedule.skipped").await[0]["code"], "condition_false");
    assert_eq!(asked.bodies()[0]["schedule"], "s");
    asked.say(200, r#"{"send": true}"#);
    world.advance(24 * HOUR).await;
    assert_eq!(arrived(&world), 1);
}

#[tokio::test]
async fn a_run_whose_condition_does_not_answer_asks_again_and_then_does_what_it_says() {
    for (on_error, sent) in [("send", 1), ("skip", 0)] {
        let world = World::working().await;
        let asked = Asked::start().await;
        let condition = serde_json::from_value(json!({"url": asked.url, "on_error": on_error})).unwrap();
        let wish = Wish { condition: Some(condition), catch_up: CatchUp::Skip, ..Wish::default() };
        let next = put(&world, "0 9 * * *", wish).await.next.unwrap();
        asked.say(503, "");
        world.clock.set(next);
        for _ in 0..20 {
            world.advance(Duration::from_secs(40)).await;
        }
        assert!(asked.count() > 5, "{}", asked.count());
        assert_eq!(arrived(&world), sent, "{on_error}");
        assert_eq!(log(&world, "schedule.skipped").await.len(), 1 - sent);
        assert_eq!(stored(&world).await.next, Some(next.after(24 * HOUR)));
    }
}

#[tokio::test]
async fn a_run_without_an_answer_is_decided_before_the_next_one() {
    let world = World::quiet().await;
    let clock = world.clock.clone();
    let asked = Asked::before_answering(move || clock.advance(Duration::from_secs(5))).await;
    asked.say(503, "");
    let at = put(&world, "*/30 * * * * *", wish(&asked)).await.next.unwrap();
    world.clock.set(at);
    let mut tries = 0;
    while let Verdict::Again { after, .. } = run(&world, at, tries).await {
        world.clock.advance(after);
        tries += 1;
    }
    assert!(world.clock.now() < at.after(MINUTE / 2), "{}", world.clock.now());
    assert_eq!((tries, messages(&world).await.len()), (2, 1));
}

#[tokio::test]
async fn a_run_that_nobody_asks_about_again_is_missed_whichever_task_comes_to_it() {
    for tries in [0, 1] {
        let (world, asked) = (World::quiet().await, Asked::start().await);
        asked.say(503, "");
        let wish = Wish { catch_up: CatchUp::Skip, ..wish(&asked) };
        let at = put(&world, "0 9 * * *", wish).await.next.unwrap();
        world.clock.set(at);
        assert!(matches!(run(&world, at, 0).await, Verdict::Again { .. }));
        world.clock.advance(HOUR);
        asked.say(200, "true");
        assert_eq!(run(&world, at, tries).await, Verdict::Done);
        assert_eq!((asked.count(), messages(&world).await.len()), (1, 0), "{tries}");
        assert_eq!(log(&world, "schedule.skipped").await[0]["code"], "late");
        assert_eq!(stored(&world).await.next, Some(at.after(24 * HOUR)));
    }
}

#[tokio::test]
async fn a_run_that_is_being_asked_about_is_not_late_though_the_schedule_is_put_again() {
    let (world, asked) = (World::quiet().await, Asked::start().await);
    asked.say(503, "");
    let skip = || Wish { catch_up: CatchUp::Skip, ..wish(&asked) };
    let at = put(&world, "0 9 * * *", skip()).await.next.unwrap();
    for (tries, seconds) in [(0, 0), (1, 58)] {
        world.clock.set(at.after(Duration::from_secs(seconds)));
        assert!(matches!(run(&world, at, tries).await, Verdict::Again { .. }));
    }
    world.clock.set(at.after(Duration::from_secs(90)));
    assert_eq!(put(&world, "0 9 * * *", skip()).await.next, Some(at));
    asked.say(200, "true");
    assert_eq!(run(&world, at, 0).await, Verdict::Done);
    assert_eq!(messages(&world).await.len(), 1);
}

#[tokio::test]
async fn one_time_that_is_being_asked_about_stays_due_when_it_is_put_again() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(503, "");
    let at = world.clock.now().after(HOUR);
    try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap();
    world.advance(HOUR).await;
    assert!(asked.count() > 0);
    assert_eq!(try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap().1.next, Some(at));
    asked.say(200, "true");
    world.advance(2 * MINUTE).await;
    assert_eq!((arrived(&world), messages(&world).await.len()), (1, 1));
}

#[tokio::test]
async fn one_time_that_is_paused_while_it_is_asked_about_cannot_be_taken_up_again() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(503, "");
    let at = world.clock.now().after(HOUR);
    try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap();
    world.advance(HOUR).await;
    try_put(&world, (None, Some(at)), Wish { enabled: false, ..wish(&asked) }).await.unwrap();
    let refusal = try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap_err();
    assert_eq!(pointer(&refusal), "/at");
}

#[tokio::test]
async fn one_time_that_was_left_out_has_run() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(200, "false");
    let at = world.clock.now().after(HOUR);
    try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap();
    world.advance(HOUR).await;
    asked.say(200, "true");
    let again = try_put(&world, (None, Some(at)), wish(&asked)).await.unwrap().1;
    assert_eq!((again.next, again.last.unwrap().outcome), (None, RunOutcome::Skipped));
    world.advance(HOUR).await;
    assert_eq!((asked.count(), arrived(&world)), (1, 0));
}
