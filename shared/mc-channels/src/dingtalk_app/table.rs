//! The form of the answers, and the error table: from DingTalk's codes to what happens next.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Figure, HttpResponse, SendError, SendFailure, Window};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::Config;
use crate::dingtalk::{BLOCKED, not_dingtalk};
use crate::outcome::{Code, failure, not_json, refused, unlisted};

/// An error that only wraps another one.
const WRAPPER: i64 = 88;

/// An answer of the old family of calls.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    errcode: Option<Code>,
    #[serde(default)]
    errmsg: Value,
    #[serde(default)]
    sub_code: Option<Code>,
    #[serde(default)]
    sub_msg: Value,
    /// What the call brought.
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

/// Reads an answer: itself on success, else the failure that its code stands for. The HTTP status says nothing as soon
/// as there is an errcode of the table.
pub(super) fn judge(
    response: &HttpResponse,
    config: &Config,
    token: Option<&Secret>,
) -> Result<Answer, SendError> {
    // serde would read a list into a struct as well.
    let is_object = response.body.trim_ascii_start().first() == Some(&b'{');
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok().filter(|_| is_object);
    let Some(answer) = answer else { return Err(not_dingtalk(response)) };
    match answer.errcode.clone() {
        Some(errcode) if errcode.number() == 0 => Ok(answer),
        Some(errcode) => {
            let (code, text) = answer.error(errcode);
            let secrets = [Some(&config.app_secret), config.token.as_ref(), config.aes_key.as_ref(), token];
            Err(refused(classify(code.number(), response), &code, text, secrets.into_iter().flatten()))
        }
        None if answer.more.contains_key("status") => {
            let text = "DingTalk's gateway blocks this address for calling too often";
            Err(failure(SendFailure::Throttled { after: Some(BLOCKED) }, "1111", text))
        }
        None => Err(not_json(response)),
    }
}

impl Answer {
    /// The code that counts, and the words to it.
    fn error(&self, errcode: Code) -> (Code, &str) {
        let errmsg = self.errmsg.as_str().unwrap_or_default();
        if errcode.number() != WRAPPER {
            return (errcode, errmsg);
        }
        let inside = || {
            let (_, rest) = errmsg.split_once("subcode=")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok().map(Code::Number)
        };
        let text = self.sub_msg.as_str().filter(|text| !text.is_empty()).unwrap_or(errmsg);
        (self.sub_code.clone().or_else(inside).unwrap_or(errcode), text)
    }

    /// A text or a number of the answer, as a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.more.get(name)? {
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// The errors by which a token is refused and nothing else is said.
pub(super) fn is_over(error: &SendError) -> bool {
    matches!(error.code.as_str(), "40001" | "40014" | "42001" | "41001" | "40000")
}

/// The errors by which the month's calls or pushes are used up.
pub(super) fn is_used_up(error: &SendError) -> bool {
    matches!(error.code.as_str(), "90020" | "90030")
}

/// The calls of the month and the quota, where the refusal names them: `调用量:10001次,额度:10000次`.
pub(super) fn figure(words: &str) -> Option<Figure> {
    let number = |name: &str| -> Option<u64> {
        words.split(name).skip(1).find_map(|rest| {
            let rest = rest.trim_start_matches([':', '：', ' ']);
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
    };
    let (used, limit) = (number("调用量")?, number("额度")?);
    (limit > 0).then_some(Figure { window: Window::Month, limit: Some(limit), used: Some(used) })
}

/// The list of global codes of the old family, and the page of work notifications.
fn classify(code: i64, response: &HttpResponse) -> SendFailure {
    let after = response.retry_after.or(Some(Duration::from_secs(1)));
    match code {
        -1 => SendFailure::Transient { after: response.retry_after },
        // Too fast for this call, the app's or everybody's.
        90_001..=90_018 => SendFailure::Throttled { after },
        // Token wrong, over or missing; the app unknown.
        40_001 | 40_014 | 42_001 | 41_001 | 40_000 | 40_089 | 40_096
        // No permission; our address not on the list; the AgentId another app's; the path wrong.
        | 60_011 | 60_020 | 40_056 | 41_028 | 41_044 | 22
        // The month's calls or pushes are used up: nothing goes through until it ends.
        | 90_020 | 90_030 => SendFailure::Channel,
        // Everything else is about this message or its recipients.
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dingtalk_app::config::tests::config;
    use crate::testing::{Case, judge_all};

    #[test]
    fn a_used_up_month_names_its_numbers() {
        let month =
            |limit, used| Some(Figure { window: Window::Month, limit: Some(limit), used: Some(used) });
        assert_eq!(figure("已超过额度上限,调用量:10001次,额度:10000次,请升级"), month(10_000, 10_001));
        assert_eq!(figure("调用量： 7 次，额度：5次"), month(5, 7));
        for other in ["used up", "调用量:许多次,额度:10000次", "额度:10000次", "调用量:1,额度:0", ""]
        {
            assert_eq!(figure(other), None, "{other}");
        }
    }

    #[test]
    fn every_answer_has_its_meaning() {
        let settings = json!({"app_key": "ding1", "agent_id": 7});
        let config = config(settings, &[("app_secret", "secret-1234")]);
        let token = Secret::new("token-5678");
        let judge = |case: &Case| {
            let retry_after = (case.status == 429).then_some(Duration::from_secs(7));
            let response = HttpResponse { retry_after, ..case.response() };
            let answer = judge(&response, &config, Some(&token)).inspect_err(|error| {
                assert_eq!(is_used_up(error), case.body.contains("month's"), "{}", case.body);
            })?;
            Ok(format!("Ok {:?}", answer.text("task_id")))
        };
        let over = |error: &SendError| if is_over(error) { "over" } else { "" };
        judge_all(include_str!("fixtures/answers.json"), &["secret-1234", "token-5678"], judge, over);
    }
}
