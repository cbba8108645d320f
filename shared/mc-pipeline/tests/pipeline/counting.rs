//! Counters: what became of messages, by minute, hour and day.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::Kind;
use mc_core::ports::Clock;
use mc_core::state::MessageStatus;
use mc_pipeline::stats::{self, By, Cell, Count, Interval, Numbers, Part, Question, Series, Stats};
use mc_sandbox::{Fault, Platform};
use mc_testkit::FlakyStore;
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, inline};

const HOUR: Duration = Duration::from_secs(3600);

async fn series(world: &World, question: Question) -> Vec<Series> {
    match stats::series(&world.center, PROJECT, &question).await {
        Ok((_, series)) => series,
        Err(refusal) => panic!("{refusal:?}"),
    }
}

/// The sums of some counters over all points, by series.
async fn sums(world: &World, by: By, counts: &[Count]) -> Value {
    // What is seen as finished is counted a moment later.
    world.advance(Duration::ZERO).await;
    let mut all = serde_json::Map::new();
    let until = world.clock.now().after(Duration::from_secs(60));
    for series in series(world, Question { by, to: Some(until), ..Question::default() }).await {
        let sum = |count: &Count| series.points.iter().map(|p| p.numbers.get(*count)).sum::<u64>();
        all.insert(series.key, json!(counts.iter().map(sum).collect::<Vec<_>>()));
    }
    Value::Object(all)
}

/// Counts `n` recipients sent through the channel `im`.
fn sent(world: &World, n: u64) {
    let part = Part { project: PROJECT, channel: "im", kind: Kind::Webhook, template: None, own: false };
    world.center.stats.add(world.clock.now(), &part, &Numbers::of(Count::Sent, n));
}

fn points(series: &[Series]) -> Vec<(String, u64)> {
    let points = series[0].points.iter().filter(|p| p.numbers != Numbers::default());
    points.map(|p| (p.at.to_string()[..16].to_owned(), p.numbers.get(Count::Sent))).collect()
}

#[tokio::test]
async fn what_became_of_messages_is_counted_by_channel_kind_template_and_status() {
    let world = World::working().await;
    world.template("hello", json!({"body": "Hello", "routing": {"channels": ["im", "mail"]}})).await;
    let to = json!([{"email": "a@example.com"}, {"email": "nobody@example.com"}]);
    for message in [json!({"template": "hello", "to": to}), inline("im", json!([]))] {
        let id = world.send(message).await;
        world.finished(id).await;
    }
    let mut later = inline("im", json!([]));
    later["send_at"] = json!(world.clock.now().after(HOUR));
    let later = world.send(later).await;
    mc_pipeline::view::cancel(&world.center, &world.caller(), later).await.unwrap();
    let counts = [Count::Accepted, Count::Sent, Count::Failed, Count::Canceled];
    assert_eq!(sums(&world, By::None, &counts).await, json!({"all": [5, 3, 1, 1]}));
    assert_eq!(sums(&world, By::Channel, &counts).await, json!({"im": [3, 2, 0, 1], "mail": [2, 1, 1, 0]}));
    assert_eq!(
        sums(&world, By::Kind, &counts).await,
        json!({"webhook": [3, 2, 0, 1], "email_smtp": [2, 1, 1, 0]})
    );
    assert_eq!(
        sums(&world, By::Template, &counts).await,
        json!({"hello": [3, 2, 1, 0], "(inline)": [2, 1, 0, 1]})
    );
    let by_status = series(&world, Question { by: By::Status, ..Question::default() }).await;
    let failed = by_status.iter().find(|s| s.key == "failed").unwrap();
    let told = serde_json::to_value(&failed.points[0]).unwrap();
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["at", "failed"]);
}

#[tokio::test]
async fn tries_that_fail_are_counted_and_so_is_giving_up() {
    let world = World::working().await;
    world.sandbox.push_fault(Fault { times: 1000, status: Some(503), ..Fault::on(Platform::Im) });
    let id = world.send(inline("im", json!([]))).await;
    world.retrying(id).await;
    let counts = [Count::Sent, Count::Failed, Count::GaveUp, Count::Retries];
    assert_eq!(sums(&world, By::Channel, &counts).await, json!({"im": [0, 0, 0, 1]}));
    world.advance(25 * HOUR).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Failed);
    let all = sums(&world, By::Channel, &counts).await;
    assert_eq!((&all["im"][1], &all["im"][2]), (&json!(1), &json!(1)), "{all}");
}

#[tokio::test]
async fn a_request_that_is_repeated_is_counted_once() {
    let world = World::working().await;
    for _ in 0..3 {
        let (accepted, _) = world.try_send_once(inline("im", json!([])), Some("key")).await.unwrap();
        world.until(accepted.id, |m| m.status == COMPLETED).await;
    }
    assert_eq!(sums(&world, By::None, &[Count::Accepted, Count::Sent]).await, json!({"all": [1, 1]}));
}

