//! How long the oldest message waits that nobody has begun to send, as alarms see it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use mc_core::model::{Kind, Priority};
use mc_core::ports::{Clock, Consumer, Envelope, Family, Group, Task};
use mc_core::state::State;
use mc_pipeline::alarms;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::view::{self, Filter};
use mc_store_embedded::{Drive, run};
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::{PROJECT, World, inline};

const MINUTE: Duration = Duration::from_secs(60);

/// A quiet world whose alarms `all`, `im` and `mail` watch what they are named after.
async fn watched() -> World {
    let world = World::quiet().await;
    for name in ["all", "im", "mail"] {
        let mut body = json!({
            "metric": "oldest_queued_age",
            "threshold": 600,
            "message": {"content": {"title": "T", "body": "B"}, "routing": {"channels": ["im"]}},
        });
        if name != "all" {
            body["channel"] = json!(name);
        }
        world.center.alarms.put(PROJECT, name, serde_json::from_value(body).unwrap()).await.unwrap();
    }
    world
}

/// For how many seconds the oldest message waits: any, one to `im`, one to `mail`.
async fn ages(world: &World) -> [Option<f64>; 3] {
    alarms::watch(&world.center).await.unwrap();
    let standings = world.center.alarms.standings(PROJECT).await.unwrap();
    ["all", "im", "mail"].map(|name| standings[name].value)
}

fn mail() -> Value {
    inline("mail", json!([{"email": "a@example.com"}]))
}

#[tokio::test]
async fn a_message_waits_until_somebody_begins_with_it() {
    let world = watched().await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
    // More than are read at first.
    for _ in 0..30 {
        world.send(inline("im", json!([]))).await;
    }
    world.clock.advance(2 * MINUTE);
    world.send(mail()).await;
    world.clock.advance(3 * MINUTE);
    assert_eq!(ages(&world).await, [Some(300.0), Some(300.0), Some(180.0)]);
    world.clock.advance(MINUTE);
    assert_eq!(ages(&world).await, [Some(360.0), Some(360.0), Some(240.0)]);
    world.work();
    world.advance(MINUTE).await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
}

#[tokio::test]
async fn a_message_of_many_shares_waits_like_any_other() {
    let world = watched().await;
    let people: Vec<Value> = (0..450).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
    let id = world.send(inline("mail", json!(people))).await;
    world.clock.advance(5 * MINUTE);
    assert_eq!(ages(&world).await, [Some(300.0), Some(0.0), Some(300.0)]);
    world.work();
    world.finished(id).await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
}

#[tokio::test]
async fn what_is_sent_later_waits_from_its_time_on() {
    let world = watched().await;
    let later = async |hours: u32| {
        let mut body = inline("im", json!([]));
        body["send_at"] = json!(world.clock.now().after(hours * 60 * MINUTE).to_string());
        world.send(body).await
    };
    later(1).await;
    let moved = later(10).await;
    world.clock.advance(30 * MINUTE);
    assert_eq!(ages(&world).await[0], Some(0.0), "neither is due");

    let soon = world.clock.now().after(10 * MINUTE);
    view::reschedule(&world.center, &world.caller(), moved, Some(soon)).await.unwrap();
    world.clock.advance(15 * MINUTE);
    assert_eq!(ages(&world).await[0], Some(300.0), "it is due earlier than it was");
    world.clock.advance(25 * MINUTE);
    assert_eq!(ages(&world).await[0], Some(1800.0));

    view::cancel(&world.center, &world.caller(), moved).await.unwrap();
    assert_eq!(ages(&world).await[0], Some(600.0), "the other one is left");
    world.work();
    world.advance(Duration::ZERO).await;
    assert_eq!(ages(&world).await[0], Some(0.0));
}

#[tokio::test]
async fn what_goes_on_through_the_next_channel_waits_anew() {
    let world = watched().await;
    world.channel("gone", Kind::WecomRobot, json!({}), &[("key", "bad-robot-key-01")]).await;
    let mut body = mail();
    body["routing"] = json!({"mode": "first", "channels": ["gone", "mail"]});
    let id = world.send(body).await;
    world.clock.advance(5 * MINUTE);
    assert_eq!(ages(&world).await, [Some(300.0), Some(0.0), Some(0.0)]);

    let deliverer = Arc::new(Deliverer::new(world.center.clone()));
    let drive = Drive { concurrency: 1, grace: Duration::from_secs(1) };
    tokio::spawn(run(world.queue.clone(), Family::Wecom, deliverer, drive, pending()));
    world.until(id, |m| m.deliveries[0].status == State::Failed && world.queue.is_idle(Family::Wecom)).await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
    world.clock.advance(2 * MINUTE);
    assert_eq!(ages(&world).await, [Some(120.0), Some(0.0), Some(120.0)]);
}

#[tokio::test]
async fn what_alarms_send_waits_for_none() {
    let world = watched().await;
    let id = world.send(inline("im", json!([]))).await;
    world.clock.advance(11 * MINUTE);
    assert_eq!(ages(&world).await[0], Some(660.0));
    view::cancel(&world.center, &world.caller(), id).await.unwrap();
    world.clock.advance(5 * MINUTE);
    let filter = Filter { tag: Some("alarm".into()), ..Filter::default() };
    let waiting = view::list(&world.center, PROJECT, &filter, 10, None).await.unwrap().items;
    assert_eq!(waiting.len(), 2, "people are told of all and of im, once somebody works");
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
}

#[tokio::test]
async fn the_first_look_goes_an_hour_back_and_no_look_further_than_a_day() {
    let world = watched().await;
    world.send(inline("im", json!([]))).await;
    world.clock.advance(61 * MINUTE);
    world.send(mail()).await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
    world.clock.advance(24 * 60 * MINUTE);
    assert_eq!(ages(&world).await, [Some(86_400.0), Some(0.0), Some(86_400.0)], "it is still known");
    world.send(inline("im", json!([]))).await;
    world.clock.advance(120 * MINUTE);
    assert_eq!(
        ages(&world).await,
        [Some(7200.0), Some(7200.0), Some(0.0)],
        "what nobody begins hides nothing"
    );
}

#[tokio::test]
async fn a_message_that_asks_first_waits_from_its_yes_on() {
    let (world, asked) = (watched().await, Asked::start().await);
    asked.say(503, "");
    let mut body = inline("im", json!([]));
    body["condition"] = json!({"url": asked.url});
    let id = world.send(body).await;
    // Only those work who ask; nobody delivers.
    let ask = Task::Ask { project: PROJECT.into(), message: id, tries: 0 };
    let envelope =
        |task| Envelope { group: Group::of(PROJECT, Priority::Normal), tasks: vec![task], until: None };
    let deliverer = Deliverer::new(world.center.clone());
    world.clock.advance(5 * MINUTE);
    deliverer.consume(envelope(ask.clone())).await;
    assert_eq!(ages(&world).await, [Some(0.0); 3]);
    asked.say(200, "true");
    deliverer.consume(envelope(ask)).await;
    world.clock.advance(2 * MINUTE);
    assert_eq!(ages(&world).await, [Some(120.0), Some(120.0), Some(0.0)]);
}
