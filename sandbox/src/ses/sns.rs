//! The topic: what it posts, signed by version 2 of SNS's signatures, and how its subscriber confirms.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{StatusCode, header};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::account::SesTopic;
use super::fate::timestamp;
use crate::post;
use crate::request;
use crate::sandbox::Sandbox;

/// Where the certificate lies. On SNS its name changes with the certificate.
pub(super) const CERTIFICATE: &str = "/SimpleNotificationService-5a1db0c5000040008000000000000001.pem";
/// A key of the sandbox's own (PKCS #8), and the certificate for it.
const KEY: &[u8] = include_bytes!("sns.key.der");
const PEM: &str = include_str!("sns.pem");
/// Events that nobody asked for are forgotten from here on.
const KEPT: usize = 1_000;
/// Once, and up to three times more.
const TRIES: usize = 4;

/// A notification as the topic posts it.
#[derive(Clone, Debug)]
pub struct SesPost {
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body: JSON, whatever its content type says.
    pub body: String,
}

impl Sandbox {
    /// The notifications that wait at an account's topic, as it would post them now. They are handed out once.
    pub fn ses_posts(&self, access_key_id: &str) -> Vec<SesPost> {
        let now = self.now();
        let take = |state: &mut super::State| {
            let topic = state.account.topic.clone()?;
            let events: Vec<Value> = state.waiting.drain(..).collect();
            Some(events.iter().filter_map(|event| topic.notification(event, now, state.next())).collect())
        };
        self.ses().with(access_key_id, take).flatten().unwrap_or_default()
    }

    /// What the topic posts to ask a new subscriber for its consent; `None` without a topic.
    pub fn ses_subscription(&self, access_key_id: &str) -> Option<SesPost> {
        self.ses_asking(access_key_id).map(|(_, post)| post)
    }

    /// Asks the subscriber for its consent; answers status and body, or what went wrong.
    pub async fn ses_subscribe(&self, access_key_id: &str) -> Result<(u16, String), String> {
        let (url, post) = self.ses_asking(access_key_id).ok_or("the account has no topic")?;
        post.to(&url).await
    }

    fn ses_asking(&self, access_key_id: &str) -> Option<(String, SesPost)> {
        let now = self.now();
        let ask = |state: &mut super::State| {
            let topic = state.account.topic.clone()?;
            let post = topic.subscription(now, state.next())?;
            Some((topic.url, post))
        };
        self.ses().with(access_key_id, ask)?
    }

    /// Passes events on: to the subscriber, where the topic tells as things happen, else to who asks for them.
    pub(super) fn ses_publish(&self, access_key_id: &str, events: Vec<Value>) {
        let keep = |state: &mut super::State| {
            let topic = state.account.topic.clone().filter(|topic| topic.confirmed)?;
            state.waiting.extend(events);
            let forgotten = state.waiting.len().saturating_sub(KEPT);
            state.waiting.drain(..forgotten);
            topic.tells.then_some(topic.url)
        };
        let Some(url) = self.ses().with(access_key_id, keep).flatten() else { return };
        let posts = self.ses_posts(access_key_id);
        tokio::spawn(async move {
            for post in posts {
                for _ in 0..TRIES {
                    let answer = post.to(&url).await;
                    if matches!(answer, Ok((200..300, _))) {
                        break;
                    }
                    tracing::debug!(?answer, "the notification was not taken");
                }
            }
        });
    }
}

impl SesPost {
    async fn to(&self, url: &str) -> Result<(u16, String), String> {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        post::post_with(url, &headers, self.body.clone()).await
    }
}

impl SesTopic {
    /// An event of a mail: a JSON text inside of JSON.
    fn notification(&self, event: &Value, now: u64, nth: u64) -> Option<SesPost> {
        let fields =
            [("Message", event.to_string()), ("Subject", "Amazon SES Email Event Notification".to_owned())];
        self.post("Notification", fields.into(), now, nth)
    }

    fn subscription(&self, now: u64, nth: u64) -> Option<SesPost> {
        let words = format!(
            "You have chosen to subscribe to the topic {}.\nTo confirm the subscription, visit the SubscribeURL included in this message.",
            self.arn
        );
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", "ConfirmSubscription")
            .append_pair("TopicArn", &self.arn)
            .append_pair("Token", &self.token())
            .finish();
        let url = format!("{}/?{query}", self.host());
        let fields = [("Message", words), ("SubscribeURL", url), ("Token", self.token())];
        self.post("SubscriptionConfirmation", fields.into(), now, nth)
    }

    /// Signs fields: names and values, one a line, in the order of the names.
    fn post(
        &self,
        kind: &str,
        mut fields: BTreeMap<&'static str, String>,
        now: u64,
        nth: u64,
    ) -> Option<SesPost> {
        let id = format!("5a1db0c5-0000-4000-8000-{nth:012x}");
        fields.insert("MessageId", id.clone());
        fields.insert("Timestamp", timestamp(now));
        fields.insert("TopicArn", self.arn.clone());
        fields.insert("Type", kind.to_owned());
        let text: String = fields.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect();
        let mut body = json!(fields);
        body["SignatureVersion"] = "2".into();
        body["Signature"] = STANDARD.encode(sign(text.as_bytes())?).into();
        body["SigningCertURL"] = format!("{}{CERTIFICATE}", self.host()).into();
        body["UnsubscribeURL"] = format!("{}/?Action=Unsubscribe", self.host()).into();
        let headers = vec![
            ("content-type", "text/plain; charset=UTF-8".to_owned()),
            ("x-amz-sns-message-type", kind.to_owned()),
            ("x-amz-sns-message-id", id),
            ("x-amz-sns-topic-arn", self.arn.clone()),
        ];
        Some(SesPost { headers, body: body.to_string() })
    }

    /// SNS in the topic's region.
    fn host(&self) -> String {
        format!("https://sns.{}.amazonaws.com", self.arn.split(':').nth(3).unwrap_or_default())
    }

    fn token(&self) -> String {
        format!("sandbox-subscription-token-{}", self.arn.rsplit(':').next().unwrap_or_default())
    }
}

fn sign(text: &[u8]) -> Option<Vec<u8>> {
    let key = RsaKeyPair::from_pkcs8(KEY).ok()?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

/// `GET /?Action=ConfirmSubscription&TopicArn=&Token=`
pub(super) async fn confirm(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let given = |name: &str| request::query(query.as_deref(), name).unwrap_or_default();
    let (action, arn, token) = (given("Action"), given("TopicArn"), given("Token"));
    let mut known = sandbox.ses().lock();
    let mut topics = known.values_mut().filter_map(|state| state.account.topic.as_mut());
    let asked =
        topics.find(|topic| action == "ConfirmSubscription" && topic.arn == arn && topic.token() == token);
    let Some(topic) = asked else {
        let body = "<ErrorResponse><Error><Code>InvalidParameter</Code></Error></ErrorResponse>";
        return (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "text/xml")], body).into_response();
    };
    topic.confirmed = true;
    let body = format!(
        "<ConfirmSubscriptionResponse><ConfirmSubscriptionResult><SubscriptionArn>{arn}:5a1db0c5</SubscriptionArn>\
         </ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
    );
    ([(header::CONTENT_TYPE, "text/xml")], body).into_response()
}

/// The certificate's own address.
pub(super) async fn certificate() -> Response {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], PEM).into_response()
}
