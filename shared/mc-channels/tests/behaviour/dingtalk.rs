//! What only an app on DingTalk does.

use std::time::Duration;

use mc_core::model::{AddressKind, Addresses, Content, Format, Kind, Recipient};
use mc_core::ports::{
    Attachment, Batching, CallbackAnswer, CallbackError, CallbackRequest, FileInfo, News, Polled, Push,
    Receipt, RenderContext, SendError, SendFailure, SharedChannel,
};
use mc_core::state::State;
use mc_sandbox::{DingtalkApp, DingtalkEvent, DingtalkPost, Fault, Platform};
use serde_json::{Map, Value, json};

use crate::fakes::{
    DINGTALK_AES_KEY, DINGTALK_AGENT, DINGTALK_APP, DINGTALK_APP_SECRET, DINGTALK_CALLBACK_TOKEN,
    DINGTALK_CORP, Fake, dingtalk_app,
};
use crate::suite::deliver;
use crate::world::World;

const DAY: Duration = Duration::from_secs(86_400);

fn somebody(id: &str) -> Recipient {
    let addresses = Addresses { dingtalk: Some(id.to_owned()), ..Addresses::default() };
    Recipient { addresses, ..Recipient::default() }
}

fn people(ids: &[&str]) -> Vec<Recipient> {
    ids.iter().map(|id| somebody(id)).collect()
}

fn channel_with(world: &World, more: Value) -> SharedChannel {
    Fake::new(world, Kind::DingtalkApp);
    let mut settings =
        json!({"app_key": DINGTALK_APP, "agent_id": DINGTALK_AGENT.to_string(), "corp_id": DINGTALK_CORP});
    for (name, value) in more.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let secrets = [
        ("app_secret", DINGTALK_APP_SECRET),
        ("token", DINGTALK_CALLBACK_TOKEN),
        ("aes_key", DINGTALK_AES_KEY),
    ];
    world.build(Kind::DingtalkApp, settings, &secrets, &world.http_url())
}

async fn send(channel: &SharedChannel, to: &[&str], text: &str) -> Result<Receipt, SendError> {
    deliver(&**channel, &Content::new("Hello", Format::Markdown, text), &people(to), &[]).await
}

async fn sent(channel: &SharedChannel, to: &[&str], text: &str) -> String {
    send(channel, to, text).await.unwrap().platform_id.unwrap()
}

async fn poll(channel: &SharedChannel, id: &str, to: &[&str]) -> Polled {
    channel.polls().unwrap().poll(id, &people(to)).await.unwrap()
}

