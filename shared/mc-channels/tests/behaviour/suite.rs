//! The common suite over every kind, and what only one kind does.

use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{Content, Format, Kind, Recipient};
use mc_core::ports::{
    Attachment, Channel, FileInfo, Push, Receipt, RenderContext, RenderError, Rendered, SendError,
    SendFailure, SharedChannel, Slot,
};
use mc_sandbox::{Fault, FeishuRobot, Platform, SmtpStage};
use mc_testkit::channel::{self, Harness};
use serde_json::{Map, json};

use crate::fakes::{
    DINGTALK_SECRET, DINGTALK_TOKEN, FEISHU_HOOK, FEISHU_SECRET, Fake, SMTP_PASSWORD, WECOM_KEY,
};
use crate::world::World;

#[tokio::test]
async fn every_kind_behaves() {
    for kind in Kind::ALL {
        let world = World::start(false).await;
        channel::all(&Fake::new(&world, kind)).await;
    }
}

/// Renders a content and pushes its first part.
pub async fn deliver(
    channel: &dyn Channel,
    content: &Content,
    to: &[Recipient],
    attachments: &[Attachment],
) -> Result<Receipt, SendError> {
    deliver_through(channel, content, to, attachments, None).await
}

async fn deliver_through(
    channel: &dyn Channel,
    content: &Content,
    to: &[Recipient],
    attachments: &[Attachment],
    slot: Option<Slot>,
) -> Result<Receipt, SendError> {
    let rendered = rendered(channel, content, to, &[]).unwrap();
    let push_id = format!("psh_{}", slot.map_or(1, |slot| 100 + slot.lane));
    let push = Push {
        project: "default",
        message: message(),
        delivery: "dlv_1",
        push_id: &push_id,
        again: false,
        part: &rendered.parts[0],
        to,
        attachments,
        slot,
    };
    channel.send(push).await
}

fn message() -> MessageId {
    "msg_01HF7YAT31000000000000001A".parse().unwrap()
}

/// Renders a content without overrides.
pub fn rendered(
    channel: &dyn Channel,
    content: &Content,
    to: &[Recipient],
    files: &[FileInfo],
) -> Result<Rendered, RenderError> {
    let empty = Map::new();
    let context = RenderContext {
        project: "default",
        message: message(),
        delivery: "dlv_1",
        to,
        data: &empty,
        params: &empty,
        overrides: None,
        files,
    };
    channel.render(content, &context)
}

fn hello() -> Content {
    Content::new("Hello", Format::Text, "world")
}

async fn hello_through(channel: &SharedChannel) -> Result<Receipt, SendError> {
    deliver(&**channel, &hello(), &[], &[]).await
}

#[tokio::test]
async fn the_21st_message_of_a_minute_is_throttled() {
    let world = World::start(true).await;
    for kind in [Kind::WecomRobot, Kind::DingtalkRobot] {
        let channel = Fake::new(&world, kind).channel();
        for _ in 0..20 {
            hello_through(&channel).await.unwrap();
        }
        let error = hello_through(&channel).await.unwrap_err();
        assert!(matches!(error.failure, SendFailure::Throttled { after: Some(_) }), "{kind:?}: {error:?}");
    }
    let channel = Fake::new(&world, Kind::FeishuRobot).channel();
    for _ in 0..5 {
        hello_through(&channel).await.unwrap();
    }
    let error = hello_through(&channel).await.unwrap_err();
    assert_eq!(error.failure, SendFailure::Throttled { after: None }, "a sixth in a second: {error:?}");
}

#[tokio::test]
async fn wrong_credentials_fail_the_channel() {
    let world = World::start(false).await;
    Fake::new(&world, Kind::WecomRobot);
    let url = world.http_url();
    let wrong_mail = json!({"host": "127.0.0.1", "port": world.smtp_port, "security": "none", "from": "alerts@example.com"});
    let channels = [
        world.build(Kind::WecomRobot, json!({}), &[("key", "bad-key-00000000")], &url),
        world.build(Kind::DingtalkRobot, json!({}), &[("access_token", "unknown")], &url),
        world.build(
            Kind::DingtalkRobot,
            json!({}),
            &[("access_token", DINGTALK_TOKEN), ("secret", "SECwrong")],
            &url,
        ),
        world.build(Kind::FeishuRobot, json!({}), &[("hook_token", "unknown")], &url),
        world.build(Kind::FeishuRobot, json!({}), &[("hook_token", FEISHU_HOOK), ("secret", "wrong")], &url),
        world.build(Kind::EmailSmtp, wrong_mail, &[("password", "wrong-password")], ""),
    ];
    let to = [Fake::new(&world, Kind::EmailSmtp).recipient()];
    for channel in channels {
        let error = deliver(&*channel, &hello(), &to, &[]).await.unwrap_err();
        assert_eq!(error.failure, SendFailure::Channel, "{error:?}");
    }
}

