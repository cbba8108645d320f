//! Checking signatures, always in constant time.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use ring::{hmac, signature};

/// How far a Standard Webhooks timestamp may be off, in either direction.
const TOLERANCE_SECONDS: u64 = 300;

/// Whether `sign` (already URL-decoded once) is DingTalk's signature: the secret signs
/// `timestamp + "\n" + secret`, its own text being the key.
pub(crate) fn dingtalk(secret: &str, timestamp: &str, sign: &str) -> bool {
    let Ok(tag) = STANDARD.decode(sign) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, format!("{timestamp}\n{secret}").as_bytes(), &tag).is_ok()
}

/// Whether `sign` is Feishu's signature: `timestamp + "\n" + secret` is the key, and the message is empty.
pub(crate) fn feishu(secret: &str, timestamp: &str, sign: &str) -> bool {
    let Ok(tag) = STANDARD.decode(sign) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, format!("{timestamp}\n{secret}").as_bytes());
    hmac::verify(&key, b"", &tag).is_ok()
}

/// Whether `tag` is the HMAC-SHA256 of `content` under the raw bytes of `secret`.
pub(crate) fn hmac_sha256(secret: &str, content: &[u8], tag: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, content, tag).is_ok()
}

/// Checks the Standard Webhooks headers of a request; an error says what is wrong.
pub(crate) fn standard_webhook(
    secret: &str,
    headers: &HeaderMap,
    body: &[u8],
    now_ms: u64,
) -> Result<(), &'static str> {
    let id = header(headers, "webhook-id").ok_or("webhook-id is missing")?;
    if id.is_empty() || id.contains('.') {
        return Err("webhook-id is empty or contains a dot");
    }
    let timestamp = header(headers, "webhook-timestamp").ok_or("webhook-timestamp is missing")?;
    let seconds: u64 = timestamp.parse().map_err(|_| "webhook-timestamp is not in whole seconds")?;
    if seconds.abs_diff(now_ms / 1_000) > TOLERANCE_SECONDS {
        return Err("webhook-timestamp is more than five minutes off");
    }
    let signatures = header(headers, "webhook-signature").ok_or("webhook-signature is missing")?;
    let mut content = format!("{id}.{timestamp}.").into_bytes();
    content.extend_from_slice(body);
    let verifier = Verifier::new(secret).ok_or("the registered secret is not base64")?;
    if signatures.split(' ').any(|signature| verifier.accepts(signature, &content)) {
        Ok(())
    } else {
        Err("no signature matches")
    }
}

enum Verifier {
    Symmetric(hmac::Key),
    Ed25519(Vec<u8>),
}

impl Verifier {
    fn new(secret: &str) -> Option<Verifier> {
        if let Some(public_key) = secret.strip_prefix("whpk_") {
            return STANDARD.decode(public_key).ok().map(Verifier::Ed25519);
        }
        let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
        let key = STANDARD.decode(encoded).ok()?;
        Some(Verifier::Symmetric(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// Versions other than our own are passed over, as the specification asks.
    fn accepts(&self, signature: &str, content: &[u8]) -> bool {
        let Some((version, encoded)) = signature.split_once(',') else { return false };
        let Ok(tag) = STANDARD.decode(encoded) else { return false };
        match self {
            Verifier::Symmetric(key) => version == "v1" && hmac::verify(key, content, &tag).is_ok(),
            Verifier::Ed25519(public_key) => {
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, public_key);
                version == "v1a" && key.verify(content, &tag).is_ok()
            }
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_dingtalk_vectors() {
        let first = "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=";
        assert!(dingtalk("this is secret", "1577262236757", first));
        let second = "RqBq3E1RTBDv3n2QBCh4adZ2WHk9mVklyUoDBLxarjI=";
        assert!(dingtalk("SEC1234567890abcdef", "1700000000000", second));
        assert!(!dingtalk("SEC1234567890abcdef", "1700000000001", second));
    }

    #[test]
    fn the_feishu_vectors() {
        assert!(feishu("demo-secret", "1599360473", "3/MaVZ8JLIy4TUG+7KSFJqvUkTKd+HWY8g+56DZWq8s="));
        assert!(feishu("abcDEF123", "1700000000", "qimCYnXKTZRVfEDjgpOq1ke9awsBuC3tn/n151vIck8="));
        let dingtalk = "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=";
        assert!(!feishu("this is secret", "1577262236757", dingtalk), "the other platform's way");
    }

    #[test]
    fn the_standard_webhooks_vectors() {
        let rust = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        let svix = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let ed25519 = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
        let svix_id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let svix_body = r#"{"test": 2432232314}"#;
        for (secret, id, timestamp, body, signature) in [
            (
                rust,
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
            (svix, svix_id, 1_614_265_330, svix_body, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            (
                rust,
                "msg_cn1",
                1_700_000_000,
                r#"{"标题":"告警"}"#,
                "v1,7y3Pxi58zfbnumhHtdbDy/jA1QszTuY/YhtmemC/Yu0=",
            ),
            (
                ed25519,
                svix_id,
                1_614_265_330,
                svix_body,
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
            ),
        ] {
            let headers = signed(id, timestamp, signature);
            let check = |now: u64| standard_webhook(secret, &headers, body.as_bytes(), now * 1_000);
            assert_eq!(check(timestamp), Ok(()), "{signature}");
            assert_eq!(check(timestamp + 300), Ok(()));
            assert!(check(timestamp + 301).is_err());
            assert!(check(timestamp - 301).is_err());
        }
    }

    #[test]
    fn one_matching_signature_of_several_is_enough() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signatures = "v2,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, signatures);
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(standard_webhook(secret, &headers, body, 1_614_265_330_000), Ok(()));
    }

    #[test]
    fn the_secret_is_not_its_own_text() {
        // Signed with the characters after `whsec_` as raw bytes, a mistake often made.
        let headers = signed(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "v1,ELhqG0Ku1gwOc1f4jyKdp3SFGFLAOdJ9bvpWLciCakI=",
        );
        let body = br#"{"test": 2432232314}"#;
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        assert!(standard_webhook(secret, &headers, body, 1_614_265_330_000).is_err());
    }

    fn signed(id: &str, timestamp: u64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let timestamp = timestamp.to_string();
        for (name, value) in
            [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", signature)]
        {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        }
        headers
    }
}
