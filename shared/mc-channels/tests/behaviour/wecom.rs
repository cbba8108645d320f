//! What only an app on WeCom does.

use std::time::Duration;

use bytes::Bytes;
use mc_core::id::MessageId;
use mc_core::model::{Addresses, Button, Content, Format, Kind, Recipient};
use mc_core::ports::{
    Attachment, Batching, CallbackError, CallbackRequest, Figure, FileInfo, News, Push, Receipt,
    RenderContext, SendError, SendFailure, SharedChannel, Window,
};
use mc_sandbox::{Fault, Platform, WecomApp, WecomEvent, WecomPost};
use serde_json::{Map, json};

use crate::fakes::{
    Fake, WECOM_AES_KEY, WECOM_AGENT, WECOM_CORP, WECOM_SECRET, WECOM_TOKEN, wecom_app, wecom_channel,
};
use crate::suite::deliver;
use crate::world::World;

const CARD: &str = "01HF7YAT31000000000000001A-0-0";

fn somebody(id: &str) -> Recipient {
    let addresses = Addresses { wecom: Some(id.to_owned()), ..Addresses::default() };
    Recipient { addresses, ..Recipient::default() }
}

fn channel(world: &World) -> SharedChannel {
    Fake::new(world, Kind::WecomApp);
    wecom_channel(world, json!({}), &world.http_url())
}

async fn send(channel: &SharedChannel, to: &[&str]) -> Result<Receipt, SendError> {
    let to: Vec<Recipient> = to.iter().map(|id| somebody(id)).collect();
    deliver(&**channel, &Content::new("Hello", Format::Markdown, "**world**"), &to, &[]).await
}

/// Pushes every part of a content, files included; answers what the last one came to.
async fn push_all(
    channel: &SharedChannel,
    content: &Content,
    files: &[Attachment],
) -> Result<Receipt, SendError> {
    push_try(channel, content, files, false).await
}

/// The same, for the first time or again.
async fn push_try(
    channel: &SharedChannel,
    content: &Content,
    files: &[Attachment],
    again: bool,
) -> Result<Receipt, SendError> {
    let info = |file: &Attachment| FileInfo {
        filename: file.filename.clone(),
        content_type: file.content_type.clone(),
        size: Some(file.bytes.len() as u64),
    };
    let (empty, to) = (Map::new(), [somebody("zhangsan")]);
    let message: MessageId = "msg_01HF7YAT31000000000000001A".parse().unwrap();
    let infos: Vec<FileInfo> = files.iter().map(info).collect();
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
    let mut last = Ok(Receipt::default());
    for part in &channel.render(content, &context).unwrap().parts {
        let push = Push {
            project: "default",
            message,
            delivery: "dlv_1",
            push_id: CARD,
            again,
            part,
            to: &to,
            attachments: files,
            slot: None,
        };
        last = channel.send(push).await;
        if last.is_err() {
            break;
        }
    }
    last
}

fn report() -> Attachment {
    Attachment {
        filename: "报告.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: Bytes::from_static(b"%PDF-1.7"),
    }
}

fn picture() -> Attachment {
    Attachment {
        filename: "chart.png".into(),
        content_type: "image/png".into(),
        bytes: Bytes::from_static(b"\x89PNG\r\n\x1a\n...."),
    }
}

/// Files without a text.
async fn push_files(channel: &SharedChannel, files: &[Attachment]) -> Result<Receipt, SendError> {
    push_all(channel, &Content::new("", Format::Text, ""), files).await
}

/// How often files were uploaded and tokens fetched.
fn fetches(world: &World) -> (usize, usize) {
    let names = world.tokens.fetches();
    let uploads = names.iter().filter(|name| name.starts_with("media:")).count();
    (uploads, names.len() - uploads)
}

