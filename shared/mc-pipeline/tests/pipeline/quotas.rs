//! What a platform allows is counted, kept to, asked for, and said.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{ChannelDoc, EventKind, Kind, Priority};
use mc_core::ports::{Clock, Window};
use mc_core::state::MessageStatus;
use mc_pipeline::quota::{self, QuotaItem, Source};
use mc_pipeline::view::Reason;
use mc_pipeline::{pace, view};
use mc_sandbox::{Fault, Platform};
use mc_testkit::Answer;
use serde_json::{Value, json};

use crate::metered::{world, world_with};
use crate::world::{COMPLETED, PROJECT, World, inline};

const SOON: Duration = Duration::from_millis(50);
const QUARTER: Duration = Duration::from_secs(900);

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn to(n: usize) -> Value {
    (0..n).map(|i| json!({"wechat": format!("openid-{i}")})).collect()
}

fn message(n: usize, more: Value) -> Value {
    let mut body =
        json!({"content": {"title": "T", "body": "B"}, "to": to(n), "routing": {"channels": ["wx"]}});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn day(world: &World) -> QuotaItem {
    item(world, "wx", Window::Day).await
}

async fn item(world: &World, channel: &str, window: Window) -> QuotaItem {
    let items = quota::list(&world.center, PROJECT).await.unwrap();
    items.into_iter().find(|item| item.channel == channel && item.window == window).unwrap()
}

async fn polled(world: &World) -> quota::Polled {
    quota::poll(&world.center, SOON).await.unwrap().unwrap()
}

/// Waits for a final status of each.
async fn all_sent(world: &World, ids: &[MessageId]) {
    for id in ids {
        assert_eq!(world.finished(*id).await.status, COMPLETED);
    }
}

#[tokio::test]
async fn a_day_s_own_limit_is_kept_and_what_is_over_goes_on_at_midnight_in_china() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(3)).await;
    world.work();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(world.send(message(1, json!({}))).await);
        all_sent(&world, &ids).await;
    }
    let late = world.send(message(1, json!({}))).await;
    let view = world.retrying(late).await;
    let attempt = &view.deliveries[0].attempts[0];
    assert_eq!(attempt.code.as_deref(), Some("quota_used_up"), "{view:#?}");
    let midnight = at("2026-12-02T00:00:00+08:00");
    let next = attempt.next.unwrap();
    assert!(next > midnight && next < midnight.after(Duration::from_secs(60)), "{next}");
    let waiting = view.deliveries[0].waiting.as_ref().unwrap();
    assert_eq!((waiting.reason, waiting.until), (Reason::Quota, Some(next)), "{waiting:?}");
    let stands = day(&world).await;
    assert_eq!((stands.limit, stands.used, stands.remaining), (Some(3), 3, Some(0)));
    assert_eq!((stands.source, stands.resets_at), (Source::Declared, Some(midnight)));
    assert!(stands.exhausted_at.is_some());
    world.advance(midnight.since(world.clock.now()) - Duration::from_secs(1)).await;
    assert_eq!(platform.sent(), 3);
    world.advance(Duration::from_secs(60)).await;
    all_sent(&world, &[late]).await;
    assert_eq!(platform.sent(), 4);
    assert_eq!(day(&world).await.used, 1);
    assert_eq!(item(&world, "wx", Window::Month).await.used, 4);
}

#[tokio::test]
async fn what_is_over_its_time_does_not_wait_for_a_quota() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(1)).await;
    world.work();
    all_sent(&world, &[world.send(message(1, json!({}))).await]).await;
    let until = world.clock.now().after(Duration::from_secs(3600));
    let late = world.send(message(1, json!({"expire_at": until}))).await;
    assert_eq!(world.finished(late).await.status, MessageStatus::Expired);
    assert_eq!(platform.sent(), 1);
}

#[tokio::test]
async fn another_process_keeps_to_the_same_day() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(3)).await;
    world.work();
    all_sent(&world, &[world.send(message(2, json!({}))).await]).await;
    let other = world.another_process();
    let entry = other.channels.get(PROJECT, "wx").await.unwrap().unwrap();
    let reserve =
        async || pace::reserve(&other, PROJECT, &entry, 5, Priority::Normal, pace::HORIZON).await.unwrap();
    assert_eq!(reserve().await.unwrap().len(), 1, "one of three is left");
    assert!(reserve().await.unwrap_err().full.is_some());
    assert_eq!((day(&world).await.used, platform.sent()), (3, 2));
}

