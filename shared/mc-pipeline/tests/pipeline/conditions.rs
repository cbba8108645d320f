//! Messages that ask first: sent, cancelled or late as the answer says, and asked about once.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::Outcome;
use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::accept::Refusal;
use mc_pipeline::{due, view};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::{COMPLETED, World, code, inline, pointer};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

fn body(asked: &Asked, send_at: Option<Timestamp>) -> Value {
    let mut body = inline("im", json!([]));
    body["condition"] = json!({"url": asked.url});
    if let Some(at) = send_at {
        body["send_at"] = json!(at);
    }
    body
}

async fn reminder(world: &World, asked: &Asked, after: Duration) -> MessageId {
    world.send(body(asked, Some(world.clock.now().after(after)))).await
}

fn arrived(world: &World) -> usize {
    world.sandbox.accepted(Platform::Im).len()
}

#[tokio::test]
async fn yes_sends_at_the_messages_time() {
    for after in [MINUTE, 2 * HOUR, 400 * 24 * HOUR] {
        let (world, asked) = (World::working().await, Asked::start().await);
        let id = reminder(&world, &asked, after).await;
        assert_eq!(world.view(id).await.status, MessageStatus::Scheduled);
        world.advance(after - Duration::from_secs(1)).await;
        assert_eq!((asked.count(), arrived(&world)), (0, 0), "never early");
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(world.finished(id).await.status, COMPLETED);
        assert_eq!((asked.count(), arrived(&world)), (1, 1));
    }
}

#[tokio::test]
async fn no_cancels_the_message_and_says_why() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(200, r#"{"send": false}"#);
    let id = reminder(&world, &asked, HOUR).await;
    world.advance(HOUR).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, arrived(&world)), (MessageStatus::Canceled, 0));
    let attempt = &view.deliveries[0].attempts[0];
    assert_eq!((attempt.outcome, attempt.code.as_deref()), (Outcome::Canceled, Some("condition_false")));
}

#[tokio::test]
async fn a_message_without_a_time_asks_at_once() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(200, "false");
    let id = world.send(body(&asked, None)).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Canceled);
}

#[tokio::test]
async fn many_recipients_are_asked_about_once() {
    let (world, asked) = (World::working().await, Asked::start().await);
    let to: Value = (0..450).map(|i| json!({"email": format!("u{i}@example.com")})).collect();
    for (answer, state) in [("true", State::Sent), ("false", State::Canceled)] {
        asked.say(200, answer);
        let before = asked.count();
        let mut body = inline("mail", to.clone());
        body["condition"] = json!({"url": asked.url, "method": "POST"});
        body["reference"] = json!("order-1");
        let id = world.send(body).await;
        assert_eq!(world.finished(id).await.counts.get(state), 450);
        assert_eq!(asked.count(), before + 1);
        let told = asked.bodies().pop().unwrap();
        assert_eq!((&told["message_id"], &told["reference"]), (&json!(id), &json!("order-1")));
    }
}

#[tokio::test]
async fn what_gives_no_answer_is_asked_again() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(200, "perhaps");
    let id = reminder(&world, &asked, HOUR).await;
    world.advance(HOUR).await;
    world.advance(MINUTE).await;
    assert!(asked.count() >= 2);
    assert_eq!(world.view(id).await.status, MessageStatus::Queued);
    asked.say(200, "true");
    world.advance(2 * MINUTE).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(arrived(&world), 1);
}

#[tokio::test]
async fn without_an_answer_in_the_end_the_message_does_what_it_says() {
    for (on_error, status) in [("send", COMPLETED), ("skip", MessageStatus::Canceled)] {
        let (world, asked) = (World::working().await, Asked::start().await);
        asked.say(500, "");
        let mut body = body(&asked, None);
        body["condition"]["on_error"] = json!(on_error);
        let id = world.send(body).await;
        for _ in 0..20 {
            world.advance(Duration::from_secs(40)).await;
        }
        let view = world.finished(id).await;
        assert_eq!(view.status, status, "{on_error}");
        if status == MessageStatus::Canceled {
            assert_eq!(view.deliveries[0].attempts[0].code.as_deref(), Some("condition_unanswered"));
        }
    }
}

