//! What platforms tell later: in any order, twice, too early.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::{EventKind, OnDoubt};
use mc_core::ports::{News, SendFailure};
use mc_core::state::{MessageStatus, State};
use mc_pipeline::{receipts, syslog, view};
use mc_sandbox::{Item, Platform as Place};
use serde_json::{Value, json};

use crate::chatty::{ASKED_AFTER, tell, told, world};
use crate::world::{COMPLETED, PROJECT, World, code, inline};

pub const TELLING: [EventKind; 6] = [
    EventKind::MessageCompleted,
    EventKind::DeliveryDelivered,
    EventKind::DeliveryRead,
    EventKind::DeliveryFailed,
    EventKind::DeliveryRecalled,
    EventKind::ChannelAction,
];

pub fn mails(count: usize) -> Value {
    (0..count).map(|i| json!({"email": format!("user{i}@example.com")})).collect()
}

/// The state of one recipient, and what went wrong.
async fn state_of(world: &World, id: MessageId, address: &str) -> (State, Option<String>) {
    let page = view::recipients(&world.center, PROJECT, id, None, 500, None).await.unwrap().unwrap();
    let found = page.items.into_iter().find(|r| r.address == address).unwrap();
    (found.status, found.code)
}

/// The events told so far by type, with the addresses in them, each id once.
pub async fn events(world: &World) -> Vec<(String, Vec<String>)> {
    world.advance(Duration::ZERO).await;
    let hooks = world.sandbox.accepted(Place::Hook);
    let mut ids = BTreeSet::new();
    let read = |item: &Arc<Item>| {
        let body: Value = serde_json::from_str(&item.raw).unwrap();
        let recipients = body["data"]["recipients"].as_array().cloned().unwrap_or_default();
        let addresses = recipients.iter().map(|r| r["address"].as_str().unwrap().to_owned()).collect();
        (body["type"].as_str().unwrap().to_owned(), addresses)
    };
    let mut told: Vec<_> = hooks
        .iter()
        .filter(|item| {
            assert_eq!(item.verified, Some(true));
            ids.insert(item.headers.as_ref().unwrap()["webhook-id"].clone())
        })
        .map(read)
        .collect();
    assert_eq!(told.len(), hooks.len(), "an event is told once");
    told.sort();
    told
}

pub fn event(kind: &str, to: &[&str]) -> (String, Vec<String>) {
    (kind.to_owned(), to.iter().map(|a| (*a).to_owned()).collect())
}

/// Every order of a few things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (i, first) in things.iter().enumerate() {
        let mut rest = things.to_vec();
        rest.remove(i);
        for mut order in orders(&rest) {
            order.insert(0, first.clone());
            all.push(order);
        }
    }
    all
}

#[tokio::test]
async fn receipts_in_every_order_and_twice_end_in_the_same_state() {
    let (world, platform) = world().await;
    world.work();
    let cases: [(&[State], State); 5] = [
        (&[State::Delivered, State::Read], State::Read),
        (&[State::Delivered, State::Read, State::Delivered], State::Read),
        (&[State::Delivered, State::Recalled], State::Recalled),
        (&[State::Read, State::Failed], State::Read),
        (&[State::Delivered], State::Delivered),
    ];
    for (states, end) in cases {
        for order in orders(states) {
            // What is read was delivered; a bounce before that is a bounce.
            let end = if order[0] == State::Failed { State::Failed } else { end };
            let address = format!("user{}@example.com", platform.pushes().len());
            let id = world.send(inline("one", json!([{"email": address}]))).await;
            world.finished(id).await;
            let platform_id = platform.id_of(&address);
            for state in order.iter().chain(&order) {
                tell(&world, "one", vec![told(&platform_id, None, *state)]).await;
            }
            let view = world.view(id).await;
            assert_eq!(view.counts.get(end), 1, "{order:?}: {view:?}");
            assert_eq!((view.status, view.counts.total()), (COMPLETED, 1), "{order:?}");
        }
    }
}

