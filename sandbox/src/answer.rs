//! What the platforms answer.

use std::io;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::faults::{Fault, RetryAfter};
use crate::item::Platform;

/// Why a message is refused, in the platform's own number: `errcode`, HTTP status or SMTP reply code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) errcode: i64,
    pub(crate) errmsg: String,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// Accepted, with the platform's own JSON as the answer.
    Answered(Value),
    /// Answered like accepted and not stored a second time.
    Duplicate,
    /// Answered with this JSON and not stored a second time.
    Repeated(Value),
    Refused(Refusal),
}

impl Refusal {
    pub(crate) fn new(errcode: i64, errmsg: impl Into<String>) -> Refusal {
        Refusal { errcode, errmsg: errmsg.into() }
    }

    /// A member of the wrong JSON type, in the words WeCom uses.
    pub(crate) fn wrong_type(errcode: i64, name: &str) -> Refusal {
        Refusal::new(errcode, format!("Warning: wrong json format. {name} has the wrong type"))
    }

    /// What a fault makes of a message.
    pub(crate) fn by(fault: &Fault) -> Refusal {
        let errcode = fault.errcode.unwrap_or_else(|| i64::from(status_of(fault).as_u16()));
        Refusal::new(errcode, "refused by a fault")
    }
}

impl From<Result<(), Refusal>> for Verdict {
    fn from(result: Result<(), Refusal>) -> Verdict {
        match result {
            Ok(()) => Verdict::Accepted,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }
}

/// The platform's own answer; `n` is the item's number.
pub(crate) fn answer(platform: Platform, verdict: &Verdict, n: u64) -> Response {
    match (platform, verdict) {
        (_, Verdict::Answered(body) | Verdict::Repeated(body)) => json_answer(StatusCode::OK, body),
        (Platform::Im | Platform::Hook, Verdict::Refused(refusal)) => {
            let status = u16::try_from(refusal.errcode).ok().and_then(|code| StatusCode::from_u16(code).ok());
            let body = errcode_body(platform, refusal.errcode, &refusal.errmsg);
            json_answer(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &body)
        }
        (Platform::Im, Verdict::Accepted | Verdict::Duplicate) => {
            json_answer(StatusCode::OK, &json!({"code": 0, "data": {"message_id": format!("im-{n}")}}))
        }
        (Platform::Hook, Verdict::Accepted | Verdict::Duplicate) => StatusCode::NO_CONTENT.into_response(),
        // A webhook answers in words, the Web API in JSON with HTTP 200.
        (Platform::Slack, Verdict::Refused(refusal)) if refusal.errcode == 200 => {
            json_answer(StatusCode::OK, &errcode_body(platform, refusal.errcode, &refusal.errmsg))
        }
        (Platform::Slack, Verdict::Refused(refusal)) => {
            let status = u16::try_from(refusal.errcode).ok().and_then(|code| StatusCode::from_u16(code).ok());
            let mut response =
                (status.unwrap_or(StatusCode::BAD_REQUEST), refusal.errmsg.clone()).into_response();
            if refusal.errcode == 429 {
                set(&mut response, header::RETRY_AFTER, "1");
            }
            response
        }
        (Platform::Slack, Verdict::Accepted | Verdict::Duplicate) => "ok".into_response(),
        (Platform::Ses, Verdict::Refused(refusal)) => exception(refusal),
        (Platform::Feishu | Platform::FeishuApp, verdict) => {
            let (code, msg) = match verdict {
                Verdict::Refused(refusal) => (refusal.errcode, refusal.errmsg.as_str()),
                _ => (0, "success"),
            };
            coded(platform, code, &errcode_body(platform, code, msg))
        }
        (
            Platform::Wecom
            | Platform::WecomApp
            | Platform::Dingtalk
            | Platform::DingtalkApp
            | Platform::Smtp
            | Platform::Wechat
            | Platform::WechatMini
            | Platform::Ses,
            verdict,
        ) => {
            let (errcode, errmsg) = match verdict {
                Verdict::Refused(refusal) => (refusal.errcode, refusal.errmsg.as_str()),
                _ => (0, "ok"),
            };
            json_answer(StatusCode::OK, &errcode_body(platform, errcode, errmsg))
        }
    }
}

/// The answer to a call that is no message.
pub(crate) fn aside(platform: Platform, result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err(refusal) if platform == Platform::Ses => exception(&refusal),
        Err(refusal) => {
            let body = errcode_body(platform, refusal.errcode, &refusal.errmsg);
            coded(platform, refusal.errcode, &body)
        }
    }
}

