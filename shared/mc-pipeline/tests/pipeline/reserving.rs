//! The next run of a schedule reserves what it will take of a quota, exactly once, and for as long as it is planned.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::CatchUp;
use mc_core::ports::{Clock, Key, Op, Store, Verdict, Window};
use mc_pipeline::quota::{self, QuotaItem};
use mc_pipeline::schedules::{self, Draft};
use serde_json::{Value, json};

use crate::metered::{world, world_with};
use crate::world::{COMPLETED, PROJECT, World};

/// Noon, of which China says 20:00: the day and the month end there at 16:00.
const NOON: &str = "0 12 * * *";

fn through(channel: &str, people: usize) -> Value {
    let to: Value = (0..people).map(|i| json!({"wechat": format!("openid-{i}")})).collect();
    message(channel, to)
}

fn message(channel: &str, to: Value) -> Value {
    json!({"content": {"title": "T", "body": "B"}, "to": to, "routing": {"channels": [channel]}})
}

async fn put(world: &World, name: &str, message: Value, enabled: bool) -> Option<Timestamp> {
    let message = message.to_string();
    let draft = Draft {
        cron: Some(NOON.to_owned()),
        at: None,
        timezone: "UTC".to_owned(),
        message: message.as_bytes(),
        enabled,
        catch_up: CatchUp::Skip,
        condition: None,
    };
    match schedules::put(&world.center, &world.caller(), name, draft).await {
        Ok((_, schedule)) => schedule.next,
        Err(refusal) => panic!("{refusal:?}"),
    }
}

async fn standing(world: &World, channel: &str, window: Window) -> QuotaItem {
    let items = quota::list(&world.center, PROJECT).await.unwrap();
    items.into_iter().find(|item| item.channel == channel && item.window == window).unwrap()
}

/// What is reserved of a channel's day and month.
async fn reserved(world: &World, channel: &str) -> (u64, u64) {
    let [day, month] = [Window::Day, Window::Month].map(|window| standing(world, channel, window));
    (day.await.reserved, month.await.reserved)
}

#[tokio::test]
async fn a_run_moves_from_reserved_to_used_and_the_next_one_reserves_its_own_day() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(10)).await;
    world.work();
    let noon = put(&world, "daily", through("wx", 6), true).await.unwrap();
    let day = standing(&world, "wx", Window::Day).await;
    assert_eq!((day.used, day.reserved, day.remaining), (0, 6, Some(4)));
    // What is reserved is not there for others.
    let others = world.send(through("wx", 4)).await;
    assert_eq!(world.finished(others).await.status, COMPLETED);
    world.clock.advance(Duration::from_secs(61));
    let late = world.send(through("wx", 1)).await;
    let view = world.retrying(late).await;
    assert_eq!(view.deliveries[0].attempts[0].code.as_deref(), Some("quota_reserved"), "{view:#?}");
    world.advance(noon.since(world.clock.now())).await;
    assert_eq!(platform.sent(), 10);
    let day = standing(&world, "wx", Window::Day).await;
    assert_eq!((day.used, day.reserved, day.remaining), (10, 0, Some(0)));
    // The next run lies in tomorrow's day and in the same month.
    assert_eq!(standing(&world, "wx", Window::Month).await.reserved, 6);
    world.clock.set(noon.after(Duration::from_secs(5 * 3600)));
    assert_eq!(reserved(&world, "wx").await, (6, 6));
}

#[tokio::test]
async fn schedules_and_messages_reserve_side_by_side() {
    let (world, [..]) = world(["wx", "other"]).await;
    put(&world, "a", through("wx", 6), true).await;
    put(&world, "b", through("wx", 3), true).await;
    let mut later = through("wx", 2);
    later["send_at"] = json!("2026-12-01T13:00:00Z");
    world.send(later).await;
    assert_eq!(reserved(&world, "wx").await, (11, 11));
    assert_eq!(reserved(&world, "other").await, (0, 0));
}

