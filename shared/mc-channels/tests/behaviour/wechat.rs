//! What only WeChat's kinds do: mapping, tokens, the platform's templates, callbacks.

use std::collections::BTreeMap;

use mc_core::id::MessageId;
use mc_core::model::{Addresses, Content, Fact, Format, Kind, Recipient};
use mc_core::ports::{
    CallbackError, CallbackRequest, Channel, Figure, News, RenderContext, RenderError, Rendered, SendError,
    SendFailure, SharedChannel, Window,
};
use mc_core::state::State;
use mc_sandbox::{
    Fault, Platform, WechatAccount, WechatCallback, WechatEvent, WechatPopup, WechatStanding, WechatTemplate,
};
use serde_json::{Value, json};

use crate::fakes::{OPENID, WECHAT_SECRET};
use crate::suite::deliver;
use crate::world::World;

const OTHER: &str = "o6_bmjrPTlm6_2sgVt7hMZOPfL2N";
const KINDS: [(Kind, Platform, &str); 2] =
    [(Kind::WechatOfficial, Platform::Wechat, "wxa"), (Kind::WechatMini, Platform::WechatMini, "wxb")];

fn template() -> WechatTemplate {
    WechatTemplate {
        id: "order-paid".into(),
        title: "Order".into(),
        content: "商品:{{thing1.DATA}}\n金额:{{amount2.DATA}}\n".into(),
        ..WechatTemplate::default()
    }
}

/// A world in which both accounts are known.
async fn world(change: impl Fn(&mut WechatAccount)) -> World {
    let world = World::start(false).await;
    for (kind, _, app_id) in KINDS {
        let mut account = WechatAccount {
            mini: kind == Kind::WechatMini,
            secret: WECHAT_SECRET.into(),
            templates: vec![template()],
            mini_programs: vec!["wxb".into()],
            accepts_all: true,
            ..WechatAccount::default()
        };
        change(&mut account);
        world.sandbox.wechat_account(app_id, account);
    }
    world
}

fn settings(app_id: &str) -> Value {
    json!({"app_id": app_id, "platform_template_id": "order-paid", "fields": {"title": "thing1", "sum": "amount2"}})
}

fn channel(world: &World, kind: Kind, app_id: &str) -> SharedChannel {
    world.build(kind, settings(app_id), &[("app_secret", WECHAT_SECRET)], &world.http_url())
}

fn paid() -> Content {
    let facts = vec![Fact { label: "sum".into(), value: "¥12.50".into() }];
    Content { facts, ..Content::new("Tea", Format::Text, "Thank you") }
}

fn person(openid: &str) -> [Recipient; 1] {
    [Recipient {
        addresses: Addresses { wechat: Some(openid.into()), ..Addresses::default() },
        data: None,
        ..Recipient::default()
    }]
}

fn render(channel: &dyn Channel, content: &Content, patch: Option<&Value>) -> Result<Rendered, RenderError> {
    let (data, params) = (json!({"no": "A/1"}), json!({"shop": "1"}));
    let context = RenderContext {
        project: "default",
        message: "msg_01HF7YAT31000000000000001A".parse::<MessageId>().unwrap(),
        delivery: "dlv_1",
        to: &[],
        data: data.as_object().unwrap(),
        params: params.as_object().unwrap(),
        overrides: patch,
        files: &[],
    };
    channel.render(content, &context)
}

async fn failure(channel: &SharedChannel, openid: &str) -> (SendFailure, String) {
    let error = deliver(&**channel, &paid(), &person(openid), &[]).await.unwrap_err();
    (error.failure, error.code)
}

