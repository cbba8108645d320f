//! What only Slack does: a bot in place of a webhook, and a limit over all blocks of a message.

use mc_core::model::{Content, Format, Kind};
use mc_core::ports::{Push, SendFailure};
use mc_sandbox::Platform;
use serde_json::json;

use crate::suite::{deliver, rendered};
use crate::world::World;

const TOKEN: &str = "xoxb-1234567890-hunter2hunter2";

#[tokio::test]
async fn a_bot_writes_to_its_channel_and_learns_the_messages_id() {
    let world = World::start(false).await;
    let bot = |channel: &str, token: &str| {
        world.build(Kind::Slack, json!({"channel": channel}), &[("bot_token", token)], &world.http_url())
    };
    let content = Content::new("Deploy", Format::Markdown, "**done** & <well>");
    let channel = bot("C1", TOKEN);
    let receipt = deliver(&*channel, &content, &[], &[]).await.unwrap();
    assert!(receipt.platform_id.unwrap().starts_with("C0SANDBOX:"));
    let items = world.sandbox.accepted(Platform::Slack);
    assert_eq!((items[0].target.as_str(), items[0].title.as_deref()), ("C1", Some("Deploy")));
    assert!(items[0].text.contains("*done* & <well>"), "{}", items[0].text);
    assert!(channel.check().await.iter().all(|step| step.ok));
    for (name, token) in [("#missing", TOKEN), ("#archived", TOKEN), ("C1", "xoxb-bad-hunter2hunter2")] {
        let error = deliver(&*bot(name, token), &content, &[], &[]).await.unwrap_err();
        assert_eq!(error.failure, SendFailure::Channel, "{error:?}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let steps = bot("C1", "xoxb-bad-hunter2hunter2").check().await;
    let failed = steps.iter().find(|step| !step.ok).unwrap();
    assert!(failed.name == "login" && failed.detail.contains("invalid_auth"), "{failed:?}");
}

#[tokio::test]
async fn a_links_label_stands_for_its_address() {
    let world = World::start(false).await;
    let secrets = [("bot_token", TOKEN)];
    let channel = world.build(Kind::Slack, json!({"channel": "C1"}), &secrets, &world.http_url());
    let content = |format| Content {
        url: Some("https://x.example/1".into()),
        url_label: Some("See & go".into()),
        ..Content::new("Deploy", format, "done")
    };
    let payload = |format| {
        let rendered = rendered(&*channel, &content(format), &[], &[]).unwrap();
        rendered.parts[0].payload.to_string()
    };
    let blocks = payload(Format::Markdown);
    assert!(blocks.contains("<https://x.example/1|See &amp; go>"), "{blocks}");
    let text = payload(Format::Text);
    assert!(text.contains("See &amp; go: https://x.example/1"), "{text}");
}

#[tokio::test]
async fn too_fast_is_waited_out() {
    let world = World::start(true).await;
    let secrets = [("bot_token", TOKEN)];
    let channel = world.build(Kind::Slack, json!({"channel": "C1"}), &secrets, &world.http_url());
    let content = Content::new("", Format::Text, "hi");
    deliver(&*channel, &content, &[], &[]).await.unwrap();
    let error = deliver(&*channel, &content, &[], &[]).await.unwrap_err();
    assert!(matches!(error.failure, SendFailure::Throttled { after: Some(_) }), "{error:?}");
}

#[tokio::test]
async fn what_is_long_becomes_messages_that_slack_takes() {
    let world = World::start(false).await;
    let secrets = [("bot_token", TOKEN)];
    let channel = world.build(Kind::Slack, json!({"channel": "C1"}), &secrets, &world.http_url());
    let content = Content::new("Log", Format::Markdown, "a line of the log\n\n".repeat(2_000));
    let parts = rendered(&*channel, &content, &[], &[]).unwrap().parts;
    for part in &parts {
        let push = Push {
            project: "default",
            message: "msg_01HF7YAT31000000000000001A".parse().unwrap(),
            delivery: "dlv_1",
            push_id: "psh_1",
            again: false,
            part,
            to: &[],
            attachments: &[],
            slot: None,
        };
        channel.send(push).await.unwrap();
    }
    assert!(parts.len() > 1);
    assert_eq!(world.sandbox.accepted(Platform::Slack).len(), parts.len());
}
