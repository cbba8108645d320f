//! Messages that wait for their time: never early, never twice, never lost.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{Clock, Item, Key, Op, Store};
use mc_core::state::{MessageStatus, State};
use mc_pipeline::view::{self, Filter};
use mc_pipeline::{due, keys};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, code, inline, pointer};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

fn in_secs(world: &World, seconds: u64) -> Timestamp {
    world.clock.now().after(Duration::from_secs(seconds))
}

fn at(send_at: Timestamp) -> Value {
    let mut body = inline("im", json!([]));
    body["send_at"] = json!(send_at);
    body
}

fn arrived(world: &World) -> usize {
    world.sandbox.accepted(Platform::Im).len()
}

#[tokio::test]
async fn a_message_is_sent_at_its_time_however_far_away() {
    for seconds in [5, 899, 901, 1000, 7200, 400 * 86_400] {
        let world = World::working().await;
        let id = world.send(at(in_secs(&world, seconds))).await;
        assert_eq!(world.view(id).await.status, MessageStatus::Scheduled, "{seconds}");
        world.advance(Duration::from_secs(seconds) - SECOND).await;
        assert_eq!(arrived(&world), 0, "{seconds}: never early");
        world.advance(SECOND).await;
        assert_eq!(world.finished(id).await.status, COMPLETED, "{seconds}");
        assert_eq!(arrived(&world), 1, "{seconds}");
    }
}

#[tokio::test]
async fn a_message_can_be_moved_to_any_time() {
    // From, to: within the queue's delay and beyond it, earlier and later.
    for (from, to) in [(600, 300), (300, 600), (3600, 7200), (7200, 3600), (300, 7200), (7200, 300)] {
        let world = World::working().await;
        let id = world.send(at(in_secs(&world, from))).await;
        let target = in_secs(&world, to);
        let view = view::reschedule(&world.center, &world.caller(), id, Some(target)).await.unwrap();
        assert_eq!((view.status, &view.request["send_at"]), (MessageStatus::Scheduled, &json!(target)));
        for _ in 0..to / 300 {
            assert_eq!(arrived(&world), 0, "{from} -> {to}: never early");
            world.advance(Duration::from_secs(300)).await;
        }
        assert_eq!(world.finished(id).await.status, COMPLETED, "{from} -> {to}");
        world.advance(3 * HOUR).await;
        assert_eq!(arrived(&world), 1, "{from} -> {to}: never twice");
    }
}

#[tokio::test]
async fn a_moved_message_takes_everything_along() {
    let world = World::working().await;
    let to: Value = (0..450).map(|i| json!({"email": format!("u{i}@example.com")})).collect();
    let mut body = inline("mail", to);
    body["send_at"] = json!(in_secs(&world, 7200));
    body["reference"] = json!("order-1");
    body["attachments"] = json!([{"filename": "a.txt", "content": "aGVsbG8="}]);
    let id = world.send(body).await;
    let half_a_year = in_secs(&world, 180 * 86_400);
    view::reschedule(&world.center, &world.caller(), id, Some(half_a_year)).await.unwrap();
    // What the time before the move promised is long over now: files and recipients went along.
    world.clock.advance(Duration::from_secs(100 * 86_400));
    let kept = world.clock.now().before(Duration::from_secs(31 * 86_400));
    world.center.blobs.forget_before(&kept.day()).await.unwrap();
    world.advance(Duration::from_secs(80 * 86_400)).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, view.counts.get(State::Sent)), (COMPLETED, 450));
    let filter = Filter { reference: Some("order-1".into()), ..Filter::default() };
    let found = view::list(&world.center, PROJECT, &filter, 10, None).await.unwrap();
    assert_eq!(found.items.len(), 1);
    assert!(world.sandbox.accepted(Platform::Smtp)[0].raw.contains("a.txt"));
}

#[tokio::test]
async fn what_does_not_wait_any_more_is_not_moved() {
    let world = World::working().await;
    let move_to = |id, at| {
        let caller = world.caller();
        let center = world.center.clone();
        async move { view::reschedule(&center, &caller, id, at).await }
    };
    let later = Some(in_secs(&world, 9000));
    let queued = world.send(inline("im", json!([]))).await;
    world.finished(queued).await;
    assert_eq!(code(&move_to(queued, later).await.unwrap_err()), "too_late");
    let canceled = world.send(at(in_secs(&world, 3600))).await;
    view::cancel(&world.center, &world.caller(), canceled).await.unwrap();
    assert_eq!(code(&move_to(canceled, later).await.unwrap_err()), "too_late");
    let mut expiring = at(in_secs(&world, 3600));
    expiring["expire_at"] = json!(in_secs(&world, 7200));
    let expiring = world.send(expiring).await;
    let refusal = move_to(expiring, later).await.unwrap_err();
    assert_eq!((code(&refusal), pointer(&refusal).as_str()), ("invalid_request", "/send_at"));
    let far = Some(in_secs(&world, 6 * 366 * 86_400));
    let scheduled = world.send(at(in_secs(&world, 3600))).await;
    assert_eq!(pointer(&move_to(scheduled, far).await.unwrap_err()), "/send_at");
    let none = mc_core::id::MessageId::new(world.center.ids.ulid(world.clock.now()));
    assert_eq!(code(&move_to(none, later).await.unwrap_err()), "not_found");
    // Null is now.
    let view = move_to(scheduled, None).await.unwrap();
    assert_ne!(view.status, MessageStatus::Scheduled);
    assert_eq!(world.finished(scheduled).await.status, COMPLETED);
}

