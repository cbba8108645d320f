//! Channels that cannot be built of what is stored: a newer version refuses it, or something else than a `PUT` stored it.

use std::time::Duration;

use mc_core::model::{EventKind, Kind, Priority};
use mc_core::ports::{Clock, Consumer, Envelope, Group, Task};
use mc_core::state::{MessageStatus, State};
use mc_pipeline::alarms::{self, AlarmBody};
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::view::{self, MessageView};
use mc_pipeline::{dead, quota};
use mc_sandbox::{Fault, Platform};
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, code, inline, pointer};

/// Gives a stored channel a setting that no version knows.
async fn break_channel(world: &World, name: &str) {
    let mut doc = world.center.channels.doc(PROJECT, name).await.unwrap().unwrap();
    doc.settings.insert("shape".to_owned(), json!("round"));
    world.center.channels.put(PROJECT, name, doc).await.unwrap();
}

/// Another channel like `im`, with a quota.
async fn metered(world: &World, name: &str) {
    let url = json!({"url": format!("{}/im/{name}", world.base)});
    world.channel_with(name, Kind::Webhook, url, &[], |doc| doc.limits.per_day = Some(10)).await;
}

fn routed(routing: &Value) -> Value {
    json!({"content": {"title": "T", "body": "B"}, "routing": routing})
}

/// Where a delivery stands, and the code and the text of its last attempt.
fn end<'a>(view: &'a MessageView, channel: &str) -> (State, &'a str, &'a str) {
    let delivery = view.deliveries.iter().find(|delivery| delivery.channel == channel).unwrap();
    let last = delivery.attempts.last().unwrap();
    (delivery.status, last.code.as_deref().unwrap_or_default(), last.text.as_deref().unwrap_or_default())
}

async fn dead_letters(world: &World) -> usize {
    dead::list(&world.center, PROJECT, 10, None).await.unwrap().0.len()
}

#[tokio::test]
async fn a_new_message_is_refused_where_it_names_the_channel() {
    let world = World::quiet().await;
    let template = json!({"title": "T", "body": "B", "routing": {"channels": ["robot", "im"]}});
    world.template("greet", template).await;
    break_channel(&world, "im").await;
    for (body, place) in [
        (inline("im", json!([])), "/routing/channels/0"),
        (routed(&json!({"channels": ["robot", "im"]})), "/routing/channels/1"),
        (json!({"template": "greet"}), "/template"),
    ] {
        let refusal = world.try_send(body).await.unwrap_err();
        assert_eq!((code(&refusal), pointer(&refusal).as_str()), ("invalid_channel", place));
        let said = format!("{refusal:?}");
        assert!(said.contains("put anew") && said.contains("/settings/shape"), "{said}");
    }
    world.send(inline("robot", json!([]))).await;
}

#[tokio::test]
async fn what_waits_for_the_channel_fails_for_good_and_says_why() {
    let world = World::quiet().await;
    world.webhook("ops", &[EventKind::ChannelFailing]).await;
    let id = world.send(inline("im", json!([]))).await;
    break_channel(&world, "im").await;
    let waits = world.view(id).await.deliveries[0].waiting.clone().unwrap();
    assert!(waits.detail.contains("invalid_channel"), "{waits:?}");
    world.work();
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Failed);
    let (status, code, text) = end(&view, "im");
    assert_eq!((status, code), (State::Failed, "invalid_channel"));
    assert!(text.contains("put anew") && text.contains("/settings/shape"), "{text}");
    assert_eq!(dead_letters(&world).await, 0, "there is nothing to send again");
    world.settle().await;
    assert!(world.sandbox.accepted(Platform::Hook)[0].raw.contains("invalid_channel"));
}

#[tokio::test]
async fn in_mode_first_the_next_channel_that_works_has_its_turn() {
    let world = World::quiet().await;
    metered(&world, "second").await;
    let id = world.send(routed(&json!({"mode": "first", "channels": ["im", "second", "robot"]}))).await;
    break_channel(&world, "im").await;
    break_channel(&world, "second").await;
    world.work();
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED, "{view:#?}");
    assert_eq!(end(&view, "im").1, "invalid_channel");
    assert_eq!(end(&view, "robot").0, State::Sent);
}

#[tokio::test]
async fn whoever_may_have_it_already_is_in_doubt() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::Im) });
    let id = world.send(routed(&json!({"mode": "first", "channels": ["im", "robot"]}))).await;
    world.retrying(id).await;
    break_channel(&world, "im").await;
    world.advance(Duration::from_secs(2)).await;
    let view = world.finished(id).await;
    let (status, code, _) = end(&view, "im");
    assert_eq!((status, code), (State::InDoubt, "invalid_channel"));
    assert_eq!(view.counts.get(State::Sent), 0, "the next channel would send it twice");
}

#[tokio::test]
async fn a_scheduled_message_through_it_can_be_cancelled() {
    let world = World::quiet().await;
    metered(&world, "second").await;
    let mut body = inline("second", json!([]));
    body["send_at"] = json!(world.clock.now().after(Duration::from_secs(3600)));
    let id = world.send(body).await;
    break_channel(&world, "second").await;
    let view = view::cancel(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(view.status, MessageStatus::Canceled);
}

#[tokio::test]
async fn quotas_and_alarms_of_other_channels_go_on() {
    let world = World::quiet().await;
    metered(&world, "second").await;
    metered(&world, "third").await;
    break_channel(&world, "second").await;
    let items = quota::list(&world.center, PROJECT).await.unwrap();
    let channels: Vec<&str> = items.iter().map(|item| item.channel.as_str()).collect();
    assert!(channels.contains(&"third") && !channels.contains(&"second"), "{channels:?}");
    quota::poll(&world.center, Duration::from_secs(1)).await.unwrap();
    // It is watched as before, as it may call again once it is put anew; nothing is told through it.
    let alarm = |through: &str| -> AlarmBody {
        let message = routed(&json!({"channels": [through]}));
        let rule =
            json!({"metric": "callback_silence", "threshold": 600, "channel": "second", "message": message});
        serde_json::from_value(rule).unwrap()
    };
    alarms::check(&world.center, &world.caller(), "a1", &alarm("robot")).await.unwrap();
    let refusal = alarms::check(&world.center, &world.caller(), "a1", &alarm("second")).await.unwrap_err();
    let place = "/message/routing/channels/0";
    assert_eq!((code(&refusal), pointer(&refusal).as_str()), ("invalid_channel", place));
    alarms::watch(&world.center).await.unwrap();
}

#[tokio::test]
async fn a_channel_whose_secret_cannot_be_opened_holds_up_no_other() {
    let world = World::quiet().await;
    let lost = world.send(inline("robot", json!([]))).await;
    let fine = world.send(inline("im", json!([]))).await;
    let mut doc = world.center.channels.doc(PROJECT, "robot").await.unwrap().unwrap();
    doc.secrets.insert("key".into(), "v1.k9.AAAA".into());
    world.center.channels.put(PROJECT, "robot", doc).await.unwrap();
    let task = |message, channel: &str| Task::Deliver {
        project: PROJECT.into(),
        message,
        share: 0,
        channel: channel.into(),
        slot: None,
    };
    let tasks = vec![task(lost, "robot"), task(fine, "im")];
    let envelope = Envelope { group: Group::of(PROJECT, Priority::Normal), tasks, until: None };
    Deliverer::new(world.center.clone()).consume(envelope).await;
    assert_eq!(world.view(fine).await.status, COMPLETED);
    assert_eq!(dead_letters(&world).await, 1);
}
