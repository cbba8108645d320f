//! One mail through SES, what its refusals mean, and the account's check.

use std::time::Duration;

use mc_core::ports::{
    CheckStep, Clock, Figure, MailAccount, MailError, MailService, Push, RawMail, Receipt, SendError,
    SendFailure, Window,
};

use super::config::Config;
use super::tags;
use crate::mail;
use crate::outcome::{failure, words};
use crate::reach::{failed, passed};

/// SES's limit for a mail after base64 (40 MB), reckoned before it.
const LARGEST: usize = 40_000_000 / 4 * 3;

/// How long a push waits when the day's quota is used up: SES counts the last 24 hours, so a little comes free all the time.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);

/// How long a push waits when it was one too many in its second.
const RATE_WAIT: Duration = Duration::from_secs(2);

/// What to do where there is no mail service.
const NO_SERVICE: &str = "there are no AWS credentials here: set AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and start again";

pub(super) async fn send(
    config: &Config,
    service: Option<&dyn MailService>,
    clock: &dyn Clock,
    push: &Push<'_>,
) -> Result<Receipt, SendError> {
    let mail = mail::build(&config.sender, push, clock.now())?;
    if mail.bytes.len() > LARGEST {
        let text = format!("{} bytes with all attachments; SES takes {LARGEST}", mail.bytes.len());
        return Err(failure(SendFailure::Permanent, "too_large", text));
    }
    if mail.envelope.to().iter().any(|address| !address.user().is_ascii()) {
        let text = "SES takes only ASCII before the @ of an address";
        return Err(failure(SendFailure::Permanent, "bad_address", text));
    }
    let service = service.ok_or_else(|| failure(SendFailure::Channel, "no_service", NO_SERVICE))?;
    let from = config.sender.from.email.to_string();
    let to: Vec<String> = mail.envelope.to().iter().map(ToString::to_string).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let values = [push.push_id, &config.project, &config.channel].map(tags::encode);
    let tags = [(tags::PUSH, values[0].as_str()), (tags::PROJECT, &values[1]), (tags::CHANNEL, &values[2])];
    let raw = RawMail {
        from: &from,
        to: &to,
        mime: &mail.bytes,
        configuration_set: config.configuration_set.as_deref(),
        tags: &tags,
    };
    match service.send(raw).await {
        // Events carry our own id in a tag, so nothing has to be looked up when they come.
        Ok(_) => Ok(Receipt { platform_id: Some(push.push_id.to_owned()), refused: Vec::new() }),
        Err(error) => Err(read(&error, config)),
    }
}

fn read(error: &MailError, config: &Config) -> SendError {
    failure(meaning(error, config.sender.from.email.domain()), error.code.as_str(), words(&error.text, []))
}

/// What happens next after a refusal.
fn meaning(error: &MailError, own_domain: &str) -> SendFailure {
    let says = |part: &str| error.text.to_ascii_lowercase().contains(part);
    let again = |after| SendFailure::Throttled { after: Some(after) };
    match error.code.as_str() {
        _ if error.maybe_sent => SendFailure::Doubt,
        "connect" => SendFailure::Transient { after: None },
        // The model calls it "too many instances"; in practice it is the day's quota.
        "LimitExceededException" => again(QUOTA_WAIT),
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" if says("daily") => {
            again(QUOTA_WAIT)
        }
        "TooManyRequestsException" | "ThrottlingException" | "Throttling" => again(RATE_WAIT),
        // The sender's fault or, in the sandbox, the recipient's: SES names the addresses that failed.
        "MessageRejected" if says("not verified") && says(&own_domain.to_ascii_lowercase()) => {
            SendFailure::Channel
        }
        "MessageRejected" | "BadRequestException" | "ValidationException" => SendFailure::Permanent,
        "MailFromDomainNotVerifiedException"
        | "AccountSuspendedException"
        | "SendingPausedException"
        | "NotFoundException" => SendFailure::Channel,
        "InternalServiceErrorException" | "ServiceUnavailable" | "ConcurrentModificationException" => {
            SendFailure::Transient { after: None }
        }
        _ => match error.status {
            Some(429) => again(RATE_WAIT),
            Some(401 | 403) => SendFailure::Channel,
            Some(500..) => SendFailure::Transient { after: None },
            // Wrong or missing rights come with 400 as well.
            _ if is_about_rights(&error.code) => SendFailure::Channel,
            _ => SendFailure::Permanent,
        },
    }
}