#[tokio::test]
async fn a_pool_pushes_through_the_robot_of_the_slot() {
    let world = World::start(false).await;
    let keys = format!(r#"["{WECOM_KEY}", "second-robot-key"]"#);
    let wecom = world.build(Kind::WecomRobot, json!({}), &[("keys", &keys)], &world.http_url());
    let robots = format!(
        r#"[{{"access_token":"{DINGTALK_TOKEN}","secret":"{DINGTALK_SECRET}"}},{{"access_token":"another-token"}}]"#
    );
    world.sandbox.dingtalk_robot(DINGTALK_TOKEN, Some(DINGTALK_SECRET));
    world.sandbox.dingtalk_robot("another-token", None);
    let dingtalk = world.build(Kind::DingtalkRobot, json!({}), &[("robots", &robots)], &world.http_url());
    let robots = format!(
        r#"[{{"hook_token":"{FEISHU_HOOK}","secret":"{FEISHU_SECRET}"}},{{"hook_token":"another-hook"}}]"#
    );
    let signed = FeishuRobot { secret: Some(FEISHU_SECRET.to_owned()), ..FeishuRobot::default() };
    world.sandbox.feishu_robot(FEISHU_HOOK, signed);
    world.sandbox.feishu_robot("another-hook", FeishuRobot::default());
    let feishu = world.build(Kind::FeishuRobot, json!({}), &[("robots", &robots)], &world.http_url());
    for (channel, platform, ends) in [
        (wecom, Platform::Wecom, ["5aaa", "-key"]),
        (dingtalk, Platform::Dingtalk, ["77a6", "oken"]),
        (feishu, Platform::Feishu, ["89ab", "hook"]),
    ] {
        assert_eq!(channel.lanes(), 2);
        // The pool was larger when the last slot was reserved.
        for lane in 0..3 {
            let slot = Some(Slot { at: Timestamp::EPOCH, lane });
            deliver_through(&*channel, &hello(), &[], &[], slot).await.unwrap();
            let target = world.sandbox.accepted(platform)[usize::from(lane)].target.clone();
            assert!(target.ends_with(ends[usize::from(lane) % 2]), "{lane}: {target}");
        }
    }
}

#[tokio::test]
async fn mails_have_both_alternatives_attachments_and_a_stable_id() {
    let world = World::start(false).await;
    let fake = Fake::new(&world, Kind::EmailSmtp);
    let file = Attachment {
        filename: "../../报告.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: vec![0, 159, 146, 150].into(),
    };
    let content = Content::new("部署完成 ✓", Format::Markdown, "**完成** & more");
    let channel = fake.channel();
    for _ in 0..2 {
        let receipt =
            deliver(&*channel, &content, &[fake.recipient()], std::slice::from_ref(&file)).await.unwrap();
        assert_eq!(receipt.platform_id.as_deref(), Some("psh_1@example.com"));
    }
    let items = world.sandbox.accepted(Platform::Smtp);
    let mail = items[0].mail.as_ref().unwrap();
    assert_eq!(items[0].title.as_deref(), Some("部署完成 ✓"));
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("alerts@example.com", &["someone@example.com".into()][..])
    );
    assert!(mail.html.as_ref().unwrap().contains("完成") && items[0].text.contains("完成"));
    assert_eq!((mail.attachments[0].name.as_str(), mail.attachments[0].size), ("报告.pdf", 4));
    assert!(items[0].raw.contains("Message-ID: <psh_1@example.com>"), "{}", items[0].raw);
    assert!(items[0].raw.contains("Date: Tue, 01 Dec 2026 00:00:00 +0000"), "{}", items[0].raw);
    assert_eq!(items[0].raw, items[1].raw, "every try is the same mail");
}

#[tokio::test]
async fn the_files_and_texts_of_a_mail_may_have_any_line_ends() {
    let world = World::start(false).await;
    let file = |name: &str, bytes: &[u8]| Attachment {
        filename: name.into(),
        content_type: "text/plain".into(),
        bytes: bytes.to_vec().into(),
    };
    let files = [
        file("lines.csv", b"name,count\nann,1\n"),
        file("old.txt", b"one\rtwo\r"),
        file("zero.txt", b"a\0b"),
    ];
    let content = Content::new("Report", Format::Text, "one\rtwo\r\nthree\0");
    for kind in [Kind::EmailSmtp, Kind::EmailSes] {
        let fake = Fake::new(&world, kind);
        deliver(&*fake.channel(), &content, &[fake.recipient()], &files).await.unwrap();
        let items = world.sandbox.accepted(fake.platform());
        let mail = items[0].mail.as_ref().unwrap();
        let sizes: Vec<usize> = mail.attachments.iter().map(|file| file.size).collect();
        assert_eq!(sizes, [17, 8, 3], "{kind:?}");
        assert!(!items[0].raw.replace("\r\n", "").contains(['\r', '\n', '\0']), "{kind:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_is_not_a_failure() {
    let world = World::start(false).await;
    let fake = Fake::new(&world, Kind::EmailSmtp);
    let channel = fake.channel();
    deliver(&*channel, &hello(), &[fake.recipient()], &[]).await.unwrap();
    let closing = Fault { at: Some(SmtpStage::Mail), drop: true, ..Fault::on(Platform::Smtp) };
    world.sandbox.push_fault(closing);
    deliver(&*channel, &hello(), &[fake.recipient()], &[]).await.unwrap();
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2);
}

#[tokio::test]
async fn a_mail_to_a_wrong_address_fails_alone() {
    let world = World::start(false).await;
    let fake = Fake::new(&world, Kind::EmailSmtp);
    let channel = fake.channel();
    for (address, expected) in [
        ("nobody@example.com", SendFailure::Permanent),
        ("full@example.com", SendFailure::Transient { after: None }),
        ("not an address", SendFailure::Permanent),
        ("a@b.c\r\nRCPT TO:<x@y.z>", SendFailure::Permanent),
    ] {
        let mut recipient = fake.recipient();
        recipient.addresses.email = Some(address.into());
        let error = deliver(&*channel, &hello(), &[recipient], &[]).await.unwrap_err();
        assert_eq!(error.failure, expected, "{address}: {error:?}");
        deliver(&*channel, &hello(), &[fake.recipient()], &[]).await.unwrap();
    }
    let error = deliver(&*channel, &hello(), &[], &[]).await.unwrap_err();
    assert_eq!(error.code, "bad_push");
    assert!(!format!("{error:?}").contains(SMTP_PASSWORD));
}
