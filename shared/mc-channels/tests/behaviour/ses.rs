//! E-mail through a mail service that keeps to SES's rules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mail_parser::MessageParser;
use mc_channels::{Ports, Setup, build};
use mc_core::model::{Addresses, Content, Format, Kind, Limits, Recipient};
use mc_core::ports::{
    Attachment, Figure, MailAccount, MailError, MailService, RawMail, Route, SendFailure, SharedChannel,
    Window,
};
use mc_testkit::channel::{self, Harness, Trouble};
use serde_json::{Value, json};

use crate::suite::deliver;
use crate::world::World;

/// A mail as it was taken.
#[derive(Clone, Debug)]
struct Taken {
    from: String,
    to: Vec<String>,
    set: Option<String>,
    tags: Vec<(String, String)>,
    mime: Vec<u8>,
}

/// SES as far as its documents tell.
#[derive(Default)]
struct Ses {
    trouble: Mutex<Option<Trouble>>,
    taken: Mutex<Vec<Taken>>,
    account: Mutex<MailAccount>,
    gone: bool,
}

fn error(code: &str, status: Option<u16>, text: &str, maybe_sent: bool) -> MailError {
    MailError { code: code.into(), status, text: text.into(), maybe_sent }
}

#[async_trait]
impl MailService for Ses {
    async fn send(&self, mail: RawMail<'_>) -> Result<String, MailError> {
        if self.gone {
            return Err(error("connect", None, "no connection to SES", false));
        }
        let plain = |text: &str| {
            text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        assert!(mail.tags.iter().all(|(name, value)| plain(name) && plain(value)), "{:?}", mail.tags);
        assert!(mail.mime.split(|b| *b == b'\n').all(|line| line.len() <= 1000));
        let take = || {
            let tags = mail.tags.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let to = mail.to.iter().map(|to| (*to).to_owned()).collect();
            let (from, set) = (mail.from.to_owned(), mail.configuration_set.map(ToOwned::to_owned));
            let mut taken = self.taken.lock().unwrap();
            taken.push(Taken { from, to, set, tags, mime: mail.mime.to_vec() });
            format!("0100019ab-{}", taken.len())
        };
        match self.trouble.lock().unwrap().take() {
            None | Some(Trouble::Slow) => Ok(take()),
            Some(Trouble::Busy) => Err(error("InternalServiceErrorException", Some(500), "", false)),
            Some(Trouble::TooFast) => {
                Err(error("TooManyRequestsException", Some(429), "Maximum sending rate exceeded.", false))
            }
            Some(Trouble::Refuses) => {
                Err(error("MessageRejected", Some(400), "Message contains a virus", false))
            }
            Some(Trouble::Disowns) => {
                let words = "Email address is not verified: alerts@example.com";
                Err(error("MessageRejected", Some(400), words, false))
            }
            Some(Trouble::CutsAfter) => {
                take();
                Err(error("no_answer", None, "the connection broke", true))
            }
            Some(Trouble::Gateway) => Err(error("unknown", Some(502), "", false)),
            Some(Trouble::EndsToken | Trouble::CutsLogin | Trouble::BusyLogin | Trouble::RefusesLogin) => {
                unreachable!("SES has no tokens")
            }
            Some(Trouble::Page) => Err(error("no_answer", None, "not an answer of SES", true)),
        }
    }

    async fn account(&self) -> Result<MailAccount, MailError> {
        if self.gone {
            return Err(error("connect", None, "no connection to SES", false));
        }
        Ok(self.account.lock().unwrap().clone())
    }
}

fn good_account() -> MailAccount {
    MailAccount {
        production: true,
        sending: true,
        standing: Some("HEALTHY".into()),
        per_day: 50_000.0,
        per_second: 14.0,
        sent_last_day: 12.0,
    }
}

struct Fake<'w> {
    world: &'w World,
    ses: Arc<Ses>,
}

impl<'w> Fake<'w> {
    fn new(world: &'w World) -> Self {
        let ses = Ses { account: Mutex::new(good_account()), ..Ses::default() };
        Self { world, ses: Arc::new(ses) }
    }

    fn through(&self, mail: Option<Arc<dyn MailService>>) -> SharedChannel {
        let secrets = BTreeMap::new();
        let settings = json!({"from": "Alerts <alerts@example.com>", "configuration_set": "events"});
        let setup = Setup {
            project: "default",
            name: "corp.mail",
            kind: Kind::EmailSes,
            settings: settings.as_object().unwrap(),
            secrets: &secrets,
            base_url: None,
            route: Route::default(),
            limits: Limits::default(),
        };
        build(setup, &Ports { mail, ..self.world.ports.clone() }).ok().unwrap()
    }

    fn taken(&self) -> Vec<Taken> {
        self.ses.taken.lock().unwrap().clone()
    }
}

