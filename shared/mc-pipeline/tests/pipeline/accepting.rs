//! What is accepted, what is refused and why, and what can be stopped again.

use std::time::Duration;

use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::accept::{AcceptedDelivery, SendRequest, accept, request};
use mc_pipeline::view::{self, Filter};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::world::{PROJECT, World, code, inline, pointer};

async fn refusal(world: &World, body: Value) -> (String, String) {
    let refusal = world.try_send(body).await.unwrap_err();
    (code(&refusal).to_owned(), pointer(&refusal))
}

#[tokio::test]
async fn what_can_be_known_at_once_is_refused_at_once() {
    let world = World::quiet().await;
    let strict = json!({
        "title": "t", "body": "{{ app }} {{ who }}", "routing": {"channels": ["mail"]},
        "variables": {"type": "object", "required": ["app"], "properties": {"app": {"type": "string"}}},
    });
    world.template("strict", strict).await;
    let to = json!([{"email": "a@example.com"}]);
    let with = |change: Value| {
        let mut body = inline("mail", to.clone());
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        body
    };
    for (body, wanted) in [
        (json!({"template": "none", "to": to}), ("unknown_template", "/template")),
        (json!({"to": to}), ("invalid_request", "/template")),
        (with(json!({"template": "strict"})), ("invalid_request", "/content")),
        (with(json!({"routing": {"channels": ["none"]}})), ("unknown_channel", "/routing/channels/0")),
        (with(json!({"routing": {"channels": []}})), ("no_routing", "/routing")),
        (with(json!({"to": []})), ("no_recipients", "/to")),
        (with(json!({"to": ["u1001"]})), ("unknown_contact", "/to/0")),
        (with(json!({"to": ["@ops"]})), ("unknown_group", "/to/0")),
        (with(json!({"to": [{"email": "a@example.com"}, {"wecom": "zhang"}]})), ("no_address", "/to/1")),
        (with(json!({"to": [{"email": "not an address"}]})), ("invalid_address", "/to/0/email")),
        (json!({"template": "strict", "to": to, "data": {"who": "x"}}), ("invalid_data", "/data/app")),
        (
            json!({"template": "strict", "to": to, "data": {"app": 1, "who": "x"}}),
            ("invalid_data", "/data/app"),
        ),
        (json!({"template": "strict", "to": to, "data": {"app": "x"}}), ("missing_variable", "/data")),
        (with(json!({"expire_at": "2020-01-01T00:00:00Z"})), ("invalid_request", "/expire_at")),
        (with(json!({"tags": [""]})), ("invalid_request", "/tags/0")),
        (with(json!({"overrides": {"im": {}}})), ("unknown_channel", "/overrides/im")),
        (
            with(json!({"overrides": {"mail": {"cc": "x@example.com"}}})),
            ("bad_override", "/overrides/mail/cc"),
        ),
        (
            with(json!({"overrides": {"mail": {"headers": {"Bcc": "x@example.com"}}}})),
            ("bad_override", "/overrides/mail/headers/Bcc"),
        ),
        (
            with(json!({"overrides": {"mail": {"headers": {"X-A": "a\nb"}}}})),
            ("header_injection", "/overrides/mail/headers/X-A"),
        ),
        (with(json!({"content": {"title": "a\nb", "body": "b"}})), ("header_injection", "/content/title")),
        (
            with(json!({"attachments": [{"filename": "a", "content": "%%%"}]})),
            ("invalid_request", "/attachments/0/content"),
        ),
        (
            with(json!({"attachments": [{"filename": "../a", "content": "aGk="}]})),
            ("invalid_request", "/attachments/0/filename"),
        ),
        (
            with(json!({"attachments": [{"filename": "a", "url": "ftp://example.com/a"}]})),
            ("invalid_request", "/attachments/0/url"),
        ),
        (
            with(json!({"attachments": [
                {"filename": "a", "content": "aGk="}, {"filename": "b", "url": "http://169.254.169.254/latest"},
            ]})),
            ("forbidden_address", "/attachments/1/url"),
        ),
    ] {
        let (code, pointer) = refusal(&world, body.clone()).await;
        assert_eq!((code.as_str(), pointer.as_str()), wanted, "{body}");
    }
    let missing = world.try_send(json!({"template": "strict", "to": to})).await.unwrap_err();
    assert_eq!(missing.told().1, "/data/app is missing", "the text names the field");
    let many: Value = (0..10_001).map(|i| json!({"email": format!("u{i}@example.com")})).collect();
    assert_eq!(refusal(&world, with(json!({"to": many}))).await.1, "/to");
    let page = view::list(&world.center, PROJECT, &Filter::default(), 10, None).await.unwrap();
    assert!(page.items.is_empty(), "a refused request leaves nothing behind");
}