#[tokio::test]
async fn each_minute_has_its_own_and_hours_and_days_are_their_sums() {
    let world = World::quiet().await;
    // Around the turn of an hour and of a day.
    for (at, n) in [
        ("2026-12-01T22:59:59.999Z", 1),
        ("2026-12-01T23:00:00Z", 2),
        ("2026-12-01T23:59:59.999Z", 4),
        ("2026-12-02T00:00:00Z", 8),
        ("2026-12-02T00:00:59Z", 16),
    ] {
        world.clock.set(Timestamp::parse(at).unwrap());
        sent(&world, n);
    }
    let ask = |interval, from: &str| Question {
        from: Timestamp::parse(from),
        to: Timestamp::parse("2026-12-02T00:01:00Z"),
        interval: Some(interval),
        by: By::None,
    };
    let told = |list: &[(&str, u64)]| list.iter().map(|(at, n)| ((*at).to_owned(), *n)).collect::<Vec<_>>();
    let minutes = series(&world, ask(Interval::Minute, "2026-12-01T22:50:00Z")).await;
    assert_eq!(minutes[0].points.len(), 71, "a point for each minute, whether or not something happened");
    assert_eq!(
        points(&minutes),
        told(&[
            ("2026-12-01T22:59", 1),
            ("2026-12-01T23:00", 2),
            ("2026-12-01T23:59", 4),
            ("2026-12-02T00:00", 24)
        ])
    );
    let hours = told(&[("2026-12-01T22:00", 1), ("2026-12-01T23:00", 6), ("2026-12-02T00:00", 24)]);
    let days = told(&[("2026-12-01T00:00", 7), ("2026-12-02T00:00", 24)]);
    let long_ago = "2026-11-30T12:00:00Z";
    assert_eq!(points(&series(&world, ask(Interval::Hour, long_ago)).await), hours);
    assert_eq!(points(&series(&world, ask(Interval::Day, long_ago)).await), days);
    // The same when some hours are summed up, when all are, and when their minutes are gone.
    for at in ["2026-12-02T00:20:00Z", "2026-12-02T01:20:00Z", "2026-12-20T00:00:00Z"] {
        world.clock.set(Timestamp::parse(at).unwrap());
        stats::roll(&world.center, PROJECT).await.unwrap();
        stats::roll(&world.center, PROJECT).await.unwrap();
        assert_eq!(points(&series(&world, ask(Interval::Hour, long_ago)).await), hours, "{at}");
        assert_eq!(points(&series(&world, ask(Interval::Day, long_ago)).await), days, "{at}");
    }
}

#[tokio::test]
async fn what_the_store_does_not_take_is_written_later_and_once() {
    let world = World::quiet().await;
    let flaky = FlakyStore::new(world.store.clone(), "p###z");
    let counted = || world.center.stats.note(world.clock.now(), PROJECT, Cell::project(), Count::DeadLetters);
    flaky.fail(1);
    counted();
    world.center.stats.flush(&flaky).await;
    counted();
    world.center.stats.flush(&flaky).await;
    world.center.stats.flush(&flaky).await;
    let minute = world.clock.now().seconds() / 60;
    let sheets = stats::minutes(&world.center, PROJECT, minute, minute + 1).await.unwrap();
    assert_eq!(sheets[&minute].0[&Cell::project()].get(Count::DeadLetters), 2);
}

#[tokio::test]
async fn processes_that_count_the_same_minute_add_up() {
    let world = World::quiet().await;
    let others = [Stats::new(0), Stats::new(0)];
    sent(&world, 1);
    let part = Part { project: PROJECT, channel: "im", kind: Kind::Webhook, template: None, own: false };
    for other in &others {
        other.add(world.clock.now(), &part, &Numbers::of(Count::Sent, 10));
    }
    let store = &*world.center.store;
    tokio::join!(others[0].flush(store), others[1].flush(store), world.center.stats.flush(store));
    assert_eq!(sums(&world, By::Channel, &[Count::Sent]).await, json!({"im": [21]}));
}

#[tokio::test]
async fn of_too_many_series_the_busiest_are_told_and_the_rest_together() {
    let world = World::quiet().await;
    for n in 0..80_u64 {
        let channel = format!("c{n}");
        let part =
            Part { project: PROJECT, channel: &channel, kind: Kind::Webhook, template: None, own: false };
        world.center.stats.add(world.clock.now(), &part, &Numbers::of(Count::Accepted, n + 1));
    }
    let to = Some(world.clock.now().after(Duration::from_secs(60)));
    let minutes = Question { by: By::Channel, interval: Some(Interval::Minute), to, ..Question::default() };
    let hours = Question { interval: Some(Interval::Hour), ..minutes };
    for (question, most) in [(minutes, 6), (hours, 50)] {
        let told = series(&world, question).await;
        assert_eq!(told.len(), most + 1);
        assert_eq!((told[0].key.as_str(), told[most].key.as_str()), ("c79", "(others)"));
        let all: u64 = told.iter().flat_map(|s| &s.points).map(|p| p.numbers.get(Count::Accepted)).sum();
        assert_eq!(all, (1..=80).sum::<u64>(), "nothing is left out");
    }
}
