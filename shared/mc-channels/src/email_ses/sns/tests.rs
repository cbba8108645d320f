//! Notifications as SNS signs them, by a certificate of the tests.

use std::net::SocketAddr;

use async_trait::async_trait;
use mc_core::ports::{HttpErrorKind, HttpResponse};
use mc_core::state::State;
use mc_testkit::MockClock;

use super::*;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:mail-events";

/// Plays the hosts of SNS, and writes down what was asked for.
#[derive(Default)]
struct Sns {
    asked: Mutex<Vec<String>>,
    down: bool,
}

#[async_trait]
impl Http for Sns {
    async fn call(&self, _: &Route, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.asked.lock().unwrap().push(request.url.expose().to_owned());
        if self.down {
            return Err(HttpError { kind: HttpErrorKind::NotConnected, text: "down".to_owned() });
        }
        let body = include_bytes!("../fixtures/certificate.pem").as_slice();
        Ok(HttpResponse { status: 200, retry_after: None, content_type: None, body: body.into() })
    }

    async fn admit(&self, _: &str) -> Result<(), HttpError> {
        Ok(())
    }

    async fn resolve(&self, _: &str, _: u16) -> Result<Vec<SocketAddr>, HttpError> {
        Ok(Vec::new())
    }
}

fn posted(name: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../fixtures/notifications.json")).unwrap();
    all[name].clone()
}

fn config(topic: Option<&str>) -> Config {
    Config {
        sender: crate::mail::Sender { from: "a@example.com".parse().unwrap(), reply_to: None },
        configuration_set: None,
        topic_arn: topic.map(ToOwned::to_owned),
        base_url: None,
        project: "default".into(),
        channel: "corp.mail".into(),
    }
}

async fn post(sns: &Sns, body: &Value) -> Result<CallbackAnswer, CallbackError> {
    post_at(sns, &Certificates::default(), &MockClock::default(), body).await
}

async fn post_at(
    sns: &Sns,
    certificates: &Certificates,
    clock: &MockClock,
    body: &Value,
) -> Result<CallbackAnswer, CallbackError> {
    let body = body.to_string();
    let request = CallbackRequest { method: "POST", query: "", headers: &[], body: body.as_bytes() };
    read(&config(Some(TOPIC)), certificates, sns, clock, &request).await
}

#[tokio::test]
async fn both_versions_of_the_signature_are_believed() {
    for name in ["version 1", "version 2"] {
        let answer = post(&Sns::default(), &posted(name)).await.unwrap();
        assert_eq!((answer.status, answer.news.len()), (200, 2), "{name}");
        assert!(matches!(&answer.news[0], News::Receipt { state: State::Failed, .. }));
        assert!(matches!(&answer.news[1], News::Suppress { reason: "bounce", .. }));
    }
}

#[tokio::test]
async fn no_change_of_what_was_signed_passes() {
    for name in ["version 1", "version 2", "subscription"] {
        let whole = posted(name);
        let fields = whole.as_object().unwrap().iter().filter(|(field, _)| *field != "UnsubscribeURL");
        for (field, value) in fields {
            let mut changed = whole.clone();
            changed[field] = match field.as_str() {
                "SignatureVersion" if value == "1" => "2".into(),
                "SignatureVersion" => "1".into(),
                "SigningCertURL" => "https://sns.eu-west-1.amazonaws.com.example.com/x.pem".into(),
                "Signature" => STANDARD.encode([7; 256]).into(),
                "Timestamp" => "2026-12-01T00:00:02.000Z".into(),
                _ => format!("{} ", value.as_str().unwrap()).into(),
            };
            let result = post(&Sns::default(), &changed).await;
            let expected = match field.as_str() {
                "TopicArn" => CallbackError::Stranger("topic_arn"),
                _ => CallbackError::Signature,
            };
            assert_eq!(result, Err(expected), "{name}: {field}");
        }
    }
}