#[tokio::test]
async fn users_departments_tags_and_everybody_are_written_to() {
    let world = World::start(false).await;
    let channel = channel(&world);
    assert_eq!(channel.capability().batching, Batching::UpTo(1000));
    world.sandbox.wecom_app(
        WECOM_CORP,
        WECOM_AGENT,
        WecomApp { departments: Some(vec![2]), tags: Some(vec![3]), ..wecom_app() },
    );
    let to = ["zhangsan", "Nobody", "wangwu", "LiSi", "party:2", "party:9", "tag:3", "tag:8"];
    let receipt = send(&channel, &to).await.unwrap();
    let refused: Vec<(usize, &str)> =
        receipt.refused.iter().map(|failure| (failure.index, failure.code.as_str())).collect();
    let expected = [(1, "invaliduser"), (2, "unlicenseduser"), (5, "invalidparty"), (7, "invalidtag")];
    assert_eq!(refused, expected);
    let reached = world.sandbox.accepted(Platform::WecomApp)[0].to.clone();
    assert_eq!(reached, ["zhangsan", "LiSi", "party:2", "tag:3"]);
    send(&channel, &["zhangsan", "@all"]).await.unwrap();
    assert_eq!(world.sandbox.accepted(Platform::WecomApp)[1].to, ["@all"]);
    let error = send(&channel, &["nobody", "party:9"]).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "81013"));
    let error = deliver(&*channel, &Content::new("", Format::Text, "x"), &[], &[]).await.unwrap_err();
    assert_eq!(error.code, "bad_push");
}

#[tokio::test]
async fn a_thousand_users_are_one_call() {
    let world = World::start(false).await;
    let channel = channel(&world);
    world.sandbox.wecom_app(WECOM_CORP, WECOM_AGENT, WecomApp { users: None, ..wecom_app() });
    let users: Vec<String> = (0..1000).map(|n| format!("user-{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    assert_eq!(send(&channel, &users).await.unwrap().refused, []);
    let items = world.sandbox.accepted(Platform::WecomApp);
    assert_eq!((items.len(), items[0].to.len()), (1, 1000));
}

#[tokio::test]
async fn equal_messages_are_two_messages() {
    let world = World::start(false).await;
    let channel = channel(&world);
    for _ in 0..2 {
        send(&channel, &["zhangsan"]).await.unwrap();
    }
    assert_eq!(world.sandbox.accepted(Platform::WecomApp).len(), 2, "the duplicate check is off");
}

#[tokio::test]
async fn a_token_that_is_over_is_renewed_once_and_the_push_goes_through() {
    let world = World::start(false).await;
    let channels = [channel(&world), channel(&world)];
    for (nth, forgets) in [(1, false), (2, true)] {
        send(&channels[0], &["zhangsan"]).await.unwrap();
        world.sandbox.wecom_end_tokens(WECOM_CORP, WECOM_AGENT, forgets);
        let results = tokio::join!(
            send(&channels[0], &["zhangsan"]),
            send(&channels[1], &["zhangsan"]),
            send(&channels[0], &["LiSi"]),
        );
        for result in [results.0, results.1, results.2] {
            result.unwrap();
        }
        assert_eq!(world.sandbox.wecom_tokens_given(WECOM_CORP, WECOM_AGENT), nth + 1, "one renewal for all");
    }
    // A secret that is wrong has the same code as a token that is over: it is tried anew once and no more.
    let wrong = Fault { errcode: Some(40001), times: 2, ..Fault::on(Platform::WecomApp) };
    world.sandbox.push_fault(wrong);
    let error = send(&channels[0], &["zhangsan"]).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Channel, "40001"));
    assert_eq!(world.sandbox.wecom_tokens_given(WECOM_CORP, WECOM_AGENT), 4);
    assert!(world.sandbox.pending_faults().is_empty());
}

