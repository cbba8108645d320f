//! What only an app on Feishu does.

use std::time::Duration;

use mc_core::model::{AddressKind, Addresses, Content, Format, Kind, Recipient};
use mc_core::ports::{
    Attachment, Batching, CallbackAnswer, CallbackError, CallbackRequest, FileInfo, News, Part, Push,
    Receipt, RenderContext, SendError, SendFailure, SharedChannel,
};
use mc_core::state::State;
use mc_sandbox::{Fault, FeishuApp, FeishuEvent, FeishuPost, Platform};
use mc_testkit::channel::Harness;
use serde_json::{Value, json};

use crate::fakes::{FEISHU_APP, FEISHU_APP_SECRET, FEISHU_KEY, FEISHU_TOKEN, Fake, feishu_app};
use crate::suite::deliver;
use crate::world::World;

const PERSON: &str = "ou_7d8a6e6df7621556ce0d21922b676706";

fn somebody(id: &str) -> Recipient {
    let addresses = Addresses { feishu: Some(id.to_owned()), ..Addresses::default() };
    Recipient { addresses, ..Recipient::default() }
}

fn channel_with(world: &World, mut settings: Value) -> SharedChannel {
    Fake::new(world, Kind::FeishuApp);
    settings["app_id"] = FEISHU_APP.into();
    let secrets = [
        ("app_secret", FEISHU_APP_SECRET),
        ("verification_token", FEISHU_TOKEN),
        ("encrypt_key", FEISHU_KEY),
    ];
    world.build(Kind::FeishuApp, settings, &secrets, &world.http_url())
}

async fn send(channel: &SharedChannel, to: &[&str]) -> Result<Receipt, SendError> {
    let to: Vec<Recipient> = to.iter().map(|id| somebody(id)).collect();
    deliver(&**channel, &Content::new("Hello", Format::Markdown, "**world**"), &to, &[]).await
}

async fn sent(channel: &SharedChannel, to: &[&str]) -> String {
    send(channel, to).await.unwrap().platform_id.unwrap()
}

#[tokio::test]
async fn every_form_of_an_address_is_written_to() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    assert_eq!(channel.capability().batching, Batching::Single);
    for id in [PERSON, "on_8ed6aa67826108097d9ee143816345", "oc_84983ff6516d", "e33ggbyz", "a.b@example.com"]
    {
        // Every try has the same push id, which is the uuid, so an hour must pass.
        world.clock.advance(Duration::from_secs(3600));
        assert!(sent(&channel, &[id]).await.starts_with("om_"), "{id}");
    }
    for id in
        ["ou_unknown", "unknown", "ou_resigned", "oc_outside", "od-4e6ac4d14bcd5071a37a39de902c7141", ""]
    {
        let error = send(&channel, &[id]).await.unwrap_err();
        assert_eq!(error.failure, SendFailure::Permanent, "{id}: {error:?}");
    }
    assert_eq!(world.tokens.fetches().len(), 3, "a token lives for two hours");
}

#[tokio::test]
async fn a_rich_text_links_to_addresses_with_chinese_in_them() {
    let world = World::start(false).await;
    let body = "<p>见<a href=\"https://oa.example.com/通知/附件(1).pdf\">通知附件</a></p>";
    let content = Content::new("通知", Format::Html, body);
    let (app, robot) = (channel_with(&world, json!({})), Fake::new(&world, Kind::FeishuRobot).channel());
    deliver(&*app, &content, &[somebody(PERSON)], &[]).await.unwrap();
    deliver(&*robot, &content, &[], &[]).await.unwrap();
    for platform in [Platform::FeishuApp, Platform::Feishu] {
        let items = world.sandbox.accepted(platform);
        assert_eq!((items[0].kind.as_str(), items[0].text.as_str()), ("post", "见通知附件"));
        let address = "https://oa.example.com/%E9%80%9A%E7%9F%A5/%E9%99%84%E4%BB%B6%281%29.pdf";
        assert!(items[0].raw.contains(address), "{}", items[0].raw);
    }
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_sent_once() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::FeishuApp) });
    let error = send(&channel, &[PERSON]).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Doubt);
    sent(&channel, &[PERSON]).await;
    assert_eq!(world.sandbox.accepted(Platform::FeishuApp).len(), 1, "the uuid is the push's id");
    assert!(channel.capability().dedupe.is_some());
}

