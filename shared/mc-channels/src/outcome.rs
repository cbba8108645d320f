//! From answers and missing answers to what happens next.

use mc_core::Secret;
use mc_core::ports::{HttpError, HttpErrorKind, HttpResponse, SendError, SendFailure};
use serde::{Deserialize, Deserializer};

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

/// An answer that should have been the platform's JSON and is something else.
pub(crate) fn not_json(response: &HttpResponse) -> SendError {
    let what = response.content_type.as_deref().unwrap_or("no content type");
    failure(
        by_status(response),
        format!("http_{}", response.status),
        format!("HTTP {} with {what} instead of the platform's JSON", response.status),
    )
}

/// A platform's words, on one line, short, and without our secrets should it have repeated them.
pub(crate) fn words<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for secret in secrets {
        if secret.expose().len() >= 4 {
            text = text.replace(secret.expose(), "***");
        }
    }
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The form in which WeCom and the old DingTalk family answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrcodeAnswer {
    /// Zero or missing means success; both write it as a number or as a string.
    #[serde(default, deserialize_with = "number_or_text")]
    pub(crate) errcode: Option<i64>,
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

/// A code that is written as a number or as a text.
pub(crate) fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Code {
        Number(i64),
        Text(String),
    }
    Ok(match Option::<Code>::deserialize(deserializer)? {
        None => None,
        Some(Code::Number(code)) => Some(code),
        // A code that is no number is certainly not success.
        Some(Code::Text(text)) => Some(text.trim().parse().unwrap_or(i64::MIN)),
    })
}
