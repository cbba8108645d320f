//! A service that takes whole mails over an API.

use std::fmt;

use async_trait::async_trait;

/// A mail, put together, and who it goes to.
#[derive(Clone, Copy, Debug)]
pub struct RawMail<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipients' addresses, whatever the mail's own header says.
    pub to: &'a [&'a str],
    /// The mail itself (RFC 5322).
    pub mime: &'a [u8],
    /// The service's own set of rules for this mail, if any.
    pub configuration_set: Option<&'a str>,
    /// Names and values that come back with every event of this mail. Letters, digits, `_` and `-` only.
    pub tags: &'a [(&'a str, &'a str)],
}

/// What a mail service says of the account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MailAccount {
    /// Whether mails go to anybody, and not only to addresses that were verified.
    pub production: bool,
    /// Whether mails go out at all.
    pub sending: bool,
    /// The service's judgement of the account (`HEALTHY`, `PROBATION`, `SHUTDOWN`), if it tells.
    pub standing: Option<String>,
    /// Recipients in any 24 hours; below zero when there is no limit.
    pub per_day: f64,
    /// Recipients in a second.
    pub per_second: f64,
    /// Recipients in the last 24 hours.
    pub sent_last_day: f64,
}

/// A mail service's refusal or silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailError {
    /// The service's code (`MessageRejected`), or ours (`connect`, `no_answer`).
    pub code: String,
    /// The status of its answer, if there was one.
    pub status: Option<u16>,
    /// Its words, without secrets.
    pub text: String,
    /// Whether the mail may have been taken all the same.
    pub maybe_sent: bool,
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl std::error::Error for MailError {}

/// A mail service of the place we run in, with the rights of that place.
///
/// # Behavior
/// - Makes one attempt; the caller owns retries.
#[async_trait]
pub trait MailService: Send + Sync {
    /// Hands over a mail; answers the service's id for it.
    async fn send(&self, mail: RawMail<'_>) -> Result<String, MailError>;

    /// How the account stands.
    async fn account(&self) -> Result<MailAccount, MailError>;

    /// Scheme and host under which it is reached, if these are not its platform's own.
    fn base_url(&self) -> Option<&str> {
        None
    }
}
