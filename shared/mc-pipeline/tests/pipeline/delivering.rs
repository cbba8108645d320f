//! What arrives, where, and as what.

use std::sync::Arc;
use std::time::Duration;

use mc_core::model::{Kind, Outcome, Priority};
use mc_core::ports::{Clock, Consumer, Envelope, Family, Group, Task, Verdict};
use mc_core::state::{MessageStatus, State};
use mc_pipeline::Center;
use mc_pipeline::deliver::Deliverer;
use mc_sandbox::{Fault, Platform};
use mc_store_embedded::EmbeddedQueue;
use serde_json::json;

use crate::world::{COMPLETED, World, inline};

fn mails(count: usize) -> serde_json::Value {
    (0..count).map(|i| json!({"email": format!("user{i}@example.com")})).collect()
}

#[tokio::test]
async fn every_kind_takes_the_same_markdown_template() {
    let world = World::working().await;
    let template = json!({
        "title": "{{ app }} is out", "body": "**{{ app }}** was deployed\n\n- one\n- two", "format": "markdown",
        "routing": {"channels": ["robot", "ding", "mail", "im"]},
    });
    world.template("deploy", template).await;
    let id = world
        .send(json!({"template": "deploy", "to": [{"email": "a@example.com"}], "data": {"app": "pay*2"}}))
        .await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED);
    assert_eq!(view.counts.get(State::Sent), 4);
    for platform in [Platform::Wecom, Platform::Dingtalk, Platform::Im, Platform::Smtp] {
        let arrived = world.sandbox.accepted(platform);
        assert_eq!(arrived.len(), 1, "{platform:?}");
        assert!(arrived[0].raw.contains("pay"), "{platform:?}: {}", arrived[0].raw);
    }
    assert_eq!(world.sandbox.accepted(Platform::Smtp)[0].title.as_deref(), Some("pay*2 is out"));
}

#[tokio::test]
async fn a_message_keeps_the_version_it_was_accepted_with() {
    let world = World::quiet().await;
    let version = |word: &str| json!({"title": "t", "body": word, "routing": {"channels": ["im"]}});
    world.template("t", version("old words")).await;
    let id = world.send(json!({"template": "t"})).await;
    world.template("t", version("new words")).await;
    world.work();
    world.finished(id).await;
    assert!(world.sandbox.accepted(Platform::Im)[0].raw.contains("old words"));
}

#[tokio::test]
async fn recipients_with_values_of_their_own_get_them() {
    let world = World::working().await;
    let template = json!({"title": "Hi {{ name }}", "body": "{{ greeting }}, {{ name }}", "routing": {"channels": ["mail"]}});
    world.template("hi", template).await;
    let id = world
        .send(json!({
            "template": "hi", "data": {"greeting": "Welcome", "name": "all"},
            "to": [{"email": "a@example.com", "data": {"name": "Ann"}}, {"email": "b@example.com", "data": {"name": "Bob"}},
                   {"email": "c@example.com"}],
        }))
        .await;
    world.finished(id).await;
    let mut titles: Vec<(String, String)> = world
        .sandbox
        .accepted(Platform::Smtp)
        .iter()
        .map(|m| (m.to[0].clone(), m.title.clone().unwrap_or_default()))
        .collect();
    titles.sort();
    let wanted = [("a@example.com", "Hi Ann"), ("b@example.com", "Hi Bob"), ("c@example.com", "Hi all")];
    assert_eq!(titles, wanted.map(|(a, t)| (a.to_owned(), t.to_owned())));
}

#[tokio::test]
async fn one_bad_recipient_fails_alone() {
    let world = World::working().await;
    let mut to = mails(20);
    to[7] = json!({"email": "nobody@example.com"});
    let id = world.send(inline("mail", to)).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Partial);
    assert_eq!((view.counts.get(State::Sent), view.counts.get(State::Failed)), (19, 1));
    let page = mc_pipeline::view::recipients(&world.center, "default", id, Some(State::Failed), 50, None);
    let failed = page.await.unwrap().unwrap().items;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].address, "nobody@example.com");
    assert!(failed[0].code.as_deref().is_some_and(|c| c.contains("550")), "{failed:?}");
}

#[tokio::test]
async fn a_thousand_recipients_are_shares_of_one_message() {
    let world = World::working().await;
    let id = world.send(inline("mail", mails(1000))).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED);
    assert_eq!(view.counts.get(State::Sent), 1000);
    let mut seen: Vec<String> =
        world.sandbox.accepted(Platform::Smtp).iter().map(|m| m.to[0].clone()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 1000, "everybody once");
    let first =
        mc_pipeline::view::recipients(&world.center, "default", id, None, 150, None).await.unwrap().unwrap();
    assert_eq!(first.items.len(), 150);
    let second =
        mc_pipeline::view::recipients(&world.center, "default", id, None, 200, first.next_cursor.as_deref());
    assert_eq!(second.await.unwrap().unwrap().items[0].address, "user150@example.com");
}