/// An exception of AWS: its name in a header, with more behind a colon, and its words in the body.
fn exception(refusal: &Refusal) -> Response {
    let status = u16::try_from(refusal.errcode).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let (name, words) = refusal.errmsg.split_once(": ").unwrap_or(("InternalFailure", &refusal.errmsg));
    let mut response =
        json_answer(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &json!({"message": words}));
    let name = format!("{name}:http://internal.amazon.com/coral/com.amazonaws.sesv2/");
    set(&mut response, HeaderName::from_static("x-amzn-errortype"), &name);
    response
}

/// A platform's own JSON under the status that it has for the code: 200, but for apps of Feishu.
fn coded(platform: Platform, code: i64, body: &Value) -> Response {
    match (platform, code) {
        (Platform::FeishuApp, 99_991_400) => {
            let mut response = json_answer(StatusCode::TOO_MANY_REQUESTS, body);
            // Not `Retry-After`.
            set(&mut response, HeaderName::from_static("x-ogw-ratelimit-limit"), "50");
            set(&mut response, HeaderName::from_static("x-ogw-ratelimit-reset"), "1");
            response
        }
        // The token and the batch are older calls and fail with 200.
        (Platform::FeishuApp, code) if code >= 20_000 => json_answer(StatusCode::BAD_REQUEST, body),
        _ => json_answer(StatusCode::OK, body),
    }
}

/// The answer a fault prescribes.
pub(crate) fn faulty(fault: &Fault) -> Response {
    let (body, guessed_type) = match (&fault.body, fault.errcode) {
        (Some(Value::String(text)), _) => (text.clone(), "text/html; charset=utf-8"),
        (Some(value), _) => (value.to_string(), "application/json"),
        (None, Some(errcode)) => {
            (errcode_body(fault.platform, errcode, "refused by a fault").to_string(), "application/json")
        }
        (None, None) => (String::new(), "text/plain"),
    };
    let mut response = (status_of(fault), body).into_response();
    set(&mut response, header::CONTENT_TYPE, fault.content_type.as_deref().unwrap_or(guessed_type));
    match &fault.retry_after {
        Some(RetryAfter::Seconds(seconds)) => {
            set(&mut response, header::RETRY_AFTER, &seconds.to_string());
        }
        Some(RetryAfter::Text(text)) => set(&mut response, header::RETRY_AFTER, text),
        None => {}
    }
    response
}

/// A response that ends the connection before a single byte of it is sent: the body fails at once, and the
/// server gives up before it flushes the head.
pub(crate) fn cut() -> Response {
    let failure = async { Err::<Bytes, _>(io::Error::other("cut by a fault")) };
    Response::new(Body::from_stream(futures_util::stream::once(failure)))
}

/// A JSON answer.
pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, axum::Json(body)).into_response()
}

/// A code and its words, in the platform's own JSON.
pub(crate) fn errcode_body(platform: Platform, errcode: i64, errmsg: &str) -> Value {
    match platform {
        Platform::Im => json!({"code": errcode, "message": errmsg}),
        Platform::Slack => json!({"ok": false, "error": errmsg}),
        Platform::Ses => json!({"message": errmsg}),
        Platform::Feishu | Platform::FeishuApp if errcode == 0 => {
            // The last three are there for the oldest clients.
            json!({"code": 0, "msg": errmsg, "data": {}, "Extra": null, "StatusCode": 0, "StatusMessage": errmsg})
        }
        Platform::Feishu | Platform::FeishuApp => json!({"code": errcode, "msg": errmsg, "data": {}}),
        // A bad token and a missing permission come wrapped, the code itself as a text.
        Platform::DingtalkApp if matches!(errcode, 40_000 | 40_014 | 60_011) => {
            let words = format!("ding talk error[subcode={errcode},submsg={errmsg}]");
            json!({"errcode": 88, "errmsg": words, "sub_code": errcode.to_string(), "sub_msg": errmsg})
        }
        Platform::Wecom
        | Platform::WecomApp
        | Platform::Dingtalk
        | Platform::DingtalkApp
        | Platform::Hook
        | Platform::Smtp
        | Platform::Wechat
        | Platform::WechatMini => json!({"errcode": errcode, "errmsg": errmsg}),
    }
}

fn status_of(fault: &Fault) -> StatusCode {
    let fallback = if fault.retry_after.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
    fault.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(fallback)
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