fn is_about_rights(code: &str) -> bool {
    ["AccessDenied", "Signature", "Token", "UnrecognizedClient", "Expired"]
        .iter()
        .any(|part| code.contains(part))
}

/// The day's quota is what is waited for so long.
pub(super) fn used_up(error: &SendError) -> Option<Window> {
    (error.failure == SendFailure::Throttled { after: Some(QUOTA_WAIT) }).then_some(Window::Day)
}

/// The account's rate in whole mails a second, which is at least one; `None` where SES names no number.
fn rate(account: &MailAccount) -> Option<u64> {
    (account.per_second.is_finite() && account.per_second > 0.0).then(|| (account.per_second as u64).max(1))
}

/// What SES counts of the last 24 hours, and how many mails it takes in a second. An account without a limit has -1.
pub(super) async fn figures(service: Option<&dyn MailService>) -> Result<Vec<Figure>, SendError> {
    let trouble = |code: &str, text: &str| failure(SendFailure::Transient { after: None }, code, text);
    let service = service.ok_or_else(|| trouble("no_service", NO_SERVICE))?;
    let account = service.account().await.map_err(|error| trouble(&error.code, &words(&error.text, [])))?;
    let (limit, used) = (account.per_day, account.sent_last_day);
    if !limit.is_finite() || !used.is_finite() || used < 0.0 {
        return Err(trouble("bad_answer", "SES answers with no numbers"));
    }
    let limit = (limit >= 0.0).then_some(limit as u64);
    let day = Figure { window: Window::Day, limit, used: Some(used as u64) };
    let second = rate(&account).map(|rate| Figure { window: Window::Second, limit: Some(rate), used: None });
    Ok(std::iter::once(day).chain(second).collect())
}

/// Asks how the account stands; sends nothing.
pub(super) async fn check(service: Option<&dyn MailService>) -> Vec<CheckStep> {
    let Some(service) = service else {
        return vec![failed("credentials", "nothing here may send through SES", NO_SERVICE)];
    };
    let account = match service.account().await {
        Ok(account) => account,
        Err(error) => {
            let next = if error.code == "connect" || error.code == "no_answer" {
                "check the region and the way out to email.<region>.amazonaws.com"
            } else {
                "give our role or key the rights ses:GetAccount and ses:SendEmail, and check the region"
            };
            return vec![failed("account", words(&error.to_string(), []), next)];
        }
    };
    let mut steps = vec![passed("account", "SES knows the account")];
    let standing = account.standing.as_deref().unwrap_or("HEALTHY");
    steps.push(match (account.sending, standing) {
        (true, "SHUTDOWN") | (false, _) => failed(
            "sending",
            format!("sending is switched off (the account is {standing})"),
            "open the SES console: it says why, and where to ask for a review",
        ),
        (true, "PROBATION") => CheckStep {
            next_step: Some("bounces or complaints are too many; the SES console says what to do".to_owned()),
            ..passed("sending", "mails go out, and the account is under review")
        },
        (true, _) => passed("sending", "mails go out"),
    });
    steps.push(if account.production {
        passed("production", "mails go to everybody")
    } else {
        CheckStep {
            next_step: Some(
                "verify the addresses you test with, or request production access in the SES console"
                    .to_owned(),
            ),
            ..passed("production", "the account is in SES's sandbox: mails go to verified addresses only")
        }
    });
    let used = format!("{} of {} recipients in 24 hours", account.sent_last_day, account.per_day);
    let left = account.per_day < 0.0 || account.sent_last_day < account.per_day;
    steps.push(match rate(&account) {
        _ if !left => failed(
            "quota",
            used,
            "wait until some of the last 24 hours is over, or ask SES for a higher quota",
        ),
        Some(rate) => passed("quota", format!("{used}, {rate} in a second")),
        None => CheckStep {
            next_step: Some("SES names no rate: set the channel's limits.per_second".to_owned()),
            ..passed("quota", used)
        },
    });
    steps
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        code: String,
        status: Option<u16>,
        text: String,
        #[serde(default)]
        maybe_sent: bool,
        expected: String,
    }

    #[test]
    fn every_refusal_has_its_meaning() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/refusals.json")).unwrap();
        for Case { code, status, text, maybe_sent, expected } in cases {
            let error = MailError { code, status, text, maybe_sent };
            let kind = format!("{:?}", meaning(&error, "example.com"));
            assert!(kind.starts_with(&expected), "{error:?}: {kind}, not {expected}");
        }
    }
}