#[tokio::test]
async fn what_is_counted_by_the_way_is_written_once_and_by_everybody() {
    let (world, [_]) = world(["wx"]).await;
    world.work();
    all_sent(&world, &[world.send(message(3, json!({}))).await, world.send(message(4, json!({}))).await])
        .await;
    let other = world.another_process();
    let entry = other.channels.get(PROJECT, "wx").await.unwrap().unwrap();
    pace::reserve(&other, PROJECT, &entry, 5, Priority::Normal, pace::HORIZON).await.unwrap().unwrap();
    assert_eq!(day(&world).await.used, 7, "what this process counted and has not written yet is seen");
    for center in [&*world.center, &other] {
        quota::flush(center).await.unwrap();
        quota::flush(center).await.unwrap();
    }
    assert_eq!(day(&world).await.used, 12);
    assert_eq!(item(&world, "wx", Window::Month).await.used, 12);
    let stands = day(&world).await;
    assert_eq!((stands.limit, stands.source), (Some(1000), Source::Documented));
}

#[tokio::test]
async fn channels_without_quotas_are_not_counted() {
    let (world, []) = world([]).await;
    world.work();
    let id = world.send(crate::world::inline("im", json!([]))).await;
    all_sent(&world, &[id]).await;
    quota::flush(&world.center).await.unwrap();
    let items = quota::list(&world.center, PROJECT).await.unwrap();
    assert!(items.iter().all(|item| item.channel != "im" && item.channel != "mail"), "{items:#?}");
    let pace = mc_pipeline::keys::pace(PROJECT, "im");
    assert_eq!(world.center.store.get(&pace).await.unwrap(), None);
}

#[tokio::test]
async fn the_platforms_own_figure_corrects_ours() {
    let (world, [platform]) = world(["wx"]).await;
    world.work();
    platform.answers(Answer::Figures(100, 12));
    all_sent(&world, &[world.send(message(5, json!({}))).await]).await;
    assert_eq!(polled(&world).await.told, 1);
    let stands = day(&world).await;
    assert_eq!((stands.used, stands.remaining, stands.source), (12, Some(88), Source::Platform));
    assert_eq!(stands.checked_at, world.clock.now());
    all_sent(&world, &[world.send(message(3, json!({}))).await]).await;
    quota::flush(&world.center).await.unwrap();
    assert_eq!(day(&world).await.used, 15, "what was sent since comes on top");
    world.clock.advance(Duration::from_secs(300));
    platform.answers(Answer::Figures(100, 14));
    polled(&world).await;
    assert_eq!(day(&world).await.used, 14, "one of them never arrived");
    // The next day the platform's limit still holds, and nothing of it is used.
    world.clock.set(at("2026-12-02T00:00:00+08:00"));
    let stands = day(&world).await;
    assert_eq!((stands.used, stands.limit, stands.source), (0, Some(100), Source::Platform));
}

#[tokio::test]
async fn a_refusal_that_names_the_numbers_is_heard() {
    let world = World::working().await;
    world.ding_app().await;
    let words = "接口调用量已达上限,调用量:10001次,额度:10000次";
    let body = Some(json!({"errcode": 90020, "errmsg": words}));
    world.sandbox.push_fault(Fault { body, ..Fault::on(Platform::DingtalkApp) });
    let id = world.send(inline("ding-app", json!([{"dingtalk": "lisi"}]))).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Failed);
    world.advance(Duration::from_millis(1)).await;
    let month = item(&world, "ding-app", Window::Month).await;
    assert_eq!((month.used, month.limit, month.source), (10_001, Some(10_000), Source::Platform));
    assert!(month.exhausted_at.is_some());
}