#[tokio::test]
async fn receipts_change_counts_and_recipients_and_are_told_once() {
    let (world, platform) = world().await;
    world.webhook("results", &TELLING).await;
    world.work();
    let id = world.send(inline("one", mails(3))).await;
    world.finished(id).await;
    let ids: Vec<String> = (0..3).map(|n| platform.id_of(&format!("user{n}@example.com"))).collect();
    for _ in 0..2 {
        tell(&world, "one", vec![told(&ids[0], None, State::Delivered), told(&ids[0], None, State::Read)])
            .await;
        tell(&world, "one", vec![told(&ids[1], Some("USER1@example.com"), State::Delivered)]).await;
        tell(&world, "one", vec![told(&ids[2], None, State::Failed)]).await;
    }
    let view = world.view(id).await;
    assert_eq!(view.status, COMPLETED, "the status was fixed when the last recipient was decided");
    assert_eq!(
        view.counts.iter().collect::<Vec<_>>(),
        [(State::Delivered, 1), (State::Read, 1), (State::Failed, 1)],
        "{view:?}"
    );
    assert_eq!(view.deliveries[0].counts, view.counts);
    assert_eq!(state_of(&world, id, "user2@example.com").await, (State::Failed, Some("5.1.1".to_owned())));
    let listed = view::list(&world.center, PROJECT, &view::Filter::default(), 10, None).await.unwrap();
    assert_eq!((listed.items[0].status, listed.items[0].counts), (COMPLETED, view.counts));
    assert_eq!(
        events(&world).await,
        [
            event("delivery.delivered", &["user1@example.com"]),
            event("delivery.failed", &["user2@example.com"]),
            event("delivery.read", &["user0@example.com"]),
            event("message.completed", &[]),
        ]
    );
}

#[tokio::test]
async fn whose_own_values_are_too_large_fails_alone_wherever_they_stand() {
    let (world, _) = world().await;
    world.work();
    let template = json!({"title": "t", "body": "{{ say }}", "routing": {"channels": ["one"]}});
    world.template("say", template).await;
    let one = |name: &str, say: &str| json!({"email": format!("{name}@example.com"), "data": {"say": say}});
    let (large, small) = (one("large", "far too much"), one("small", "little"));
    for to in [json!([large, small]), json!([small, large])] {
        let id = world.send(json!({"template": "say", "to": to})).await;
        assert_eq!(world.finished(id).await.status, MessageStatus::Partial);
        let failed = (State::Failed, Some("too_large".to_owned()));
        assert_eq!(state_of(&world, id, "large@example.com").await, failed);
        assert_eq!(state_of(&world, id, "small@example.com").await, (State::Sent, None));
    }
    let refused = world.try_send(json!({"template": "say", "to": [large]})).await.unwrap_err();
    assert_eq!(code(&refused), "too_large", "nobody can get it");
}

#[tokio::test]
async fn a_message_in_many_shares_counts_its_receipts() {
    let (world, platform) = world().await;
    world.work();
    let id = world.send(inline("one", mails(401))).await;
    world.finished(id).await;
    let news = |n: usize, state| told(&platform.id_of(&format!("user{n}@example.com")), None, state);
    let all: Vec<News> = (0..401).map(|n| news(n, State::Delivered)).collect();
    // Several callbacks at a time.
    let some = all.chunks(40).map(|some| tell(&world, "one", some.to_vec()));
    futures_util::future::join_all(some).await;
    tell(&world, "one", vec![news(7, State::Failed), news(300, State::Read), news(400, State::Read)]).await;
    let view = world.view(id).await;
    assert_eq!(
        view.counts.iter().collect::<Vec<_>>(),
        [(State::Delivered, 398), (State::Read, 2), (State::Failed, 1)]
    );
    assert_eq!(view.deliveries[0].counts, view.counts);
    assert_eq!(view.status, COMPLETED);
}

#[tokio::test]
async fn one_push_to_several_is_told_as_one_event_and_each_by_his_name() {
    let (world, platform) = world().await;
    world.webhook("results", &TELLING).await;
    world.work();
    let id = world.send(inline("many", mails(3))).await;
    world.finished(id).await;
    let push = platform.id_of("user0@example.com");
    assert_eq!(platform.pushes().len(), 1);
    tell(&world, "many", vec![told(&push, Some("user1@example.com"), State::Read)]).await;
    tell(&world, "many", vec![told(&push, Some("nobody@example.com"), State::Read)]).await;
    for _ in 0..2 {
        tell(&world, "many", vec![told(&push, None, State::Delivered)]).await;
    }
    assert_eq!(state_of(&world, id, "user1@example.com").await.0, State::Read);
    assert_eq!(
        events(&world).await,
        [
            event("delivery.delivered", &["user0@example.com", "user2@example.com"]),
            event("delivery.read", &["user1@example.com"]),
            event("message.completed", &[]),
        ]
    );
}