#[tokio::test]
async fn a_scheduled_message_can_be_cancelled() {
    let world = World::working().await;
    let id = world.send(at(in_secs(&world, 7200))).await;
    let view = view::cancel(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(view.status, MessageStatus::Canceled);
    world.advance(3 * HOUR).await;
    assert_eq!(arrived(&world), 0);
    assert_eq!(world.view(id).await.status, MessageStatus::Canceled);
}

#[tokio::test]
async fn two_promoters_at_once_send_everything_once() {
    let world = World::quiet().await;
    for i in 0..50 {
        world.send(at(in_secs(&world, 1000 + i))).await;
    }
    world.clock.advance(Duration::from_secs(1050));
    let (one, two) = tokio::join!(due::promote(&world.center), due::promote(&world.center));
    assert!(one.unwrap() + two.unwrap() >= 50);
    world.work();
    world.advance(Duration::ZERO).await;
    world.advance(2 * HOUR).await;
    assert_eq!(arrived(&world), 50);
}

#[tokio::test]
async fn after_an_hour_without_a_scheduler_the_late_go_out_and_the_expired_do_not() {
    let world = World::working().await;
    let late = world.send(at(in_secs(&world, 1000))).await;
    let mut expiring = at(in_secs(&world, 1000));
    expiring["expire_at"] = json!(in_secs(&world, 2000));
    let expired = world.send(expiring).await;
    // Nobody promotes while the clock goes on.
    world.clock.advance(HOUR + Duration::from_secs(1000));
    world.advance(Duration::ZERO).await;
    assert_eq!(world.finished(late).await.status, COMPLETED);
    assert_eq!(world.finished(expired).await.status, MessageStatus::Expired);
    assert_eq!(arrived(&world), 1);
}

#[tokio::test]
async fn messages_that_wait_are_listed_however_long_ago_they_came() {
    let world = World::working().await;
    let mut ids = Vec::new();
    for i in 0..5 {
        let mut body = at(in_secs(&world, 90 * 86_400 + i));
        body["tags"] = json!([if i == 3 { "odd" } else { "even" }]);
        ids.push(world.send(body).await);
        world.clock.advance(Duration::from_secs(86_400));
    }
    let soon = world.send(at(in_secs(&world, 60))).await;
    ids.push(soon);
    world.send(inline("im", json!([]))).await;
    let scheduled = Filter { status: Some(MessageStatus::Scheduled), ..Filter::default() };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = view::list(&world.center, PROJECT, &scheduled, 2, cursor.as_deref()).await.unwrap();
        seen.extend(page.items.iter().map(|m| m.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    ids.reverse();
    assert_eq!(seen, ids, "newest first, each once");
    let odd = Filter { tag: Some("odd".into()), ..scheduled.clone() };
    assert_eq!(view::list(&world.center, PROJECT, &odd, 10, None).await.unwrap().items.len(), 1);
    view::cancel(&world.center, &world.caller(), ids[1]).await.unwrap();
    world.advance(Duration::from_secs(60)).await;
    world.finished(soon).await;
    let page = view::list(&world.center, PROJECT, &scheduled, 10, None).await.unwrap();
    assert_eq!(page.items.len(), 4, "neither the sent one nor the cancelled one");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_nobody_up() {
    let world = World::working().await;
    let broken = Key::new(keys::due_partition(0), keys::due_sort(in_secs(&world, 10), "x"));
    world.store.write(Op::put(Item::new(broken, Default::default()))).await.unwrap();
    let id = world.send(at(in_secs(&world, 1000))).await;
    world.advance(Duration::from_secs(1000)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let aside = mc_core::ports::Query::prefix(keys::DUE_ASIDE, "", 10);
    assert_eq!(world.store.query(&aside).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn years_ahead_a_message_is_listed_moved_and_cancelled_like_any_other() {
    const YEAR: u64 = 366 * 86_400;
    let world = World::working().await;
    let scheduled = Filter { status: Some(MessageStatus::Scheduled), ..Filter::default() };
    let listed = async || {
        let page = view::list(&world.center, PROJECT, &scheduled, 10, None).await.unwrap();
        page.items.iter().map(|m| m.id).collect::<Vec<_>>()
    };
    let (sent, stopped) =
        (world.send(at(in_secs(&world, 4 * YEAR))).await, world.send(at(in_secs(&world, 5 * YEAR))).await);
    world.advance(Duration::from_secs(3 * YEAR)).await;
    assert_eq!(listed().await, [stopped, sent]);
    let later = in_secs(&world, 4 * YEAR);
    view::reschedule(&world.center, &world.caller(), sent, Some(later)).await.unwrap();
    view::cancel(&world.center, &world.caller(), stopped).await.unwrap();
    assert_eq!(listed().await, [sent]);
    world.advance(Duration::from_secs(4 * YEAR) - SECOND).await;
    assert_eq!(arrived(&world), 0, "never early");
    world.advance(SECOND).await;
    assert_eq!(world.finished(sent).await.status, COMPLETED);
    assert_eq!((arrived(&world), listed().await.len()), (1, 0));
}
