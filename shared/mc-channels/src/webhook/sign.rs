//! Signing what is sent, so that the receiver knows it is from us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use mc_content::FieldError;
use mc_core::{Secret, Timestamp};
use ring::hmac;
use serde::Deserialize;

use crate::fields::Fields;

/// How a request is signed.
pub(super) enum Signer {
    /// Not at all.
    None,
    /// <https://www.standardwebhooks.com>: `webhook-timestamp` and `webhook-signature`.
    StandardWebhooks(hmac::Key),
    /// HMAC-SHA256 of the body in hex, in a header of its own.
    HmacSha256 { key: hmac::Key, header: String, prefix: String },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Scheme {
    #[default]
    None,
    StandardWebhooks,
    HmacSha256,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Name(Scheme),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    #[serde(rename = "type")]
    scheme: Scheme,
    header: Option<String>,
    prefix: Option<String>,
}

impl Signer {
    /// Reads `sign`; answers a problem of the secret, which has a place of its own.
    pub(super) fn read(fields: &mut Fields<'_>, secret: Option<&Secret>) -> (Self, Option<FieldError>) {
        let full = match fields.optional::<Given>("sign") {
            None => Full { scheme: Scheme::None, header: None, prefix: None },
            Some(Given::Name(scheme)) => Full { scheme, header: None, prefix: None },
            Some(Given::Full(full)) => full,
        };
        if !matches!(full.scheme, Scheme::HmacSha256) && (full.header.is_some() || full.prefix.is_some()) {
            fields.problem("sign", "only hmac_sha256 has a header and a prefix");
        }
        if matches!(full.scheme, Scheme::None) {
            return (Self::None, None);
        }
        let problem = |detail: &str| (Self::None, Some(FieldError::new("/secrets/secret", detail)));
        let Some(secret) = secret else { return problem("is required to sign") };
        if matches!(full.scheme, Scheme::StandardWebhooks) {
            let text = secret.expose();
            return match STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)) {
                Ok(key) if key.len() >= 16 => {
                    (Self::StandardWebhooks(hmac::Key::new(hmac::HMAC_SHA256, &key)), None)
                }
                _ => problem("is whsec_ and the base64 of 24 to 64 random bytes"),
            };
        }
        let header = full.header.unwrap_or_else(|| "x-signature-256".to_owned());
        if HeaderName::from_bytes(header.as_bytes()).is_err() {
            fields.problem("sign/header", "is not the name of a header");
        }
        let prefix = full.prefix.unwrap_or_else(|| "sha256=".to_owned());
        if prefix.contains(|c: char| c.is_control()) {
            fields.problem("sign/prefix", "cannot be put into a header");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        (Self::HmacSha256 { key, header, prefix }, None)
    }

    /// Adds the headers that sign `body`. The time is that of the try, so every try is signed anew.
    pub(super) fn sign(&self, id: &str, now: Timestamp, body: &[u8], headers: &mut Vec<(String, String)>) {
        match self {
            Self::None => {}
            Self::StandardWebhooks(key) => {
                let timestamp = now.seconds().to_string();
                let mut context = hmac::Context::with_key(key);
                for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
                    context.update(piece);
                }
                let signature = format!("v1,{}", STANDARD.encode(context.sign()));
                headers.push(("webhook-timestamp".to_owned(), timestamp));
                headers.push(("webhook-signature".to_owned(), signature));
            }
            Self::HmacSha256 { key, header, prefix } => {
                let tag = hmac::sign(key, body);
                let mut value = prefix.clone();
                for byte in tag.as_ref() {
                    value.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
                    value.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
                }
                headers.push((header.clone(), value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signed(secret: &str, id: &str, seconds: i64, body: &str) -> Vec<(String, String)> {
        let settings = json!({"sign": "standard_webhooks"});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let (signer, problem) = Signer::read(&mut fields, Some(&Secret::new(secret)));
        assert_eq!(problem, None);
        let mut headers = Vec::new();
        signer.sign(id, Timestamp::from_millis(seconds * 1000), body.as_bytes(), &mut headers);
        headers
    }

    #[test]
    fn agrees_with_the_published_vectors() {
        let cases = [
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_cn1",
                1_700_000_000,
                r#"{"标题":"告警"}"#,
                "v1,7y3Pxi58zfbnumhHtdbDy/jA1QszTuY/YhtmemC/Yu0=",
            ),
        ];
        for (secret, id, seconds, body, expected) in cases {
            let headers = signed(secret, id, seconds, body);
            assert_eq!(headers[0], ("webhook-timestamp".to_owned(), seconds.to_string()));
            assert_eq!(headers[1], ("webhook-signature".to_owned(), expected.to_owned()));
        }
    }

    #[test]
    fn a_secret_that_cannot_sign_is_refused() {
        for (secret, sign) in [
            (None, "hmac_sha256"),
            (Some("whsec_!!"), "standard_webhooks"),
            (Some("c2hvcnQ="), "standard_webhooks"),
        ] {
            let settings = json!({"sign": sign});
            let mut fields = Fields::new("/settings", settings.as_object().unwrap());
            let (_, problem) = Signer::read(&mut fields, secret.map(Secret::new).as_ref());
            assert_eq!(problem.unwrap().pointer, "/secrets/secret", "{sign}");
        }
    }

    #[test]
    fn plain_hmac_goes_into_the_named_header() {
        let settings = json!({"sign": {"type": "hmac_sha256", "header": "X-Hub-Signature-256"}});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let (signer, _) = Signer::read(&mut fields, Some(&Secret::new("It's a Secret to Everybody")));
        let mut headers = Vec::new();
        signer.sign("id", Timestamp::EPOCH, b"Hello, World!", &mut headers);
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert_eq!(headers, [("X-Hub-Signature-256".to_owned(), expected.to_owned())]);
    }
}
