//! What SES tells through EventBridge finds its way back by the mail's own tags, and SES gets no more in a second than it
//! takes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use mc_channels::Ports;
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{Kind, Outcome};
use mc_core::ports::{Clock, MailAccount, MailError, MailService, RawMail};
use mc_core::state::State;
use mc_pipeline::repo::Build;
use mc_pipeline::view::{MessageView, Reason};
use mc_pipeline::{quota, receipts};
use mc_testkit::MockClock;
use serde_json::{Map, Value, json};

use crate::world::{COMPLETED, World, inline};

/// Takes every mail and keeps its tags, as SES's events repeat them.
#[derive(Default)]
struct Ses(Mutex<Vec<Value>>);

#[async_trait]
impl MailService for Ses {
    async fn send(&self, mail: RawMail<'_>) -> Result<String, MailError> {
        let tags: Map<String, Value> =
            mail.tags.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        self.0.lock().unwrap().push(json!({"destination": mail.to, "tags": tags}));
        Ok("0100019ab".to_owned())
    }

    async fn account(&self) -> Result<MailAccount, MailError> {
        Ok(MailAccount::default())
    }
}

#[tokio::test]
async fn a_bounce_of_ses_becomes_a_failure_of_its_recipient() {
    let ses = Arc::new(Ses::default());
    let mail = ses.clone();
    let build: Build = Arc::new(move |setup, ports| {
        mc_channels::build(setup, &Ports { mail: Some(mail.clone()), ..ports.clone() })
    });
    let world = World::built_by(Some(build)).await;
    world.channel("corp.ses", Kind::EmailSes, json!({"from": "ops@example.com"}), &[]).await;
    world.work();
    let to = json!([{"email": "ann@example.net"}, {"email": "bob@example.net"}]);
    let id = world.send(inline("corp.ses", to)).await;
    let view = world.finished(id).await;
    assert_eq!((view.status, view.counts.get(State::Sent)), (COMPLETED, 2));
    let mails = ses.0.lock().unwrap().clone();
    let of = |address: &str| mails.iter().find(|mail| mail["destination"][0] == address).unwrap().clone();
    let bounce = json!({
        "eventType": "Bounce", "mail": of("bob@example.net"),
        "bounce": {"bounceType": "Permanent", "bounceSubType": "NoEmail", "timestamp": "2026-12-01T00:00:00Z",
            "bouncedRecipients": [{"emailAddress": "bob@example.net", "status": "5.1.1"}]},
    });
    let delivery = json!({
        "eventType": "Delivery", "mail": of("ann@example.net"),
        "delivery": {"recipients": ["ann@example.net"], "timestamp": "2026-12-01T00:00:00Z"},
    });
    assert_eq!(receipts::of_ses(&world.center, &bounce).await.unwrap(), 2);
    assert_eq!(receipts::of_ses(&world.center, &delivery).await.unwrap(), 1);
    let view = world.view(id).await;
    assert_eq!((view.counts.get(State::Delivered), view.counts.get(State::Failed)), (1, 1));
    let stranger =
        json!({"eventType": "Delivery", "mail": {"tags": {}}, "delivery": {"recipients": ["x@y.z"]}});
    assert_eq!(receipts::of_ses(&world.center, &stranger).await.unwrap(), 0);
}

/// How many mails [`Rated`] takes in any second.
const RATE: usize = 14;

/// Takes no more than its rate, and tells it only to those who have the right to ask.
#[derive(Default)]
struct Rated {
    tells: bool,
    clock: OnceLock<Arc<MockClock>>,
    taken: Mutex<Vec<Timestamp>>,
    throttled: AtomicUsize,
    asked: AtomicUsize,
}

impl Rated {
    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    fn throttled(&self) -> usize {
        self.throttled.load(Ordering::Relaxed)
    }
}

fn refusal(status: u16, code: &str, text: &str) -> MailError {
    MailError { code: code.to_owned(), status: Some(status), text: text.to_owned(), maybe_sent: false }
}

#[async_trait]
impl MailService for Rated {
    async fn send(&self, _: RawMail<'_>) -> Result<String, MailError> {
        let now = self.clock.get().unwrap().now();
        let mut taken = self.taken.lock().unwrap();
        if taken.iter().filter(|at| now.since(**at) < Duration::from_secs(1)).count() < RATE {
            taken.push(now);
            return Ok("0100019ab".to_owned());
        }
        self.throttled.fetch_add(1, Ordering::Relaxed);
        Err(refusal(429, "TooManyRequestsException", "Maximum sending rate exceeded."))
    }

