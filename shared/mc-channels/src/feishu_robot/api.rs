//! One call to a Feishu robot, and what its answer means.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::ports::{HttpRequest, HttpResponse, Push, Receipt, Route, SendError, SendFailure};
use mc_core::{Secret, Timestamp};
use ring::hmac;
use serde_json::Value;

use super::config::{Config, Robot};
use crate::feishu::Answer;
use crate::outcome::{refused, unanswered, unlisted};
use crate::registry::Ports;
use crate::robot;

pub(super) async fn send(
    config: &Config,
    route: &Route,
    ports: &Ports,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let robot = &config.robots[robot::lane(push.slot, config.robots.len())];
    let url = Secret::new(format!("{}/open-apis/bot/v2/hook/{}", config.base_url, robot.hook_token.expose()));
    let body = signed(push.part.payload.clone(), robot, ports.clock.now());
    let response =
        ports.http.call(route, HttpRequest::post_json(url, body.to_string())).await.map_err(unanswered)?;
    judge(&response, robot)
}

/// The payload with the signature of now: a try that comes later is signed anew.
fn signed(mut payload: Value, robot: &Robot, now: Timestamp) -> Value {
    if !robot.secret.is_empty() {
        let seconds = (now.millis() / 1000).to_string();
        payload["sign"] = sign(&seconds, robot.secret.expose()).into();
        payload["timestamp"] = seconds.into();
    }
    payload
}

/// The time and the secret are the key, and nothing is signed with it.
fn sign(seconds: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{seconds}\n{secret}").as_bytes());
    STANDARD.encode(hmac::sign(&key, b""))
}

/// Reads the answer; failures come with HTTP 200 as well.
fn judge(response: &HttpResponse, robot: &Robot) -> Result<Receipt, SendError> {
    let answer = Answer::read(response)?;
    let Some(code) = answer.refusal() else { return Ok(Receipt::default()) };
    let text = answer.msg.as_deref().unwrap_or_default();
    Err(refused(classify(code.number(), response), code, text, [&robot.hook_token, &robot.secret]))
}

/// The error table (custom bot guide; 11246 and 99991400 from the general list; 19001, 19002 and 19036 are practice).
fn classify(code: i64, response: &HttpResponse) -> SendFailure {
    match code {
        // Too fast, or Feishu is busy, as it is at full and half hours: the backoff's own chance spreads the tries.
        11_232 | 11_233 | 11_247 | 99_991_400 => SendFailure::Throttled { after: response.retry_after },
        // Signature or clock wrong; address not on the robot's list; no such hook.
        19_021 | 19_022 | 19_001 => SendFailure::Channel,
        // The month's calls are used up: nothing goes through until it ends.
        99_991_403 => SendFailure::Channel,
        // Everything else is about this message: no keyword (another may hold one), malformed, too large.
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Case, judge_all};

    #[test]
    fn signs_as_the_vectors_say() {
        for (seconds, secret, expected) in [
            ("1599360473", "demo-secret", "3/MaVZ8JLIy4TUG+7KSFJqvUkTKd+HWY8g+56DZWq8s="),
            ("1700000000", "abcDEF123", "qimCYnXKTZRVfEDjgpOq1ke9awsBuC3tn/n151vIck8="),
            ("1599360473", "demo", "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
            // Where DingTalk, with key and text the other way round, has hmPWwU+7….
            ("1577262236757", "this is secret", "nHh3Cp6duMZBlaspftrhkkDSIlJ0Lkj6vL71ujaX6pE="),
        ] {
            assert_eq!(sign(seconds, secret), expected);
        }
    }

    #[test]
    fn signs_only_with_a_secret_and_with_the_time_of_the_try() {
        let payload = json!({"msg_type": "text", "content": {"text": "x"}});
        let now = Timestamp::from_millis(1_700_000_000_999);
        let robot = |secret: &str| Robot { hook_token: Secret::new("t"), secret: Secret::new(secret) };
        assert_eq!(signed(payload.clone(), &robot(""), now), payload);
        let signed = signed(payload, &robot("abcDEF123"), now);
        assert_eq!(signed["timestamp"], "1700000000");
        assert_eq!(signed["sign"], "qimCYnXKTZRVfEDjgpOq1ke9awsBuC3tn/n151vIck8=");
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let robot = Robot { hook_token: Secret::new("hook-1234"), secret: Secret::new("secret-5678") };
        let judge = |case: &Case| judge(&case.response(), &robot).map(|_| "Receipt".to_owned());
        judge_all(include_str!("fixtures/answers.json"), &["hook-1234", "secret-5678"], judge, |_| "");
    }
}
