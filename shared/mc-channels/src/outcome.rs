//! From answers and missing answers to what happens next.

use std::fmt;

use mc_core::Secret;
use mc_core::ports::{HttpError, HttpErrorKind, HttpResponse, SendError, SendFailure};
use serde::Deserialize;

use crate::mask::mask;

/// At most so many characters of a platform's words are kept.
const LONGEST_TEXT: usize = 300;

pub(crate) fn failure(failure: SendFailure, code: impl Into<String>, text: impl Into<String>) -> SendError {
    SendError { failure, code: code.into(), text: text.into() }
}

/// A call without an answer.
pub(crate) fn unanswered(error: HttpError) -> SendError {
    let (kind, code) = match error.kind {
        HttpErrorKind::BadUrl => (SendFailure::Channel, "bad_url"),
        HttpErrorKind::Forbidden => (SendFailure::Channel, "forbidden_address"),
        HttpErrorKind::NotResolved => (SendFailure::Transient { after: None }, "not_resolved"),
        HttpErrorKind::NotConnected => (SendFailure::Transient { after: None }, "connect"),
        HttpErrorKind::Proxy => (SendFailure::Transient { after: None }, "proxy"),
        HttpErrorKind::Tls => (SendFailure::Transient { after: None }, "tls"),
        HttpErrorKind::Unknown => (SendFailure::Doubt, "no_answer"),
        HttpErrorKind::TooLarge => (SendFailure::Doubt, "answer_too_large"),
    };
    failure(kind, code, error.text)
}

/// What a status alone tells about an answer that is not the platform's own form.
pub(crate) fn by_status(response: &HttpResponse) -> SendFailure {
    let after = response.retry_after;
    match response.status {
        429 => SendFailure::Throttled { after },
        408 | 425 | 500..=599 => SendFailure::Transient { after },
        200..=299 => SendFailure::Doubt,
        // A gateway's or a wrong server's answer: what stands at this address is not the platform.
        300..=399 | 401 | 403 | 404 | 405 | 407 | 410 => SendFailure::Channel,
        _ => SendFailure::Permanent,
    }
}

/// What a code that stands in no table says: this message or its recipient is wrong, unless the status tells that the
/// platform itself is in trouble or was called too often.
pub(crate) fn unlisted(response: &HttpResponse) -> SendFailure {
    let after = response.retry_after;
    match response.status {
        429 => SendFailure::Throttled { after },
        500..=599 => SendFailure::Transient { after },
        _ => SendFailure::Permanent,
    }
}

/// The failure that a platform's code stands for, with its words.
pub(crate) fn refused<'s>(
    what: SendFailure,
    code: &Code,
    text: &str,
    secrets: impl IntoIterator<Item = &'s Secret>,
) -> SendError {
    let secrets: Vec<&Secret> = secrets.into_iter().collect();
    let clean = |text: &str| words(text, secrets.iter().copied());
    failure(what, clean(&code.to_string()), clean(text))
}

/// An answer that should have been the platform's JSON and is something else.
pub(crate) fn not_json(response: &HttpResponse) -> SendError {
    let what = response.content_type.as_deref().unwrap_or("no content type");
    failure(
        by_status(response),
        format!("http_{}", response.status),
        format!("HTTP {} with {what} instead of the platform's JSON", response.status),
    )
}

/// A platform's words, on one line, short, and without our secrets should it have repeated them, be it as they are or as
/// they were escaped to be sent.
pub(crate) fn words<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if secret.expose().len() >= 4 {
            text = mask(&text, secret.expose());
        }
    }
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The form in which WeCom and the old DingTalk family answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrcodeAnswer {
    /// Zero means success. WeCom leaves it out of some.
    #[serde(default)]
    pub(crate) errcode: Option<Code>,
    #[serde(default)]
    pub(crate) errmsg: Option<String>,
    /// DingTalk's gateway answers with this instead, when it blocks an address.
    #[serde(default)]
    pub(crate) status: Option<serde_json::Value>,
}

impl ErrcodeAnswer {
    /// Reads a body; `None` if it is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        // serde would read a list into a struct as well.
        let is_object = body.trim_ascii_start().first() == Some(&b'{');
        serde_json::from_slice(body).ok().filter(|_| is_object)
    }
}

/// A code, which platforms write as a number or as a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Code {
    Number(i64),
    Text(String),
}

impl Code {
    /// The code as the tables know it. A text that is no number stands in none, and is certainly not success.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(text) => text.trim().parse().unwrap_or(i64::MIN),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text.trim()),
        }
    }
}