#[tokio::test]
async fn a_platform_that_is_down_slow_or_wrong_harms_no_other() {
    let (world, [down, slow, wrong, good]) = world(["down", "slow", "wrong", "good"]).await;
    for platform in [&down, &slow, &wrong, &good] {
        platform.answers(Answer::Figures(100, 50));
    }
    assert_eq!(polled(&world).await, quota::Polled { told: 4, failed: 0 });
    let first = world.clock.now();
    world.clock.advance(Duration::from_secs(300));
    down.answers(Answer::Down);
    slow.answers(Answer::Never);
    wrong.answers(Answer::Figures(0, 0));
    good.answers(Answer::Figures(100, 60));
    assert_eq!(polled(&world).await, quota::Polled { told: 1, failed: 3 });
    let stands = item(&world, "good", Window::Day).await;
    assert_eq!((stands.used, stands.checked_at, stands.trouble), (60, world.clock.now(), None));
    for (name, words) in [("down", "bad gateway"), ("slow", "in time"), ("wrong", "nothing may be sent")] {
        let stands = item(&world, name, Window::Day).await;
        assert_eq!((stands.used, stands.checked_at), (50, first), "{name} keeps its last figure");
        assert!(stands.trouble.unwrap().contains(words));
    }
}

#[tokio::test]
async fn a_platforms_refusal_stops_the_channel_until_midnight_or_until_it_tells_of_more() {
    let (world, [platform]) = world(["wx"]).await;
    world.webhook("ops", &[EventKind::QuotaExhausted]).await;
    world.work();
    platform.at_most(Some(2));
    all_sent(&world, &[world.send(message(2, json!({}))).await]).await;
    let mut late = Vec::new();
    for _ in 0..3 {
        late.push(world.send(message(1, json!({}))).await);
        world.retrying(late[late.len() - 1]).await;
        // The outcome is written first, and what it says of the channel is noted right behind it.
        told(&world, 1).await;
    }
    assert_eq!(platform.refused(), 1, "whoever comes after the first refusal does not even try");
    let stands = day(&world).await;
    assert_eq!(stands.remaining, Some(0));
    assert_eq!(stands.exhausted_at, Some(world.clock.now()));
    let said = told(&world, 1).await;
    assert_eq!((&said[0]["type"], &said[0]["data"]["window"]), (&json!("quota.exhausted"), &json!("day")));
    // Somebody has the platform give more.
    platform.at_most(None);
    platform.answers(Answer::Figures(1000, 2));
    polled(&world).await;
    assert_eq!(day(&world).await.exhausted_at, None);
    all_sent(&world, &[world.send(message(1, json!({}))).await]).await;
    world.advance(at("2026-12-02T00:01:00+08:00").since(world.clock.now())).await;
    all_sent(&world, &late).await;
    assert_eq!((platform.sent(), platform.refused()), (6, 1));
}

