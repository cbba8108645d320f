//! What a self-built IM tells us, signed by Standard Webhooks with the channel's own secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::ports::{CallbackAnswer, CallbackError, CallbackRequest, News};
use mc_core::state::State;
use mc_core::{Secret, Timestamp};
use ring::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

/// A signature is good for this long before and after its time, in seconds.
const TOLERANCE: i64 = 300;

/// At most this many news in one callback.
const MOST: usize = 1000;

/// The key of a Standard Webhooks secret: `whsec_` and base64.
pub(super) fn key(secret: &Secret) -> Option<hmac::Key> {
    let text = secret.expose();
    let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (bytes.len() >= 16).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Many(Vec<One>),
    One(One),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum One {
    Receipt {
        message_id: String,
        status: Status,
        to: Option<String>,
        code: Option<String>,
        text: Option<String>,
        at: Option<Timestamp>,
    },
    Action {
        message_id: Option<String>,
        user: Option<String>,
        action: String,
        #[serde(default)]
        data: Value,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Sent,
    Delivered,
    Read,
    Failed,
    Recalled,
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Sent => State::Sent,
            Status::Delivered => State::Delivered,
            Status::Read => State::Read,
            Status::Failed => State::Failed,
            Status::Recalled => State::Recalled,
        }
    }
}

/// Checks the signature, then reads what is told.
pub(super) fn read(
    key: &hmac::Key,
    now: Timestamp,
    request: &CallbackRequest<'_>,
) -> Result<CallbackAnswer, CallbackError> {
    let header = |name| request.header(name).ok_or(CallbackError::Signature);
    let (id, timestamp, signatures) =
        (header("webhook-id")?, header("webhook-timestamp")?, header("webhook-signature")?);
    let seconds: i64 = timestamp.parse().map_err(|_| CallbackError::Signature)?;
    if now.seconds().abs_diff(seconds) > TOLERANCE.unsigned_abs() {
        return Err(CallbackError::Signature);
    }
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", request.body].concat();
    let good = signatures.split(' ').filter_map(|s| s.strip_prefix("v1,")).any(|signature| {
        STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(key, &signed, &tag).is_ok())
    });
    if !good {
        return Err(CallbackError::Signature);
    }
    let body: Body = serde_json::from_slice(request.body).map_err(|_| malformed())?;
    let all = match body {
        Body::One(one) => vec![one],
        Body::Many(many) if many.len() <= MOST => many,
        Body::Many(_) => return Err(CallbackError::Malformed(format!("at most {MOST} news in one call"))),
    };
    let news = all.into_iter().map(|one| news(one, id)).collect();
    Ok(CallbackAnswer::json(&json!({"ok": true}), news))
}

fn malformed() -> CallbackError {
    let form = r#"{"type": "receipt", "message_id": "…", "status": "delivered"}"#;
    CallbackError::Malformed(format!(
        "the body is {form}, an action, or a list of them; see the kind's document"
    ))
}

fn news(one: One, callback: &str) -> News {
    match one {
        One::Receipt { message_id, status, to, code, text, at } => {
            News::Receipt { platform_id: message_id, to, state: status.into(), code, text, at }
        }
        // The callback's id tells two presses apart that say the same.
        One::Action { message_id, user, action, data } => News::Action {
            platform_id: message_id,
            user,
            action,
            data: match data {
                Value::Object(mut members) => {
                    members.entry("webhook_id").or_insert_with(|| callback.into());
                    Value::Object(members)
                }
                Value::Null => json!({"webhook_id": callback}),
                other => json!({"webhook_id": callback, "value": other}),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn call(
        body: &str,
        sign: impl FnOnce(&mut Vec<(String, String)>),
    ) -> Result<CallbackAnswer, CallbackError> {
        let key = key(&Secret::new("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")).unwrap();
        let signed = format!("cb_1.1700000000.{body}");
        let tag = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let mut headers = vec![
            ("webhook-id".to_owned(), "cb_1".to_owned()),
            ("webhook-timestamp".to_owned(), "1700000000".to_owned()),
            ("webhook-signature".to_owned(), format!("v1a,xyz v1,AAAA v1,{tag}")),
        ];
        sign(&mut headers);
        let request = CallbackRequest { method: "POST", query: "", headers: &headers, body: body.as_bytes() };
        read(&key, NOW, &request)
    }

    #[test]
    fn what_is_signed_is_read() {
        let answer = call(
            r#"[{"type":"receipt","message_id":"7","status":"failed","to":"u1","code":"gone","at":"2026-12-01T00:00:00Z"},
                {"type":"action","action":"approve","user":"u1","data":{"x":1}},
                {"type":"action","action":"later","data":5}]"#,
            |_| {},
        );
        let news = answer.unwrap().news;
        assert_eq!(
            news[0],
            News::Receipt {
                platform_id: "7".into(),
                to: Some("u1".into()),
                state: State::Failed,
                code: Some("gone".into()),
                text: None,
                at: Timestamp::parse("2026-12-01T00:00:00Z"),
            }
        );
        let data = |news: &News| match news {
            News::Action { data, .. } => data.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(data(&news[1]), json!({"x": 1, "webhook_id": "cb_1"}));
        assert_eq!(data(&news[2]), json!({"value": 5, "webhook_id": "cb_1"}));
    }

    #[test]
    fn what_is_not_signed_is_not_looked_at() {
        let good = r#"{"type":"receipt","message_id":"7","status":"read"}"#;
        assert!(call(good, |_| {}).is_ok());
        for (at, value) in [
            (0, "cb_2"),
            (1, "1699999000"),
            (1, "1700001000"),
            (1, "now"),
            (1, "-9223372036854775808"),
            (2, "v1,AAAA"),
            (2, ""),
        ] {
            let changed = call(good, |headers| headers[at].1 = value.to_owned());
            assert_eq!(changed.unwrap_err(), CallbackError::Signature, "{value}");
        }
        for at in 0..3 {
            let without = call(good, |headers| drop(headers.remove(at)));
            assert_eq!(without.unwrap_err(), CallbackError::Signature);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_form() {
        for body in [
            "",
            "{}",
            "[1]",
            "\u{0}",
            r#"{"type":"receipt","message_id":"7","status":"queued"}"#,
            r#"{"type":"x"}"#,
        ] {
            assert!(matches!(call(body, |_| {}), Err(CallbackError::Malformed(_))), "{body}");
        }
        let many = format!("[{}]", vec![r#"{"type":"action","action":"a"}"#; MOST + 1].join(","));
        assert!(matches!(call(&many, |_| {}), Err(CallbackError::Malformed(_))));
    }
}
