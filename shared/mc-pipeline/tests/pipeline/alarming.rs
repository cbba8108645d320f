//! Alarms: when they fire, whom they tell, and how often.

use std::time::Duration;

use mc_core::model::{ChannelDoc, EventKind, Kind};
use mc_core::ports::{Attrs, Clock, Item, Op, Store, Task};
use mc_core::state::State;
use mc_core::{Error, ErrorKind};
use mc_pipeline::accept::{Caller, Refusal};
use mc_pipeline::alarms::{self, AlarmBody, Condition, Notice, Occasion, Standing};
use mc_pipeline::stats::{Cell, Count, Numbers, Part};
use mc_pipeline::view::{self, Filter, MessageView};
use mc_pipeline::{dead, keys, quota, syslog};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::world::{PROJECT, World, inline, pointer};

const MINUTE: Duration = Duration::from_secs(60);

fn rule(metric: &str, threshold: Value) -> Value {
    json!({
        "metric": metric,
        "threshold": threshold,
        "message": {
            "content": {"title": "{{ alarm }} {{ state }}", "body": "{{ metric }} is {{ value }}"},
            "routing": {"channels": ["im"]},
        },
    })
}

async fn try_put(world: &World, rule: &Value) -> Result<(), Refusal> {
    let body: AlarmBody = serde_json::from_value(rule.clone()).unwrap();
    alarms::check(&world.center, &Caller::new(PROJECT, "key:test", "r"), "a1", &body).await?;
    world.center.alarms.put(PROJECT, "a1", body).await?;
    Ok(())
}

async fn put(world: &World, rule: &Value) {
    if let Err(refusal) = try_put(world, rule).await {
        panic!("{refusal:?}");
    }
}

async fn standing(world: &World) -> Standing {
    world.center.alarms.standing(PROJECT, "a1").await.unwrap().unwrap_or_default()
}

/// Looks at the alarms and lets time pass, minute by minute.
async fn look(world: &World, minutes: usize) {
    for _ in 0..minutes {
        alarms::watch(&world.center).await.unwrap();
        world.advance(MINUTE).await;
    }
}

/// The channel `called`, whose receiver calls back.
async fn called(world: &World) {
    let settings = json!({"url": format!("{}/im/messages", world.base), "receipts": true});
    let secret = [("secret", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")];
    world.channel("called", Kind::Webhook, settings, &secret).await;
}

/// Counts as if messages had been worked on.
fn count(world: &World, channel: &str, count: Count, n: u64) {
    let part = Part { project: PROJECT, channel, kind: Kind::Webhook, template: None, own: false };
    world.center.stats.add(world.clock.now(), &part, &Numbers::of(count, n));
}

/// The messages that alarms sent, the oldest first.
async fn sent(world: &World) -> Vec<MessageView> {
    let filter = Filter { tag: Some("alarm".into()), ..Filter::default() };
    let page = view::list(&world.center, PROJECT, &filter, 200, None).await.unwrap();
    let mut all = page.items;
    all.reverse();
    all
}

fn titles(world: &World) -> Vec<String> {
    let items = world.sandbox.accepted(Platform::Im);
    items
        .iter()
        .map(|item| serde_json::from_str::<Value>(&item.raw).unwrap()["title"].as_str().unwrap().to_owned())
        .collect()
}

/// What the endpoint heard, once the tasks are done.
fn events(world: &World) -> Vec<Value> {
    let items = world.sandbox.accepted(Platform::Hook);
    items.iter().map(|item| serde_json::from_str(&item.raw).unwrap()).collect()
}

#[tokio::test]
async fn an_alarm_tells_people_and_endpoints_when_it_fires_and_when_it_ends() {
    let world = World::working().await;
    world.webhook("ops", &[EventKind::AlarmFired, EventKind::AlarmRecovered]).await;
    put(&world, &rule("failure_rate", json!(50))).await;
    look(&world, 2).await;
    assert_eq!(standing(&world).await.condition, Condition::Ok);
    count(&world, "mail", Count::Failed, 30);
    count(&world, "mail", Count::Sent, 10);
    look(&world, 1).await;
    let firing = standing(&world).await;
    assert_eq!((firing.condition, firing.value), (Condition::Firing, Some(75.0)));
    assert!(firing.last_notified_at.is_some());
    // The window passes, and the calm.
    look(&world, 20).await;
    assert_eq!(standing(&world).await.condition, Condition::Ok);
    assert_eq!(titles(&world), ["a1 firing", "a1 recovered"]);
    let events = events(&world);
    let types: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["alarm.fired", "alarm.recovered"]);
    assert_eq!(
        events[0]["data"],
        json!({"alarm": "a1", "metric": "failure_rate", "value": 75, "threshold": 50, "channel": "*",
            "since": "2026-12-01T00:02:00.000Z", "state": "firing"})
    );
    assert_eq!(events[1]["data"]["value"], Value::Null, "there are no tries any more");
    let log = syslog::list(&world.center, PROJECT, &syslog::Filter::default(), 50, None).await.unwrap().0;
    let kinds: Vec<&str> = log.iter().map(|(_, e)| e.kind.as_str()).collect();
    assert_eq!(kinds, ["alarm.recovered", "alarm.fired"]);
    assert!(log.iter().all(|(_, entry)| entry.resource.as_deref() == Some("alarms/a1")), "{log:?}");
}

#[tokio::test]
async fn the_log_names_a_dead_letter_and_its_message() {
    let world = World::quiet().await;
    let message = world.send(inline("im", json!([]))).await;
    let task = Task::Deliver { project: PROJECT.into(), message, share: 0, channel: "im".into(), slot: None };
    dead::put(&world.center, &task, &Error::new(ErrorKind::Corrupt, "broken")).await.unwrap();
    let filter = syslog::Filter { resource: Some("dead-letters".into()), ..syslog::Filter::default() };
    let (log, _) = syslog::list(&world.center, PROJECT, &filter, 50, None).await.unwrap();
    let (letters, _) = dead::list(&world.center, PROJECT, 10, None).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].1.resource, Some(format!("dead-letters/{}", letters[0].0)));
    assert_eq!(log[0].1.data["message_id"], json!(message));
}

