//! SES's events through an SNS topic that posts to our callback address.
//!
//! A valid signature says only that some account's topic said it, so the topic has to be the configured one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::Secret;
use mc_core::ports::{
    CallbackAnswer, CallbackError, CallbackRequest, Clock, Http, HttpError, HttpRequest, News, Route,
};
use mc_core::{Timestamp, ports};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use url::{Position, Url};

use super::certificate::{self, Certificate};
use super::config::Config;
use super::events::read_ses_event;

/// Notifications older than this are not believed. SNS tries for an hour at most when we do not answer, and its last try
/// takes a while.
const OLDEST: Duration = Duration::from_secs(4500);

/// Clocks differ by so much.
const AHEAD: Duration = Duration::from_secs(900);

/// SNS waits about 15 s for an answer.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A topic has one certificate at a time, and another after it was replaced.
const KEPT: usize = 4;

/// What SNS posts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
    timestamp: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

impl Notification {
    fn read(body: &[u8]) -> Result<Self, CallbackError> {
        let other = |why: &str| CallbackError::Malformed(format!("this is not what SNS posts: {why}"));
        let fields: Value = serde_json::from_slice(body).map_err(|_| other("it is no JSON"))?;
        // serde would read a list into a struct as well.
        if !fields.is_object() {
            return Err(other("it is no JSON object"));
        }
        serde_json::from_value(fields).map_err(|error| other(&error.to_string()))
    }

    /// What was signed: names and values, one a line, in the order of the names.
    fn signed_text(&self) -> Option<String> {
        let message = ("Message", Some(&self.message));
        let id = ("MessageId", Some(&self.message_id));
        let time = ("Timestamp", Some(&self.timestamp));
        let topic = ("TopicArn", Some(&self.topic_arn));
        let kind = ("Type", Some(&self.r#type));
        let lines = match self.r#type.as_str() {
            "Notification" => vec![message, id, ("Subject", self.subject.as_ref()), time, topic, kind],
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => vec![
                message,
                id,
                ("SubscribeURL", self.subscribe_url.as_ref()),
                time,
                ("Token", self.token.as_ref()),
                topic,
                kind,
            ],
            _ => return None,
        };
        let present = lines.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        Some(present.map(|(name, value)| format!("{name}\n{value}\n")).collect())
    }
}

/// Certificates that were fetched, by their address.
#[derive(Default)]
pub(super) struct Certificates(Mutex<Vec<(String, Certificate)>>);

/// Reads what SNS posts.
pub(super) async fn read(
    config: &Config,
    certificates: &Certificates,
    http: &dyn Http,
    clock: &dyn Clock,
    request: &CallbackRequest<'_>,
) -> Result<CallbackAnswer, CallbackError> {
    let topic = config.topic_arn.as_deref().ok_or(CallbackError::NotConfigured("/settings/topic_arn"))?;
    let posted = Notification::read(request.body)?;
    if posted.topic_arn != topic {
        return Err(CallbackError::Stranger("topic_arn"));
    }
    match verify(config, certificates, http, clock, &posted).await {
        Ok(true) => {}
        Ok(false) => return Err(CallbackError::Signature),
        // SNS tries again after 5xx, and not after 4xx.
        Err(error) => return Ok(later(&error)),
    }
    let other = |what: &str| News::Other { what: what.to_owned(), data: json!({"topic": topic}) };
    match posted.r#type.as_str() {
        "Notification" => Ok(CallbackAnswer::text("", news(&posted))),
        "SubscriptionConfirmation" => match confirm(config, http, &posted).await? {
            Ok(()) => Ok(CallbackAnswer::text("", vec![other("sns.subscribed")])),
            Err(error) => Ok(later(&error)),
        },
        _ => Ok(CallbackAnswer::text("", vec![other("sns.unsubscribed")])),
    }
}

fn later(error: &HttpError) -> CallbackAnswer {
    tracing::warn!(error = %error, "a notification of SNS could not be checked, and is asked for again");
    CallbackAnswer { status: 503, ..CallbackAnswer::text("", Vec::new()) }
}

