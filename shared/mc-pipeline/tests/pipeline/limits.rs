//! Counting what projects send, by one process alone and by several over one store.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mc_core::model::{ProjectDoc, ProjectLimits};
use mc_pipeline::accept::commit::Answer;
use mc_pipeline::accept::{Caller, Idempotency, Refusal, accept, request};
use mc_pipeline::limits::{Limits, Standing};
use serde_json::json;

use crate::world::{PROJECT, World, code, inline};

fn limits(minute: u32, day: u32) -> ProjectLimits {
    ProjectLimits {
        messages_per_second: None,
        messages_per_minute: NonZeroU32::new(minute),
        messages_per_day: NonZeroU32::new(day),
    }
}

async fn take(limits: &Limits, of: &ProjectLimits, n: usize, world: &World) -> Result<Vec<Standing>, String> {
    let taken = limits.take(PROJECT, of, n, world.center.clock.now()).await;
    taken.map(|taken| taken.standing).map_err(|refusal| code(&refusal).to_owned())
}

#[tokio::test]
async fn exactly_as_many_pass_as_there_is_room_for() {
    let world = World::quiet().await;
    for alone in [true, false] {
        let counted = Arc::new(Limits::new(world.center.store.clone(), alone));
        let of = limits(10, 1000);
        let calls = (0..30).map(|_| take(&counted, &of, 1, &world));
        let answers = futures_util::future::join_all(calls).await;
        let passed = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(passed, 10, "alone: {alone}");
        world.clock.advance(Duration::from_secs(60));
        assert!(take(&counted, &of, 10, &world).await.is_ok());
        assert_eq!(take(&counted, &of, 1, &world).await, Err("rate_limited".to_owned()));
        world.clock.advance(Duration::from_secs(86_400));
    }
}

#[tokio::test]
async fn several_processes_share_one_count() {
    let world = World::quiet().await;
    let (here, there) =
        (Limits::new(world.center.store.clone(), false), Limits::new(world.center.store.clone(), false));
    let of = limits(5, 7);
    take(&here, &of, 3, &world).await.unwrap();
    assert_eq!(take(&there, &of, 2, &world).await.unwrap()[0].remaining, 0);
    assert_eq!(take(&here, &of, 1, &world).await, Err("rate_limited".to_owned()));
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(take(&there, &of, 2, &world).await.unwrap()[1].remaining, 0);
    assert_eq!(take(&here, &of, 1, &world).await, Err("daily_quota_exceeded".to_owned()));
}

#[tokio::test]
async fn what_was_not_needed_counts_for_the_minute_and_not_for_the_day() {
    let world = World::quiet().await;
    for alone in [true, false] {
        let counted = Limits::new(world.center.store.clone(), alone);
        let of = limits(6, 9);
        let mut taken = counted.take(PROJECT, &of, 4, world.center.clock.now()).await.ok().unwrap();
        counted.give_back(PROJECT, &mut taken, 3).await.unwrap();
        assert_eq!(taken.standing[1].remaining, 8);
        let after = take(&counted, &of, 2, &world).await.unwrap();
        assert_eq!((after[0].remaining, after[1].remaining), (0, 6), "alone: {alone}");
        world.clock.advance(Duration::from_secs(86_400));
    }
}

#[tokio::test]
async fn a_restart_forgets_nothing_of_the_day_and_spares_at_most_a_hundredth() {
    let world = World::quiet().await;
    let of = limits(10_000, 1_000);
    let before = Limits::new(world.center.store.clone(), true);
    for _ in 0..15 {
        take(&before, &of, 1, &world).await.unwrap();
    }
    let after = Limits::new(world.center.store.clone(), true);
    let left = take(&after, &of, 1, &world).await.unwrap()[1].remaining;
    assert!((974..=984).contains(&left), "{left}");
    // A small limit is kept to the last message.
    world.clock.advance(Duration::from_secs(86_400));
    let of = limits(10_000, 3);
    for remaining in [2, 1, 0] {
        let started = Limits::new(world.center.store.clone(), true);
        assert_eq!(take(&started, &of, 1, &world).await.unwrap()[1].remaining, remaining);
    }
    let started = Limits::new(world.center.store.clone(), true);
    assert_eq!(take(&started, &of, 1, &world).await, Err("daily_quota_exceeded".to_owned()));
}

#[tokio::test]
async fn more_than_there_ever_is_room_for_is_told_apart() {
    let world = World::quiet().await;
    let counted = Limits::new(world.center.store.clone(), false);
    let refused = counted.take(PROJECT, &limits(5, 7), 6, world.center.clock.now()).await.err().unwrap();
    assert!(matches!(&refused, Refusal::Invalid { code: "batch_over_limit", .. }), "{refused:?}");
}

/// A message from outside, under a key.
async fn come(world: &World, key: &str) -> Result<Answer, Refusal> {
    let body = inline("im", json!([])).to_string();
    let caller = Caller { limited: true, ..world.caller() };
    let idempotency = Idempotency { key: key.to_owned(), hash: body.clone() };
    accept(&world.center, &caller, vec![request::read(body.as_bytes())], Some(idempotency)).await
}

#[tokio::test]
async fn what_a_limit_refused_is_accepted_when_it_comes_again_and_what_is_repeated_is_not_counted() {
    let world = World::quiet().await;
    let stored = world.center.projects.get(PROJECT).await.unwrap().unwrap();
    let project = ProjectDoc { limits: limits(1, 2), ..ProjectDoc::clone(&stored) };
    world.center.projects.put(PROJECT, project).await.unwrap();
    assert!(!come(&world, "first").await.unwrap().replayed);
    assert_eq!(code(&come(&world, "second").await.err().unwrap()), "rate_limited");
    assert!(come(&world, "first").await.unwrap().replayed);
    world.clock.advance(Duration::from_secs(60));
    assert!(!come(&world, "second").await.unwrap().replayed);
    assert!(come(&world, "second").await.unwrap().replayed);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(code(&come(&world, "third").await.err().unwrap()), "daily_quota_exceeded");
}
