//! Faults that are told in advance and happen in order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::item::Platform;

/// One thing that will go wrong. The first fault of the list that fits a message governs it: it lets `skip`
/// messages through untouched, then spoils `times` of them, then it is gone and the next one has its turn.
///
/// `status`, `errcode`, `body` and `retry_after` refuse the message; `cut`, `drop` and `delay_ms` trouble
/// the connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The platform it happens on.
    pub platform: Platform,
    /// How many messages it spoils.
    #[serde(default = "once")]
    pub times: u32,
    /// How many fitting messages pass first.
    #[serde(default)]
    pub skip: u32,
    /// The HTTP status or SMTP reply code to answer with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The platform's code to answer with, in the platform's own JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errcode: Option<i64>,
    /// The body to answer with: a string is sent as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The answer's `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How long the answer takes. The message is judged and stored first: slow is not lost.
    #[serde(default)]
    pub delay_ms: u64,
    /// The answer's `Retry-After`; the status is then 429 unless `status` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,
    /// Judge and store as usual, then cut the connection instead of answering.
    #[serde(default)]
    pub cut: bool,
    /// Cut the connection before anything is stored.
    #[serde(default)]
    pub drop: bool,
    /// Only fits messages in which this text occurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_text: Option<String>,
    /// Which of the platform's other calls it happens to (`token`, `templates`, `media`); to messages if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Where in the SMTP dialogue it happens; after the final dot unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<SmtpStage>,
}

/// The value of `Retry-After`: seconds, or text such as an HTTP date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RetryAfter {
    /// So many seconds.
    Seconds(u64),
    /// Anything else, sent as it is.
    Text(String),
}

/// A moment of the SMTP dialogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpStage {
    /// Instead of the greeting.
    Connect,
    /// In answer to `MAIL`.
    Mail,
    /// In answer to `RCPT`.
    Rcpt,
    /// In answer to the final dot.
    #[default]
    Data,
}

impl Fault {
    /// A fault that happens once and does nothing yet.
    pub fn on(platform: Platform) -> Fault {
        Fault {
            platform,
            times: 1,
            skip: 0,
            status: None,
            errcode: None,
            body: None,
            content_type: None,
            delay_ms: 0,
            retry_after: None,
            cut: false,
            drop: false,
            match_text: None,
            call: None,
            at: None,
        }
    }

    /// Whether the message is refused rather than judged.
    pub(crate) fn refuses(&self) -> bool {
        self.status.is_some() || self.errcode.is_some() || self.body.is_some() || self.retry_after.is_some()
    }

    fn fits(&self, platform: Platform, stage: SmtpStage, contains: &impl Fn(&str) -> bool) -> bool {
        self.platform == platform
            && self.call.is_none()
            && (platform != Platform::Smtp || self.at.unwrap_or_default() == stage)
            && self.match_text.as_deref().is_none_or(contains)
    }
}

fn once() -> u32 {
    1
}

/// The faults still to come.
#[derive(Default)]
pub(crate) struct FaultQueue(Mutex<VecDeque<Fault>>);

impl FaultQueue {
    pub(crate) fn push(&self, fault: Fault) {
        self.lock().push_back(fault);
    }

    pub(crate) fn replace(&self, faults: Vec<Fault>) {
        *self.lock() = faults.into();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().iter().cloned().collect()
    }

    /// The fault for this message, if it is to be spoiled.
    pub(crate) fn take(
        &self,
        platform: Platform,
        stage: SmtpStage,
        contains: impl Fn(&str) -> bool,
    ) -> Option<Fault> {
        self.take_first(|fault| fault.fits(platform, stage, &contains))
    }

    /// The fault for a call that is no message, if it is to be spoiled.
    pub(crate) fn take_aside(&self, platform: Platform, call: &str) -> Option<Fault> {
        self.take_first(|fault| fault.platform == platform && fault.call.as_deref() == Some(call))
    }

    fn take_first(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut faults = self.lock();
        faults.retain(|fault| fault.times > 0);
        let index = faults.iter().position(fits)?;
        let fault = faults.get_mut(index)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        let taken = fault.clone();
        if taken.times == 0 {
            faults.remove(index);
        }
        Some(taken)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