impl Harness for Fake<'_> {
    fn channel(&self) -> SharedChannel {
        self.through(Some(self.ses.clone()))
    }

    fn unreachable(&self) -> SharedChannel {
        self.through(Some(Arc::new(Ses { gone: true, ..Ses::default() })))
    }

    fn recipient(&self) -> Recipient {
        let addresses = Addresses { email: Some("someone@example.net".into()), ..Addresses::default() };
        Recipient { addresses, data: None, ..Recipient::default() }
    }

    fn trouble(&self, trouble: Trouble) -> bool {
        let login = [Trouble::EndsToken, Trouble::CutsLogin, Trouble::BusyLogin, Trouble::RefusesLogin];
        if login.contains(&trouble) {
            return false;
        }
        *self.ses.trouble.lock().unwrap() = Some(trouble);
        true
    }

    fn arrived(&self) -> Vec<String> {
        let text = |taken: &Taken| {
            MessageParser::default().parse(&taken.mime).unwrap().body_text(0).unwrap().into_owned()
        };
        self.taken().iter().map(text).collect()
    }

    fn forbidden_override(&self) -> Option<Value> {
        Some(json!({"headers": {"Bcc": "other@example.com"}}))
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test]
async fn mails_through_ses_behave() {
    let world = World::start(false).await;
    channel::all(&Fake::new(&world)).await;
}

#[tokio::test]
async fn a_mail_carries_what_its_events_need() {
    let world = World::start(false).await;
    let fake = Fake::new(&world);
    let file = Attachment {
        filename: "报告.pdf".into(),
        content_type: "application/pdf".into(),
        bytes: vec![1; 100_000].into(),
    };
    let content = Content::new("标题", Format::Markdown, "**hello**");
    let receipt = deliver(&*fake.channel(), &content, &[fake.recipient()], &[file]).await.unwrap();
    let taken = fake.taken().remove(0);
    assert_eq!(
        (taken.from.as_str(), &taken.to[..]),
        ("alerts@example.com", &["someone@example.net".to_owned()][..])
    );
    assert_eq!(taken.set.as_deref(), Some("events"));
    let tag = |name: &str| taken.tags.iter().find(|(n, _)| n == name).unwrap().1.clone();
    assert_eq!((tag("mc-project").as_str(), tag("mc-channel").as_str()), ("default", "corp_2email"));
    let mail = MessageParser::default().parse(&taken.mime).unwrap();
    assert_eq!((mail.subject(), mail.attachment_count()), (Some("标题"), 1));
    // What the tag says is what an event leads back to.
    let event = json!({
        "eventType": "Delivery",
        "mail": {"tags": {"mc-push": [tag("mc-push")], "mc-project": [tag("mc-project")], "mc-channel": [tag("mc-channel")]}},
        "delivery": {"recipients": ["someone@example.net"]},
    });
    let event = mc_channels::read_ses_event(&event).unwrap();
    assert_eq!((event.project.as_deref(), event.channel.as_deref()), (Some("default"), Some("corp.mail")));
    match &event.news[..] {
        [mc_core::ports::News::Receipt { platform_id, .. }] => {
            assert_eq!(Some(platform_id), receipt.platform_id.as_ref());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn addresses_that_ses_does_not_take_never_get_there() {
    let world = World::start(false).await;
    let fake = Fake::new(&world);
    let mut to = fake.recipient();
    to.addresses.email = Some("用户@example.net".into());
    let error =
        deliver(&*fake.channel(), &Content::new("t", Format::Text, "b"), &[to], &[]).await.unwrap_err();
    assert_eq!((error.failure, error.code.as_str()), (SendFailure::Permanent, "bad_address"));
    assert!(fake.taken().is_empty());
}

#[tokio::test]
async fn a_check_says_how_the_account_stands() {
    let world = World::start(false).await;
    let fake = Fake::new(&world);
    let steps = fake.channel().check().await;
    assert!(steps.iter().all(|step| step.ok && step.next_step.is_none()), "{steps:?}");
    let good = good_account;
    for (account, name, ok) in [
        (MailAccount { production: false, ..good() }, "production", true),
        (MailAccount { sending: false, ..good() }, "sending", false),
        (MailAccount { standing: Some("PROBATION".into()), ..good() }, "sending", true),
        (MailAccount { standing: Some("SHUTDOWN".into()), ..good() }, "sending", false),
        (MailAccount { sent_last_day: 50_000.0, ..good() }, "quota", false),
    ] {
        *fake.ses.account.lock().unwrap() = account;
        let steps = fake.channel().check().await;
        let step = steps.iter().find(|step| step.name == name).unwrap();
        assert_eq!((step.ok, step.next_step.is_some()), (ok, true), "{step:?}");
    }
    let nowhere = fake.through(None);
    assert!(nowhere.check().await[0].next_step.as_ref().unwrap().contains("AWS_REGION"));
    let error = deliver(&*nowhere, &Content::new("t", Format::Text, "b"), &[fake.recipient()], &[])
        .await
        .unwrap_err();
    assert_eq!(error.failure, SendFailure::Channel);
}

#[tokio::test]
async fn ses_tells_what_is_left_of_24_hours() {
    let world = World::start(false).await;
    let fake = Fake::new(&world);
    let figures = |channel: SharedChannel| async move { channel.quota_source().unwrap().figures().await };
    let day = |limit, used| Some(vec![Figure { window: Window::Day, limit, used: Some(used) }]);
    for (per_day, sent_last_day, told) in [
        (50_000.0, 12.0, day(Some(50_000), 12)),
        (-1.0, 12.0, day(None, 12)),
        (f64::NAN, 12.0, None),
        (50_000.0, -3.0, None),
    ] {
        *fake.ses.account.lock().unwrap() = MailAccount { per_day, sent_last_day, ..good_account() };
        assert_eq!(figures(fake.channel()).await.ok(), told, "{per_day} {sent_last_day}");
    }
    assert_eq!(figures(fake.through(None)).await.unwrap_err().code, "no_service");
}
