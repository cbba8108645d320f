//! What a delivery waits for, and until when.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::view::{self, Filter, MessageView, Reason, Waiting};
use mc_sandbox::{Fault, Platform};
use serde_json::json;

use crate::asked::Asked;
use crate::world::{COMPLETED, PROJECT, World, inline};

const MINUTE: Duration = Duration::from_secs(60);

fn reason(view: &MessageView) -> Option<Reason> {
    view.deliveries[0].waiting.as_ref().map(|waiting| waiting.reason)
}

async fn waiting(world: &World, id: MessageId) -> Waiting {
    world.view(id).await.deliveries[0].waiting.clone().unwrap()
}

#[tokio::test]
async fn what_has_a_time_waits_for_it_and_then_for_its_turn() {
    let world = World::quiet().await;
    let at = world.clock.now().after(MINUTE);
    let mut body = inline("im", json!([]));
    body["send_at"] = json!(at);
    let id = world.send(body).await;
    let waits = waiting(&world, id).await;
    assert_eq!((waits.reason, waits.until), (Reason::SendAt, Some(at)));
    world.clock.advance(MINUTE);
    let waits = waiting(&world, id).await;
    assert_eq!((waits.reason, waits.until), (Reason::Turn, None));
    world.work();
    let view = world.finished(id).await;
    assert_eq!((view.status, reason(&view)), (COMPLETED, None));
}

#[tokio::test]
async fn a_condition_is_waited_for_until_it_answers() {
    let (world, asked) = (World::working().await, Asked::start().await);
    asked.say(500, "");
    let mut body = inline("im", json!([]));
    body["condition"] = json!({"url": asked.url});
    let id = world.send(body).await;
    let view = world.until(id, |_| asked.count() > 0).await;
    assert_eq!(reason(&view), Some(Reason::Condition));
    asked.say(200, "true");
    world.advance(MINUTE).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
}

#[tokio::test]
async fn who_sleeps_is_waited_for_until_they_wake() {
    let world = World::working().await;
    let hours = json!({"from": "07:00", "to": "08:30"});
    let sleeper = json!({"email": "bob@example.com", "timezone": "Asia/Shanghai", "quiet_hours": hours});
    world.contact("bob", sleeper).await;
    let id = world.send(inline("mail", json!(["bob"]))).await;
    world.until(id, |view| reason(view) == Some(Reason::QuietHours)).await;
    let wakes = Timestamp::parse("2026-12-01T08:30:00+08:00").unwrap();
    assert_eq!(waiting(&world, id).await.until, Some(wakes));
}

#[tokio::test]
async fn a_failure_that_may_pass_is_waited_out() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { status: Some(503), ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    let next = world.retrying(id).await.deliveries[0].attempts[0].next;
    let waits = waiting(&world, id).await;
    assert_eq!((waits.reason, waits.until), (Reason::Retry, next));
    assert!(waits.detail.contains("http_503"), "{waits:?}");
}

#[tokio::test]
async fn the_rest_of_a_share_waits_for_the_channels_pace() {
    let world = World::working().await;
    let mut mail = world.center.channels.doc(PROJECT, "mail").await.unwrap().unwrap();
    mail.limits.per_minute = Some(1);
    world.center.channels.put(PROJECT, "mail", mail).await.unwrap();
    let to = json!([{"email": "a@example.com"}, {"email": "b@example.com"}]);
    let id = world.send(inline("mail", to)).await;
    let view = world.until(id, |view| view.counts.get(State::Sent) == 1).await;
    assert_eq!(reason(&view), Some(Reason::Pace), "{view:#?}");
    let until = view.deliveries[0].waiting.as_ref().unwrap().until.unwrap();
    assert!(until > world.clock.now() && until <= world.clock.now().after(2 * MINUTE), "{until}");
}

#[tokio::test]
async fn what_is_due_on_a_channel_that_was_switched_off_says_so() {
    let world = World::quiet().await;
    let id = world.send(inline("im", json!([]))).await;
    assert!(!waiting(&world, id).await.detail.contains("switched off"));
    let mut im = world.center.channels.doc(PROJECT, "im").await.unwrap().unwrap();
    im.enabled = false;
    world.center.channels.put(PROJECT, "im", im).await.unwrap();
    let waits = waiting(&world, id).await;
    assert_eq!((waits.reason, waits.until), (Reason::Turn, None));
    assert!(waits.detail.contains("switched off"), "{waits:?}");
    let page = view::list(&world.center, PROJECT, &Filter::default(), 10, None).await.unwrap();
    assert_eq!(page.items[0].deliveries[0].waiting.as_ref(), Some(&waits));
    world.work();
    let view = world.finished(id).await;
    assert_eq!((view.status, reason(&view)), (MessageStatus::Failed, None));
}

#[tokio::test]
async fn what_waits_for_its_channel_says_that_it_was_switched_off() {
    for wanted in [Reason::Retry, Reason::Quota, Reason::Pace] {
        let world = World::working().await;
        let two = json!([{"email": "a@example.com"}, {"email": "b@example.com"}]);
        let (name, to) = if wanted == Reason::Pace { ("mail", two) } else { ("im", json!([])) };
        let body = inline(name, to);
        let mut channel = world.center.channels.doc(PROJECT, name).await.unwrap().unwrap();
        match wanted {
            Reason::Quota => channel.limits.per_day = Some(1),
            Reason::Pace => channel.limits.per_minute = Some(1),
            _ => world.sandbox.push_fault(Fault { status: Some(503), ..Fault::on(Platform::Im) }),
        }
        world.center.channels.put(PROJECT, name, channel).await.unwrap();
        if wanted == Reason::Quota {
            let first = world.send(body.clone()).await;
            world.finished(first).await;
        }
        let id = world.send(body).await;
        world.until(id, |view| reason(view) == Some(wanted)).await;
        let before = waiting(&world, id).await;
        assert!(!before.detail.contains("switched off"), "{before:?}");
        let mut channel = world.center.channels.doc(PROJECT, name).await.unwrap().unwrap();
        channel.enabled = false;
        world.center.channels.put(PROJECT, name, channel).await.unwrap();
        let waits = waiting(&world, id).await;
        assert_eq!((waits.reason, waits.until), (wanted, before.until));
        assert!(waits.detail.contains("switched off"), "{waits:?}");
    }
}