#[tokio::test]
async fn a_token_that_is_over_is_renewed_and_the_push_goes_through() {
    let world = World::start(false).await;
    let channels = [channel_with(&world, json!({})), channel_with(&world, json!({"markdown": "post"}))];
    sent(&channels[0], &[PERSON]).await;
    world.sandbox.feishu_expire_tokens(FEISHU_APP);
    let results = tokio::join!(
        send(&channels[0], &["ou_1"]),
        send(&channels[1], &["ou_2"]),
        send(&channels[0], &["ou_3"]),
        send(&channels[1], &["ou_4"]),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    assert_eq!(world.sandbox.feishu_tokens_issued(FEISHU_APP), 2, "two instances share one renewal");
}

#[tokio::test]
async fn trouble_with_the_login_is_no_doubt() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let login = Fault { call: Some("token".to_owned()), ..Fault::on(Platform::FeishuApp) };
    for (fault, expected) in [
        (Fault { cut: true, ..login.clone() }, SendFailure::Transient { after: None }),
        (
            Fault { status: Some(502), body: Some(json!("<html>")), ..login.clone() },
            SendFailure::Transient { after: None },
        ),
        (Fault { body: Some(json!("<html>")), ..login.clone() }, SendFailure::Transient { after: None }),
        (Fault { errcode: Some(10_015), ..login.clone() }, SendFailure::Channel),
        (
            Fault { body: Some(json!({"code": 0, "msg": "ok"})), ..login },
            SendFailure::Transient { after: None },
        ),
    ] {
        world.sandbox.push_fault(fault.clone());
        let error = send(&channel, &[PERSON]).await.unwrap_err();
        assert_eq!(error.failure, expected, "{fault:?}: {error:?}");
    }
    sent(&channel, &[PERSON]).await;
}

#[tokio::test]
async fn the_platforms_own_wait_is_kept_to() {
    let world = World::start(true).await;
    let channel = channel_with(&world, json!({}));
    // The uuid of all is the same, so each goes to the platform's count and not to a person.
    for n in 0..50 {
        let id = format!("u{n}");
        send(&channel, &[&id]).await.unwrap();
    }
    let error = send(&channel, &["u50"]).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Throttled { after: Some(Duration::from_secs(1)) }, "{error:?}");
}

#[tokio::test]
async fn a_batch_reaches_many_and_names_those_it_does_not() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({"batch": true}));
    assert_eq!(channel.capability().batching, Batching::UpTo(200));
    assert!(channel.capability().dedupe.is_none());
    let to = ["ou_1", "oc_group", "ou_unknown", "on_1", "e33ggbyz", "a@example.com", "od-1"];
    let receipt = send(&channel, &to).await.unwrap();
    let refused: Vec<(usize, &str)> =
        receipt.refused.iter().map(|failure| (failure.index, failure.code.as_str())).collect();
    assert_eq!(refused, [(1, "no_batch"), (2, "invalid_id"), (5, "no_batch")]);
    let items = world.sandbox.accepted(Platform::FeishuApp);
    assert_eq!((items[0].kind.as_str(), items[0].to.len()), ("interactive", 5));
    let error = send(&channel, &["oc_group"]).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "no_batch"));
    let many: Vec<String> = (0..200).map(|n| format!("ou_{n:0>32}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = Content::new("Long", Format::Markdown, "一行字。\n\n".repeat(3000));
    let to: Vec<Recipient> = many.iter().map(|id| somebody(id)).collect();
    deliver(&*channel, &long, &to, &[]).await.unwrap();
}

#[tokio::test]
async fn messages_are_taken_back_once_and_for_all() {
    let world = World::start(false).await;
    for settings in [json!({}), json!({"batch": true})] {
        let channel = channel_with(&world, settings);
        let id = sent(&channel, &[PERSON]).await;
        let recalls = channel.recalls().unwrap();
        recalls.recall(&id).await.unwrap();
        recalls.recall(&id).await.unwrap();
        world.clock.advance(Duration::from_secs(90_000));
        let error = recalls.recall(&sent_before(&channel, &world).await).await.unwrap_err();
        assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "230009"));
        let error = recalls.recall("om_1/../x").await.unwrap_err();
        assert_eq!(error.code, "bad_id");
    }
}

/// A message of the day before.
async fn sent_before(channel: &SharedChannel, world: &World) -> String {
    let id = sent(channel, &[PERSON]).await;
    world.clock.advance(Duration::from_secs(90_000));
    id
}

fn receipt(id: &str, state: State) -> News {
    News::Receipt { platform_id: id.to_owned(), to: None, state, code: None, text: None, at: None }
}