#[tokio::test]
async fn an_alarm_on_the_quota_fires_when_little_is_left_and_when_it_will_not_last() {
    let world = World::working().await;
    let im = json!({"url": format!("{}/im/messages", world.base)});
    world.channel_with("metered", Kind::Webhook, im, &[], |doc| doc.limits.per_day = Some(100)).await;
    put(&world, &rule("remaining_percent", json!(40))).await;
    look(&world, 1).await;
    assert_eq!(standing(&world).await.value, Some(100.0));
    for _ in 0..70 {
        let id = world.send(inline("metered", json!([]))).await;
        world.finished(id).await;
    }
    look(&world, 1).await;
    let firing = standing(&world).await;
    assert_eq!((firing.condition, firing.value), (Condition::Firing, Some(30.0)));
    put(&world, &rule("forecast", json!(2))).await;
    look(&world, 1).await;
    let firing = standing(&world).await;
    assert_eq!(firing.condition, Condition::Firing, "70 within the hour, and 30 are left: {firing:?}");
    // Nothing is sent any more, so nothing runs out: there are no hours to tell.
    quota::flush(&world.center).await.unwrap();
    world.advance(2 * 60 * MINUTE).await;
    look(&world, 7).await;
    let good = standing(&world).await;
    assert_eq!((good.condition, good.value), (Condition::Ok, None), "{good:?}");
    assert_eq!(titles(&world).last().map(String::as_str), Some("a1 recovered"));
    assert_eq!(sent(&world).await.last().unwrap().request["content"]["body"], "forecast is -");
    let filter = syslog::Filter { resource: Some("alarms".into()), ..syslog::Filter::default() };
    let (log, _) = syslog::list(&world.center, PROJECT, &filter, 50, None).await.unwrap();
    assert_eq!((log[0].1.kind.as_str(), &log[0].1.data["value"]), ("alarm.recovered", &Value::Null));
}

#[tokio::test]
async fn two_watchers_at_once_fire_once() {
    let world = World::working().await;
    world.webhook("ops", &[EventKind::AlarmFired]).await;
    put(&world, &rule("gave_up", json!(1))).await;
    count(&world, "mail", Count::GaveUp, 1);
    for _ in 0..5 {
        let (one, other) = tokio::join!(alarms::watch(&world.center), alarms::watch(&world.center));
        assert_eq!(one.unwrap() + other.unwrap(), 2, "both see it firing");
        world.advance(MINUTE).await;
    }
    assert_eq!(titles(&world), ["a1 firing"]);
    assert_eq!(events(&world).len(), 1);
}

#[tokio::test]
async fn what_a_crash_left_owed_is_told_once() {
    let world = World::working().await;
    world.webhook("ops", &[EventKind::AlarmFired]).await;
    put(&world, &rule("gave_up", json!(1))).await;
    let now = world.clock.now();
    let id = mc_core::id::MessageId::new(world.center.ids.ulid(now)).ulid().to_string();
    let owed = Notice { id, occasion: Occasion::Fired, at: now, since: now, value: Some(1.0) };
    let crashed = Standing {
        condition: Condition::Firing,
        since: Some(now),
        value: Some(1.0),
        owed: Some(owed),
        ..Standing::default()
    };
    // The crash came before it was told, and then after.
    for _ in 0..2 {
        let attrs = Attrs::new().with("rev", 1).with("doc", serde_json::to_vec(&crashed).unwrap());
        world.store.write(Op::put(Item::new(keys::alarm_state(PROJECT, "a1"), attrs))).await.unwrap();
        count(&world, "mail", Count::GaveUp, 1);
        look(&world, 2).await;
        let after = standing(&world).await;
        assert_eq!((after.condition, after.owed), (Condition::Firing, None));
    }
    assert_eq!(titles(&world), ["a1 firing"]);
    assert_eq!(events(&world).len(), 1);
}