#[tokio::test]
async fn a_message_fills_the_keywords_and_names_its_pages() {
    let world = world(|_| {}).await;
    let mut official = settings("wxa");
    official["url"] = json!("https://shop.example/{{ params.shop }}?no={{ data.no }}");
    official["miniprogram"] = json!({"appid": "wxb", "pagepath": "pages/order?no={{ data.no }}"});
    let secrets = [("app_secret", WECHAT_SECRET)];
    let official = world.build(Kind::WechatOfficial, official, &secrets, &world.http_url());
    let rendered = render(&*official, &paid(), None).unwrap();
    let data = json!({"thing1": {"value": "Tea"}, "amount2": {"value": "¥12.50"}});
    assert_eq!(
        rendered.parts[0].payload,
        json!({"template_id": "order-paid", "data": data, "url": "https://shop.example/1?no=A%2F1",
            "miniprogram": {"appid": "wxb", "pagepath": "pages/order?no=A%2F1"}})
    );
    let mut lines: Vec<&str> = rendered.text.lines().collect();
    lines.sort_unstable();
    assert_eq!((lines, rendered.size.used), (vec!["amount2: ¥12.50", "thing1: Tea"], 6));
    let linked = Content { url: Some("https://x.example/a b".into()), ..paid() };
    let own = render(&*official, &linked, None).unwrap();
    assert_eq!(own.parts[0].payload["url"], "https://x.example/a%20b", "the message's own goes first");
    let phone = Content { url: Some("tel:123".into()), ..paid() };
    let dropped = render(&*official, &phone, None).unwrap();
    let codes: Vec<&str> = dropped.warnings.iter().map(|warning| &*warning.code).collect();
    assert_eq!((dropped.parts[0].payload.get("url"), &codes[..]), (None, &["not_shown", "link_dropped"][..]));

    let mut mini = settings("wxb");
    mini["page"] = json!("pages/order?no={{ data.no }}");
    mini["miniprogram_state"] = json!("trial");
    mini["lang"] = json!("en_US");
    let mini = world.build(Kind::WechatMini, mini, &secrets, &world.http_url());
    let rendered = render(&*mini, &linked, None).unwrap();
    assert_eq!(
        rendered.parts[0].payload,
        json!({"template_id": "order-paid", "data": data, "page": "pages/order?no=A%2F1",
            "miniprogram_state": "trial", "lang": "en_US"})
    );
    assert_eq!(rendered.warnings[1].code, "link_dropped");
    for (channel, platform) in [(official, Platform::Wechat), (mini, Platform::WechatMini)] {
        let content = paid();
        // The sandbox takes what was rendered, with the pages in it.
        deliver_with_data(&*channel, &content).await;
        assert_eq!(world.sandbox.accepted(platform)[0].text, "商品:Tea\n金额:¥12.50\n");
    }
}