#[tokio::test]
async fn the_days_quota_waits() {
    let world = World::start(true).await;
    let channel = channel(&world);
    world.sandbox.wecom_app(
        WECOM_CORP,
        WECOM_AGENT,
        WecomApp { accounts: Some(1), users: None, ..wecom_app() },
    );
    let users: Vec<String> = (0..201).map(|n| format!("user-{n}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    send(&channel, &users[..200]).await.unwrap();
    let error = send(&channel, &users[200..]).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Throttled { after: Some(Duration::from_secs(60)) }, "{error:?}");
}

#[tokio::test]
async fn files_follow_as_messages_and_are_uploaded_once() {
    let world = World::start(false).await;
    let channels = [channel(&world), channel(&world)];
    let (content, files) = (Content::new("Report", Format::Text, "see the files"), [report(), picture()]);
    push_all(&channels[0], &content, &files).await.unwrap();
    let items = world.sandbox.accepted(Platform::WecomApp);
    let seen: Vec<(&str, &str)> = items.iter().map(|item| (item.kind.as_str(), item.text.as_str())).collect();
    assert_eq!(seen, [("text", "Report\nsee the files"), ("file", "报告.pdf"), ("image", "chart.png")]);
    assert_eq!(fetches(&world), (2, 1));
    // Again, by two instances at once: nothing is uploaded again.
    let again = tokio::join!(push_files(&channels[0], &files), push_files(&channels[1], &files),);
    again.0.unwrap();
    again.1.unwrap();
    assert_eq!(fetches(&world), (2, 1));
    // A file that nobody has yet is asked for by both at once.
    let other = [Attachment { filename: "other.pdf".into(), ..report() }];
    let both = tokio::join!(push_files(&channels[0], &other), push_files(&channels[1], &other),);
    both.0.unwrap();
    both.1.unwrap();
    assert_eq!(fetches(&world), (3, 1));
    // After three days it is uploaded anew.
    world.clock.advance(Duration::from_secs(3 * 86_400));
    push_files(&channels[0], &other).await.unwrap();
    assert_eq!(fetches(&world), (4, 2));
}

#[tokio::test]
async fn a_token_that_ends_while_uploading_is_renewed() {
    let world = World::start(false).await;
    let channels = [channel(&world), channel(&world)];
    send(&channels[0], &["zhangsan"]).await.unwrap();
    world.sandbox.wecom_end_tokens(WECOM_CORP, WECOM_AGENT, false);
    let (files, pictures) = ([report()], [picture()]);
    let results = tokio::join!(
        push_files(&channels[0], &files),
        push_files(&channels[1], &pictures),
        push_files(&channels[1], &files),
        send(&channels[0], &["zhangsan"]),
    );
    for result in [results.0, results.1, results.2, results.3] {
        result.unwrap();
    }
    assert_eq!(fetches(&world), (2, 2));
}

#[tokio::test]
async fn a_file_that_is_gone_is_uploaded_once_again() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let files = [report()];
    push_files(&channel, &files).await.unwrap();
    for (errcode, uploads) in [(40007, 2), (40145, 3)] {
        world.sandbox.push_fault(Fault { errcode: Some(errcode), ..Fault::on(Platform::WecomApp) });
        push_files(&channel, &files).await.unwrap();
        assert_eq!(fetches(&world).0, uploads);
    }
    world.sandbox.push_fault(Fault { errcode: Some(40007), times: 2, ..Fault::on(Platform::WecomApp) });
    let error = push_files(&channel, &files).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "40007"));
    assert_eq!(fetches(&world).0, 4, "once again, and no more");
    assert!(world.sandbox.pending_faults().is_empty());
}

#[tokio::test]
async fn an_upload_without_an_answer_leaves_nothing_in_doubt() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let files = [report()];
    let upload = || Fault { call: Some("upload".to_owned()), ..Fault::on(Platform::WecomApp) };
    let transient = SendFailure::Transient { after: None };
    for (fault, expected) in [
        (Fault { cut: true, ..upload() }, transient),
        (Fault { body: Some(json!("<html>")), ..upload() }, transient),
        (Fault { status: Some(502), body: Some(json!("<html>")), ..upload() }, transient),
        (Fault { body: Some(json!({"errcode": 0, "errmsg": "ok"})), ..upload() }, transient),
        (Fault { errcode: Some(-1), ..upload() }, transient),
        (Fault { errcode: Some(60020), ..upload() }, SendFailure::Channel),
        (Fault { errcode: Some(40005), ..upload() }, SendFailure::Permanent),
    ] {
        world.sandbox.push_fault(fault.clone());
        let error = push_files(&channel, &files).await.unwrap_err();
        assert_eq!(error.failure, expected, "{fault:?}: {error:?}");
        assert!(world.sandbox.accepted(Platform::WecomApp).is_empty(), "nothing was sent");
    }
    push_files(&channel, &files).await.unwrap();
    assert_eq!(world.sandbox.accepted(Platform::WecomApp).len(), 1);
    // The message itself is another matter.
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::WecomApp) });
    let error = push_files(&channel, &files).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Doubt);
}