#[tokio::test]
async fn who_is_not_told_asks() {
    let world = World::start(false).await;
    assert!(channel_with(&world, json!({})).polls().is_none(), "an app that is told need not ask");
    let channel = channel_with(&world, json!({"poll_reads": true}));
    let polls = channel.polls().unwrap();
    let (id, to) = (sent(&channel, &[PERSON]).await, [somebody(PERSON)]);
    let polled = polls.poll(&id, &to).await.unwrap();
    assert_eq!((polled.news.len(), polled.done), (0, false));
    world.sandbox.feishu_read(FEISHU_APP, &id, PERSON);
    let polled = polls.poll(&id, &to).await.unwrap();
    assert!(polled.done);
    let [News::Receipt { platform_id, to: None, state: State::Read, at: Some(at), .. }] = &polled.news[..]
    else {
        panic!("{polled:?}")
    };
    assert_eq!((platform_id, at.millis()), (&id, 1_796_083_200_000));
    assert!(polls.poll(&id, &[somebody("oc_group")]).await.unwrap().done, "a group is not read by one");
    world.clock.advance(Duration::from_secs(7 * 86_400 + 1));
    let polled = polls.poll(&id, &to).await.unwrap();
    assert_eq!((polled.news.len(), polled.done), (0, true), "nothing is told after seven days");
}

#[tokio::test]
async fn a_batch_is_delivered_when_all_have_it_and_read_when_all_have_read() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({"batch": true}));
    let polls = channel.polls().unwrap();
    let id = sent(&channel, &["ou_1", "ou_2"]).await;
    let poll = async || polls.poll(&id, &[]).await.unwrap();
    assert!(poll().await.news.is_empty(), "it has not begun");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(poll().await.news, [receipt(&id, State::Delivered)]);
    world.sandbox.feishu_read(FEISHU_APP, &id, "ou_1");
    assert_eq!(poll().await.news, [receipt(&id, State::Delivered)]);
    world.sandbox.feishu_read(FEISHU_APP, &id, "ou_2");
    let polled = poll().await;
    assert_eq!((polled.news, polled.done), (vec![receipt(&id, State::Read)], true));
    let id = sent(&channel, &["ou_1", "ou_hidden"]).await;
    world.clock.advance(Duration::from_secs(60));
    assert!(polls.poll(&id, &[]).await.unwrap().news.is_empty(), "nobody knows who it is that has it");
}

async fn tell(channel: &SharedChannel, post: FeishuPost) -> Result<CallbackAnswer, CallbackError> {
    let headers: Vec<(String, String)> =
        post.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let request =
        CallbackRequest { method: "POST", query: "", headers: &headers, body: post.body.as_bytes() };
    channel.callbacks().unwrap().callback(&request).await
}

#[tokio::test]
async fn what_the_platform_tells_is_understood() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let post = |event: &FeishuEvent| world.sandbox.feishu_post(FEISHU_APP, event).unwrap();
    let challenge = post(&FeishuEvent::Challenge);
    let answer = tell(&channel, challenge).await.unwrap();
    assert!(answer.body.starts_with("{\"challenge\":\"challenge-"), "{}", answer.body);
    let id = sent(&channel, &[PERSON]).await;
    let read = FeishuEvent::Read { message_id: id.clone(), open_id: PERSON.to_owned() };
    let answer = tell(&channel, post(&read)).await.unwrap();
    assert!(
        matches!(&answer.news[..], [News::Receipt { platform_id, state: State::Read, .. }] if *platform_id == id)
    );
    let click = FeishuEvent::Click {
        message_id: id.clone(),
        open_id: PERSON.to_owned(),
        value: json!({"action": "approve"}),
    };
    let answer = tell(&channel, post(&click)).await.unwrap();
    assert!(matches!(&answer.news[..], [News::Action { action, .. }] if action == "approve"), "{answer:?}");
    let recalled = FeishuEvent::Recalled { message_id: id };
    let answer = tell(&channel, post(&recalled)).await.unwrap();
    assert!(matches!(&answer.news[..], [News::Receipt { state: State::Recalled, .. }]));

    let mut forged = post(&read);
    forged.headers.retain(|(name, _)| *name != "x-lark-signature");
    assert_eq!(tell(&channel, forged).await, Err(CallbackError::Signature));
    let old = post(&click);
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(tell(&channel, old).await, Err(CallbackError::Signature), "a click from long ago");
}

#[tokio::test]
async fn a_check_says_what_to_do_next() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let steps = channel.check().await;
    assert!(steps.iter().all(|step| step.ok), "{steps:?}");
    assert_eq!(world.tokens.fetches().len(), 0, "a check asks the platform and not what is kept");
    assert_eq!(world.sandbox.feishu_tokens_issued(FEISHU_APP), 1);
    for (app, step, next) in [
        (FeishuApp { app_secret: "another".into(), ..feishu_app() }, "login", "copy app_secret anew"),
        (FeishuApp { ips: vec!["192.0.2.1".into()], ..feishu_app() }, "login", "IP 白名单"),
        (FeishuApp { bot: false, ..feishu_app() }, "bot", "机器人"),
    ] {
        world.sandbox.feishu_app(FEISHU_APP, app);
        let steps = channel.check().await;
        let failed = steps.iter().find(|step| !step.ok).unwrap();
        assert_eq!(failed.name, step, "{failed:?}");
        assert!(failed.next_step.as_ref().unwrap().contains(next), "{failed:?}");
        assert!(!format!("{steps:?}").contains(FEISHU_APP_SECRET));
    }
    // The address that is to be allowed is named.
    world.sandbox.feishu_app(FEISHU_APP, FeishuApp { ips: vec!["192.0.2.1".into()], ..feishu_app() });
    assert!(format!("{:?}", channel.check().await).contains("127.0.0.1"));
}