async fn deliver_with_data(channel: &dyn Channel, content: &Content) {
    let rendered = render(channel, content, None).unwrap();
    let to = person(OPENID);
    let push = mc_core::ports::Push {
        project: "default",
        message: "msg_01HF7YAT31000000000000001A".parse().unwrap(),
        delivery: "dlv_1",
        push_id: "psh_1",
        again: false,
        part: &rendered.parts[0],
        to: &to,
        attachments: &[],
        slot: None,
    };
    channel.send(push).await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name() {
    let world = world(|_| {}).await;
    for (kind, _, app_id) in KINDS {
        let channel = channel(&world, kind, app_id);
        let refused = |content: &Content, patch: Option<&Value>| {
            let error = render(&*channel, content, patch).unwrap_err();
            (error.code, error.detail)
        };
        let long = Content { title: "字".repeat(21), ..paid() };
        let (code, detail) = refused(&long, None);
        assert_eq!(code, "too_large");
        assert!(
            detail.contains("thing1 (filled by title) holds 21 characters and WeChat takes 20"),
            "{detail}"
        );
        let mut wrong = paid();
        wrong.facts[0].value = "a lot".into();
        let (code, detail) = refused(&wrong, None);
        assert!(code == "bad_field" && detail.contains("amount2 (filled by sum)"), "{detail}");
        assert_eq!(refused(&Content { facts: Vec::new(), ..paid() }, None).0, "missing_field");
        assert_eq!(refused(&Content { title: " ".into(), ..paid() }, None).0, "empty_field");
        // An override is held to the same.
        let patch = json!({"data": {"thing1": {"value": "字".repeat(21)}}});
        assert_eq!(refused(&paid(), Some(&patch)).0, "too_large");
        for patch in [
            json!({"touser": OTHER}),
            json!({"client_msg_id": "x"}),
            json!({"data": null}),
            json!({"data": {"thing1": "x"}}),
        ] {
            let code = refused(&paid(), Some(&patch)).0;
            assert!(matches!(code, "bad_override" | "not_configured"), "{patch}: {code}");
        }
        let patch = json!({"template_id": "another", "data": {"thing1": {"value": "own"}}});
        let payload = &render(&*channel, &paid(), Some(&patch)).unwrap().parts[0].payload;
        assert_eq!(
            (&payload["template_id"], &payload["data"]["thing1"]["value"]),
            (&json!("another"), &json!("own"))
        );
    }
}

#[tokio::test]
async fn a_template_can_be_chosen_later() {
    let world = world(|_| {}).await;
    for (kind, _, app_id) in KINDS {
        let secrets = [("app_secret", WECHAT_SECRET)];
        let bare = world.build(kind, json!({"app_id": app_id}), &secrets, &world.http_url());
        assert_eq!(render(&*bare, &paid(), None).unwrap_err().code, "not_configured");
        let templates = bare.platform_templates().unwrap().platform_templates().await.unwrap();
        let keywords: Vec<_> =
            templates[0].keywords.iter().map(|k| (&*k.name, &*k.label, k.longest)).collect();
        assert_eq!(templates[0].id, "order-paid");
        assert_eq!(keywords, [("thing1", "商品", Some(20)), ("amount2", "金额", Some(16))]);
        let steps = bare.check().await;
        let failed = steps.iter().find(|step| !step.ok).unwrap();
        assert_eq!(failed.name, "template");
        assert!(
            failed.next_step.as_ref().unwrap().contains("order-paid (Order: thing1 (商品), amount2 (金额))"),
            "{failed:?}"
        );
    }
}

#[tokio::test]
async fn a_check_finds_what_is_wrong() {
    let world = world(|_| {}).await;
    let url = world.http_url();
    let failing = async |settings: Value, secret: &str| {
        let channel = world.build(Kind::WechatOfficial, settings, &[("app_secret", secret)], &url);
        let steps = channel.check().await;
        let step = steps.into_iter().find(|step| !step.ok).unwrap();
        assert!(!format!("{step:?}").contains(secret), "{step:?}");
        (step.name.into_owned(), step.detail, step.next_step.unwrap())
    };
    let (name, detail, next) = failing(settings("wxa"), &"f".repeat(32)).await;
    assert!(name == "token" && detail.contains("40001") && next.contains("app_secret"), "{detail} {next}");
    let (name, _, next) = failing(settings("wxunknown"), WECHAT_SECRET).await;
    assert!(name == "token" && next.contains("app_id"), "{next}");
    let mut gone = settings("wxa");
    gone["platform_template_id"] = json!("deleted");
    let (name, detail, _) = failing(gone, WECHAT_SECRET).await;
    assert!(name == "template" && detail.contains("deleted"), "{detail}");
    let mut mapping = settings("wxa");
    mapping["fields"] = json!({"title": "thing1", "sum": "amount9"});
    let (name, detail, _) = failing(mapping, WECHAT_SECRET).await;
    assert_eq!(name, "fields");
    assert!(detail.contains("amount9 is filled by sum and is not in the template"), "{detail}");
    assert!(detail.contains("amount2 (金额) is filled by nothing"), "{detail}");

    let mut account = WechatAccount { secret: WECHAT_SECRET.into(), ..WechatAccount::default() };
    account.ip_whitelist = vec!["203.0.113.9".into()];
    world.sandbox.wechat_account("wxclosed", account);
    let (name, _, next) = failing(settings("wxclosed"), WECHAT_SECRET).await;
    assert!(name == "token" && next.starts_with("add 127.0.0.1 to the IP whitelist"), "{next}");
    assert!(world.sandbox.inbox().is_empty(), "a check sends nothing");
}

#[tokio::test]
async fn a_token_that_is_over_is_fetched_anew_once() {
    let world = world(|_| {}).await;
    for (kind, platform, app_id) in KINDS {
        let channel = channel(&world, kind, app_id);
        let issued = || world.sandbox.wechat_tokens_issued(app_id);
        deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
        assert_eq!(issued(), 1);
        for (nth, forgets) in [(2, false), (3, true)] {
            world.sandbox.wechat_expire_tokens(app_id, forgets);
            deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
            assert_eq!(issued(), nth);
        }
        // A token that is refused again after it was fetched anew is given up, and never forced.
        let over = Fault { errcode: Some(40001), times: 2, ..Fault::on(platform) };
        world.sandbox.push_fault(over);
        let transient = SendFailure::Transient { after: None };
        assert_eq!(failure(&channel, OPENID).await, (transient, "40001".to_owned()));
        assert_eq!(issued(), 3);
        assert!(world.sandbox.pending_faults().is_empty());
    }
}

#[tokio::test]
async fn no_token_is_no_doubt() {
    let world = world(|_| {}).await;
    for (kind, platform, app_id) in KINDS {
        let page = || Some(json!("<html>not WeChat</html>"));
        let on_token = || Fault { call: Some("token".into()), ..Fault::on(platform) };
        let transient = SendFailure::Transient { after: None };
        for (fault, expected) in [
            (Fault { cut: true, ..on_token() }, transient),
            (Fault { body: page(), ..on_token() }, transient),
            (Fault { errcode: Some(-1), ..on_token() }, transient),
            (Fault { errcode: Some(40125), ..on_token() }, SendFailure::Channel),
            (Fault { errcode: Some(40164), ..on_token() }, SendFailure::Channel),
        ] {
            world.sandbox.push_fault(fault);
            assert_eq!(failure(&channel(&world, kind, app_id), OPENID).await.0, expected);
        }
        assert!(world.sandbox.accepted(platform).is_empty());
    }
}

#[tokio::test]
async fn a_template_message_is_sent_once_in_ten_minutes() {
    let world = world(|_| {}).await;
    let channel = channel(&world, Kind::WechatOfficial, "wxa");
    let first = deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::Wechat) });
    assert_eq!(failure(&channel, OTHER).await.0, SendFailure::Doubt);
    for openid in [OPENID, OTHER] {
        let again = deliver(&*channel, &paid(), &person(openid), &[]).await.unwrap();
        assert_eq!(again.platform_id == first.platform_id, openid == OPENID);
    }
    assert_eq!(world.sandbox.accepted(Platform::Wechat).len(), 2, "nobody got it twice");
    assert_eq!(channel.capability().dedupe.map(|window| window.as_secs()), Some(600));
}