    async fn account(&self) -> Result<MailAccount, MailError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.tells {
            let sent_last_day = self.taken() as f64;
            let (per_day, per_second) = (50_000.0, RATE as f64);
            return Ok(MailAccount { per_day, per_second, sent_last_day, ..MailAccount::default() });
        }
        Err(refusal(403, "AccessDeniedException", "not authorized to perform: ses:GetAccount"))
    }
}

/// A world with the channel `ses` and nobody working yet.
async fn rated(tells: bool) -> (World, Arc<Rated>) {
    let ses = Arc::new(Rated { tells, ..Rated::default() });
    let mail = ses.clone();
    let build: Build = Arc::new(move |setup, ports| {
        mc_channels::build(setup, &Ports { mail: Some(mail.clone()), ..ports.clone() })
    });
    let world = World::built_by(Some(build)).await;
    assert!(ses.clock.set(world.clock.clone()).is_ok());
    world.channel("ses", Kind::EmailSes, json!({"from": "ops@example.com"}), &[]).await;
    (world, ses)
}

async fn list(world: &World, people: usize) -> MessageId {
    let to: Value = (0..people).map(|n| json!({"email": format!("reader{n}@example.net")})).collect();
    let mut body = inline("ses", to);
    body["priority"] = json!("bulk");
    world.send(body).await
}

/// Turns the clock until all is decided, which may take no longer than `within`.
async fn drained(world: &World, id: MessageId, within: Duration) -> MessageView {
    let began = world.clock.now();
    world.settle().await;
    loop {
        let view = world.view(id).await;
        if view.status.is_final() {
            return view;
        }
        let (gone, sent) = (world.clock.now().since(began), view.counts.get(State::Sent));
        assert!(gone < within, "{sent} are sent after {gone:?}");
        world.advance(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_list_goes_out_at_the_rate_that_ses_tells() {
    let (world, ses) = rated(true).await;
    quota::poll(&world.center, quota::PATIENCE).await.unwrap();
    world.work();
    let id = list(&world, 450).await;
    let view = drained(&world, id, Duration::from_secs(60)).await;
    assert_eq!((view.status, view.counts.get(State::Sent), ses.taken()), (COMPLETED, 450, 450));
    assert!(ses.throttled() <= RATE, "{} were refused", ses.throttled());
}

#[tokio::test]
async fn where_nobody_has_asked_ses_yet_the_first_refusal_makes_somebody_ask() {
    let (world, ses) = rated(true).await;
    world.work();
    let id = list(&world, 450).await;
    world.settle().await;
    assert_eq!((ses.taken(), ses.asked.load(Ordering::Relaxed)), (RATE, 1));
    let at_first = ses.throttled();
    assert!(at_first > RATE, "nobody knew of a rate");
    let view = drained(&world, id, Duration::from_secs(60)).await;
    assert_eq!((view.status, view.counts.get(State::Sent), ses.taken()), (COMPLETED, 450, 450));
    let later = ses.throttled() - at_first;
    assert!(later <= RATE, "{later} were refused after the rate was known");
}

#[tokio::test]
async fn single_mails_keep_to_the_rate_once_it_was_too_much() {
    let (world, ses) = rated(true).await;
    quota::poll(&world.center, quota::PATIENCE).await.unwrap();
    world.work();
    let burst = async || {
        let mut ids = Vec::new();
        for _ in 0..30 {
            ids.push(world.send(inline("ses", json!([{"email": "ann@example.net"}]))).await);
        }
        for id in ids {
            let view = drained(&world, id, Duration::from_secs(60)).await;
            assert_eq!(view.status, COMPLETED);
        }
        world.advance(Duration::from_secs(2)).await;
        ses.throttled()
    };
    let first = burst().await;
    assert!(first > 0, "one alone is not held up by a write");
    assert_eq!(burst().await, first, "nothing more was refused");
}

#[tokio::test]
async fn a_list_that_gets_on_neither_waits_longer_each_time_nor_is_given_up() {
    let (world, ses) = rated(false).await;
    let id = list(&world, 140).await;
    // It has waited for longer than anything is tried.
    world.advance(world.center.tuning.give_up_after + Duration::from_secs(60)).await;
    world.work();
    world.settle().await;
    let view = world.view(id).await;
    let delivery = &view.deliveries[0];
    assert_eq!((view.counts.get(State::Sent), view.counts.get(State::Retrying)), (14, 126));
    let attempt = &delivery.attempts[0];
    assert_eq!(
        (attempt.outcome, attempt.code.as_deref()),
        (Outcome::Sent, Some("TooManyRequestsException")),
        "it got on, and says why it is not done"
    );
    assert_eq!(delivery.waiting.as_ref().map(|waiting| waiting.reason), Some(Reason::Pace));
    let view = drained(&world, id, Duration::from_secs(30)).await;
    assert_eq!((view.status, view.counts.get(State::Sent), ses.taken()), (COMPLETED, 140, 140));
}
