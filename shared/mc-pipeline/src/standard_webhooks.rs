//! Signatures of the webhooks we send, after the Standard Webhooks specification 1.0.0.
//!
//! The signed text is `id.timestamp.body`, the header `webhook-signature` a list of `v1,` signatures with a space
//! between: one for each secret, so that a receiver may change secrets without losing a webhook.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use mc_core::{Secret, ports::Random};
use ring::hmac;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

/// The header with the id, the same on every try.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the time of this try, in seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far a timestamp may be from the receiver's clock, in seconds; what the reference libraries use.
pub const TOLERANCE_S: u64 = 5 * 60;

const PREFIX: &str = "whsec_";
const GENERATED_BYTES: usize = 32;

/// Secrets that people paste often lost their padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The text is no secret of the form `whsec_` and base64 of 24 to 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a webhook secret is whsec_ followed by base64 of 24 to 64 bytes")]
pub struct InvalidSecret;

/// Why a webhook is not authentic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// The timestamp is not a number of seconds.
    #[error("the timestamp is not a number of seconds")]
    Timestamp,
    /// The timestamp is too old.
    #[error("the webhook is too old")]
    TooOld,
    /// The timestamp is too far ahead.
    #[error("the webhook is from the future")]
    TooNew,
    /// No signature of a known version fits any secret.
    #[error("no signature fits")]
    Signature,
}

/// A secret shared with the receiver.
#[derive(Clone)]
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// Reads `whsec_…`; the prefix may be missing.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.trim();
        let bytes = BASE64.decode(text.strip_prefix(PREFIX).unwrap_or(text)).map_err(|_| InvalidSecret)?;
        let bytes = Zeroizing::new(bytes);
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }

    /// A new secret.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new(vec![0; GENERATED_BYTES]);
        random.fill(&mut bytes);
        Self(bytes)
    }

    /// The form that is shown to people once: `whsec_…`.
    pub fn to_text(&self) -> Secret {
        Secret::new(format!("{PREFIX}{}", general_purpose::STANDARD.encode(self.0.as_slice())))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(***)")
    }
}