/// The events in a notification. SNS also passes on texts that are none.
fn news(posted: &Notification) -> Vec<News> {
    let detail: Value = serde_json::from_str(&posted.message).unwrap_or_default();
    read_ses_event(&detail).map(|event| event.news).unwrap_or_default()
}

/// Whether SNS signed it, a short while ago.
async fn verify(
    config: &Config,
    certificates: &Certificates,
    http: &dyn Http,
    clock: &dyn Clock,
    posted: &Notification,
) -> Result<bool, HttpError> {
    let now = clock.now();
    let recent = Timestamp::parse(&posted.timestamp)
        .is_some_and(|at| now.since(at) <= OLDEST && at.since(now) <= AHEAD);
    let algorithm: &dyn ring::signature::VerificationAlgorithm = match posted.signature_version.as_str() {
        "1" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "2" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Ok(false),
    };
    let (Some(text), Ok(signature)) = (posted.signed_text(), STANDARD.decode(&posted.signature)) else {
        return Ok(false);
    };
    if !recent || !is_sns(&posted.signing_cert_url, ".pem") {
        return Ok(false);
    }
    let url = place(config, &posted.signing_cert_url);
    let Some(certificate) = certificates.get(http, &url).await? else { return Ok(false) };
    if now < certificate.not_before || now > certificate.not_after {
        return Ok(false);
    }
    let key = UnparsedPublicKey::new(algorithm, &certificate.key);
    Ok(key.verify(text.as_bytes(), &signature).is_ok())
}

/// Whether an address is one of SNS itself: anybody can sign with a certificate from elsewhere.
fn is_sns(address: &str, ending: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let region = host.strip_prefix("sns.").and_then(|rest| rest.strip_suffix(".amazonaws.com"));
    let plain =
        |region: &str| region.len() >= 3 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    url.scheme() == "https"
        && region.is_some_and(plain)
        && url.port().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && url.path().ends_with(ending)
}

/// Where an address of SNS is for this channel: its `base_url` stands in place of scheme and host.
fn place(config: &Config, address: &str) -> String {
    match (&config.base_url, Url::parse(address)) {
        (Some(base_url), Ok(url)) => {
            // The root of a host is the end of a `base_url` with a path.
            let rest = &url[Position::BeforePath..];
            format!(
                "{base_url}{}",
                rest.strip_prefix('/').filter(|rest| rest.starts_with('?')).unwrap_or(rest)
            )
        }
        _ => address.to_owned(),
    }
}

impl Certificates {
    async fn get(&self, http: &dyn Http, url: &str) -> Result<Option<Certificate>, HttpError> {
        let kept = |known: &Vec<(String, Certificate)>| {
            known.iter().find(|(address, _)| address == url).map(|(_, certificate)| certificate.clone())
        };
        if let Some(certificate) = kept(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(certificate));
        }
        let answer = fetch(http, url).await?;
        let Some(certificate) = certificate::read(&answer.body).filter(|_| answer.status == 200) else {
            return Ok(None);
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push((url.to_owned(), certificate.clone()));
        Ok(Some(certificate))
    }
}

async fn fetch(http: &dyn Http, url: &str) -> Result<ports::HttpResponse, HttpError> {
    let request = HttpRequest {
        method: "GET",
        url: Secret::new(url),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        timeout: TIMEOUT,
        redirects: 0,
        max_answer: 64 << 10,
        body_optional: false,
    };
    http.call(&Route::default(), request).await
}

/// Follows the address by which a subscription is confirmed.
async fn confirm(
    config: &Config,
    http: &dyn Http,
    posted: &Notification,
) -> Result<Result<(), HttpError>, CallbackError> {
    let url = posted.subscribe_url.as_deref().filter(|url| is_sns(url, "/"));
    let url = url.ok_or_else(|| CallbackError::Malformed("SubscribeURL is not one of SNS".to_owned()))?;
    match fetch(http, &place(config, url)).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(Ok(())),
        Ok(answer) => Err(CallbackError::Malformed(format!(
            "SNS answered {} when the subscription was confirmed; subscribe again",
            answer.status
        ))),
        Err(error) => Ok(Err(error)),
    }
}

#[cfg(test)]
mod tests;