#[tokio::test]
async fn the_next_channel_takes_only_those_who_failed() {
    let world = World::working().await;
    world.channel("gone", Kind::WecomRobot, json!({}), &[("key", "bad-robot-key-01")]).await;
    let id = world
        .send(json!({
            "content": {"title": "T", "body": "B"}, "to": [{"email": "a@example.com"}, {"email": "b@example.com"}],
            "routing": {"mode": "first", "channels": ["gone", "mail"]},
        }))
        .await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED, "{view:#?}");
    assert_eq!(view.counts.get(State::Sent), 2);
    assert_eq!(view.deliveries[0].status, State::Failed);
    assert_eq!(view.deliveries[1].status, State::Sent);
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2);
}

#[tokio::test]
async fn a_listing_says_of_each_delivery_what_the_message_says() {
    let world = World::working().await;
    world.channel("gone", Kind::WecomRobot, json!({}), &[("key", "bad-robot-key-01")]).await;
    let mut many = mails(450);
    many[300] = json!({"email": "nobody@example.com"});
    for (mode, channels, to) in [
        ("all", vec!["im", "mail"], many),
        ("all", vec!["mail"], mails(1)),
        ("first", vec!["gone", "mail"], mails(3)),
        ("first", vec!["mail", "im"], json!([{"email": "nobody@example.com"}, {"email": "a@example.com"}])),
    ] {
        let content = json!({"title": "T", "body": "B"});
        let routing = json!({"mode": mode, "channels": channels});
        let id = world.send(json!({"content": content, "to": to, "routing": routing})).await;
        let view = world.finished(id).await;
        let filter = mc_pipeline::view::Filter::default();
        let page = mc_pipeline::view::list(&world.center, "default", &filter, 10, None).await.unwrap();
        let listed = page.items.iter().find(|m| m.id == id).unwrap();
        let said = |m: &mc_pipeline::view::MessageView| -> Vec<_> {
            m.deliveries.iter().map(|d| (d.id.clone(), d.status, d.recipients, d.counts)).collect()
        };
        assert_eq!(said(listed), said(&view));
        assert_eq!((listed.status, listed.counts), (view.status, view.counts));
    }
}

#[tokio::test]
async fn a_listing_knows_what_is_under_way_in_several_shares() {
    let world = World::working().await;
    for (platform, status) in [(Platform::Im, 503), (Platform::Smtp, 451)] {
        world.sandbox.push_fault(Fault { status: Some(status), ..Fault::on(platform) });
    }
    let content = json!({"title": "T", "body": "B"});
    let id = world
        .send(json!({"content": content, "to": mails(1), "routing": {"channels": ["im", "mail"]}}))
        .await;
    let view = world
        .until(id, |view| view.deliveries.iter().all(|delivery| delivery.status == State::Retrying))
        .await;
    assert_eq!(view.status, MessageStatus::Processing);
    for (status, found) in [
        (None, 1),
        (Some(MessageStatus::Processing), 1),
        (Some(MessageStatus::Queued), 0),
        (Some(MessageStatus::Completed), 0),
    ] {
        let filter = mc_pipeline::view::Filter { status, ..Default::default() };
        let page = mc_pipeline::view::list(&world.center, "default", &filter, 10, None).await.unwrap();
        assert_eq!(page.items.len(), found, "{status:?}");
        for listed in page.items {
            assert_eq!((listed.status, listed.counts), (view.status, view.counts));
        }
    }
}

#[tokio::test]
async fn the_next_channel_is_not_used_when_the_first_one_works() {
    let world = World::working().await;
    let mut to = mails(3);
    to[1] = json!({"email": "nobody@example.com"});
    let body = json!({
        "content": {"title": "T", "body": "B"}, "to": to, "routing": {"mode": "first", "channels": ["mail", "im"]},
    });
    let id = world.send(body).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, COMPLETED);
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2);
    let pushed = world.sandbox.accepted(Platform::Im);
    assert_eq!(pushed.len(), 1);
    assert!(pushed[0].raw.contains("nobody@example.com") && !pushed[0].raw.contains("user0@example.com"));
}

#[tokio::test]
async fn attachments_travel_with_the_mail() {
    let world = World::working().await;
    let mut body = inline("mail", mails(1));
    body["attachments"] =
        json!([{"filename": "报告.txt", "content_type": "text/plain", "content": "aGVsbG8gd29ybGQ="}]);
    let id = world.send(body).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let mail = world.sandbox.accepted(Platform::Smtp)[0].clone();
    let files = &mail.mail.as_ref().unwrap().attachments;
    assert_eq!((files[0].name.as_str(), files[0].size), ("报告.txt", 11));
}

