//! What happens when platforms fail, answer late, or do not answer at all.

use std::time::Duration;

use mc_core::model::{Kind, OnDoubt, Outcome};
use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_sandbox::{Fault, Platform, RetryAfter};
use serde_json::json;

use crate::world::{COMPLETED, World, inline};

#[tokio::test]
async fn trouble_that_passes_is_retried() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { status: Some(503), ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    let view = world.retrying(id).await;
    let first = &view.deliveries[0].attempts[0];
    assert_eq!(first.outcome, Outcome::Failed);
    assert_eq!(first.code.as_deref(), Some("http_503"));
    let wait = first.next.unwrap().since(world.clock.now());
    assert!(wait < Duration::from_secs(2), "the first retry comes within two seconds: {wait:?}");
    world.advance(Duration::from_secs(2)).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED);
    assert_eq!(view.deliveries[0].attempts.len(), 2);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}

#[tokio::test]
async fn the_platforms_own_wait_is_kept_to() {
    let world = World::working().await;
    let fault =
        Fault { status: Some(429), retry_after: Some(RetryAfter::Seconds(30)), ..Fault::on(Platform::Im) };
    world.sandbox.push_fault(fault);
    let id = world.send(inline("im", json!([]))).await;
    let view = world.retrying(id).await;
    let next = view.deliveries[0].attempts[0].next.unwrap();
    assert!(next.since(world.clock.now()) >= Duration::from_secs(30));
    world.advance(Duration::from_secs(29)).await;
    let probe = world.send(inline("mail", json!([{"email": "a@example.com"}]))).await;
    world.finished(probe).await;
    assert!(!world.view(id).await.status.is_final());
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
}

#[tokio::test]
async fn what_will_never_be_accepted_fails_at_once() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { status: Some(400), ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Failed);
    assert_eq!(view.deliveries[0].attempts.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_doubted_and_sent_again() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    let view = world.retrying(id).await;
    assert_eq!(view.deliveries[0].attempts[0].outcome, Outcome::InDoubt);
    world.advance(Duration::from_secs(2)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 2, "better twice than never");
}

#[tokio::test]
async fn whoever_may_have_it_is_in_doubt_when_it_is_given_up() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { times: 1000, cut: true, ..Fault::on(Platform::Im) });
    let mut body = inline("im", json!([]));
    body["expire_at"] = json!(world.clock.now().after(Duration::from_secs(5)));
    let id = world.send(body).await;
    world.retrying(id).await;
    for _ in 0..8 {
        world.advance(Duration::from_secs(1)).await;
    }
    let view = world.finished(id).await;
    assert_eq!(view.counts.get(State::InDoubt), 1, "it is neither expired nor failed");
    assert!(view.deliveries[0].attempts.iter().any(|attempt| attempt.outcome == Outcome::InDoubt));
    world.sandbox.clear_faults();
    let again = world.again(id).await.unwrap();
    assert_eq!(world.finished(again).await.status, COMPLETED);
}

#[tokio::test]
async fn a_lost_answer_is_held_where_the_channel_says_so() {
    let world = World::working().await;
    let url = json!({"url": format!("{}/im/payments", world.base)});
    world.channel_with("pay", Kind::Webhook, url, &[], |doc| doc.on_doubt = OnDoubt::Hold).await;
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::Im) });
    let id = world.send(inline("pay", json!([]))).await;
    let view = world.finished(id).await;
    assert_eq!(view.counts.get(State::InDoubt), 1);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
    let again = world.again(id).await.unwrap();
    assert_eq!(world.finished(again).await.status, COMPLETED);
}

#[tokio::test]
async fn an_outcome_that_cannot_be_written_for_a_moment_is_not_forgotten() {
    let world = World::working().await;
    world.store.fail(2);
    let id = world.send(inline("im", json!([]))).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED);
    assert_eq!(world.store.failures_left(), 0, "the store did fail");
    assert_eq!(view.deliveries[0].attempts.len(), 1);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1, "what was pushed is not pushed again");
}

#[tokio::test]
async fn what_was_tried_long_enough_is_given_up() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { times: 1000, status: Some(503), ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    let end = world.clock.now().after(Duration::from_secs(25 * 3600));
    while world.clock.now() < end {
        let view = world.until(id, |m| {
            m.status.is_final()
                || m.deliveries[0].attempts.last().is_some_and(|a| a.next > Some(world.clock.now()))
        });
        let view = view.await;
        if view.status.is_final() {
            break;
        }
        let next = view.deliveries[0].attempts.last().unwrap().next.unwrap();
        world.advance(next.since(world.clock.now())).await;
    }
    let view = world.view(id).await;
    assert_eq!(view.status, MessageStatus::Failed, "{view:#?}");
    assert!(view.deliveries[0].attempts.len() > 8);
    assert!(view.deliveries[0].attempts.last().unwrap().next.is_none());
}

#[tokio::test]
async fn a_slow_recipient_waits_without_his_neighbours() {
    let world = World::working().await;
    let to = json!([{"email": "a@example.com"}, {"email": "busy@example.com"}, {"email": "c@example.com"}]);
    let id = world.send(inline("mail", to)).await;
    let view = world.retrying(id).await;
    assert_eq!(view.counts.get(State::Sent), 2);
    assert_eq!(view.counts.get(State::Retrying), 1);
    world.advance(Duration::from_secs(2)).await;
    world.until(id, |m| m.deliveries[0].attempts.len() >= 2).await;
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2, "those who have it do not get it again");
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_is_a_dead_letter() {
    let world = World::working().await;
    let id = world.send(inline("im", json!([]))).await;
    world.finished(id).await;
    let mut doc = world.center.channels.doc("default", "robot").await.unwrap().unwrap();
    let good = doc.clone();
    doc.secrets.insert("key".into(), "v1.k9.AAAA".into());
    let body = inline("robot", json!([]));
    let id = {
        let quiet = world.try_send(body).await.unwrap();
        quiet.id
    };
    world.finished(id).await;
    world.center.channels.put("default", "robot", doc).await.unwrap();
    let refused = world.try_send(inline("robot", json!([]))).await.unwrap_err();
    assert_eq!(crate::world::code(&refused), "failed", "nothing is accepted that cannot be sent");
    world.center.channels.put("default", "robot", good).await.unwrap();
    world.try_send(inline("robot", json!([]))).await.unwrap();
}