/// What the webhook was told, once it was told so often.
async fn told(world: &World, times: usize) -> Vec<Value> {
    for _ in 0..2000 {
        let told = world.sandbox.accepted(Platform::Hook);
        if told.len() >= times {
            return told.iter().map(|item| serde_json::from_str(&item.raw).unwrap()).collect();
        }
        // tidy: sleeps because another task makes the condition true in real time.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not told {times} times: {:?}", world.sandbox.inbox());
}

#[tokio::test]
async fn little_and_nothing_left_are_said_once_in_a_window() {
    let (world, [platform]) = world_with(["wx"], |doc| {
        doc.alarm = Some(json!({"remaining_below_percent": 25}));
    })
    .await;
    world.webhook("ops", &[EventKind::QuotaLow, EventKind::QuotaExhausted]).await;
    world.work();
    for (used, events) in [(75, 0), (76, 1), (90, 1), (100, 2), (100, 2)] {
        platform.answers(Answer::Figures(100, used));
        polled(&world).await;
        world.clock.advance(Duration::from_secs(300));
        assert_eq!(told(&world, events).await.len(), events, "at {used}");
    }
    let types: Vec<Value> = told(&world, 2).await.iter().map(|e| e["type"].clone()).collect();
    assert!(types.contains(&json!("quota.low")) && types.contains(&json!("quota.exhausted")), "{types:?}");
    world.clock.set(at("2026-12-02T09:00:00+08:00"));
    platform.answers(Answer::Figures(100, 80));
    polled(&world).await;
    assert_eq!(told(&world, 3).await.len(), 3, "another day, another word");
}

#[tokio::test]
async fn that_little_is_left_is_not_said_once_nothing_is() {
    let (world, [_]) = world_with(["wx"], |doc| doc.limits.per_day = Some(2)).await;
    world.webhook("ops", &[EventKind::QuotaLow, EventKind::QuotaExhausted]).await;
    world.work();
    all_sent(&world, &[world.send(message(2, json!({}))).await]).await;
    let late = world.send(message(1, json!({}))).await;
    world.retrying(late).await;
    assert_eq!(told(&world, 1).await[0]["type"], json!("quota.exhausted"));
    polled(&world).await;
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(told(&world, 1).await.len(), 1);
}

#[tokio::test]
async fn bulk_leaves_something_for_the_others() {
    let (world, [platform]) = world_with(["wx"], |doc| {
        doc.limits.per_day = Some(10);
        doc.limits.reserve_for_high_percent = Some(20);
    })
    .await;
    world.work();
    let bulk = world.send(message(10, json!({"priority": "bulk"}))).await;
    let view = world.until(bulk, |m| m.counts.get(mc_core::state::State::Retrying) == 2).await;
    assert_eq!(platform.sent(), 8);
    assert!(!view.status.is_final());
    let more = world.send(message(1, json!({"priority": "bulk"}))).await;
    let view = world.retrying(more).await;
    assert_eq!(view.deliveries[0].attempts[0].code.as_deref(), Some("quota_kept_for_high"));
    all_sent(&world, &[world.send(message(1, json!({"priority": "high"}))).await]).await;
    all_sent(&world, &[world.send(message(1, json!({}))).await]).await;
    assert_eq!(platform.sent(), 10);
}

#[tokio::test]
async fn a_scheduled_send_reserves_the_day_it_runs() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(10)).await;
    world.work();
    let evening = at("2026-12-01T20:00:00+08:00");
    let id = world.send(message(6, json!({"send_at": evening}))).await;
    let stands = day(&world).await;
    assert_eq!((stands.used, stands.reserved, stands.remaining), (0, 6, Some(4)));
    // What is reserved is not there for others, unless they are urgent.
    all_sent(&world, &[world.send(message(4, json!({}))).await]).await;
    world.clock.advance(Duration::from_secs(61));
    let late = world.send(message(1, json!({}))).await;
    let view = world.retrying(late).await;
    assert_eq!(view.deliveries[0].attempts[0].code.as_deref(), Some("quota_reserved"));
    view::cancel(&world.center, &world.caller(), late).await.unwrap();
    // It looks once more, and sees that it is over.
    world.advance(QUARTER).await;
    world.advance(evening.since(world.clock.now())).await;
    all_sent(&world, &[id]).await;
    let stands = day(&world).await;
    assert_eq!((stands.used, stands.reserved, stands.remaining), (10, 0, Some(0)));
    assert_eq!(platform.sent(), 10);
}

#[tokio::test]
async fn what_waits_goes_on_within_a_quarter_of_an_hour_when_more_is_allowed() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(1)).await;
    world.work();
    all_sent(&world, &[world.send(message(1, json!({}))).await]).await;
    let mut late = Vec::new();
    for priority in ["high", "normal"] {
        let id = world.send(message(1, json!({"priority": priority}))).await;
        world.retrying(id).await;
        late.push(id);
    }
    for _ in 0..4 {
        world.advance(QUARTER).await;
    }
    assert_eq!(platform.sent(), 1);
    for id in &late {
        assert_eq!(world.view(*id).await.deliveries[0].attempts.len(), 1, "who only looks says nothing");
    }
    let raise = |doc: &mut ChannelDoc| doc.limits.per_day = Some(10);
    world.channel_with("wx", Kind::WechatOfficial, json!({}), &[], raise).await;
    world.advance(QUARTER).await;
    all_sent(&world, &late).await;
    assert_eq!(platform.sent(), 3);
}

#[tokio::test]
async fn a_content_whose_next_part_finds_the_day_used_up_goes_on_as_soon_as_there_is_more() {
    let world = World::working().await;
    let secrets = [("key", "5a1db0c5-0000-4000-8000-00000000000d")];
    let allow = async |parts: u32| {
        let limit = |doc: &mut ChannelDoc| doc.limits.per_day = Some(parts);
        world.channel_with("split", Kind::WecomRobot, json!({}), &secrets, limit).await;
    };
    allow(2).await;
    let mut long = inline("split", json!([]));
    long["content"]["body"] = (0..1500).map(|n| format!("word-{n} ")).collect::<String>().into();
    let id = world.send(long).await;
    let view = world.retrying(id).await;
    let delivery = &view.deliveries[0];
    assert_eq!(delivery.attempts[0].code.as_deref(), Some("quota_used_up"), "{view:#?}");
    assert_eq!(delivery.waiting.as_ref().unwrap().reason, Reason::Quota);
    let texts = || -> Vec<String> {
        world.sandbox.accepted(Platform::Wecom).iter().map(|item| item.raw.clone()).collect()
    };
    assert_eq!(texts().len(), 2);
    allow(100).await;
    world.advance(QUARTER).await;
    all_sent(&world, &[id]).await;
    let mut texts = texts();
    let sent = texts.len();
    texts.sort();
    texts.dedup();
    assert!(sent > 2 && texts.len() == sent, "every part comes once: {texts:?}");
}

