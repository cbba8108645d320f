//! One call to a DingTalk robot, and what its answer means.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::ports::{HttpRequest, HttpResponse, Push, Receipt, Route, SendError, SendFailure};
use mc_core::{Secret, Timestamp};
use ring::hmac;

use super::config::{Config, Robot};
use crate::dingtalk::{BLOCKED, not_dingtalk};
use crate::outcome::{ErrcodeAnswer, failure, not_json, refused, unanswered, unlisted};
use crate::registry::Ports;
use crate::robot;

pub(super) async fn send(
    config: &Config,
    route: &Route,
    ports: &Ports,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let robot = &config.robots[robot::lane(push.slot, config.robots.len())];
    let mut payload = push.part.payload.clone();
    // DingTalk knows a repeat by it for an unknown while, so it helps but nothing relies on it.
    payload["msgUuid"] = push.push_id.into();
    let url = url(&config.base_url, robot, ports.clock.now());
    let response =
        ports.http.call(route, HttpRequest::post_json(url, payload.to_string())).await.map_err(unanswered)?;
    judge(&response, robot)
}

/// The address with the signature of now: a try that comes later is signed anew.
fn url(base_url: &str, robot: &Robot, now: Timestamp) -> Secret {
    let mut url = format!("{base_url}/robot/send?access_token={}", robot.access_token.expose());
    if !robot.secret.is_empty() {
        let millis = now.millis().to_string();
        url.push_str("&timestamp=");
        url.push_str(&millis);
        url.push_str("&sign=");
        url.push_str(&sign(&millis, robot.secret.expose()));
    }
    Secret::new(url)
}

/// Base64 of the HMAC, percent-encoded once.
fn sign(millis: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = STANDARD.encode(hmac::sign(&key, format!("{millis}\n{secret}").as_bytes()));
    tag.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Reads the answer. The HTTP status says nothing as soon as there is an errcode of the table.
fn judge(response: &HttpResponse, robot: &Robot) -> Result<Receipt, SendError> {
    let Some(answer) = ErrcodeAnswer::read(&response.body) else { return Err(not_dingtalk(response)) };
    match &answer.errcode {
        Some(code) if code.number() == 0 => Ok(Receipt::default()),
        Some(code) => {
            let text = answer.errmsg.as_deref().unwrap_or_default();
            let what = classify(code.number(), text, response);
            Err(refused(what, code, text, [&robot.access_token, &robot.secret]))
        }
        None if answer.status.is_some() => {
            let text = "DingTalk's gateway blocks this address for calling too often";
            Err(failure(SendFailure::Throttled { after: Some(BLOCKED) }, "1111", text))
        }
        // Every success has a code, so this is not DingTalk's word.
        None => Err(not_json(response)),
    }
}

/// The error table (custom robot page; 300001, 300005, 90030, 130101, 450101, 460101, 660026 are practice only).
fn classify(code: i64, text: &str, response: &HttpResponse) -> SendFailure {
    let throttled = |seconds| SendFailure::Throttled { after: Some(Duration::from_secs(seconds)) };
    match code {
        -1 => SendFailure::Transient { after: None },
        // The next try is signed anew, with the time of then.
        310_000 if text.contains("invalid timestamp") => SendFailure::Transient { after: None },
        // Another message may well hold the keyword.
        310_000 if text.contains("keyword") => SendFailure::Permanent,
        310_000 => SendFailure::Channel,
        // Group disbanded; token unknown; robot stopped; not in the group.
        400_013 | 400_101 | 400_102 | 400_106 | 300_001 | 300_005 => SendFailure::Channel,
        // The month's pushes are used up: nothing goes through until it ends.
        90_030 => SendFailure::Channel,
        410_100 | 660_026 | 450_101 => throttled(60),
        // Over 20 a minute: shut out for ten minutes.
        130_101 => throttled(600),
        90_001..=90_018 => throttled(1),
        // Everything else is about this message: too long, blocked, malformed.
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, judge_all};

    #[test]
    fn signs_as_the_vectors_say() {
        assert_eq!(
            sign("1577262236757", "this is secret"),
            "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"
        );
        assert_eq!(
            sign("1700000000000", "SEC1234567890abcdef"),
            "RqBq3E1RTBDv3n2QBCh4adZ2WHk9mVklyUoDBLxarjI%3D"
        );
    }

    #[test]
    fn signs_only_with_a_secret_and_with_the_time_of_the_try() {
        let robot = Robot { access_token: Secret::new("t"), secret: Secret::new("SEC1234567890abcdef") };
        let url = url("https://h", &robot, Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(
            url.expose(),
            "https://h/robot/send?access_token=t&timestamp=1700000000000&sign=RqBq3E1RTBDv3n2QBCh4adZ2WHk9mVklyUoDBLxarjI%3D"
        );
        let robot = Robot { access_token: Secret::new("t"), secret: Secret::default() };
        assert_eq!(
            super::url("https://h", &robot, Timestamp::EPOCH).expose(),
            "https://h/robot/send?access_token=t"
        );
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let robot = Robot { access_token: Secret::new("token-1234"), secret: Secret::new("SEC-5678") };
        let judge = |case: &Case| judge(&case.response(), &robot).map(|_| "Receipt".to_owned());
        judge_all(include_str!("fixtures/answers.json"), &["token-1234", "SEC-5678"], judge, |_| "");
    }
}
