//! People who are written to by name, what they do not want, and when they sleep.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::Clock;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::view;
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, code, inline, pointer};

fn mail(name: &str) -> Value {
    json!({"email": format!("{name}@example.com")})
}

/// Everybody who got a mail, in order of their addresses.
fn mailed(world: &World) -> Vec<String> {
    let mut all: Vec<String> =
        world.sandbox.accepted(Platform::Smtp).iter().flat_map(|m| m.to.clone()).collect();
    all.sort();
    all
}

async fn recipients(world: &World, id: mc_core::id::MessageId) -> Vec<(String, State, Option<String>)> {
    let page = view::recipients(&world.center, PROJECT, id, None, 200, None).await.unwrap().unwrap();
    page.items.into_iter().map(|r| (r.address, r.status, r.code)).collect()
}

#[tokio::test]
async fn names_stand_for_addresses() {
    let world = World::working().await;
    for name in ["ann", "bob", "cy", "di"] {
        world.contact(name, mail(name)).await;
    }
    world.group("inner", &["bob", "cy"]).await;
    world.group("ops", &["ann", "@inner", "bob"]).await;
    let id = world.send(inline("mail", json!(["@ops", "bob", "di", mail("ann2")]))).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let wanted = ["ann2", "ann", "bob", "cy", "di"].map(|n| format!("{n}@example.com"));
    assert_eq!(mailed(&world), wanted, "everybody once, however often they are named");
}

#[tokio::test]
async fn a_contact_may_have_values_of_its_own_in_a_message() {
    let world = World::working().await;
    world.contact("ann", mail("ann")).await;
    let template = json!({"title": "Hi {{ name }}", "body": "b", "routing": {"channels": ["mail"]}});
    world.template("hi", template).await;
    let to = json!([{"contact": "ann", "data": {"name": "Ann"}}]);
    let id = world.send(json!({"template": "hi", "to": to, "data": {"name": "all"}})).await;
    world.finished(id).await;
    assert_eq!(world.sandbox.accepted(Platform::Smtp)[0].title.as_deref(), Some("Hi Ann"));
}

#[tokio::test]
async fn a_template_may_speak_to_each_contact_in_their_language() {
    let world = World::working().await;
    for (id, name, locale) in [("u1", "Ann", "en"), ("u2", "小明", "zh-CN")] {
        let address = format!("{id}@example.com");
        world.contact(id, json!({"name": name, "locale": locale, "email": address})).await;
    }
    world.contact("u3", json!({"name": "Ann's other", "email": "u1@example.com"})).await;
    world.group("all", &["u1", "u2"]).await;
    let title =
        "{% if recipient.locale == 'zh-CN' %}你好{% else %}Hello{% endif %} {{ recipient.name or 'you' }}";
    // What the template allows is said of the caller's values.
    let n = json!({"n": {"type": "integer"}});
    let variables = json!({"type": "object", "properties": n, "additionalProperties": false});
    let routing = json!({"channels": ["mail"]});
    let template = json!({"title": title, "body": "b", "variables": variables, "routing": routing});
    world.template("hello", template).await;
    let to = json!(["@all", mail("di"), "u3"]);
    let id = world.send(json!({"template": "hello", "to": to, "data": {"n": 1}})).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let mut titles: Vec<String> =
        world.sandbox.accepted(Platform::Smtp).into_iter().filter_map(|m| m.title.clone()).collect();
    titles.sort();
    assert_eq!(titles, ["Hello Ann", "Hello you", "你好 小明"], "a shared mailbox gets one mail");
    let refused = world.try_send(json!({"template": "hello", "to": ["u1"], "data": {"x": 1}})).await;
    assert_eq!(code(&refused.unwrap_err()), "invalid_data");
}