fn leave() -> Content {
    let press =
        |text: &str, action: &str| Button { text: text.into(), action: action.into(), ..Button::default() };
    let buttons = vec![press("Yes", "yes"), press("No", "no")];
    Content { buttons, ..Content::new("Leave", Format::Text, "3 days") }
}

async fn tell(
    channel: &SharedChannel,
    post: &WecomPost,
) -> Result<mc_core::ports::CallbackAnswer, CallbackError> {
    let request =
        CallbackRequest { method: "POST", query: &post.query, headers: &[], body: post.body.as_bytes() };
    channel.callbacks().unwrap().callback(&request).await
}

#[tokio::test]
async fn a_pressed_button_is_told_and_turns_grey() {
    let world = World::start(false).await;
    let channel = channel(&world);
    push_all(&channel, &leave(), &[]).await.unwrap();
    let press = WecomEvent::Card {
        user: "zhangsan".into(),
        task_id: CARD.into(),
        card_type: "button_interaction".into(),
        key: "yes".into(),
    };
    let post = world.sandbox.wecom_post(WECOM_CORP, WECOM_AGENT, &press).unwrap();
    let answer = tell(&channel, &post).await.unwrap();
    let [News::Action { platform_id, user, action, .. }] = &answer.news[..] else { panic!("{answer:?}") };
    assert_eq!(
        (platform_id.as_deref(), user.as_deref(), action.as_str()),
        (Some(CARD), Some("zhangsan"), "yes")
    );
    let (callbacks, then) = (channel.callbacks().unwrap(), answer.then.unwrap());
    callbacks.follow(&then).await.unwrap();
    let items = world.sandbox.accepted(Platform::WecomApp);
    let changed = &items[1];
    assert_eq!(
        (changed.kind.as_str(), changed.text.as_str(), &changed.to[..]),
        ("update_template_card", "已处理", &["zhangsan".to_owned()][..])
    );
    callbacks.follow(&then).await.unwrap();
    assert_eq!(world.sandbox.accepted(Platform::WecomApp).len(), 2, "a second time changes nothing");
    world.sandbox.push_fault(Fault { errcode: Some(-1), ..Fault::on(Platform::WecomApp) });
    assert_eq!(callbacks.follow(&then).await.unwrap_err().code, "-1");
}

#[tokio::test]
async fn a_card_whose_answer_was_lost_is_sent_once() {
    let world = World::start(false).await;
    let channel = channel(&world);
    world.sandbox.push_fault(Fault { cut: true, ..Fault::on(Platform::WecomApp) });
    let error = push_all(&channel, &leave(), &[]).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Doubt);
    let receipt = push_try(&channel, &leave(), &[], true).await.unwrap();
    assert_eq!(receipt, Receipt::default());
    assert_eq!(world.sandbox.accepted(Platform::WecomApp).len(), 1, "its name is the push's");
    let error = push_all(&channel, &leave(), &[]).await.unwrap_err();
    assert_eq!(error.code, "42014", "nothing that was never tried can have arrived");
}