#[tokio::test]
async fn an_alarm_about_the_channel_it_speaks_through_does_not_feed_itself() {
    let world = World::working().await;
    world.channel("gone", Kind::WecomRobot, json!({}), &[("key", "bad-robot-key-01")]).await;
    let mut own = rule("failure_rate", json!(10));
    own["channel"] = json!("gone");
    own["min_count"] = json!(1);
    own["repeat"] = json!("5m");
    own["message"]["routing"]["channels"] = json!(["gone"]);
    put(&world, &own).await;
    let id = world.send(inline("gone", json!([]))).await;
    world.finished(id).await;
    look(&world, 60).await;
    let sent = sent(&world).await;
    let all_failed = sent.iter().all(|m| m.deliveries[0].status == State::Failed);
    assert!(all_failed, "its messages fail too");
    // Fired, repeated while the one failure is in the window of ten minutes, recovered; and never again.
    assert!((3..=4).contains(&sent.len()), "{} messages", sent.len());
    assert_eq!(standing(&world).await.condition, Condition::Ok);
}

#[tokio::test]
async fn an_alarm_about_the_account_it_speaks_through_does_not_feed_itself() {
    let world = World::working().await;
    world.ding_app().await;
    let settings = json!({"app_key": "dingapp", "agent_id": 7, "poll_results": false});
    let base = |doc: &mut ChannelDoc| doc.base_url = Some(world.base.clone());
    world.channel_with("wrong", Kind::DingtalkApp, settings, &[("app_secret", "not it")], base).await;
    let to = json!([{"dingtalk": "u1"}]);
    let mut own = rule("token_refresh_failing", json!(1));
    own["repeat"] = json!("5m");
    own["message"]["routing"]["channels"] = json!(["wrong"]);
    own["message"]["to"] = to.clone();
    put(&world, &own).await;
    let id = world.send(inline("wrong", to)).await;
    world.finished(id).await;
    look(&world, 120).await;
    // Fired, repeated while the one failure is in the window of 15 minutes, recovered; and never again.
    let sent = sent(&world).await;
    assert!((3..=5).contains(&sent.len()), "{} messages", sent.len());
    assert_eq!(standing(&world).await.condition, Condition::Ok);
}

#[tokio::test]
async fn a_storm_of_failures_is_one_message() {
    let world = World::working().await;
    put(&world, &rule("failure_rate", json!(10))).await;
    for _ in 0..30 {
        count(&world, "mail", Count::Failed, 1000);
        look(&world, 1).await;
    }
    assert_eq!(titles(&world), ["a1 firing"]);
}

#[tokio::test]
async fn a_message_that_is_refused_by_then_is_noted() {
    let world = World::working().await;
    world.channel("brief", Kind::Webhook, json!({"url": format!("{}/im/messages", world.base)}), &[]).await;
    let mut rule = rule("gave_up", json!(1));
    rule["message"]["routing"]["channels"] = json!(["brief"]);
    put(&world, &rule).await;
    world.center.channels.delete(PROJECT, "brief").await.unwrap();
    count(&world, "mail", Count::GaveUp, 1);
    look(&world, 3).await;
    let log = syslog::list(&world.center, PROJECT, &syslog::Filter::default(), 50, None).await.unwrap().0;
    let notes: Vec<&Value> =
        log.iter().filter(|(_, e)| e.kind == "alarm.not_sent").map(|(_, e)| &e.data["reason"]).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].as_str().unwrap().starts_with("unknown_channel"), "{}", notes[0]);
}

#[tokio::test]
async fn one_that_is_switched_off_is_not_looked_at_and_begins_anew() {
    let world = World::working().await;
    let mut rule = rule("gave_up", json!(1));
    put(&world, &rule).await;
    count(&world, "mail", Count::GaveUp, 1);
    look(&world, 1).await;
    assert_eq!(standing(&world).await.condition, Condition::Firing);
    rule["enabled"] = json!(false);
    put(&world, &rule).await;
    look(&world, 2).await;
    assert_eq!(standing(&world).await, Standing::default());
    assert_eq!(titles(&world).len(), 1);
}