#[tokio::test]
async fn a_contact_gets_a_message_for_each_entry_that_has_other_values() {
    let world = World::working().await;
    for name in ["ann", "bob"] {
        world.contact(name, mail(name)).await;
    }
    world.group("ops", &["ann", "bob"]).await;
    let template = json!({"title": "Order {{ order }}", "body": "b", "routing": {"channels": ["mail"]}});
    world.template("order", template).await;
    let of = |order: u32| json!({"contact": "ann", "data": {"order": order, "paid": true}});
    // The same values in another order are the same, and whoever has a message already is not in the group once more.
    let same = json!({"contact": "ann", "data": {"paid": true, "order": 1}});
    let none = json!({"contact": "ann", "data": {}});
    let to = json!([of(1), of(2), same, none, "ann", "@ops"]);
    let id = world.send(json!({"template": "order", "to": to, "data": {"order": 0}})).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let mut titles: Vec<String> =
        world.sandbox.accepted(Platform::Smtp).into_iter().filter_map(|m| m.title.clone()).collect();
    titles.sort();
    assert_eq!(titles, ["Order 0", "Order 1", "Order 2"]);
    assert_eq!(mailed(&world), ["ann@example.com", "ann@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn entries_of_one_contact_are_told_apart() {
    let world = World::quiet().await;
    world.contact("ann", mail("ann")).await;
    // With what recipients bring along they lie in the head of the message, or in an item of their own.
    for long in [1, 1000] {
        let data = |order: u32| json!({"order": order, "note": "x".repeat(long)});
        let of_ann = |order: u32| json!({"contact": "ann", "data": data(order)});
        let bob = json!({"email": "bob@example.com", "data": data(3)});
        let to = json!([mail("di"), "ann", of_ann(1), of_ann(2), bob]);
        let id = world.send(inline("mail", to)).await;
        let page = view::recipients(&world.center, PROJECT, id, None, 200, None).await.unwrap().unwrap();
        let named = page.items.iter().map(|r| (r.address.as_str(), r.contact.as_deref(), r.entry));
        let wanted = [
            ("di@example.com", None, None),
            ("ann@example.com", Some("ann"), None),
            ("ann@example.com", Some("ann"), Some(2)),
            ("ann@example.com", Some("ann"), Some(3)),
            ("bob@example.com", None, Some(4)),
        ];
        assert_eq!(named.collect::<Vec<_>>(), wanted);
    }
}

#[tokio::test]
async fn names_of_nobody_are_refused_at_their_place() {
    let world = World::quiet().await;
    world.contact("ann", mail("ann")).await;
    world.contact("mute", json!({"wecom": "mute"})).await;
    world.group("ops", &["ann", "mute"]).await;
    world.group("empty", &[]).await;
    for (to, wanted) in [
        (json!(["ann", "nobody"]), ("unknown_contact", "/to/1")),
        (json!(["ann", "@none"]), ("unknown_group", "/to/1")),
        (json!(["ann", {"contact": "nobody"}]), ("unknown_contact", "/to/1")),
        (json!(["ann", "mute"]), ("no_address", "/to/1")),
        (json!(["ann", "@ops"]), ("no_address", "/to/1")),
        (json!(["@empty"]), ("no_recipients", "/to")),
    ] {
        let refusal = world.try_send(inline("mail", to.clone())).await.unwrap_err();
        assert_eq!((code(&refusal), pointer(&refusal).as_str()), wanted, "{to}");
    }
}

#[tokio::test]
async fn groups_nest_five_deep_and_never_in_a_circle() {
    let world = World::quiet().await;
    world.contact("ann", mail("ann")).await;
    world.group("g5", &["ann"]).await;
    for n in (1..5).rev() {
        world.group(&format!("g{n}"), &[&format!("@g{}", n + 1)]).await;
    }
    for (name, members, wanted) in [
        ("top", vec!["@g1"], ("group_too_deep", "/members")),
        ("g5", vec!["ann", "@g1"], ("group_cycle", "/members/1")),
        ("self", vec!["@self"], ("group_cycle", "/members/0")),
        ("new", vec!["@none"], ("unknown_group", "/members/0")),
        ("new", vec!["ann", "nobody"], ("unknown_contact", "/members/1")),
        ("new", vec!["a b"], ("invalid_request", "/members/0")),
    ] {
        let refusal = world.try_group(name, &members).await.unwrap_err();
        assert_eq!((code(&refusal), pointer(&refusal).as_str()), wanted, "{name} {members:?}");
    }
    let refusal = world.try_group("new", &["@none", "ann", "nobody", "@new"]).await.unwrap_err();
    let wanted = vec!["/members/0", "/members/2", "/members/3"];
    assert_eq!((refusal.told().0, refusal.told().2), ("unknown_group", wanted), "every wrong one is named");
    // What lies below counts for those above: the fifth may not grow a sixth.
    world.group("leaf", &["ann"]).await;
    let refusal = world.try_group("g5", &["@leaf"]).await.unwrap_err();
    assert_eq!(code(&refusal), "group_too_deep");
    let id = world.send(inline("mail", json!(["@g1"]))).await;
    assert_eq!(world.view(id).await.counts.total(), 1);
}

#[tokio::test]
async fn a_circle_made_by_two_changes_at_once_has_an_end() {
    let world = World::quiet().await;
    for name in ["ann", "bob"] {
        world.contact(name, mail(name)).await;
    }
    // What the check of both could not see.
    for (name, members) in [("a", ["ann", "@b"]), ("b", ["bob", "@a"])] {
        let members = members.map(str::to_owned).to_vec();
        let doc = mc_core::model::GroupDoc { members, ..Default::default() };
        world.center.groups.put(PROJECT, name, doc).await.unwrap();
    }
    let id = world.send(inline("mail", json!(["@a"]))).await;
    assert_eq!(world.view(id).await.counts.total(), 2);
}

#[tokio::test]
async fn who_opted_out_of_a_category_is_suppressed() {
    let world = World::working().await;
    world.contact("ann", mail("ann")).await;
    let no_news = json!({"email": "bob@example.com", "mobile": "13800000000", "opt_outs": ["news"]});
    world.contact("bob", no_news).await;
    let nothing = json!({"email": "cy@example.com", "opt_outs": ["*"]});
    world.contact("cy", nothing).await;
    world.group("all", &["ann", "bob", "cy"]).await;
    let template = |category: Value| json!({"title": "t", "body": "b", "category": category, "routing": {"channels": ["mail", "ding"]}});
    world.template("news", template(json!("news"))).await;
    world.template("code", template(Value::Null)).await;
    let id = world.send(json!({"template": "news", "to": ["@all"]})).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Partial);
    assert_eq!(view.counts.get(State::Suppressed), 2);
    assert_eq!(mailed(&world), ["ann@example.com"]);
    let told = recipients(&world, id).await;
    let opted_out = Some("opted_out".to_owned());
    assert!(told.contains(&("bob@example.com".into(), State::Suppressed, opted_out)), "{told:?}");
    assert!(
        !world.sandbox.accepted(Platform::Dingtalk)[0].raw.contains("13800000000"),
        "nor are they mentioned"
    );
    let id = world.send(json!({"template": "code", "to": ["@all"]})).await;
    assert_eq!(world.finished(id).await.status, COMPLETED, "nobody opts out of what has no category");
}

#[tokio::test]
async fn who_opts_out_while_a_message_waits_is_suppressed() {
    let world = World::working().await;
    let ann = json!({"email": "ann@example.com", "mobile": "13900000000"});
    let mut bob = sleeper("bob", "07:00", "08:30");
    bob["mobile"] = json!("13800000000");
    world.contact("ann", ann).await;
    world.contact("bob", bob.clone()).await;
    let template = |category: Value, channels: Value| json!({"title": "t", "body": "b", "category": category, "routing": {"channels": channels}});
    world.template("news", template(json!("news"), json!(["mail", "ding"]))).await;
    world.template("code", template(Value::Null, json!(["mail"]))).await;
    // Of these bob sleeps through one, and two have a time.
    let by_mail = json!({"template": "news", "to": ["bob"], "routing": {"channels": ["mail"]}});
    let asleep = world.send(by_mail).await;
    world.settle().await;
    let at = world.clock.now().after(Duration::from_secs(3600));
    let news = world.send(json!({"template": "news", "to": ["ann", "bob"], "send_at": at})).await;
    let code = world.send(json!({"template": "code", "to": ["bob"], "send_at": at})).await;
    bob["opt_outs"] = json!(["news"]);
    world.contact("bob", bob).await;
    world.advance(Duration::from_secs(1801)).await;
    world.finished(asleep).await;
    let suppressed = ("bob@example.com".to_owned(), State::Suppressed, Some("opted_out".to_owned()));
    assert_eq!(recipients(&world, asleep).await, std::slice::from_ref(&suppressed));
    world.advance(Duration::from_secs(1801)).await;
    assert_eq!(world.finished(news).await.counts.get(State::Suppressed), 1);
    assert!(recipients(&world, news).await.contains(&suppressed));
    let group = world.sandbox.accepted(Platform::Dingtalk)[0].raw.clone();
    assert!(group.contains("13900000000") && !group.contains("13800000000"), "nor mentioned: {group}");
    assert_eq!(world.finished(code).await.status, COMPLETED, "nobody opts out of what has no category");
    assert_eq!(mailed(&world), ["ann@example.com", "bob@example.com"]);
}

#[tokio::test]
async fn a_retry_is_not_for_who_opted_out_since() {
    let world = World::working().await;
    world.contact("nobody", mail("nobody")).await;
    world.template("news", json!({"body": "b", "category": "news", "routing": {"channels": ["mail"]}})).await;
    let id = world.send(json!({"template": "news", "to": ["nobody"]})).await;
    assert_eq!(world.finished(id).await.counts.get(State::Failed), 1);
    world.contact("nobody", json!({"email": "nobody@example.com", "opt_outs": ["news"]})).await;
    let again = world.again(id).await.unwrap();
    world.finished(again).await;
    assert_eq!(recipients(&world, again).await[0].2.as_deref(), Some("opted_out"));
}

#[tokio::test]
async fn a_message_to_nobody_but_the_unwilling_is_decided() {
    let world = World::working().await;
    let people: Vec<String> = (0..450).map(|i| format!("u{i}")).collect();
    for (i, id) in people.iter().enumerate() {
        let opt_outs = if i % 2 == 0 { json!(["news"]) } else { json!([]) };
        world.contact(id, json!({"email": format!("{id}@example.com"), "opt_outs": opt_outs})).await;
    }
    world.template("news", json!({"body": "b", "category": "news", "routing": {"channels": ["mail"]}})).await;
    let id = world.send(json!({"template": "news", "to": ["u0"]})).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Failed);
    let id = world.send(json!({"template": "news", "to": people})).await;
    let view = world.finished(id).await;
    assert_eq!((view.counts.get(State::Sent), view.counts.get(State::Suppressed)), (225, 225));
    assert!(mailed(&world).iter().all(|to| {
        to.strip_prefix('u')
            .and_then(|t| t.split_once('@'))
            .is_some_and(|(n, _)| n.parse::<u32>().unwrap() % 2 == 1)
    }));
}