#[tokio::test]
async fn trouble_with_a_person_is_theirs_alone() {
    let standing = |openid: &str, standing| BTreeMap::from([(openid.to_owned(), standing)]);
    for (how, code) in [
        (WechatStanding::Unfollowed, "43004"),
        (WechatStanding::Blacklisted, "43019"),
        (WechatStanding::Limited, "50002"),
    ] {
        let world = world(|account| account.standing = standing(OTHER, how)).await;
        let channel = channel(&world, Kind::WechatOfficial, "wxa");
        assert_eq!(failure(&channel, OTHER).await, (SendFailure::Permanent, code.to_owned()));
        deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
    }
    let world = world(|account| {
        account.accepts_all = false;
        let accepts = BTreeMap::from([("order-paid".to_owned(), 1)]);
        account.accepts = BTreeMap::from([(OPENID.to_owned(), accepts)]);
    })
    .await;
    let channel = channel(&world, Kind::WechatMini, "wxb");
    deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
    assert_eq!(failure(&channel, OPENID).await, (SendFailure::Permanent, "43101".to_owned()));
    let error = deliver(&*channel, &paid(), &[], &[]).await.unwrap_err();
    assert_eq!(error.code, "bad_push");
}

#[tokio::test]
async fn a_used_up_quota_waits_for_the_next_day_in_beijing() {
    let world = world(|account| account.daily_limit = Some(1)).await;
    for (kind, _, app_id) in KINDS {
        let channel = channel(&world, kind, app_id);
        deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
        let (failure, code) = failure(&channel, OTHER).await;
        assert_eq!(code, "45009");
        let figures = channel.quota_source().unwrap().figures().await.unwrap();
        assert_eq!(figures, [Figure { window: Window::Day, limit: Some(1), used: Some(1) }]);
        let used_up = |code: &str| {
            let error = SendError { failure, code: code.to_owned(), text: String::new() };
            channel.used_up(&error)
        };
        assert_eq!(["45009", "45011"].map(used_up), [Some(Window::Day), None]);
        // It is midnight in Greenwich, so eight in the morning in Beijing.
        let SendFailure::Throttled { after: Some(after) } = failure else { panic!("{failure:?}") };
        assert_eq!(after.as_secs(), 16 * 3600);
    }
}