/// The value of `webhook-signature` for one try: a signature per secret, in their order.
///
/// `id` must not contain a dot (ours never do); `timestamp_s` is the time of this try, so sign again for the next one.
pub fn sign(secrets: &[WebhookSecret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let signatures = secrets.iter().map(|secret| {
        let mac = start(secret, id, &timestamp, body).sign();
        format!("v1,{}", general_purpose::STANDARD.encode(mac))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Checks the headers of a received webhook. Any signature may fit any secret; unknown versions are skipped.
pub fn verify(
    secrets: &[WebhookSecret],
    headers: &ReceivedHeaders<'_>,
    body: &[u8],
    now_s: i64,
    tolerance_s: u64,
) -> Result<(), VerifyError> {
    let timestamp_s: i64 = headers.timestamp.parse().map_err(|_| VerifyError::Timestamp)?;
    if timestamp_s.abs_diff(now_s) > tolerance_s {
        return Err(if timestamp_s < now_s { VerifyError::TooOld } else { VerifyError::TooNew });
    }
    let given = headers.signature.split(' ').filter_map(|entry| entry.strip_prefix("v1,"));
    let given: Vec<_> = given.filter_map(|text| general_purpose::STANDARD.decode(text).ok()).collect();
    let fits = secrets.iter().any(|secret| {
        let expected = start(secret, headers.id, headers.timestamp, body).sign();
        given.iter().any(|signature| expected.as_ref().ct_eq(signature).into())
    });
    if fits { Ok(()) } else { Err(VerifyError::Signature) }
}

/// What a received webhook says about itself.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedHeaders<'a> {
    /// `webhook-id`
    pub id: &'a str,
    /// `webhook-timestamp`
    pub timestamp: &'a str,
    /// `webhook-signature`
    pub signature: &'a str,
}

fn start(secret: &WebhookSecret, id: &str, timestamp: &str, body: &[u8]) -> hmac::Context {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0));
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    /// Secret, id, timestamp, body, signature. The first two are test vectors of the reference libraries.
    const VECTORS: [[&str; 5]; 3] = [
        [
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            "1649367553",
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ],
        [
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ],
        [
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_cn1",
            "1700000000",
            r#"{"标题":"告警"}"#,
            "v1,7y3Pxi58zfbnumhHtdbDy/jA1QszTuY/YhtmemC/Yu0=",
        ],
    ];

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::parse(text).unwrap()
    }

    /// Verifies the second vector after a change to its headers.
    fn check(
        change: impl FnOnce(&mut ReceivedHeaders<'static>),
        body: &str,
        late_s: i64,
    ) -> Result<(), VerifyError> {
        let [key, id, timestamp, _, signature] = VECTORS[1];
        let now_s = timestamp.parse::<i64>().unwrap().saturating_add(late_s);
        let mut headers = ReceivedHeaders { id, timestamp, signature };
        change(&mut headers);
        verify(&[secret(key)], &headers, body.as_bytes(), now_s, TOLERANCE_S)
    }

    const BODY: &str = VECTORS[1][3];

    #[test]
    fn vectors() {
        for [key, id, timestamp, body, signature] in VECTORS {
            let timestamp_s = timestamp.parse().unwrap();
            assert_eq!(sign(&[secret(key)], id, timestamp_s, body.as_bytes()), signature);
            let headers = ReceivedHeaders { id, timestamp, signature };
            assert_eq!(verify(&[secret(key)], &headers, body.as_bytes(), timestamp_s, 0), Ok(()));
        }
    }

    #[test]
    fn the_secret_is_decoded_before_use() {
        let undecoded = "v1,ELhqG0Ku1gwOc1f4jyKdp3SFGFLAOdJ9bvpWLciCakI=";
        assert_eq!(check(|h| h.signature = undecoded, BODY, 0), Err(VerifyError::Signature));
    }

    #[test]
    fn every_part_is_signed() {
        let refused = Err(VerifyError::Signature);
        assert_eq!(check(|_| (), BODY, 0), Ok(()));
        assert_eq!(check(|_| (), r#"{"test":2432232314}"#, 0), refused);
        assert_eq!(check(|h| h.id = "msg_other", BODY, 0), refused);
        assert_eq!(check(|h| h.timestamp = "1614265331", BODY, 0), refused);
        for signature in
            ["", "v1,", "v1", "v1,AAAA", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,é"]
        {
            assert_eq!(check(|h| h.signature = signature, BODY, 0), refused, "{signature}");
        }
        let many = "v1a,xx v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v2,yy";
        assert_eq!(check(|h| h.signature = many, BODY, 0), Ok(()));
    }

    #[test]
    fn old_and_future_webhooks_are_refused() {
        let table = [
            (300, Ok(())),
            (-300, Ok(())),
            (301, Err(VerifyError::TooOld)),
            (-301, Err(VerifyError::TooNew)),
        ];
        for (late_s, expected) in table.into_iter().chain([(i64::MAX, Err(VerifyError::TooOld))]) {
            assert_eq!(check(|_| (), BODY, late_s), expected, "{late_s}");
        }
        for timestamp in ["", "now", "1614265330.5", " 1614265330", "99999999999999999999"] {
            assert_eq!(
                check(|h| h.timestamp = timestamp, BODY, 0),
                Err(VerifyError::Timestamp),
                "{timestamp}"
            );
        }
    }

    #[test]
    fn either_secret_verifies_while_they_change() {
        let (old, new) = (WebhookSecret::generate(&Fixed(1)), WebhookSecret::generate(&Fixed(2)));
        let signature = sign(&[new.clone(), old.clone()], "msg_1", 1_700_000_000, b"{}");
        let separate = [&new, &old].map(|one| sign(std::slice::from_ref(one), "msg_1", 1_700_000_000, b"{}"));
        assert_eq!(signature, separate.join(" "));
        let headers = ReceivedHeaders { id: "msg_1", timestamp: "1700000000", signature: &signature };
        for secrets in [vec![old.clone()], vec![new.clone()], vec![WebhookSecret::generate(&Fixed(3)), old]] {
            assert_eq!(verify(&secrets, &headers, b"{}", 1_700_000_000, TOLERANCE_S), Ok(()));
        }
        for secrets in [vec![], vec![WebhookSecret::generate(&Fixed(3))]] {
            assert_eq!(
                verify(&secrets, &headers, b"{}", 1_700_000_000, TOLERANCE_S),
                Err(VerifyError::Signature)
            );
        }
    }

    #[test]
    fn secrets_are_read_and_written_but_not_shown() {
        let generated = WebhookSecret::generate(&Fixed(0x41));
        let text = generated.to_text();
        assert_eq!(text.expose(), "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=");
        assert_eq!(secret(text.expose()).to_text(), text);
        assert_eq!(secret(" QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE\n").to_text(), text);
        assert_eq!(format!("{generated:?} {text:?}"), "WebhookSecret(***) Secret(***)");
        let (short, long) = ("A".repeat(31), "A".repeat(88));
        for bad in
            ["", "whsec_", "whsec_AAAA", "whsec_!", "whsk_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", &short, &long]
        {
            assert_eq!(WebhookSecret::parse(bad).unwrap_err(), InvalidSecret, "{bad}");
        }
    }
}