#[tokio::test]
async fn only_the_configured_topic_is_heard() {
    let sns = Sns::default();
    assert_eq!(post(&sns, &posted("another topic")).await, Err(CallbackError::Stranger("topic_arn")));
    assert!(sns.asked.lock().unwrap().is_empty(), "a stranger's topic makes us fetch nothing");
    let body = posted("version 2").to_string();
    let request = CallbackRequest { method: "POST", query: "", headers: &[], body: body.as_bytes() };
    let result = read(&config(None), &Certificates::default(), &sns, &MockClock::default(), &request).await;
    assert_eq!(result, Err(CallbackError::NotConfigured("/settings/topic_arn")));
}

#[tokio::test]
async fn a_subscription_is_confirmed_at_sns_alone() {
    let sns = Sns::default();
    let answer = post(&sns, &posted("subscription")).await.unwrap();
    assert!(matches!(&answer.news[..], [News::Other { what, .. }] if what == "sns.subscribed"));
    let asked = sns.asked.lock().unwrap().clone();
    assert!(asked.len() == 2 && asked[1].contains("Action=ConfirmSubscription"), "{asked:?}");
    let sns = Sns::default();
    let evil = post(&sns, &posted("evil subscription")).await;
    assert!(matches!(evil, Err(CallbackError::Malformed(_))), "{evil:?}");
    assert_eq!(sns.asked.lock().unwrap().len(), 1, "the certificate, and not the address");
}

#[tokio::test]
async fn the_certificate_is_fetched_once_and_has_its_time() {
    let (sns, certificates, clock) = (Sns::default(), Certificates::default(), MockClock::default());
    for _ in 0..3 {
        post_at(&sns, &certificates, &clock, &posted("version 2")).await.unwrap();
    }
    assert_eq!(sns.asked.lock().unwrap().len(), 1);
    clock.advance(OLDEST + Duration::from_secs(2));
    let old = post_at(&sns, &certificates, &clock, &posted("version 2")).await;
    assert_eq!(old, Err(CallbackError::Signature), "too old");
}

#[tokio::test]
async fn what_cannot_be_checked_now_is_asked_for_again() {
    let sns = Sns { down: true, ..Sns::default() };
    assert_eq!(post(&sns, &posted("version 2")).await.unwrap().status, 503);
    assert!(matches!(post(&sns, &json!({"eventType": "Bounce"})).await, Err(CallbackError::Malformed(_))));
    let answer = post(&Sns::default(), &posted("plain text")).await.unwrap();
    assert_eq!((answer.status, answer.news), (200, vec![]));
}

#[tokio::test]
async fn what_sns_does_not_post_is_refused_in_plain_words() {
    for (body, why) in [
        ("", "it is no JSON"),
        ("{", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("null", "it is no JSON object"),
        ("{}", "missing field `Type`"),
    ] {
        let request = CallbackRequest { method: "POST", query: "", headers: &[], body: body.as_bytes() };
        let (sns, clock) = (Sns::default(), MockClock::default());
        let result = read(&config(Some(TOPIC)), &Certificates::default(), &sns, &clock, &request).await;
        let expected = CallbackError::Malformed(format!("this is not what SNS posts: {why}"));
        assert_eq!(result, Err(expected), "{body}");
    }
}

#[test]
fn hosts_of_sns_are_known_in_every_dress() {
    for good in [
        "https://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.cn-north-1.amazonaws.com.cn/x.pem",
        "https://sns.us-gov-west-1.amazonaws.com/x.pem",
    ] {
        assert!(is_sns(good, ".pem"), "{good}");
    }
    for bad in [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:444/x.pem",
        "https://user@sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@example.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.example.com/x.pem",
        "https://example.com/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.a.b.amazonaws.com/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x?y.pem",
        "nothing",
    ] {
        assert!(!is_sns(bad, ".pem"), "{bad}");
    }
}