#[tokio::test]
async fn the_fate_of_a_message_is_told_in_every_mode() {
    let aes_key = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
    for (encoding_aes_key, json) in
        [(None, false), (None, true), (Some(aes_key), false), (Some(aes_key), true)]
    {
        let callback = WechatCallback {
            token: "a-token".into(),
            encoding_aes_key: encoding_aes_key.map(str::to_owned),
            json,
            ..WechatCallback::default()
        };
        let world = world(|account| account.callback = Some(callback.clone())).await;
        let secrets = [
            ("app_secret", WECHAT_SECRET),
            ("token", "a-token"),
            ("encoding_aes_key", encoding_aes_key.unwrap_or_default()),
        ];
        for (kind, _, app_id) in KINDS {
            let channel = world.build(kind, settings(app_id), &secrets, &world.http_url());
            let receipt = deliver(&*channel, &paid(), &person(OPENID), &[]).await.unwrap();
            let msgid = receipt.platform_id.unwrap();
            let event = if kind == Kind::WechatOfficial {
                let status = "failed:user block".to_owned();
                WechatEvent::TemplateFinished { openid: OPENID.into(), msgid: msgid.parse().unwrap(), status }
            } else {
                let (template_id, status) = ("order-paid".to_owned(), "rejected".to_owned());
                let msgid = msgid.parse().unwrap();
                WechatEvent::Sent { openid: OPENID.into(), template_id, msgid, code: 1, status }
            };
            let news = told(&world, &*channel, app_id, &event).await.unwrap();
            let [News::Receipt { platform_id, to, state, code, .. }] = &news[..] else { panic!("{news:?}") };
            assert_eq!((platform_id, to.as_deref(), *state), (&msgid, Some(OPENID), State::Failed));
            assert!(matches!(code.as_deref(), Some("user_block" | "1")), "{code:?}");
            let popup = |template_id: &str| WechatPopup { template_id: template_id.into(), accepts: true };
            let event = WechatEvent::Popup { openid: OPENID.into(), list: vec![popup("a"), popup("b")] };
            let news = told(&world, &*channel, app_id, &event).await.unwrap();
            let [News::Other { what, data }] = &news[..] else { panic!("{news:?}") };
            assert_eq!(
                (what.as_str(), data["list"].as_array().unwrap().len()),
                ("subscribe_msg_popup_event", 2)
            );
            let event = WechatEvent::Unsubscribe { openid: OPENID.into() };
            let news = told(&world, &*channel, app_id, &event).await.unwrap();
            assert!(matches!(&news[..], [News::Other { what, .. }] if what == "unsubscribe"), "{news:?}");
            // Another account's keys are none here.
            let stranger = [("app_secret", WECHAT_SECRET), ("token", "another")];
            let stranger = world.build(kind, settings(app_id), &stranger, &world.http_url());
            assert_eq!(told(&world, &*stranger, app_id, &event).await, Err(CallbackError::Signature));
            let deaf = self::channel(&world, kind, app_id);
            assert_eq!(
                told(&world, &*deaf, app_id, &event).await,
                Err(CallbackError::NotConfigured("/secrets/token"))
            );
        }
    }
}

