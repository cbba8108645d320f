//! HTTP Basic credentials: for tools that cannot sign.

use std::fmt;

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::{HeaderMap, header};
use mc_core::Secret;
use zeroize::Zeroizing;

/// Longer than any access key with its secret; what is longer is not decoded.
const MAX_ENCODED: usize = 4096;

/// Some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What the caller sent. Nothing is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicCredentials {
    /// Before the first colon: the access key id. Not empty, no control characters.
    pub id: String,
    /// After it: the secret, which may hold colons.
    pub secret: Secret,
}

/// Why a request carries no usable Basic credentials. For logs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasicFailure {
    /// There is no `Authorization: Basic …`.
    Missing,
    /// There is one, or several, and it cannot be read.
    Malformed,
}

impl fmt::Display for BasicFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
        })
    }
}

impl std::error::Error for BasicFailure {}

/// Reads `Authorization: Basic base64(id:secret)`.
pub fn parse(headers: &HeaderMap) -> Result<BasicCredentials, BasicFailure> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(BasicFailure::Missing)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked("basic".len()).ok_or(BasicFailure::Missing)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !matches!(encoded.first(), None | Some(b' ' | b'\t')) {
        return Err(BasicFailure::Missing);
    }
    if values.next().is_some() {
        return Err(BasicFailure::Malformed);
    }
    decode(encoded.trim_ascii()).ok_or(BasicFailure::Malformed)
}

/// Whether `given` is the stored secret, in a time that does not tell how much of it was right.
pub fn secret_matches(given: &Secret, stored: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(given.expose().as_bytes(), stored).into()
}

fn decode(encoded: &[u8]) -> Option<BasicCredentials> {
    if encoded.len() > MAX_ENCODED {
        return None;
    }
    let decoded = Zeroizing::new(BASE64.decode(encoded).ok()?);
    let (id, secret) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    let usable = !id.is_empty() && !secret.is_empty() && !id.chars().any(char::is_control);
    usable.then(|| BasicCredentials { id: id.to_owned(), secret: Secret::new(secret) })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<(String, String), BasicFailure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        parse(&headers).map(|found| (found.id, found.secret.expose().to_owned()))
    }

    fn encoded(text: &str) -> Vec<u8> {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)).into_bytes()
    }

    #[test]
    fn good_ones() {
        let table = [
            ("AK:SK", "AK", "SK"),
            ("AK:a:b:", "AK", "a:b:"),
            ("AK:密 码", "AK", "密 码"),
            ("a@b.c: x", "a@b.c", " x"),
        ];
        for (text, id, secret) in table {
            assert_eq!(read(&encoded(text)), Ok((id.to_owned(), secret.to_owned())), "{text}");
        }
        let expected = Ok(("AK".to_owned(), "SKx".to_owned()));
        for value in ["Basic QUs6U0t4", "basic QUs6U0t4", "BASIC   QUs6U0t4", "Basic\tQUs6U0t4 "] {
            assert_eq!(read(value.as_bytes()), expected, "{value}");
        }
        for value in ["Basic QUs6U0s=", "Basic QUs6U0s"] {
            assert_eq!(read(value.as_bytes()), Ok(("AK".to_owned(), "SK".to_owned())), "{value}");
        }
    }

    #[test]
    fn bad_ones() {
        for value in ["Basic", "Basic ", "Basic =", "Basic QUs6U0t4!", "Basic QUs6 U0t4", "Basic /w=="] {
            assert_eq!(read(value.as_bytes()), Err(BasicFailure::Malformed), "{value}");
        }
        for text in ["", ":", "AK", "AK:", ":SK", "A\0K:SK", "A\nK:SK"] {
            assert_eq!(read(&encoded(text)), Err(BasicFailure::Malformed), "{text:?}");
        }
        assert_eq!(read(&encoded(&format!("AK:{}", "x".repeat(4096)))), Err(BasicFailure::Malformed));
        assert_eq!(read("Basic é".as_bytes()), Err(BasicFailure::Malformed));
    }

    #[test]
    fn other_schemes_are_not_ours() {
        for value in ["", "Basi", "Basics QUs6U0t4", "Bearer QUs6U0t4", "AWS4-HMAC-SHA256 Credential=", "é"]
        {
            assert_eq!(read(value.as_bytes()), Err(BasicFailure::Missing), "{value}");
        }
        assert_eq!(parse(&HeaderMap::new()), Err(BasicFailure::Missing));
    }

    #[test]
    fn two_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic QUs6U0t4"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic QUs6U0t5"));
        assert_eq!(parse(&headers), Err(BasicFailure::Malformed));
    }

    #[test]
    fn secrets_are_compared_whole_and_not_shown() {
        let found = BasicCredentials { id: "AK".to_owned(), secret: Secret::new("hunter2") };
        assert!(secret_matches(&found.secret, b"hunter2"));
        assert!(!secret_matches(&found.secret, b"hunter") && !secret_matches(&found.secret, b""));
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
