//! What only SES does: the account's state, its quota, and what becomes of mails.

use mc_channels::{Ports, Setup, build};
use mc_core::model::{Content, Format, Kind, Limits, Recipient};
use mc_core::ports::{
    Attachment, CallbackError, CallbackRequest, Channel, Figure, News, Receipt, Route, SendError,
    SendFailure, SharedChannel, Window,
};
use mc_core::state::State;
use mc_sandbox::{Fault, Platform, SesAccount, SesPost, SesTopic};
use mc_testkit::channel::Harness;
use serde_json::{Value, json};

use crate::fakes::{Fake, SES_KEY_ID, SES_TOPIC, ses_account, ses_channel};
use crate::suite::deliver;
use crate::world::World;

/// A world with this account, and a channel of it.
async fn world(limited: bool, account: SesAccount) -> (World, SharedChannel) {
    let world = World::start(limited).await;
    let channel = Fake::new(&world, Kind::EmailSes).channel();
    world.sandbox.ses_account(SES_KEY_ID, account);
    (world, channel)
}

async fn mail(channel: &dyn Channel, address: &str) -> Result<Receipt, SendError> {
    let mut to = Recipient::default();
    to.addresses.email = Some(address.to_owned());
    deliver(channel, &Content::new("Hello", Format::Text, "world"), &[to], &[]).await
}

async fn hear(channel: &dyn Channel, post: &SesPost) -> Result<Vec<News>, CallbackError> {
    let request = CallbackRequest { method: "POST", query: "", headers: &[], body: post.body.as_bytes() };
    channel.callbacks().unwrap().callback(&request).await.map(|answer| answer.news)
}

#[tokio::test]
async fn a_mail_has_both_alternatives_and_its_attachments() {
    let (world, channel) = world(false, ses_account()).await;
    let file = Attachment {
        filename: "报告.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: vec![1; 100_000].into(),
    };
    let content = Content::new("标题", Format::Markdown, "**hello**");
    let to = Fake::new(&world, Kind::EmailSes).recipient();
    deliver(&*channel, &content, &[to], &[file]).await.unwrap();
    let items = world.sandbox.accepted(Platform::Ses);
    let mail = items[0].mail.as_ref().unwrap();
    assert_eq!((items[0].title.as_deref(), mail.sender.as_str()), (Some("标题"), "alerts@example.com"));
    assert_eq!(items[0].to, ["someone@example.com"]);
    assert!(mail.html.as_ref().unwrap().contains("hello") && items[0].text.contains("hello"));
    assert_eq!((mail.attachments[0].name.as_str(), mail.attachments[0].size), ("报告.pdf", 100_000));
}