/// The addresses that each delivery of a message goes to, in order.
async fn addresses(world: &World, body: Value) -> Vec<Vec<String>> {
    let accepted = world.try_send(body).await.unwrap();
    let page = view::recipients(&world.center, PROJECT, accepted.id, None, 200, None).await.unwrap().unwrap();
    let of = |delivery: &AcceptedDelivery| -> Vec<String> {
        let mine = page.items.iter().filter(|one| one.delivery_id == delivery.id);
        mine.map(|one| one.address.clone()).collect()
    };
    let all: Vec<Vec<String>> = accepted.deliveries.iter().map(of).collect();
    let counts: Vec<usize> = accepted.deliveries.iter().map(|delivery| delivery.recipients).collect();
    assert_eq!(counts, all.iter().map(Vec::len).collect::<Vec<_>>());
    all
}

#[tokio::test]
async fn the_same_address_gets_one_message_however_often_it_is_named() {
    let world = World::quiet().await;
    world.contact("ann", json!({"email": "ann@example.com"})).await;
    world.group("ops", &["ann"]).await;
    for (to, wanted) in [
        (json!([{"email": "a@b.co"}, {"email": "A@B.co"}, {"email": "a@b.co"}]), vec!["a@b.co"]),
        (json!([{"email": "A@B.co"}, {"email": "c@b.co"}, {"email": "a@b.co"}]), vec!["A@B.co", "c@b.co"]),
        (json!(["ann", {"email": "Ann@example.com"}, "@ops"]), vec!["ann@example.com"]),
        (json!([{"email": "Ann@example.com"}, "@ops"]), vec!["Ann@example.com"]),
        // Values of one's own make a message of one's own.
        (json!([{"email": "a@b.co"}, {"email": "a@b.co", "data": {"n": 1}}]), vec!["a@b.co", "a@b.co"]),
    ] {
        assert_eq!(addresses(&world, inline("mail", to.clone())).await, [wanted], "{to}");
    }
}

#[tokio::test]
async fn a_shared_mailbox_gets_one_mail_and_its_people_their_own_messages() {
    let world = World::quiet().await;
    world.ding_app().await;
    world.contact("ann", json!({"email": "team@example.com", "dingtalk": "ann"})).await;
    world.contact("bob", json!({"email": "team@example.com", "dingtalk": "bob"})).await;
    let mut body = inline("mail", json!(["ann", "bob", {"email": "team@example.com"}]));
    body["routing"]["channels"] = json!(["ding-app", "mail"]);
    assert_eq!(addresses(&world, body.clone()).await, [vec!["ann", "bob"], vec!["team@example.com"]]);
    body["routing"]["mode"] = json!("first");
    assert_eq!(addresses(&world, body).await, [["ann", "bob"]], "the mailbox is theirs");
}

#[tokio::test]
async fn a_recipients_own_values_are_checked_at_once() {
    let world = World::quiet().await;
    world
        .template("hi", json!({"title": "t", "body": "{{ name }}", "routing": {"channels": ["mail"]}}))
        .await;
    let to = json!([{"email": "a@example.com", "data": {"name": "A"}}, {"email": "b@example.com", "data": {"nmae": "B"}}]);
    assert_eq!(refusal(&world, json!({"template": "hi", "to": to})).await.0, "missing_variable");
}

#[tokio::test]
async fn the_same_key_is_the_same_message() {
    let world = World::quiet().await;
    let body = inline("im", json!([]));
    let (first, replayed) = world.try_send_once(body.clone(), Some("k1")).await.unwrap();
    assert!(!replayed);
    let (again, replayed) = world.try_send_once(body.clone(), Some("k1")).await.unwrap();
    assert!(replayed);
    assert_eq!(first.id, again.id);
    let mut other = body.clone();
    other["content"]["body"] = json!("another");
    let refused = world.try_send_once(other.clone(), Some("k1")).await.unwrap_err();
    assert_eq!(code(&refused), "idempotency_key_reused");
    world.clock.advance(Duration::from_secs(86_401));
    assert_ne!(
        world.try_send_once(other, Some("k1")).await.unwrap().0.id,
        first.id,
        "a day later the key is free"
    );
}

#[tokio::test]
async fn the_same_key_at_the_same_instant_is_one_message() {
    let world = World::working().await;
    let body = inline("im", json!([]));
    let send = || world.try_send_once(body.clone(), Some("k1"));
    let (a, b, c, d) = tokio::join!(send(), send(), send(), send());
    let answers = [a.unwrap(), b.unwrap(), c.unwrap(), d.unwrap()];
    assert!(answers.iter().all(|(accepted, _)| accepted.id == answers[0].0.id));
    assert_eq!(answers.iter().filter(|(_, replayed)| !replayed).count(), 1);
    world.finished(answers[0].0.id).await;
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}

#[tokio::test]
async fn a_cancelled_message_is_not_sent() {
    let world = World::quiet().await;
    let id =
        world.send(inline("mail", json!([{"email": "a@example.com"}, {"email": "b@example.com"}]))).await;
    let view = view::cancel(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(view.status, MessageStatus::Canceled);
    assert_eq!(view.counts.get(State::Canceled), 2);
    world.work();
    let other = world.send(inline("mail", json!([{"email": "c@example.com"}]))).await;
    world.finished(other).await;
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 1);
    let late = view::cancel(&world.center, &world.caller(), other).await.unwrap_err();
    assert_eq!(code(&late), "too_late");
}