#[tokio::test]
async fn a_retry_reaches_those_who_were_not_reached() {
    let world = World::working().await;
    let mut to = mails(3);
    to[2] = json!({"email": "nobody@example.com"});
    let id = world.send(inline("mail", to)).await;
    world.finished(id).await;
    let again = world.again(id).await.unwrap();
    let view = world.finished(again).await;
    assert_eq!(view.retry_of, Some(id));
    assert_eq!(view.counts.total(), 1);
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2, "those who have it do not get it again");
    let done = world.send(inline("im", json!([]))).await;
    world.finished(done).await;
    let refused = world.again(done).await.unwrap_err();
    assert_eq!(crate::world::code(&refused), "nothing_to_retry");
}

#[tokio::test]
async fn a_retry_leaves_out_only_those_who_went_on_to_another_channel() {
    let world = World::working().await;
    world.ding_app().await;
    let to = json!([{"email": "nobody@example.com", "dingtalk": "user1"}, {"email": "nobody@example.org"}]);
    let body = json!({
        "content": {"title": "T", "body": "B"}, "to": to,
        "routing": {"mode": "first", "channels": ["mail", "ding-app"]},
    });
    let id = world.send(body).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Partial);
    assert_eq!(world.sandbox.accepted(Platform::DingtalkApp).len(), 1);
    let again = world.again(id).await.unwrap();
    let view = world.finished(again).await;
    assert_eq!((view.counts.total(), view.status), (1, MessageStatus::Failed), "it is tried by mail");
    assert_eq!(world.sandbox.accepted(Platform::DingtalkApp).len(), 1, "and who was reached gets no more");
}

#[tokio::test]
async fn without_time_nothing_is_begun_and_everything_comes_again() {
    let world = World::quiet().await;
    let id = world.send(inline("im", json!([]))).await;
    let task =
        Task::Deliver { project: "default".into(), message: id, share: 0, channel: "im".into(), slot: None };
    let deliverer = Deliverer::new(world.center.clone());
    let envelope = |until| Envelope {
        group: Group::of("default", Priority::Normal),
        tasks: vec![task.clone()],
        until: Some(until),
    };
    let now = world.clock.now();
    match &deliverer.consume(envelope(now)).await[..] {
        [Verdict::Again { after, .. }] => assert_eq!(*after, Duration::ZERO),
        other => panic!("{other:?}"),
    }
    assert!(world.sandbox.accepted(Platform::Im).is_empty());
    assert_eq!(world.view(id).await.deliveries[0].status, State::Queued);
    let later = envelope(now.after(Duration::from_secs(1)));
    assert_eq!(deliverer.consume(later).await, [Verdict::Done]);
    assert_eq!(world.view(id).await.status, COMPLETED);
}

/// Works on the mails that are due, until there are none.
async fn deliver(queue: &EmbeddedQueue, center: Arc<Center>) {
    let deliverer = Deliverer::new(center);
    while let Some(taken) = queue.next_unless_idle(Family::Email).await {
        let verdicts = deliverer.consume(taken.envelope().clone()).await;
        taken.finish_durably(verdicts).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_is_asked_to_stop_records_what_was_pushed_and_leaves_the_rest() {
    let world = World::quiet().await;
    let id = world.send(inline("mail", mails(150))).await;
    let taken = world.queue.next(Family::Email).await;
    let deliverer = Deliverer::new(world.center.clone());
    let stopping = async {
        while world.sandbox.accepted(Platform::Smtp).is_empty() {
            tokio::task::yield_now().await;
        }
        world.center.stop();
    };
    let (verdicts, ()) = tokio::join!(deliverer.consume(taken.envelope().clone()), stopping);
    assert!(matches!(verdicts[0], Verdict::Again { .. }), "{verdicts:?}");
    taken.finish_durably(verdicts).await.unwrap();
    let pushed = world.sandbox.accepted(Platform::Smtp).len();
    assert!(pushed < 150, "the stop came in the middle");
    assert_eq!(world.view(id).await.counts.get(State::Sent) as usize, pushed);

    // What begins now is not begun by this process any more.
    let taken = world.queue.next(Family::Email).await;
    let verdicts = deliverer.consume(taken.envelope().clone()).await;
    assert!(matches!(verdicts[0], Verdict::Again { .. }));
    taken.hand_back();
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), pushed);

    deliver(&world.queue, Arc::new(world.another_process())).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, view.counts.get(State::Sent)), (COMPLETED, 150));
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 150, "nobody twice");
    assert!(view.deliveries[0].attempts.iter().all(|attempt| attempt.outcome == Outcome::Sent));
}

#[tokio::test]
async fn what_a_platform_cannot_show_is_said_of_the_message_too() {
    let world = World::working().await;
    let mut message = inline("robot", json!([]));
    message["content"] =
        json!({"title": "T", "body": "| a | b |\n|---|---|\n| 1 | 2 |", "format": "markdown"});
    let view = {
        let id = world.send(message).await;
        world.finished(id).await
    };
    assert_eq!(view.deliveries[0].attempts[0].warnings, ["table_flattened"]);
}