#[tokio::test]
async fn one_part_that_arrived_says_nothing_of_the_whole() {
    let (world, platform) = world().await;
    world.work();
    let mut body = inline("one", mails(1));
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    world.finished(id).await;
    let pushes = platform.pushes();
    assert_eq!(pushes.len(), 2);
    tell(&world, "one", vec![told(&pushes[0].0, None, State::Delivered)]).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Sent);
    tell(&world, "one", vec![told(&pushes[1].0, None, State::Delivered)]).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Delivered);
    tell(&world, "one", vec![told(&pushes[0].0, None, State::Failed)]).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Failed, "a part is missing");
}

#[tokio::test]
async fn a_receipt_that_comes_before_its_push_is_recorded_waits_for_it() {
    let (world, platform) = world().await;
    tell(&world, "one", vec![told("one-0", None, State::Delivered), told("not-ours", None, State::Read)])
        .await;
    let id = world.send(inline("one", mails(1))).await;
    world.work();
    world.finished(id).await;
    assert_eq!(platform.pushes()[0].0, "one-0");
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Sent);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Delivered);
    // What is not ours is let go of after a while.
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128] {
        world.advance(Duration::from_secs(seconds)).await;
    }
    let left = world.center.store.query(&mc_core::ports::Query::prefix("early#default#one", "", 10)).await;
    assert!(left.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_receipt_decides_what_was_in_doubt() {
    let (world, platform) = world().await;
    world
        .channel_with("own", mc_core::model::Kind::EmailSmtp, json!({}), &[], |doc| {
            doc.on_doubt = OnDoubt::Hold;
        })
        .await;
    world.work();
    platform.fail_next(SendFailure::Doubt);
    let id = world.send(inline("own", mails(1))).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, view.counts.get(State::InDoubt)), (MessageStatus::Failed, 1));
    // The platform repeats the id that the push carried, so nothing had to be recorded for it.
    let push_id = format!("{}-0-0", id.ulid());
    tell(&world, "own", vec![told(&push_id, None, State::Delivered)]).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await, (State::Delivered, None));
    let refused = world.again(id).await.unwrap_err();
    assert_eq!(code(&refused), "nothing_to_retry");
}

#[tokio::test]
async fn a_receipt_spares_a_second_push() {
    let (world, platform) = world().await;
    world.work();
    platform.fail_next(SendFailure::Doubt);
    let id = world.send(inline("own", mails(1))).await;
    world.retrying(id).await;
    tell(&world, "own", vec![told(&format!("{}-0-0", id.ulid()), None, State::Failed)]).await;
    assert_eq!(
        state_of(&world, id, "user0@example.com").await.0,
        State::Retrying,
        "it is tried again anyway"
    );
    tell(&world, "own", vec![told(&format!("{}-0-0", id.ulid()), None, State::Delivered)]).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, view.counts.get(State::Delivered)), (COMPLETED, 1));
    world.advance(Duration::from_secs(60)).await;
    assert!(platform.pushes().is_empty());
}

#[tokio::test]
async fn receipts_reach_a_share_that_waits_for_others() {
    let (world, platform) = world().await;
    platform.fail_next(SendFailure::Transient { after: None });
    world.work();
    let id = world.send(inline("one", mails(2))).await;
    world.retrying(id).await;
    let (platform_id, to) = platform.pushes()[0].clone();
    tell(&world, "one", vec![told(&platform_id, None, State::Read)]).await;
    assert_eq!(state_of(&world, id, &to[0]).await.0, State::Read);
    world.advance(Duration::from_secs(3)).await;
    let view = world.finished(id).await;
    assert_eq!(view.counts.iter().collect::<Vec<_>>(), [(State::Sent, 1), (State::Read, 1)]);
    assert_eq!(platform.pushes().len(), 2);
}

#[tokio::test]
async fn another_channels_push_is_left_alone() {
    let (world, platform) = world().await;
    world.work();
    let id = world.send(inline("one", mails(1))).await;
    world.finished(id).await;
    tell(&world, "own", vec![told(&format!("{}-0-0", id.ulid()), None, State::Read)]).await;
    tell(&world, "many", vec![told(&platform.pushes()[0].0, None, State::Read)]).await;
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Sent);
}