#[tokio::test]
async fn people_are_found_by_their_number() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let mobiles = [("13800000000", PERSON), ("+85212345678", "ou_abroad")];
    let mobiles = mobiles.map(|(mobile, id)| (mobile.to_owned(), id.to_owned())).into();
    world.sandbox.feishu_app(FEISHU_APP, FeishuApp { mobiles, ..feishu_app() });
    let find = async |mobile: &str| channel.lookups().unwrap().by_mobile(mobile).await.unwrap();
    assert_eq!(channel.lookups().unwrap().finds(), AddressKind::Feishu);
    assert_eq!(find("+8613800000000").await.as_deref(), Some(PERSON));
    assert_eq!(find("13800000000").await.as_deref(), Some(PERSON));
    assert_eq!(find("+85212345678").await.as_deref(), Some("ou_abroad"));
    assert_eq!(find("13900000000").await, None);
    assert_eq!(world.tokens.fetches().iter().filter(|name| name.starts_with("id:feishu:")).count(), 3);
    world.sandbox.feishu_app(FEISHU_APP, FeishuApp { scopes: vec!["im:message".into()], ..feishu_app() });
    let error = channel.lookups().unwrap().by_mobile("13700000000").await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Channel, "99991672"));
    assert!(channel_with(&world, json!({"find_by_mobile": false})).lookups().is_none());
}

#[tokio::test]
async fn a_file_is_uploaded_once_and_sent_as_what_it_is() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let file = |name: &str, content_type: &str, bytes: &'static [u8]| Attachment {
        filename: name.into(),
        content_type: content_type.into(),
        bytes: bytes::Bytes::from_static(bytes),
    };
    let files = [file("图.png", "image/png", b"\x89PNG..."), file("a.pdf", "application/pdf", b"%PDF")];
    let infos: Vec<FileInfo> = files
        .iter()
        .map(|file| FileInfo {
            filename: file.filename.clone(),
            content_type: file.content_type.clone(),
            size: Some(file.bytes.len() as u64),
        })
        .collect();
    let empty = serde_json::Map::new();
    let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
    let to = [somebody(PERSON)];
    let context = RenderContext {
        project: "default",
        message,
        delivery: "dlv_1",
        to: &to,
        data: &empty,
        params: &empty,
        overrides: None,
        files: &infos,
    };
    let rendered = channel.render(&Content::new("Hello", Format::Text, "world"), &context).unwrap();
    assert!(rendered.warnings.is_empty(), "nothing is left out: {:?}", rendered.warnings);
    for round in ["first", "second"] {
        for (n, part) in rendered.parts.iter().enumerate() {
            let push = Push {
                project: "default",
                message,
                delivery: "dlv_1",
                push_id: &format!("{round}-{n}"),
                again: false,
                part,
                to: &to,
                attachments: &files,
                slot: None,
            };
            channel.send(push).await.unwrap();
        }
    }
    let items = world.sandbox.accepted(Platform::FeishuApp);
    let kinds: Vec<&str> = items.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, ["text", "image", "file", "text", "image", "file"]);
    assert_eq!((&items[1].text, &items[2].text), (&items[4].text, &items[5].text), "the same keys");
    let uploads = world.tokens.fetches().iter().filter(|name| name.starts_with("media:")).count();
    assert_eq!(uploads, 2);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_no_doubt() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let push = async |bytes: &'static [u8]| {
        let file = Attachment {
            filename: "a.png".into(),
            content_type: "image/png".into(),
            bytes: bytes::Bytes::from_static(bytes),
        };
        let payload = json!({"msg_type": "image", "content": "{\"image_key\":\"\"}"});
        let part = Part { file: Some(0), ..Part::new(payload) };
        let push = Push {
            project: "default",
            message: "msg_01HF7YAT31000000000000001A".parse().unwrap(),
            delivery: "dlv_1",
            push_id: "psh_1",
            again: false,
            part: &part,
            to: &[somebody(PERSON)],
            attachments: &[file],
            slot: None,
        };
        channel.send(push).await
    };
    let error = push(b"no picture").await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "234011"));
    world.sandbox.push_fault(Fault {
        call: Some("images".to_owned()),
        cut: true,
        ..Fault::on(Platform::FeishuApp)
    });
    assert_eq!(push(b"GIF8..").await.unwrap_err().failure, SendFailure::Transient { after: None });
    push(b"GIF8..").await.unwrap();
}
