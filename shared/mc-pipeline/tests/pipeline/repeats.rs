//! What a platform drops as a repeat: it has arrived if an earlier try of ours may be why, and has failed otherwise.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::{Kind, OnDoubt};
use mc_core::ports::{News, SendFailure};
use mc_core::state::State;
use serde_json::{Value, json};

use crate::chatty::{ASKED_AFTER, Platform, REPEATED, told, world};
use crate::world::{COMPLETED, World, inline};

fn body() -> Value {
    inline("asked", json!([{"email": "user0@example.com"}]))
}

fn repeated(platform_id: &str) -> News {
    News::Receipt {
        platform_id: platform_id.to_owned(),
        to: None,
        state: State::Failed,
        code: Some(REPEATED.to_owned()),
        text: Some("has got the same words today".to_owned()),
        at: None,
    }
}

/// The state of a message's only recipient once the platform has told that the last push was a repeat.
async fn told_of_a_repeat(world: &World, platform: &Platform, id: MessageId) -> State {
    world.finished(id).await;
    let push = platform.pushes().last().unwrap().0.clone();
    platform.answer(&push, vec![repeated(&push)], true);
    world.advance(ASKED_AFTER[0]).await;
    only_state(world, id).await
}

async fn only_state(world: &World, id: MessageId) -> State {
    let counts = world.view(id).await.counts;
    let states: Vec<_> = counts.iter().collect();
    assert_eq!(states.len(), 1, "{states:?}");
    states[0].0
}

#[tokio::test]
async fn a_repeat_after_a_try_whose_outcome_was_lost_has_arrived() {
    let (world, platform) = world().await;
    world.work();
    platform.fail_next(SendFailure::Doubt);
    let id = world.send(body()).await;
    world.retrying(id).await;
    world.advance(Duration::from_secs(3)).await;
    assert_eq!(told_of_a_repeat(&world, &platform, id).await, State::Delivered);
    assert_eq!(world.view(id).await.status, COMPLETED);
}

#[tokio::test]
async fn a_repeat_without_such_a_try_has_failed_also_when_it_is_tried_again() {
    let (world, platform) = world().await;
    world.work();
    platform.fail_next(SendFailure::Transient { after: None });
    let id = world.send(body()).await;
    world.retrying(id).await;
    world.advance(Duration::from_secs(3)).await;
    assert_eq!(told_of_a_repeat(&world, &platform, id).await, State::Failed);
    let again = world.again(id).await.unwrap();
    assert_eq!(told_of_a_repeat(&world, &platform, again).await, State::Failed);
}

#[tokio::test]
async fn a_repeat_of_a_message_that_was_in_doubt_has_arrived() {
    let (world, platform) = world().await;
    world.channel_with("asked", Kind::EmailSmtp, json!({}), &[], |doc| doc.on_doubt = OnDoubt::Hold).await;
    world.work();
    platform.fail_next(SendFailure::Doubt);
    let id = world.send(body()).await;
    world.finished(id).await;
    assert_eq!(only_state(&world, id).await, State::InDoubt);
    let again = world.again(id).await.unwrap();
    assert_eq!(told_of_a_repeat(&world, &platform, again).await, State::Delivered);
}

#[tokio::test]
async fn a_repeat_of_the_part_that_was_sent_fails_nobody() {
    let (world, platform) = world().await;
    world.work();
    platform.refuse_part(Some(1));
    let mut body = body();
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    world.finished(id).await;
    assert_eq!(only_state(&world, id).await, State::Failed);
    platform.refuse_part(None);
    let again = world.again(id).await.unwrap();
    world.finished(again).await;
    let pushes: Vec<String> = platform.pushes().into_iter().map(|(id, _)| id).collect();
    assert_eq!(pushes, ["asked-0", "asked-1", "asked-2"]);
    platform.answer("asked-1", vec![repeated("asked-1")], true);
    platform.answer("asked-2", vec![told("asked-2", None, State::Delivered)], true);
    world.advance(ASKED_AFTER[0]).await;
    assert_eq!(only_state(&world, again).await, State::Delivered);
}

#[tokio::test]
async fn a_repeat_in_parts_that_were_all_sent_before_has_failed() {
    let (world, platform) = world().await;
    world.work();
    let mut body = body();
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    assert_eq!(told_of_a_repeat(&world, &platform, id).await, State::Failed);
    let again = world.again(id).await.unwrap();
    assert_eq!(told_of_a_repeat(&world, &platform, again).await, State::Failed);
}
