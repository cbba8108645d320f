//! What callers are told, by Standard Webhooks.

use std::time::Duration;

use mc_core::model::EventKind;
use mc_core::ports::Clock;
use mc_pipeline::tell;
use mc_sandbox::{Fault, Item, Platform};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::world::{PROJECT, World, inline};

async fn told(world: &World, count: usize) -> Vec<Arc<Item>> {
    for _ in 0..12_000 {
        let told = world.sandbox.accepted(Platform::Hook);
        if told.len() >= count {
            return told;
        }
        // tidy: sleeps because another task makes the condition true in real time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("told only {:?}", world.sandbox.inbox());
}

fn body(item: &Item) -> Value {
    serde_json::from_str(&item.raw).unwrap()
}

fn id_of(item: &Item) -> String {
    item.headers.as_ref().unwrap()["webhook-id"].clone()
}

#[tokio::test]
async fn a_finished_message_is_told_once_and_signed() {
    let world = World::working().await;
    world
        .webhook(
            "results",
            &[EventKind::MessageCompleted, EventKind::DeliverySent, EventKind::DeliveryFailed],
        )
        .await;
    let mut request = inline("mail", json!([{"email": "a@example.com"}, {"email": "nobody@example.com"}]));
    request["reference"] = json!("order-1");
    let id = world.send(request).await;
    world.finished(id).await;
    let told = told(&world, 3).await;
    assert!(told.iter().all(|t| t.verified == Some(true)));
    let mut kinds: Vec<String> = told.iter().map(|t| body(t)["type"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    assert_eq!(kinds, ["delivery.failed", "delivery.sent", "message.completed"]);
    let completed = told.iter().map(|t| body(t)).find(|b| b["type"] == "message.completed").unwrap();
    assert_eq!(completed["data"]["status"], "partial");
    assert_eq!(completed["data"]["reference"], "order-1");
    let counts = &completed["data"]["counts"];
    assert_eq!((&counts["sent"], &counts["failed"], &counts["read"]), (&json!(1), &json!(1), &json!(0)));
    let failed = told.iter().map(|t| body(t)).find(|b| b["type"] == "delivery.failed").unwrap();
    assert_eq!(failed["data"]["recipients"][0]["address"], "nobody@example.com");
    assert!(failed["data"]["sequence"].as_i64() < completed["data"]["sequence"].as_i64());
}

#[tokio::test]
async fn entries_of_one_address_are_told_apart() {
    let world = World::working().await;
    world.webhook("results", &[EventKind::DeliverySent]).await;
    let order = |number: u32| json!({"email": "a@example.com", "data": {"order": number}});
    let id = world.send(inline("mail", json!([order(1), order(2)]))).await;
    world.finished(id).await;
    let sent = body(&told(&world, 1).await[0]);
    let entries: Vec<&Value> =
        sent["data"]["recipients"].as_array().unwrap().iter().map(|told| &told["entry"]).collect();
    assert_eq!(entries, [&json!(0), &json!(1)]);
}

#[tokio::test]
async fn every_final_status_is_told() {
    let world = World::quiet().await;
    world.webhook("results", &[EventKind::MessageCompleted]).await;
    let canceled = world.send(inline("im", json!([]))).await;
    mc_pipeline::view::cancel(&world.center, &world.caller(), canceled).await.unwrap();
    let mut request = inline("im", json!([]));
    request["expire_at"] = json!(world.clock.now().after(Duration::from_secs(1)));
    world.send(request).await;
    world.clock.advance(Duration::from_secs(2));
    world.sandbox.push_fault(Fault { status: Some(400), ..Fault::on(Platform::Im) });
    world.send(inline("im", json!([]))).await;
    world.work();
    let mut statuses: Vec<String> = told(&world, 3)
        .await
        .iter()
        .map(|t| body(t)["data"]["status"].as_str().unwrap().to_owned())
        .collect();
    statuses.sort();
    assert_eq!(statuses, ["canceled", "expired", "failed"]);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_told_again_with_the_same_id() {
    let world = World::working().await;
    world.webhook("results", &[EventKind::MessageCompleted]).await;
    world.sandbox.push_fault(Fault { times: 2, status: Some(500), ..Fault::on(Platform::Hook) });
    let id = world.send(inline("im", json!([]))).await;
    world.finished(id).await;
    for _ in 0..200 {
        if !world.sandbox.accepted(Platform::Hook).is_empty() {
            break;
        }
        world.advance(Duration::from_secs(5)).await;
        // tidy: sleeps because another task makes the condition true in real time.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let all: Vec<Arc<Item>> =
        world.sandbox.inbox().into_iter().filter(|i| i.platform == Platform::Hook).collect();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|t| id_of(t) == id_of(&all[0])));
    assert_eq!(all.iter().filter(|t| t.accepted).count(), 1);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_switched_off_and_that_is_said() {
    let world = World::working().await;
    world.webhook("results", &[EventKind::MessageCompleted]).await;
    world.sandbox.push_fault(Fault { status: Some(410), ..Fault::on(Platform::Hook) });
    let id = world.send(inline("im", json!([]))).await;
    world.finished(id).await;
    for _ in 0..12_000 {
        let doc = world.center.webhooks.get(PROJECT, "results").await.unwrap().unwrap();
        if !doc.enabled {
            assert_eq!(doc.disabled_reason.as_deref(), Some("the endpoint answered 410 Gone"));
            break;
        }
        // tidy: sleeps because another task makes the condition true in real time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut said = Vec::new();
    for _ in 0..12_000 {
        said =
            mc_pipeline::syslog::list(&world.center, PROJECT, &Default::default(), 10, None).await.unwrap().0;
        if !said.is_empty() {
            break;
        }
        // tidy: sleeps because another task makes the condition true in real time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(said[0].1.kind, "webhook.disabled");
}

#[tokio::test]
async fn a_replay_tells_again_under_the_same_ids() {
    let world = World::working().await;
    world.webhook("results", &[EventKind::MessageCompleted]).await;
    let start = world.clock.now();
    for _ in 0..3 {
        let id = world.send(inline("im", json!([]))).await;
        world.finished(id).await;
        world.clock.advance(Duration::from_secs(60));
    }
    let first = told(&world, 3).await;
    let to = start.after(Duration::from_secs(90));
    assert_eq!(tell::replay(&world.center, PROJECT, "results", start, to).await.unwrap(), 2);
    let all = told(&world, 5).await;
    let again: Vec<String> = all[3..].iter().map(|t| id_of(t)).collect();
    assert!(again.iter().all(|id| first.iter().any(|t| id_of(t) == *id)));
}

#[tokio::test]
async fn a_channel_whose_settings_are_refused_is_said_once_an_hour() {
    let world = World::working().await;
    world.webhook("ops", &[EventKind::ChannelFailing]).await;
    world.channel("gone", mc_core::model::Kind::WecomRobot, json!({}), &[("key", "bad-robot-key-01")]).await;
    for _ in 0..5 {
        let id = world.send(inline("gone", json!([]))).await;
        world.finished(id).await;
    }
    let told = told(&world, 1).await;
    assert_eq!(body(&told[0])["data"]["channel"], "gone");
    let said =
        mc_pipeline::syslog::list(&world.center, PROJECT, &Default::default(), 10, None).await.unwrap().0;
    assert_eq!(said.iter().filter(|(_, e)| e.kind == "channel.failing").count(), 1);
}