#[tokio::test]
async fn a_change_takes_the_place_of_what_was_reserved() {
    let (world, [..]) = world(["wx", "other"]).await;
    for _ in 0..2 {
        put(&world, "daily", through("wx", 6), true).await;
        assert_eq!(reserved(&world, "wx").await, (6, 6), "the same again changes nothing");
    }
    put(&world, "daily", through("wx", 2), true).await;
    assert_eq!(reserved(&world, "wx").await, (2, 2));
    put(&world, "daily", through("other", 5), true).await;
    assert_eq!((reserved(&world, "wx").await, reserved(&world, "other").await), ((0, 0), (5, 5)));
}

#[tokio::test]
async fn what_is_paused_or_deleted_reserves_nothing() {
    let (world, [..]) = world(["wx"]).await;
    put(&world, "daily", through("wx", 6), true).await;
    put(&world, "daily", through("wx", 6), false).await;
    assert_eq!(reserved(&world, "wx").await, (0, 0), "paused");
    put(&world, "daily", through("wx", 6), true).await;
    assert_eq!(reserved(&world, "wx").await, (6, 6), "goes on");
    assert!(schedules::delete(&world.center, PROJECT, "daily").await.unwrap());
    assert_eq!(reserved(&world, "wx").await, (0, 0), "deleted");
}

#[tokio::test]
async fn a_run_that_is_worked_on_twice_reserves_the_next_one_once() {
    let (world, [platform]) = world(["wx"]).await;
    world.work();
    let noon = put(&world, "daily", through("wx", 6), true).await.unwrap();
    let key = Key::new(format!("schedules#{PROJECT}"), "daily");
    let before = world.store.get(&key).await.unwrap().unwrap();
    world.advance(noon.since(world.clock.now())).await;
    assert_eq!((platform.sent(), reserved(&world, "wx").await), (6, (0, 6)));
    // As if the process had died before the schedule was moved on: the task comes again.
    world.store.write(Op::put(before)).await.unwrap();
    let again = schedules::run(&world.center, &Arc::from(PROJECT), &Arc::from("daily"), noon, 0).await;
    assert_eq!(again.unwrap(), Verdict::Done);
    world.advance(Duration::ZERO).await;
    assert_eq!((platform.sent(), reserved(&world, "wx").await), (6, (0, 6)));
    // And what comes after a change reserves nothing in its place.
    put(&world, "daily", through("wx", 6), false).await;
    let late = schedules::run(&world.center, &Arc::from(PROJECT), &Arc::from("daily"), noon, 0).await;
    assert_eq!((late.unwrap(), reserved(&world, "wx").await), (Verdict::Done, (0, 0)));
}

#[tokio::test]
async fn a_group_counts_as_many_as_it_had_when_the_run_was_planned() {
    let (world, [platform]) = world(["wx"]).await;
    world.work();
    for id in ["ann", "bob", "cyd"] {
        world.contact(id, json!({"wechat": format!("openid-{id}")})).await;
    }
    world.group("ops", &["ann", "bob"]).await;
    let noon = put(&world, "daily", message("wx", json!(["@ops"])), true).await.unwrap();
    assert_eq!(reserved(&world, "wx").await, (2, 2));
    world.group("ops", &["ann", "bob", "cyd"]).await;
    world.clock.set(noon.before(Duration::from_secs(120)));
    assert_eq!(reserved(&world, "wx").await, (2, 2), "it is looked up at the run, and not before");
    world.advance(Duration::from_secs(120)).await;
    assert_eq!((platform.sent(), reserved(&world, "wx").await), (3, (0, 3)), "the next run counts all three");
}

#[tokio::test]
async fn a_run_that_is_left_out_gives_its_place_to_the_next() {
    let (world, [platform]) = world(["wx"]).await;
    world.work();
    let noon = put(&world, "daily", through("wx", 6), true).await.unwrap();
    // Nobody promotes for hours; the schedule skips what it missed.
    world.advance(noon.since(world.clock.now()) + Duration::from_secs(3 * 3600)).await;
    assert_eq!((platform.sent(), reserved(&world, "wx").await), (0, (0, 6)));
    world.advance(Duration::from_secs(21 * 3600)).await;
    assert_eq!(platform.sent(), 6);
    let sent = mc_pipeline::view::list(&world.center, PROJECT, &Default::default(), 10, None).await.unwrap();
    assert!(sent.items.iter().all(|m| m.status == COMPLETED), "{:#?}", sent.items);
}