async fn told(
    world: &World,
    channel: &dyn Channel,
    app_id: &str,
    event: &WechatEvent,
) -> Result<Vec<News>, CallbackError> {
    let post = world.sandbox.wechat_post(app_id, event).unwrap();
    let request =
        CallbackRequest { method: "POST", query: &post.query, headers: &[], body: post.body.as_bytes() };
    let answer = channel.callbacks().unwrap().callback(&request).await?;
    assert_eq!((answer.status, answer.body.as_str()), (200, "success"));
    Ok(answer.news)
}

#[tokio::test]
async fn every_problem_of_a_configuration_has_its_place() {
    let world = world(|_| {}).await;
    let problems = |kind, settings: Value, secrets: &[(&str, &str)]| {
        let problems = world.try_build(kind, settings, secrets, &world.http_url()).err().unwrap();
        assert!(problems.iter().all(|problem| !problem.detail.contains("hunter2")), "{problems:?}");
        problems.into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    let secret = ("app_secret", WECHAT_SECRET);
    for (settings, secrets, expected) in [
        (json!({}), vec![], vec!["/settings/app_id", "/secrets/app_secret"]),
        (json!({"app_id": "wx a", "x": 1}), vec![secret], vec!["/settings/app_id", "/settings/x"]),
        (json!({"app_id": "wxa", "url": "pages/index"}), vec![secret], vec!["/settings/url"]),
        (json!({"app_id": "wxa", "url": "https://x/{{ data."}), vec![secret], vec!["/settings/url"]),
        (
            json!({"app_id": "wxa", "miniprogram": {"appid": ""}}),
            vec![secret],
            vec!["/settings/miniprogram/appid"],
        ),
        (
            json!({"app_id": "wxa", "miniprogram": {"pagepath": "x"}}),
            vec![secret],
            vec!["/settings/miniprogram/appid"],
        ),
        (json!({"app_id": "wxa", "fields": ["thing1"]}), vec![secret], vec!["/settings/fields"]),
        (
            json!({"app_id": "wxa"}),
            vec![secret, ("encoding_aes_key", "hunter2")],
            vec!["/secrets/token", "/secrets/encoding_aes_key"],
        ),
        (
            json!({"app_id": "wxa"}),
            vec![secret, ("token", "t"), ("encoding_aes_key", "[\"hunter2\"]")],
            vec!["/secrets/encoding_aes_key"],
        ),
        (json!({"app_id": "wxa"}), vec![secret, ("key", "x")], vec!["/secrets/key"]),
    ] {
        assert_eq!(problems(Kind::WechatOfficial, settings.clone(), &secrets), expected, "{settings}");
    }
    for (settings, expected) in [
        (json!({"app_id": "wxb", "page": "/pages/a"}), "/settings/page"),
        (json!({"app_id": "wxb", "miniprogram_state": "draft"}), "/settings/miniprogram_state"),
        (json!({"app_id": "wxb", "lang": "de"}), "/settings/lang"),
        (json!({"app_id": "wxb", "url": "https://x.example"}), "/settings/url"),
    ] {
        assert_eq!(problems(Kind::WechatMini, settings.clone(), &[secret]), [expected], "{settings}");
    }
}