#[tokio::test]
async fn what_becomes_of_a_mail_finds_its_way_back() {
    let (world, channel) = world(false, ses_account()).await;
    let sent = [(State::Sent, None)];
    let failed = |code| [(State::Sent, None), (State::Failed, Some(code))];
    let delivered = [(State::Sent, None), (State::Delivered, None)];
    let answered = [(State::Sent, None), (State::Sent, Some("Transient/General")), (State::Delivered, None)];
    for (to, states, suppressed) in [
        ("success@simulator.amazonses.com", &delivered[..], None),
        ("bounce@simulator.amazonses.com", &failed("Permanent/General 5.1.1"), Some("bounce")),
        ("suppressionlist@simulator.amazonses.com", &failed("Permanent/Suppressed 5.1.1"), Some("bounce")),
        ("gone@example.net", &failed("Permanent/OnAccountSuppressionList 5.1.1"), Some("bounce")),
        ("ooto@simulator.amazonses.com", &answered, None),
        ("complaint@simulator.amazonses.com", &delivered, Some("complaint")),
    ] {
        let receipt = mail(&*channel, to).await.unwrap();
        let mut seen = Vec::new();
        let mut stopped = None;
        for post in world.sandbox.ses_posts(SES_KEY_ID) {
            for news in hear(&*channel, &post).await.unwrap() {
                match news {
                    News::Receipt { platform_id, to: whose, state, code, .. } => {
                        assert_eq!(
                            (Some(platform_id), whose.as_deref()),
                            (receipt.platform_id.clone(), Some(to))
                        );
                        seen.push((state, code));
                    }
                    News::Suppress { address, reason, .. } => {
                        assert_eq!(address, to);
                        stopped = Some(reason);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let seen: Vec<_> = seen.iter().map(|(state, code)| (*state, code.as_deref())).collect();
        assert_eq!((&seen[..], stopped), (states, suppressed), "{to}");
        assert!(seen.starts_with(&sent), "{to}");
    }
}

#[tokio::test]
async fn a_subscription_is_confirmed_where_the_channel_has_its_sns() {
    let unconfirmed = SesTopic { arn: SES_TOPIC.to_owned(), ..SesTopic::default() };
    let (world, channel) = world(false, SesAccount { topic: Some(unconfirmed), ..ses_account() }).await;
    mail(&*channel, "ann@example.net").await.unwrap();
    assert!(world.sandbox.ses_posts(SES_KEY_ID).is_empty());
    let asking = world.sandbox.ses_subscription(SES_KEY_ID).unwrap();
    let heard = hear(&*channel, &asking).await.unwrap();
    assert!(matches!(&heard[..], [News::Other { what, .. }] if what == "sns.subscribed"), "{heard:?}");
    mail(&*channel, "ann@example.net").await.unwrap();
    let posts = world.sandbox.ses_posts(SES_KEY_ID);
    assert_eq!(posts.len(), 2, "now it is told");
    let forged = SesPost { body: posts[1].body.replace("ann@", "bob@"), ..posts[1].clone() };
    assert_eq!(hear(&*channel, &forged).await, Err(CallbackError::Signature));
}

#[tokio::test]
async fn refusals_have_their_meaning() {
    let (world, channel) = world(false, ses_account()).await;
    let url = world.http_url();
    let stranger = ses_channel(&world, "alerts@stranger.example", &url);
    assert_eq!(mail(&*stranger, "ann@example.net").await.unwrap_err().failure, SendFailure::Channel);
    let settings = json!({"from": "alerts@example.com", "configuration_set": "another"});
    let unset = world.build(Kind::EmailSes, settings, &[], &url);
    assert_eq!(mail(&*unset, "ann@example.net").await.unwrap_err().failure, SendFailure::Channel);
    for (account, expected) in [
        (SesAccount { sending: false, ..ses_account() }, SendFailure::Channel),
        (SesAccount { standing: "SHUTDOWN".into(), ..ses_account() }, SendFailure::Channel),
        (SesAccount { secret_access_key: "another".into(), ..ses_account() }, SendFailure::Channel),
        (SesAccount { region: "us-east-1".into(), ..ses_account() }, SendFailure::Channel),
        (SesAccount { production: false, ..ses_account() }, SendFailure::Permanent),
    ] {
        world.sandbox.ses_account(SES_KEY_ID, account);
        let error = mail(&*channel, "ann@example.net").await.unwrap_err();
        assert_eq!(error.failure, expected, "{error:?}");
    }
}

#[tokio::test]
async fn rate_and_quota_are_waited_out() {
    let (world, channel) = world(true, SesAccount { per_second: 1.0, per_day: 2.0, ..ses_account() }).await;
    mail(&*channel, "ann@example.net").await.unwrap();
    let error = mail(&*channel, "ann@example.net").await.unwrap_err();
    assert!(matches!(error.failure, SendFailure::Throttled { after: Some(_) }), "{error:?}");
    assert_eq!(channel.used_up(&error), None);
    world.clock.advance(std::time::Duration::from_secs(1));
    mail(&*channel, "ann@example.net").await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(1));
    let error = mail(&*channel, "ann@example.net").await.unwrap_err();
    assert_eq!(channel.used_up(&error), Some(Window::Day), "{error:?}");
}

#[tokio::test]
async fn addresses_that_ses_does_not_take_never_get_there() {
    let (world, channel) = world(false, ses_account()).await;
    let error = mail(&*channel, "用户@example.net").await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "bad_address"));
    assert!(world.sandbox.inbox().is_empty());
}

#[tokio::test]
async fn a_check_says_how_the_account_stands() {
    let (world, channel) = world(false, ses_account()).await;
    let steps = channel.check().await;
    assert!(steps.iter().all(|step| step.ok && step.next_step.is_none()), "{steps:?}");
    for (account, name, ok) in [
        (SesAccount { production: false, ..ses_account() }, "production", true),
        (SesAccount { sending: false, ..ses_account() }, "sending", false),
        (SesAccount { standing: "PROBATION".into(), ..ses_account() }, "sending", true),
        (SesAccount { standing: "SHUTDOWN".into(), ..ses_account() }, "sending", false),
        (SesAccount { per_day: 0.0, ..ses_account() }, "quota", false),
        (SesAccount { per_second: 0.0, ..ses_account() }, "quota", true),
        (SesAccount { secret_access_key: "another".into(), ..ses_account() }, "account", false),
    ] {
        world.sandbox.ses_account(SES_KEY_ID, account);
        let steps = channel.check().await;
        let step = steps.iter().find(|step| step.name == name).unwrap();
        assert_eq!((step.ok, step.next_step.is_some()), (ok, true), "{step:?}");
    }
}

#[tokio::test]
async fn where_nothing_may_send_the_channel_says_what_to_set() {
    let world = World::start(false).await;
    let nowhere = world.build(Kind::EmailSes, json!({"from": "alerts@example.com"}), &[], "");
    assert!(nowhere.check().await[0].next_step.as_ref().unwrap().contains("AWS_REGION"));
    assert_eq!(mail(&*nowhere, "ann@example.net").await.unwrap_err().failure, SendFailure::Channel);
    assert_eq!(nowhere.quota_source().unwrap().figures().await.unwrap_err().code, "no_service");
}

#[tokio::test]
async fn a_channel_leads_no_signed_call_elsewhere() {
    let world = World::start(false).await;
    let (secrets, settings) = (Default::default(), json!({"from": "alerts@example.com"}));
    let aws = world.ses(&world.http_url(), "the rights of the place");
    let setup = Setup {
        project: "default",
        name: "mail",
        kind: Kind::EmailSes,
        settings: settings.as_object().unwrap(),
        secrets: &secrets,
        base_url: Some("https://elsewhere.example.com"),
        route: Route::default(),
        limits: Limits::default(),
    };
    let problems = build(setup, &Ports { mail: Some(aws), ..world.ports.clone() }).err().unwrap();
    assert_eq!(problems[0].pointer, "/base_url");
}

#[tokio::test]
async fn ses_tells_what_is_left_of_24_hours() {
    let (world, channel) = world(false, ses_account()).await;
    mail(&*channel, "ann@example.net").await.unwrap();
    let figures = async || channel.quota_source().unwrap().figures().await;
    let second = Figure { window: Window::Second, limit: Some(ses_account().per_second as u64), used: None };
    let day = |limit| vec![Figure { window: Window::Day, limit, used: Some(1) }, second];
    assert_eq!(figures().await.unwrap(), day(Some(50_000)));
    world.sandbox.ses_account(SES_KEY_ID, SesAccount { per_day: -1.0, ..ses_account() });
    mail(&*channel, "ann@example.net").await.unwrap();
    assert_eq!(figures().await.unwrap(), day(None));
    for (per_day, used) in [(json!("NaN"), json!(12)), (json!(50_000), json!(-3))] {
        let quota: Value = json!({"Max24HourSend": per_day, "MaxSendRate": 1, "SentLast24Hours": used});
        let answer = json!({"SendingEnabled": true, "SendQuota": quota});
        let call = Some("account".to_owned());
        world.sandbox.push_fault(Fault { call, body: Some(answer), ..Fault::on(Platform::Ses) });
        assert_eq!(figures().await.unwrap_err().code, "bad_answer", "{quota}");
    }
}
