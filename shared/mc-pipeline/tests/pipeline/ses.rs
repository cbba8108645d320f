//! What SES tells through EventBridge finds its way back by the mail's own tags.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mc_channels::Ports;
use mc_core::model::Kind;
use mc_core::ports::{MailAccount, MailError, MailService, RawMail};
use mc_core::state::State;
use mc_pipeline::receipts;
use mc_pipeline::repo::Build;
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