#[tokio::test]
async fn many_ids_are_kept_beside_their_share() {
    let (world, platform) = world().await;
    world.work();
    let id = world.send(inline("one", mails(150))).await;
    world.finished(id).await;
    let view = receipts::recall(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(view.counts.get(State::Recalled), 150);
    assert_eq!(platform.recalled().len(), 150);
    let key = mc_pipeline::keys::share(PROJECT, id, 1, world.center.spread);
    let share = world.center.store.get(&key).await.unwrap().unwrap();
    assert!(share.attrs.bytes("pu").is_none(), "200 ids would make every write of the share a large one");
}

#[tokio::test]
async fn a_platform_that_does_not_tell_is_asked_until_all_is_known() {
    let (world, platform) = world().await;
    world.webhook("results", &TELLING).await;
    world.work();
    let id = world.send(inline("asked", mails(2))).await;
    world.finished(id).await;
    let push = platform.id_of("user0@example.com");
    assert_eq!(platform.questions(), 0);
    let first = told(&push, Some("user0@example.com"), State::Read);
    platform.answer(&push, vec![first.clone()], false);
    world.advance(ASKED_AFTER[0]).await;
    assert_eq!(platform.questions(), 1);
    assert_eq!(state_of(&world, id, "user0@example.com").await.0, State::Read);
    platform.answer(
        &push,
        vec![first.clone(), told(&push, Some("user1@example.com"), State::Delivered)],
        false,
    );
    world.advance(ASKED_AFTER[1] - ASKED_AFTER[0]).await;
    assert_eq!(platform.questions(), 2);
    platform.answer(&push, vec![first, told(&push, Some("user1@example.com"), State::Failed)], true);
    world.advance(ASKED_AFTER[2] - ASKED_AFTER[1] - Duration::from_secs(1)).await;
    assert_eq!(platform.questions(), 2);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(platform.questions(), 3);
    world.advance(Duration::from_secs(86_400)).await;
    assert_eq!(platform.questions(), 3, "it was the last time, and all is known");
    assert_eq!(
        events(&world).await,
        [
            event("delivery.delivered", &["user1@example.com"]),
            event("delivery.failed", &["user1@example.com"]),
            event("delivery.read", &["user0@example.com"]),
            event("message.completed", &[]),
        ]
    );
}

#[tokio::test]
async fn who_has_read_is_not_asked_about_again() {
    let (world, platform) = world().await;
    world.work();
    let id = world.send(inline("asked", mails(1))).await;
    world.finished(id).await;
    tell(&world, "asked", vec![told(&platform.pushes()[0].0, None, State::Read)]).await;
    world.advance(ASKED_AFTER[0]).await;
    assert_eq!(platform.questions(), 0);
}

#[tokio::test]
async fn a_pressed_button_is_told_once_with_its_message() {
    let (world, platform) = world().await;
    world.webhook("results", &TELLING).await;
    world.work();
    let id = world.send(inline("one", mails(1))).await;
    world.finished(id).await;
    let press = |platform_id: Option<String>, time: u32| News::Action {
        platform_id,
        user: Some("zhangsan".into()),
        action: "approve".into(),
        data: json!({"time": time}),
    };
    let known = platform.pushes()[0].0.clone();
    for _ in 0..2 {
        tell(&world, "one", vec![press(Some(known.clone()), 1), press(None, 2)]).await;
    }
    world.advance(Duration::ZERO).await;
    let pressed: Vec<Value> = world
        .sandbox
        .accepted(Place::Hook)
        .iter()
        .map(|item| serde_json::from_str::<Value>(&item.raw).unwrap())
        .filter(|body| body["type"] == "channel.action")
        .map(|body| body["data"].clone())
        .collect();
    assert_eq!(pressed.len(), 2);
    let of_message = pressed.iter().find(|data| data["data"]["time"] == 1).unwrap();
    assert_eq!(
        *of_message,
        json!({
            "channel": "one", "user": "zhangsan", "action": "approve", "data": {"time": 1},
            "message_id": id, "delivery_id": id.delivery(0), "reference": null,
        })
    );
}

#[tokio::test]
async fn what_a_platform_calls_an_event_is_short_in_the_log() {
    let (world, _) = world().await;
    let what = format!("user\n{}", "x".repeat(10_000));
    let data = json!({"key": "k".repeat(10_000)});
    tell(&world, "one", vec![News::Other { what, data }]).await;
    let filter = syslog::Filter { kind: Some("channel".to_owned()), ..syslog::Filter::default() };
    let (log, _) = syslog::list(&world.center, PROJECT, &filter, 10, None).await.unwrap();
    let kinds: Vec<&str> = log.iter().map(|(_, entry)| entry.kind.as_str()).collect();
    assert_eq!(kinds, [format!("channel.user_{}", "x".repeat(59))]);
    let key = format!("{}…", "k".repeat(300));
    assert_eq!(log[0].1.data, json!({"channel": "one", "data": {"key": key}}));
}
