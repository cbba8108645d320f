//! The error table: from Feishu's codes to what happens next.

use std::time::Duration;

use mc_core::ports::{HttpResponse, SendError, SendFailure};

use super::config::Config;
use crate::feishu::Answer;
use crate::outcome::{refused, unlisted};

/// Reads an answer: itself on success, else the failure that its code stands for. Failures come with HTTP 200 and 400
/// alike.
pub(super) fn judge(response: &HttpResponse, config: &Config) -> Result<Answer, SendError> {
    let answer = Answer::read(response)?;
    match answer.refusal() {
        None => Ok(answer),
        Some(code) => {
            let secrets =
                [Some(&config.app_secret), config.encrypt_key.as_ref(), config.verification_token.as_ref()];
            let text = answer.msg.as_deref().unwrap_or_default();
            Err(refused(classify(code.number(), response), code, text, secrets.into_iter().flatten()))
        }
    }
}

/// The errors by which a token is refused and nothing else is said. 99991671 is a token of a wrong form.
pub(super) fn is_over(error: &SendError) -> bool {
    matches!(error.code.as_str(), "99991663" | "99991664" | "99991665" | "99991671")
}

/// The message pages (`im/v1/messages`, `message/v4/batch_send`), those of uploads, and the general list.
fn classify(code: i64, response: &HttpResponse) -> SendFailure {
    let second = Some(Duration::from_secs(1));
    match code {
        // Too fast for the app's API, or for one person or group (five in a second).
        99_991_400 | 11_232 | 11_233 => SendFailure::Throttled { after: response.retry_after },
        230_020 => SendFailure::Throttled { after: response.retry_after.or(second) },
        // Half a million batch messages in a day.
        11_247 => SendFailure::Throttled { after: Some(Duration::from_secs(3600)) },
        // The same uuid is on its way; asking again with it brings what became of it.
        230_049 | 18_121 => SendFailure::Transient { after: second },
        // Internal errors.
        10_101 | 10_105 | 10_500 | 105_001 => SendFailure::Transient { after: response.retry_after },
        // App or secret unknown; app stopped, not installed, without the bot ability or a permission; our address not on
        // its list; token missing; the month's calls used up; the tenant's key deleted.
        10_003
        | 10_005
        | 10_012..=10_015
        | 11_203..=11_205
        | 11_207
        | 11_209
        | 11_210
        | 11_223
        | 11_240
        | 230_006
        | 230_027
        | 230_036
        | 234_007
        | 99_991_401
        | 99_991_403
        | 99_991_543
        | 99_991_661..=99_991_665
        | 99_991_671..=99_991_673
        | 99_991_676 => SendFailure::Channel,
        // Everything else is about this message or this recipient.
        _ => unlisted(response),
    }
}