/// Who is told to be where, and the code of a failure.
fn told(polled: &Polled) -> Vec<(&str, State, &str)> {
    let told = polled.news.iter().map(|news| match news {
        News::Receipt { to, state, code, .. } => {
            (to.as_deref().unwrap_or("all"), *state, code.as_deref().unwrap_or_default())
        }
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[tokio::test]
async fn a_hundred_people_departments_and_everybody_are_one_message_each() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    assert_eq!(channel.capability().batching, Batching::UpTo(100));
    let many: Vec<String> = (0..100).map(|n| format!("user{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(send(&channel, &many, "to many").await.unwrap().refused.is_empty());
    let receipt = send(&channel, &["zhangsan", "dept:22", ""], "to some").await.unwrap();
    let refused: Vec<(usize, &str)> =
        receipt.refused.iter().map(|one| (one.index, one.code.as_str())).collect();
    assert_eq!(refused, [(2, "no_address")]);
    send(&channel, &["zhangsan", "@all"], "to all").await.unwrap();
    let items = world.sandbox.accepted(Platform::DingtalkApp);
    assert_eq!((items[0].to.len(), items[0].kind.as_str()), (100, "markdown"));
    assert_eq!(
        (items[1].to.as_slice(), items[2].to.as_slice()),
        (&["zhangsan".into(), "dept:22".into()][..], &["@all".into()][..])
    );
    let error = send(&channel, &["unknown"], "to nobody").await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "33012"));
    assert_eq!(world.tokens.fetches().len(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_whatever_the_words_are() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    sent(&channel, &["zhangsan"], "first").await;
    for (nth, forgets) in [true, false].into_iter().enumerate() {
        world.sandbox.dingtalk_end_tokens(DINGTALK_APP, forgets);
        sent(&channel, &["zhangsan"], &format!("after {nth}")).await;
        assert_eq!(world.sandbox.dingtalk_tokens_made(DINGTALK_APP), 2 + nth as u64);
    }
    world.clock.advance(Duration::from_secs(7_200));
    sent(&channel, &["zhangsan"], "two hours later").await;
}

#[tokio::test]
async fn results_are_told_for_each_recipient() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let to = ["zhangsan", "lisi", "unknown"];
    let id = sent(&channel, &to, "who has read it?").await;
    let polled = poll(&channel, &id, &to).await;
    assert_eq!((told(&polled), polled.done), (vec![("unknown", State::Failed, "invalid_user")], false));
    world.clock.advance(Duration::from_secs(1));
    assert!(world.sandbox.dingtalk_read(DINGTALK_APP, id.parse().unwrap(), "lisi"));
    let polled = poll(&channel, &id, &to).await;
    let expected = vec![
        ("zhangsan", State::Delivered, ""),
        ("lisi", State::Read, ""),
        ("unknown", State::Failed, "invalid_user"),
    ];
    assert_eq!((told(&polled), polled.done), (expected, false));
    world.sandbox.dingtalk_read(DINGTALK_APP, id.parse().unwrap(), "zhangsan");
    assert!(poll(&channel, &id, &to).await.done);
    let off = channel_with(&world, json!({"poll_results": false}));
    assert!(off.polls().is_none(), "each question is a call of the month");
    let last = *channel.polls().unwrap().after().last().unwrap();
    assert!(last < DAY, "nothing is told after a day");
}

#[tokio::test]
async fn the_same_words_on_the_same_day_fail_with_what_to_do() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    sent(&channel, &["zhangsan"], "down").await;
    let id = sent(&channel, &["zhangsan"], "down").await;
    assert_eq!(world.sandbox.accepted(Platform::DingtalkApp).len(), 1, "it was answered like a success");
    let polled = poll(&channel, &id, &["zhangsan"]).await;
    assert_eq!((told(&polled), polled.done), (vec![("zhangsan", State::Failed, "143106")], true));
    let [News::Receipt { text: Some(text), .. }] = &polled.news[..] else { panic!("{polled:?}") };
    assert!(text.contains("put a time or a number into it"), "{text}");
}

#[tokio::test]
async fn of_departments_it_is_told_that_the_message_is_out() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    for (to, text) in
        [(&["dept:1"][..], "department"), (&["@all"], "everybody"), (&["zhangsan", "dept:22"], "both")]
    {
        let id = sent(&channel, to, text).await;
        let polled = poll(&channel, &id, to).await;
        assert_eq!((polled.news.len(), polled.done), (0, false));
        world.clock.advance(Duration::from_secs(1));
        let polled = poll(&channel, &id, to).await;
        assert_eq!((told(&polled), polled.done), (vec![("all", State::Delivered, "")], true));
    }
}

#[tokio::test]
async fn messages_are_taken_back_within_a_day() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let id = sent(&channel, &["zhangsan"], "oops").await;
    let recalls = channel.recalls().unwrap();
    recalls.recall(&id).await.unwrap();
    recalls.recall(&id).await.unwrap();
    world.clock.advance(DAY);
    let error = recalls.recall(&id).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "400002"));
    for bad in ["", "1/../x", "-1"] {
        assert_eq!(recalls.recall(bad).await.unwrap_err().code, "bad_id");
    }
}

fn file(bytes: &'static [u8]) -> Attachment {
    Attachment { filename: "报告.pdf".into(), content_type: "application/pdf".into(), bytes: bytes.into() }
}

/// Renders a content with a file and pushes the file.
async fn push_file(channel: &SharedChannel, file: &Attachment) -> Result<Receipt, SendError> {
    let (empty, to) = (Map::new(), people(&["zhangsan"]));
    let info = FileInfo {
        filename: file.filename.clone(),
        content_type: file.content_type.clone(),
        size: Some(file.bytes.len() as u64),
    };
    let message = "msg_01HF7YAT31000000000000001A".parse().unwrap();
    let context = RenderContext {
        project: "default",
        message,
        delivery: "dlv_1",
        to: &to,
        data: &empty,
        params: &empty,
        overrides: None,
        files: &[info],
    };
    let rendered = channel.render(&Content::new("", Format::Text, "see"), &context).unwrap();
    let push = Push {
        project: "default",
        message,
        delivery: "dlv_1",
        push_id: "p1",
        again: false,
        part: &rendered.parts[1],
        to: &to,
        attachments: std::slice::from_ref(file),
        slot: None,
    };
    channel.send(push).await
}

#[tokio::test]
async fn a_file_is_uploaded_once_and_again_when_it_is_forgotten() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    push_file(&channel, &file(b"12345678")).await.unwrap();
    let item = world.sandbox.accepted(Platform::DingtalkApp)[0].clone();
    assert_eq!((item.kind.as_str(), item.text.as_str()), ("file", "报告.pdf"));
    world.clock.advance(DAY);
    push_file(&channel, &file(b"12345678")).await.unwrap();
    let uploads = || world.tokens.fetches().iter().filter(|name| name.starts_with("media:")).count();
    assert_eq!(uploads(), 1);
    world.sandbox.dingtalk_app(DINGTALK_APP, dingtalk_app());
    push_file(&channel, &file(b"12345678")).await.unwrap();
    assert_eq!(uploads(), 2, "the platform did not know the id any more");
    let upload = Fault { call: Some("upload".to_owned()), ..Fault::on(Platform::DingtalkApp) };
    for (fault, expected) in [
        (Fault { cut: true, ..upload.clone() }, SendFailure::Transient { after: None }),
        (
            Fault { body: Some(json!({"errcode": 0})), ..upload.clone() },
            SendFailure::Transient { after: None },
        ),
        (Fault { errcode: Some(40_005), ..upload }, SendFailure::Permanent),
    ] {
        world.sandbox.push_fault(fault.clone());
        let error = push_file(&channel, &file(b"another")).await.unwrap_err();
        assert_eq!(error.failure, expected, "{fault:?}: {error:?}");
    }
}