#[tokio::test]
async fn what_waits_gets_what_is_given_back_and_nothing_that_falls_due() {
    let (world, [platform]) = world_with(["wx"], |doc| doc.limits.per_day = Some(10)).await;
    world.work();
    // Both fall due in the middle of a quarter.
    let [soon, evening] = ["08:20", "20:20"].map(|time| at(&format!("2026-12-01T{time}:00+08:00")));
    let due = world.send(message(4, json!({"send_at": soon}))).await;
    let back = world.send(message(2, json!({"send_at": evening}))).await;
    all_sent(&world, &[world.send(message(4, json!({}))).await]).await;
    world.clock.advance(Duration::from_secs(61));
    let late = world.send(message(1, json!({}))).await;
    let view = world.retrying(late).await;
    assert_eq!(view.deliveries[0].attempts[0].code.as_deref(), Some("quota_reserved"));
    while world.clock.now() < soon.after(QUARTER) {
        world.advance(Duration::from_secs(10)).await;
    }
    all_sent(&world, &[due]).await;
    assert_eq!(platform.sent(), 8, "who waits does not take what is reserved");
    view::cancel(&world.center, &world.caller(), back).await.unwrap();
    world.advance(QUARTER).await;
    all_sent(&world, &[late]).await;
    assert_eq!(platform.sent(), 9);
}

#[tokio::test]
async fn a_reservation_moves_with_its_message_and_goes_with_it() {
    let (world, [_]) = world(["wx"]).await;
    let id = world.send(message(6, json!({"send_at": "2026-12-01T20:00:00+08:00"}))).await;
    assert_eq!(day(&world).await.reserved, 6);
    let tomorrow = Some(at("2026-12-02T20:00:00+08:00"));
    view::reschedule(&world.center, &world.caller(), id, tomorrow).await.unwrap();
    assert_eq!(day(&world).await.reserved, 0);
    assert_eq!(item(&world, "wx", Window::Month).await.reserved, 6);
    view::cancel(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(item(&world, "wx", Window::Month).await.reserved, 0);
}

#[tokio::test]
async fn the_forecast_says_when_it_runs_out() {
    let (world, [platform]) = world(["wx"]).await;
    world.work();
    all_sent(&world, &[world.send(message(10, json!({}))).await]).await;
    quota::flush(&world.center).await.unwrap();
    assert_eq!(day(&world).await.forecast, None, "at ten an hour 1000 last longer than the day");
    platform.answers(Answer::Figures(100, 80));
    polled(&world).await;
    let stands = day(&world).await;
    assert_eq!(stands.per_hour, Some(10));
    assert_eq!(stands.forecast, Some(world.clock.now().after(Duration::from_secs(7200))));
    world.clock.advance(Duration::from_secs(7200));
    assert_eq!(day(&world).await.forecast, None, "nothing was sent lately");
}

#[tokio::test]
async fn pages_hold_every_window_once() {
    let (world, [..]) = world(["a", "b", "c"]).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let (items, next) = quota::page(&world.center, PROJECT, None, 1, cursor.as_deref()).await.unwrap();
        assert!(items.len() <= 1);
        seen.extend(items.into_iter().map(|item| (item.channel, item.window)));
        cursor = next;
        if cursor.is_none() {
            break;
        }
        assert!(cursor.as_deref().is_some_and(quota::is_cursor));
    }
    let mut all: Vec<_> = quota::list(&world.center, PROJECT)
        .await
        .unwrap()
        .into_iter()
        .map(|i| (i.channel, i.window))
        .collect();
    all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    assert_eq!(seen, all);
    assert!(all.contains(&("robot".to_owned(), Window::Minute)), "{all:?}");
}
