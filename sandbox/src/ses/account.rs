//! What a registered account is like, and what it says of itself.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{dated, error};
use crate::answer::Refusal;
use crate::item::Platform;
use crate::sandbox::Sandbox;
use crate::sigv4::Arrived;

/// What accounts that have not left SES's own sandbox may send in 24 hours, and in a second.
const IN_SANDBOX: (f64, f64) = (200.0, 1.0);

/// An account of SES in one region.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SesAccount {
    /// The secret of the access key.
    pub secret_access_key: String,
    /// The region.
    pub region: String,
    /// The verified addresses and domains.
    pub identities: Vec<String>,
    /// Whether mails go to anybody, and not only to verified identities.
    pub production: bool,
    /// Whether mails go out at all.
    pub sending: bool,
    /// `HEALTHY`, `PROBATION` or `SHUTDOWN`.
    pub standing: String,
    /// Recipients in any 24 hours; below zero for no limit.
    pub per_day: f64,
    /// Recipients in a second.
    pub per_second: f64,
    /// The configuration sets, each of which publishes all its events to the topic.
    pub configuration_sets: Vec<String>,
    /// The account's own suppression list.
    pub suppressed: Vec<String>,
    /// Where events go.
    pub topic: Option<SesTopic>,
}

/// A topic of SNS with one subscriber.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SesTopic {
    /// Its name, like `arn:aws:sns:eu-west-1:123456789012:mail-events`.
    pub arn: String,
    /// The subscriber's address, `http://` only.
    pub url: String,
    /// Whether the subscriber has confirmed; before that it is told nothing.
    pub confirmed: bool,
    /// Whether events are posted as they happen, and not kept until they are asked for.
    pub tells: bool,
}

impl Default for SesAccount {
    fn default() -> SesAccount {
        SesAccount {
            secret_access_key: String::new(),
            region: "eu-west-1".to_owned(),
            identities: Vec::new(),
            production: true,
            sending: true,
            standing: "HEALTHY".to_owned(),
            per_day: 50_000.0,
            per_second: 14.0,
            configuration_sets: Vec::new(),
            suppressed: Vec::new(),
            topic: None,
        }
    }
}

impl SesAccount {
    /// Whether an address, or the domain it is in, is verified. Subdomains of a verified domain are, too.
    pub(super) fn is_verified(&self, address: &str) -> bool {
        let address = address.to_ascii_lowercase();
        let domain = address.split_once('@').map_or("", |(_, domain)| domain);
        self.identities.iter().map(|identity| identity.to_ascii_lowercase()).any(|identity| {
            let above = domain.strip_suffix(identity.as_str()).is_some_and(|rest| rest.ends_with('.'));
            identity == address || identity == domain || above
        })
    }

    pub(super) fn is_suppressed(&self, address: &str) -> bool {
        self.suppressed.iter().any(|suppressed| suppressed.eq_ignore_ascii_case(address))
    }

    /// Recipients in 24 hours, and in a second.
    pub(super) fn limits(&self) -> (f64, f64) {
        if self.production { (self.per_day, self.per_second) } else { IN_SANDBOX }
    }

    pub(super) fn may_send(&self) -> Result<(), Refusal> {
        if self.standing == "SHUTDOWN" {
            let words = "The account's ability to send email has been permanently restricted.";
            return Err(error(400, "AccountSuspendedException", words));
        }
        if !self.sending {
            let words = "Email sending is disabled for this account.";
            return Err(error(400, "SendingPausedException", words));
        }
        Ok(())
    }
}

/// `GET /v2/email/account`
pub(super) async fn get(
    State(sandbox): State<Sandbox>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let now = sandbox.now();
    let request = Arrived { method: &method, uri: &uri, headers: &headers, body: b"" };
    let judge = || sandbox.ses().by_signature(&request, now, |state| Ok(state.describe(now)));
    dated(sandbox.aside(Platform::Ses, "account", judge).await, now)
}

impl super::State {
    fn describe(&mut self, now: u64) -> Value {
        let (per_day, per_second) = self.account.limits();
        json!({
            "DedicatedIpAutoWarmupEnabled": false,
            "EnforcementStatus": self.account.standing,
            "ProductionAccessEnabled": self.account.production,
            "SendingEnabled": self.account.sending,
            "SendQuota": {
                "Max24HourSend": per_day,
                "MaxSendRate": per_second,
                "SentLast24Hours": self.quota.used(now),
            },
            "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
        })
    }
}