/// The test clock begins at 08:00 in Shanghai.
fn sleeper(name: &str, from: &str, to: &str) -> Value {
    let hours = json!({"from": from, "to": to});
    json!({"email": format!("{name}@example.com"), "timezone": "Asia/Shanghai", "quiet_hours": hours})
}

#[tokio::test]
async fn nobody_is_disturbed_in_their_quiet_hours_and_nothing_is_lost() {
    let world = World::working().await;
    world.contact("ann", mail("ann")).await;
    world.contact("bob", sleeper("bob", "22:00", "09:30")).await;
    world.contact("cy", sleeper("cy", "07:00", "08:30")).await;
    let id = world.send(inline("mail", json!(["ann", "bob", "cy"]))).await;
    let view = world.until(id, |m| m.counts.get(State::Sent) == 1).await;
    assert_eq!(view.counts.get(State::Queued), 2, "who sleeps waits, and nothing failed");
    assert_eq!(mailed(&world), ["ann@example.com"]);
    world.advance(Duration::from_secs(29 * 60)).await;
    assert_eq!(mailed(&world).len(), 1);
    world.advance(Duration::from_secs(60)).await;
    world.until(id, |m| m.counts.get(State::Sent) == 2).await;
    assert_eq!(mailed(&world), ["ann@example.com", "cy@example.com"]);
    world.advance(Duration::from_secs(3600)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(mailed(&world).len(), 3);
}

#[tokio::test]
async fn a_scheduled_message_that_falls_into_quiet_hours_waits_for_their_end() {
    let world = World::working().await;
    world.contact("bob", sleeper("bob", "22:00", "08:00")).await;
    let mut body = inline("mail", json!(["bob"]));
    body["send_at"] = json!("2026-12-01T23:00:00+08:00");
    let id = world.send(body).await;
    world.advance(Duration::from_secs(15 * 3600)).await;
    assert_eq!(world.view(id).await.status, MessageStatus::Processing);
    assert_eq!(mailed(&world).len(), 0);
    world.advance(Duration::from_secs(9 * 3600 - 1)).await;
    assert_eq!(mailed(&world).len(), 0);
    world.advance(Duration::from_secs(1)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(world.clock.now(), Timestamp::parse("2026-12-02T08:00:00+08:00").unwrap());
}

#[tokio::test]
async fn high_wakes_everybody_and_what_expires_meanwhile_is_expired() {
    let world = World::working().await;
    world.contact("bob", sleeper("bob", "22:00", "09:00")).await;
    let mut body = inline("mail", json!(["bob"]));
    body["priority"] = json!("high");
    let id = world.send(body).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let mut body = inline("mail", json!(["bob"]));
    body["expire_at"] = json!("2026-12-01T08:59:00+08:00");
    let id = world.send(body).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Expired);
    assert_eq!(mailed(&world).len(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_somebodys_own_values_is_named_where_it_stands() {
    let world = World::working().await;
    for name in ["ann", "bob"] {
        world.contact(name, mail(name)).await;
    }
    let whole = json!({"type": "integer"});
    let variables = json!({"type": "object", "properties": {"n": whole, "m": whole}, "required": ["n"]});
    let declared = json!({"title": "{{ n }} {{ recipient.name }}", "body": "b", "variables": variables,
        "routing": {"channels": ["mail"]}});
    world.template("declared", declared).await;
    let open = json!({"title": "{{ n }}", "body": "b", "routing": {"channels": ["mail"]}});
    world.template("open", open).await;
    let own =
        |values: Value| json!([{"contact": "ann", "data": {"n": 1}}, {"contact": "bob", "data": values}]);
    for (template, values, wanted) in [
        ("declared", json!({"n": "x"}), ("invalid_data", "/to/1/data/n")),
        ("declared", json!({}), ("invalid_data", "/data/n")),
        ("declared", json!({"x": 1}), ("invalid_data", "/to/1/data/n")),
        ("declared", json!({"n": 2}), ("invalid_data", "/data/m")),
        ("open", json!({"x": 1}), ("missing_variable", "/to/1/data")),
    ] {
        let shared = if wanted.1 == "/data/m" { json!({"m": "x"}) } else { json!({}) };
        let body = json!({"template": template, "to": own(values.clone()), "data": shared});
        let refused = world.try_send(body).await.unwrap_err();
        assert_eq!((code(&refused), pointer(&refused).as_str()), wanted, "{template} {values}");
    }
}