#[tokio::test]
async fn the_platform_verifies_and_tells() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let (query, wanted) = world.sandbox.wecom_verification(WECOM_CORP, WECOM_AGENT).unwrap();
    let request = CallbackRequest { method: "GET", query: &query, headers: &[], body: b"" };
    let answer = channel.callbacks().unwrap().callback(&request).await.unwrap();
    assert_eq!((answer.status, answer.body), (200, wanted));
    let post = |event: &WecomEvent| world.sandbox.wecom_post(WECOM_CORP, WECOM_AGENT, event).unwrap();
    for (event, noted) in [
        (WecomEvent::Enter { user: "zhangsan".into() }, Some("enter_agent")),
        (WecomEvent::Subscribe { user: "zhangsan".into() }, Some("subscribe")),
        (WecomEvent::Text { user: "zhangsan".into(), content: "hello".into() }, None),
    ] {
        let answer = tell(&channel, &post(&event)).await.unwrap();
        assert_eq!((answer.status, answer.body.as_str(), &answer.then), (200, "", &None));
        let what = answer.news.iter().map(|news| match news {
            News::Other { what, .. } => what.as_str(),
            other => panic!("{other:?}"),
        });
        assert_eq!(what.collect::<Vec<_>>(), Vec::from_iter(noted), "{event:?}");
    }
    let mut forged = post(&WecomEvent::Enter { user: "zhangsan".into() });
    forged.query = forged.query.replace("nonce=", "nonce=1");
    assert_eq!(tell(&channel, &forged).await, Err(CallbackError::Signature));
}

#[tokio::test]
async fn messages_are_taken_back_for_a_day() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let id = send(&channel, &["zhangsan"]).await.unwrap().platform_id.unwrap();
    let recalls = channel.recalls().unwrap();
    recalls.recall(&id).await.unwrap();
    recalls.recall(&id).await.unwrap();
    world.clock.advance(Duration::from_secs(86_400));
    let error = recalls.recall(&id).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "42052"));
}

#[tokio::test]
async fn a_check_says_what_to_do_next() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let steps = channel.check().await;
    assert!(steps.iter().all(|step| step.ok), "{steps:?}");
    assert_eq!(world.tokens.fetches().len(), 0, "a check asks the platform and not what is kept");
    for (app, step, next) in [
        (WecomApp { secret: "another".into(), ..wecom_app() }, "token", "copy secret anew"),
        (
            WecomApp { trusted_ips: vec!["192.0.2.1".into()], ..wecom_app() },
            "address",
            "add 127.0.0.1 to 企业可信IP",
        ),
    ] {
        world.sandbox.wecom_app(WECOM_CORP, WECOM_AGENT, app);
        let steps = channel.check().await;
        let failed = steps.iter().find(|step| !step.ok).unwrap();
        assert_eq!(failed.name, step, "{failed:?}");
        assert!(failed.next_step.as_ref().unwrap().contains(next), "{failed:?}");
        for secret in [WECOM_SECRET, WECOM_TOKEN, WECOM_AES_KEY, "sandbox-token-"] {
            assert!(!format!("{steps:?}").contains(secret));
        }
    }
    let stranger = world.build(
        Kind::WecomApp,
        json!({"corp_id": "wwanother", "agent_id": WECOM_AGENT}),
        &[("secret", WECOM_SECRET)],
        &world.http_url(),
    );
    let steps = stranger.check().await;
    assert!(steps.iter().any(|step| step.next_step.as_ref().is_some_and(|next| next.contains("corp_id"))));
}

#[tokio::test]
async fn nobodys_number_is_not_asked_for_twice_in_a_day() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let find = async || channel.lookups().unwrap().by_mobile("13900000000").await.unwrap();
    let asked = || world.tokens.fetches().iter().filter(|name| name.starts_with("id:wecom:")).count();
    assert_eq!(find().await, None);
    world.clock.advance(Duration::from_secs(86_399));
    assert_eq!((find().await, asked()), (None, 1));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!((find().await, asked()), (None, 2));
    let off = wecom_channel(&world, json!({"find_by_mobile": false}), &world.http_url());
    assert!(off.lookups().is_none());
}

#[tokio::test]
async fn wecom_tells_how_many_people_were_written_to_today() {
    let world = World::start(false).await;
    let channel = channel(&world);
    let figures = async || channel.quota_source().unwrap().figures().await.unwrap();
    let day = |used| [Figure { window: Window::Day, limit: None, used: Some(used) }];
    assert_eq!(figures().await, day(0));
    send(&channel, &["zhangsan", "lisi"]).await.unwrap();
    assert_eq!(figures().await, day(2));
}