#[tokio::test]
async fn every_metric_sees_what_it_is_named_after() {
    let world = World::quiet().await;
    let value = async |rule: &Value| {
        world.center.alarms.delete(PROJECT, "a1").await.unwrap();
        put(&world, rule).await;
        alarms::watch(&world.center).await.unwrap();
        standing(&world).await.value
    };
    let dead_letters = rule("dead_letters", json!(5));
    let token = rule("token_refresh_failing", json!(5));
    let mut silence = rule("callback_silence", json!(600));
    silence["channel"] = json!("called");
    called(&world).await;
    let mut queued = rule("oldest_queued_age", json!(600));
    let none = [value(&dead_letters).await, value(&token).await, value(&silence).await, value(&queued).await];
    assert_eq!(none, [Some(0.0), Some(0.0), None, Some(0.0)]);

    let task = Task::Notify { project: PROJECT.into(), webhook: "w".into(), event: "e".into() };
    dead::put(&world.center, &task, &Error::new(ErrorKind::Corrupt, "broken")).await.unwrap();
    let stats = &world.center.stats;
    for (name, count) in [
        ("wecom:1", Count::NotFetched),
        ("wecom:1", Count::NotFetched),
        ("wecom:2", Count::Fetched),
        ("wecom:2", Count::NotFetched),
    ] {
        stats.note(world.clock.now(), PROJECT, Cell::token(name), count);
    }
    count(&world, "called", Count::Sent, 1);
    world.send(inline("im", json!([]))).await;
    world.clock.advance(5 * MINUTE);
    let some = [value(&dead_letters).await, value(&token).await, value(&silence).await, value(&queued).await];
    assert_eq!(some, [Some(1.0), Some(2.0), Some(300.0), Some(300.0)]);
    queued["channel"] = json!("mail");
    assert_eq!(value(&queued).await, Some(0.0), "no mail waits");

    stats.note(world.clock.now(), PROJECT, Cell::channel(Kind::Webhook, "called", false), Count::Callbacks);
    assert_eq!(value(&silence).await, None, "the platform has called");
    count(&world, "im", Count::Sent, 1);
    world.clock.advance(120 * MINUTE);
    assert_eq!(value(&dead_letters).await, Some(0.0), "that was longer ago than an hour");
}

#[tokio::test]
async fn a_silence_is_over_when_the_platform_calls_and_not_before() {
    let world = World::working().await;
    called(&world).await;
    let mut rule = rule("callback_silence", json!(600));
    rule["channel"] = json!("called");
    put(&world, &rule).await;
    count(&world, "called", Count::Sent, 1);
    // One message, long before the counters that anybody reads again.
    look(&world, 120).await;
    assert_eq!(standing(&world).await.condition, Condition::Firing);
    assert!(!titles(&world).iter().any(|title| title.ends_with("recovered")), "{:?}", titles(&world));
    world.center.stats.note(
        world.clock.now(),
        PROJECT,
        Cell::channel(Kind::Webhook, "called", false),
        Count::Callbacks,
    );
    look(&world, 10).await;
    assert_eq!(standing(&world).await.condition, Condition::Ok);
    assert_eq!(titles(&world).last().map(String::as_str), Some("a1 recovered"));
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_its_place() {
    let world = World::quiet().await;
    let good = rule("failure_rate", json!(50));
    for (place, value, refused) in [
        ("/threshold", json!(0), "/threshold"),
        ("/threshold", json!(101), "/threshold"),
        ("/channel", json!("nowhere"), "/channel"),
        ("/recover", json!(60), "/recover"),
        ("/repeat", json!("1m"), "/repeat"),
        ("/for", json!("2 days"), "/for"),
        ("/window", json!("7h"), "/window"),
        ("/message", json!({"template": "none"}), "/message/template"),
        ("/message/content", json!({"title": "", "body": "{{ x }}"}), "/message/content/body"),
        ("/message/routing", json!({"channels": ["nowhere"]}), "/message/routing/channels/0"),
        ("/message/send_at", json!("2027-01-01T00:00:00Z"), "/message/send_at"),
        ("/message/colour", json!(1), "/message/colour"),
    ] {
        let mut bad = good.clone();
        let (parent, field) = place.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[field] = value;
        let refusal = try_put(&world, &bad).await.unwrap_err();
        assert_eq!(pointer(&refusal), refused, "{bad}");
    }
    for (metric, field, value, refused) in [
        ("callback_silence", "enabled", json!(true), "/channel"),
        // Neither a robot nor a receiver that was not told to is ever heard of again.
        ("callback_silence", "channel", json!("robot"), "/channel"),
        ("callback_silence", "channel", json!("im"), "/channel"),
        ("token_refresh_failing", "channel", json!("im"), "/channel"),
        ("oldest_queued_age", "window", json!("5m"), "/window"),
        ("gave_up", "min_count", json!(3), "/min_count"),
    ] {
        let mut bad = rule(metric, json!(60));
        bad[field] = value;
        assert_eq!(pointer(&try_put(&world, &bad).await.unwrap_err()), refused, "{bad}");
    }
    put(&world, &good).await;
}
