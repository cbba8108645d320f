//! The error table: from WeCom's codes to what happens next.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{HttpResponse, SendError, SendFailure};
use serde_json::Value;

use crate::outcome::{ErrcodeAnswer, not_json, refused, unlisted};

/// Reads an answer: its JSON on success, else the failure that its code stands for. The HTTP status says nothing as soon
/// as there is a code of the table.
pub(super) fn judge<'s>(
    response: &HttpResponse,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> Result<Value, SendError> {
    let answer = ErrcodeAnswer::read(&response.body).ok_or_else(|| not_json(response))?;
    match &answer.errcode {
        Some(code) if code.number() != 0 => {
            let text = answer.errmsg.as_deref().unwrap_or_default();
            Err(refused(classify(code.number(), response), code, text, secrets))
        }
        None if !(200..300).contains(&response.status) => Err(not_json(response)),
        // Some successes omit the code.
        _ => serde_json::from_slice(&response.body).map_err(|_| not_json(response)),
    }
}

/// The errors after which the access token is fetched anew, once. 40001 is a wrong secret by the page; practice knows it
/// as a token that is over, too.
pub(super) fn is_over(error: &SendError) -> bool {
    matches!(error.code.as_str(), "40014" | "42001" | "40001")
}

/// The errors by which an uploaded file is not there any more.
pub(super) fn is_gone(error: &SendError) -> bool {
    matches!(error.code.as_str(), "40007" | "40145")
}

/// Whether this says that the day's people are used up. 45009 says it of every limit there is; what was too fast for a
/// moment is told in words about a frequency, and holds nothing up for the day.
pub(super) fn is_used_up(error: &SendError) -> bool {
    error.code == "45009" && !error.text.contains("freq")
}

/// A failure before anything was pushed: there is nothing to be in doubt about.
pub(super) fn before_push(error: SendError) -> SendError {
    match error.failure {
        SendFailure::Doubt => SendError { failure: SendFailure::Transient { after: None }, ..error },
        _ => error,
    }
}

/// Page 90313.
fn classify(code: i64, response: &HttpResponse) -> SendFailure {
    match code {
        // System busy; version conflict; too many concurrent calls or operations. The token is over: it was fetched anew
        // before this is looked at, so something else keeps ending it.
        -1 | 6000 | 45033 | 45035 | 40014 | 42001 => SendFailure::Transient { after: None },
        // Too fast for a minute, an hour or the day: the ban lasts a minute at least, and later tries come ever later.
        45009 | 45036 => SendFailure::Throttled { after: Some(Duration::from_secs(60)) },
        // Corporation, secret, agent or token missing or wrong; secret not safe enough.
        40001 | 40013 | 40056 | 40091 | 41001 | 41002 | 41004 | 41011 | 45031 | 301_002
        // Our address is not trusted; TLS is too old.
        | 60020 | 48010
        // The interface is not granted, retired or withdrawn; the app is disabled; cards need a callback address.
        | 48001 | 48002 | 48004 | 48005 | 48006 | 50003 | 60031 | 43012
        // Anti-spam; the corporation is gone, banned or has no licence.
        | 40201 | 40204 | 301_007 | 701_008 | 2_000_002 => SendFailure::Channel,
        // Everything else is about these recipients (81013, 60111 …) or this message (45002, 420xx, 82004, 85002 …).
        _ => unlisted(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, judge_all};

    #[test]
    fn every_answer_has_its_meaning() {
        let secret = Secret::new("secret-1234");
        let judge = |case: &Case| {
            let answer = judge(&case.response(), [&secret])?;
            Ok(format!("Ok {}", answer.get("msgid").unwrap_or(&Value::Null)))
        };
        let more = |error: &SendError| match (is_over(error), is_gone(error), is_used_up(error)) {
            (true, ..) => "over",
            (_, true, _) => "gone",
            (.., true) => "used up",
            _ => "",
        };
        judge_all(include_str!("fixtures/answers.json"), &[secret.expose()], judge, more);
    }
}