#[tokio::test]
async fn without_an_answer_a_message_is_sent_before_it_expires() {
    let world = World::working().await;
    let clock = world.clock.clone();
    // Each answer takes as long as it may.
    let asked = Asked::before_answering(move || clock.advance(Duration::from_secs(5))).await;
    asked.say(503, "");
    let mut body = body(&asked, None);
    body["expire_at"] = json!(world.clock.now().after(MINUTE / 2));
    let id = world.send(body).await;
    world.settle().await;
    for _ in 0..20 {
        world.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert!(asked.count() > 1, "{}", asked.count());
}

#[tokio::test]
async fn what_is_asked_late_is_asked_more_than_once() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(503, "");
    let id = reminder(&world, &asked, HOUR).await;
    // Nobody promotes while the clock goes on.
    world.clock.advance(2 * HOUR);
    world.advance(Duration::ZERO).await;
    asked.say(200, "true");
    world.advance(MINUTE).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!((asked.count(), arrived(&world)), (2, 1));
}

#[tokio::test]
async fn a_message_whose_time_is_over_is_expired_and_not_asked_about() {
    let (world, asked) = (World::working().await, Asked::start().await);
    let mut body = body(&asked, Some(world.clock.now().after(HOUR)));
    body["expire_at"] = json!(world.clock.now().after(2 * HOUR));
    let id = world.send(body).await;
    // Nobody promotes while the clock goes on.
    world.clock.advance(3 * HOUR);
    world.advance(Duration::ZERO).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Expired);
    assert_eq!(asked.count(), 0);
}

#[tokio::test]
async fn it_can_be_moved_and_cancelled_like_any_other() {
    for (from, to) in [(600, 300), (300, 600), (3600, 7200), (7200, 3600), (300, 7200), (7200, 300)] {
        let (world, asked) = (World::working().await, Asked::start().await);
        let id = reminder(&world, &asked, Duration::from_secs(from)).await;
        let target = world.clock.now().after(Duration::from_secs(to));
        view::reschedule(&world.center, &world.caller(), id, Some(target)).await.unwrap();
        for _ in 0..to / 300 {
            assert_eq!((asked.count(), arrived(&world)), (0, 0), "{from} -> {to}: never early");
            world.advance(5 * MINUTE).await;
        }
        assert_eq!(world.finished(id).await.status, COMPLETED, "{from} -> {to}");
        world.advance(3 * HOUR).await;
        assert_eq!((asked.count(), arrived(&world)), (1, 1), "{from} -> {to}: never twice");
    }
    let (world, asked) = (World::working().await, Asked::start().await);
    let id = reminder(&world, &asked, HOUR).await;
    view::cancel(&world.center, &world.caller(), id).await.unwrap();
    world.advance(2 * HOUR).await;
    assert_eq!((asked.count(), arrived(&world)), (0, 0));
}

#[tokio::test]
async fn two_schedulers_at_once_send_it_once() {
    let (world, asked) = (World::quiet().await, Asked::start().await);
    let id = reminder(&world, &asked, HOUR).await;
    world.clock.advance(HOUR);
    let (one, two) = tokio::join!(due::promote(&world.center), due::promote(&world.center));
    assert!(one.unwrap() + two.unwrap() >= 1);
    world.work();
    world.advance(Duration::ZERO).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    world.advance(HOUR).await;
    assert_eq!(arrived(&world), 1);
}

#[tokio::test]
async fn a_condition_that_may_not_be_asked_is_refused() {
    let world = World::quiet().await;
    for (condition, wanted) in [
        (json!({"url": "http://169.254.169.254/x"}), ("forbidden_address", "/condition/url")),
        (json!({"url": "ftp://example.com"}), ("invalid_request", "/condition/url")),
        (json!({"url": "https://example.com", "pointer": "x"}), ("invalid_request", "/condition/pointer")),
        (json!({"url": "https://example.com", "method": "PUT"}), ("invalid_request", "/condition/method")),
    ] {
        let mut body = inline("im", json!([]));
        body["condition"] = condition;
        let refusal = world.try_send(body).await.unwrap_err();
        assert_eq!((code(&refusal), pointer(&refusal).as_str()), wanted);
    }
    let mut body = inline("im", json!([]));
    body["condition"] = json!({"url": "https://user:pass@example.com"});
    let refusal = world.try_send(body).await.unwrap_err();
    assert_eq!(pointer(&refusal), "/condition/url");
    let Refusal::Invalid { detail, .. } = &refusal else { panic!("{refusal:?}") };
    assert!(!detail.contains("header"), "a condition has none: {detail}");
}
