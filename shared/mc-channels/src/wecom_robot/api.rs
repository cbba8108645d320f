//! One call to a WeCom robot, and what its answer means.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Http, HttpRequest, HttpResponse, Push, Receipt, Route, SendError, SendFailure};

use super::config::Config;
use crate::outcome::{ErrcodeAnswer, not_json, refused, unanswered, unlisted};
use crate::robot;

pub(super) async fn send(
    config: &Config,
    route: &Route,
    http: &dyn Http,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let robot = &config.robots[robot::lane(push.slot, config.robots.len())];
    let request = HttpRequest::post_json(robot.url.clone(), push.part.payload.to_string());
    let response = http.call(route, request).await.map_err(unanswered)?;
    judge(&response, &robot.key)
}

/// Reads the answer. The HTTP status says nothing as soon as there is an errcode of the table.
fn judge(response: &HttpResponse, key: &Secret) -> Result<Receipt, SendError> {
    let answer = ErrcodeAnswer::read(&response.body).ok_or_else(|| not_json(response))?;
    match &answer.errcode {
        Some(code) if code.number() != 0 => {
            let text = answer.errmsg.as_deref().unwrap_or_default();
            Err(refused(classify(code.number(), response), code, text, [key]))
        }
        None if !(200..300).contains(&response.status) => Err(not_json(response)),
        // Some successes omit the code.
        _ => Ok(Receipt::default()),
    }
}

/// The error table (pages 90313 and 91770; 45009 for "too fast" is practice, not documentation).
fn classify(code: i64, response: &HttpResponse) -> SendFailure {
    match code {
        // System busy; version conflict; too many concurrent calls.
        -1 | 6000 | 45033 | 45035 => SendFailure::Transient { after: None },
        // Over 20 a minute: the ban lasts a minute.
        45009 | 45036 => SendFailure::Throttled { after: Some(Duration::from_secs(60)) },
        // Key unknown or robot removed; group forbids pushes; disabled; not in the group; bad id; address not
        // trusted; no permission; corporation gone.
        93000 | 93001 | 93004 | 93008 | 93019 | 60020 | 48001 | 48002 | 48004 | 48005 | 48006 | 301_007
        | 2_000_002 => SendFailure::Channel,
        // Everything else is about this message: empty, too long, malformed, forbidden words.
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, judge_all};

    #[test]
    fn every_answer_has_its_meaning() {
        let key = Secret::new("693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa");
        let judge = |case: &Case| judge(&case.response(), &key).map(|_| "Receipt".to_owned());
        judge_all(include_str!("fixtures/answers.json"), &[key.expose()], judge, |_| "");
    }
}