#[tokio::test]
async fn a_cancel_that_races_the_consumer_has_one_winner() {
    let world = World::working().await;
    let mut cancelled = 0;
    for round in 0..40 {
        let id = world.send(inline("im", json!([]))).await;
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let won = view::cancel(&world.center, &world.caller(), id).await.is_ok();
        let view = world.finished(id).await;
        let pushed =
            world.sandbox.accepted(Platform::Im).iter().filter(|i| i.raw.contains(&id.to_string())).count();
        if won {
            cancelled += 1;
            assert_eq!((view.status, pushed), (MessageStatus::Canceled, 0));
        } else {
            assert_eq!((view.status, pushed), (MessageStatus::Completed, 1));
        }
    }
    assert!(cancelled <= 40);
}

#[tokio::test]
async fn a_message_for_later_waits_for_its_time() {
    let world = World::working().await;
    let start = world.clock.now();
    let mut body = inline("im", json!([]));
    body["send_at"] = json!(start.after(Duration::from_secs(3600)));
    let id = world.send(body.clone()).await;
    assert_eq!(world.view(id).await.status, MessageStatus::Scheduled);
    world.advance(Duration::from_secs(3599)).await;
    let probe = world.send(inline("im", json!([]))).await;
    world.finished(probe).await;
    assert_eq!(world.view(id).await.status, MessageStatus::Scheduled, "never early");
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Completed);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 2, "once");
}

#[tokio::test]
async fn a_message_past_its_time_expires() {
    let world = World::quiet().await;
    let mut body = inline("im", json!([]));
    body["expire_at"] = json!(world.clock.now().after(Duration::from_secs(60)));
    let id = world.send(body).await;
    world.clock.advance(Duration::from_secs(61));
    world.work();
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Expired);
    assert!(world.sandbox.accepted(Platform::Im).is_empty());
}

#[tokio::test]
async fn messages_are_listed_newest_first_and_page_by_page() {
    let world = World::quiet().await;
    let mut ids = Vec::new();
    for i in 0..25 {
        let mut body = inline(if i % 5 == 0 { "mail" } else { "im" }, json!([{"email": "a@example.com"}]));
        body["reference"] = json!(format!("order-{}", i % 2));
        body["tags"] = json!([format!("t{}", i % 3)]);
        ids.push(world.send(body).await);
        // Some of them fall on the day before.
        world.clock.advance(Duration::from_secs(3000));
    }
    ids.reverse();
    let from = Some(world.clock.now().before(Duration::from_secs(10 * 86_400)));
    let walk = async |filter: Filter| {
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = view::list(&world.center, PROJECT, &filter, 4, cursor.as_deref()).await.unwrap();
            assert!(page.items.len() <= 4);
            seen.extend(page.items.iter().map(|m| m.id));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return seen,
            }
        }
    };
    assert_eq!(walk(Filter { from, ..Filter::default() }).await, ids);
    let mail = walk(Filter { from, channel: Some("mail".into()), ..Filter::default() }).await;
    assert_eq!(mail.len(), 5);
    let tag = walk(Filter { from, tag: Some("t1".into()), ..Filter::default() }).await;
    assert_eq!(tag.len(), 8);
    let reference = walk(Filter { reference: Some("order-1".into()), ..Filter::default() }).await;
    assert_eq!(reference.len(), 12);
    let queued = walk(Filter { from, status: Some(MessageStatus::Completed), ..Filter::default() }).await;
    assert!(queued.is_empty());
}

/// Scripts take an empty page for the last one.
#[tokio::test]
async fn a_lone_match_below_many_others_is_on_the_first_page() {
    let world = World::quiet().await;
    let lone = world.send(inline("robot", json!([]))).await;
    let other = inline("im", json!([])).to_string();
    for _ in 0..3 {
        let many = (0..700).map(|_| request::read::<SendRequest>(other.as_bytes())).collect();
        accept(&world.center, &world.caller(), many, None).await.unwrap();
    }
    let filter = Filter { channel: Some("robot".into()), ..Filter::default() };
    let page = view::list(&world.center, PROJECT, &filter, 10, None).await.unwrap();
    assert_eq!(page.items.iter().map(|message| message.id).collect::<Vec<_>>(), [lone]);
}

#[tokio::test]
async fn a_dry_run_shows_and_sends_nothing() {
    let world = World::working().await;
    let body = inline("im", json!([{"email": "a@example.com"}]));
    let request = serde_json::from_value(body).unwrap();
    let dry = mc_pipeline::accept::dry_run(&world.center, &world.caller(), request).await.unwrap();
    assert_eq!(dry.previews.len(), 1);
    assert_eq!(dry.quota[0].would_use, 1);
    let real = world.send(inline("im", json!([{"email": "a@example.com"}]))).await;
    world.finished(real).await;
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}