async fn tell(channel: &SharedChannel, post: &DingtalkPost) -> Result<CallbackAnswer, CallbackError> {
    let request =
        CallbackRequest { method: "POST", query: &post.query, headers: &[], body: post.body.as_bytes() };
    channel.callbacks().unwrap().callback(&request).await
}

#[tokio::test]
async fn what_the_platform_tells_is_understood_and_answered_as_it_wants() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let user = DingtalkEvent::Other {
        event_type: "user_modify_org".to_owned(),
        data: json!({"UserId": ["zhangsan"]}).as_object().unwrap().clone(),
    };
    for (old_names, registered_by_call) in [(false, false), (true, false), (false, true)] {
        let mut app = dingtalk_app();
        let callback = app.callback.as_mut().unwrap();
        (callback.old_names, callback.registered_by_call) = (old_names, registered_by_call);
        world.sandbox.dingtalk_app(DINGTALK_APP, app);
        for (event, news) in [(&DingtalkEvent::CheckUrl, 0), (&user, 1)] {
            let post = world.sandbox.dingtalk_post(DINGTALK_APP, event).unwrap();
            let answer = tell(&channel, &post).await.unwrap();
            let said: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(world.sandbox.dingtalk_is_success(DINGTALK_APP, &said), "{said}");
            assert_eq!(answer.news.len(), news);
            let forged = DingtalkPost { query: post.query.replace("nonce=", "nonce=x"), ..post };
            assert_eq!(tell(&channel, &forged).await, Err(CallbackError::Signature));
        }
    }
}

#[tokio::test]
async fn a_check_says_what_to_do_next() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let steps = channel.check().await;
    assert!(steps.iter().all(|step| step.ok), "{steps:?}");
    assert_eq!(world.tokens.fetches().len(), 0, "a check asks the platform and not what is kept");
    for (app, step, next) in [
        (
            DingtalkApp { app_secret: "another".into(), ..dingtalk_app() },
            "login",
            "copy app_key and app_secret",
        ),
        (DingtalkApp { ips: vec!["192.0.2.1".into()], ..dingtalk_app() }, "app", "add 127.0.0.1 to"),
        (DingtalkApp { agent_id: 7, ..dingtalk_app() }, "app", "copy agent_id"),
    ] {
        world.sandbox.dingtalk_app(DINGTALK_APP, app);
        let steps = channel.check().await;
        let failed = steps.iter().find(|step| !step.ok).unwrap();
        assert_eq!(failed.name, step, "{failed:?}");
        assert!(failed.next_step.as_ref().unwrap().contains(next), "{failed:?}");
        assert!(!format!("{steps:?}").contains(DINGTALK_APP_SECRET));
    }
}

#[tokio::test]
async fn people_are_found_by_their_number() {
    let world = World::start(false).await;
    let channel = channel_with(&world, json!({}));
    let find = async |mobile: &str| channel.lookups().unwrap().by_mobile(mobile).await;
    assert_eq!(channel.lookups().unwrap().finds(), AddressKind::Dingtalk);
    for mobile in ["13800000000", "+8613800000000", "008613800000000"] {
        assert_eq!(find(mobile).await.unwrap().as_deref(), Some("zhangsan"), "{mobile}");
    }
    assert_eq!(find("13900000000").await.unwrap(), None);
    assert_eq!(find("13900000000").await.unwrap(), None);
    let asked = || world.tokens.fetches().iter().filter(|name| name.starts_with("id:dingtalk:")).count();
    assert_eq!(asked(), 2);
    world.clock.advance(Duration::from_secs(600));
    find("13900000000").await.unwrap();
    find("13800000000").await.unwrap();
    assert_eq!(asked(), 3, "nobody is nobody for ten minutes, somebody is somebody for a day");
    assert!(!format!("{:?}", world.tokens.fetches()).contains("13800000000"), "keys tell no number");
    let question = Fault { call: Some("by_mobile".to_owned()), ..Fault::on(Platform::DingtalkApp) };
    for (fault, expected) in [
        (Fault { cut: true, ..question.clone() }, SendFailure::Transient { after: None }),
        (Fault { errcode: Some(60_011), ..question.clone() }, SendFailure::Channel),
        (
            Fault { errcode: Some(90_018), ..question },
            SendFailure::Throttled { after: Some(Duration::from_secs(1)) },
        ),
    ] {
        world.sandbox.push_fault(fault);
        assert_eq!(find("13700000000").await.unwrap_err().failure, expected);
    }
    let off = channel_with(&world, json!({"find_by_mobile": false}));
    assert!(off.lookups().is_none());
    assert_eq!(off.capability().addresses, [AddressKind::Dingtalk]);
}
