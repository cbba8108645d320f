//! AWS Signature Version 4, the verifying side.
//!
//! The caller first [`parse`]s the headers to learn which access key is meant, looks up its secret, and then
//! [`verify`]s the request. Signers disagree about the canonical request (see `canonical.rs`), so a request is good if
//! its signature fits any of the forms that curl and the standard signers write.
//!
//! Never accepted: unsigned or streamed payloads, presigned URLs, the `Date` header in place of `x-amz-date`, and a
//! signature that does not cover `host` and `x-amz-date`.

use std::fmt;

use http::{HeaderMap, Method};
use ring::{digest, hmac};
use subtle::ConstantTimeEq;

mod canonical;
mod keys;
mod parse;
#[cfg(test)]
mod tests;

pub use keys::SigningKeys;
pub use parse::{Parsed, is_signed, parse};

/// The service every signature has to be made for.
pub const SERVICE: &str = "message-center";

/// How far `x-amz-date` may be from our clock, in either direction.
pub const MAX_SKEW_MS: u64 = 5 * 60 * 1000;

/// The parts of a request that are signed, as they came off the wire.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, neither decoded nor normalised.
    pub raw_path: &'a str,
    /// What follows the `?`, not decoded; empty if there is none.
    pub raw_query: &'a str,
    /// All headers, repeated ones in the order they came.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why a request is not authenticated. For logs and metrics: the answer to the caller is the same for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// There is no `Authorization: AWS4-HMAC-SHA256 …`.
    Missing,
    /// The `Authorization` or `x-amz-date` header cannot be read, or they contradict each other.
    Malformed,
    /// The signature was made for another service.
    WrongService,
    /// `host` or `x-amz-date` is not among the signed headers.
    HeaderNotSigned,
    /// `x-amz-content-sha256` asks for an unsigned or streamed payload.
    UnsignedPayload,
    /// `x-amz-date` is more than five minutes ago.
    Expired,
    /// `x-amz-date` is more than five minutes ahead.
    FromTheFuture,
    /// `x-amz-content-sha256` is not the body's hash.
    BodyChanged,
    /// The signature fits none of the canonical forms: another secret, or something was changed on the way.
    WrongSignature,
}

impl AuthFailure {
    /// A stable word for logs and metric labels.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::WrongService => "wrong_service",
            Self::HeaderNotSigned => "header_not_signed",
            Self::UnsignedPayload => "unsigned_payload",
            Self::Expired => "expired",
            Self::FromTheFuture => "from_the_future",
            Self::BodyChanged => "body_changed",
            Self::WrongSignature => "wrong_signature",
        }
    }
}

impl fmt::Display for AuthFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for AuthFailure {}

/// Checks the signature of a request whose secret has been looked up.
///
/// `parsed` must come from the same `request.headers`. Prefer [`SigningKeys::verify`] where requests are frequent.
pub fn verify(
    parsed: &Parsed<'_>,
    request: &SignedRequest<'_>,
    secret: &[u8],
    now_unix_ms: i64,
) -> Result<(), AuthFailure> {
    let body_hash = check_before_signature(parsed, request, now_unix_ms)?;
    check_signature(parsed, request, &body_hash, &keys::derive(secret, parsed.date, parsed.region))
}

/// The checks that need no key; answers the hex hash of the body.
fn check_before_signature(
    parsed: &Parsed<'_>,
    request: &SignedRequest<'_>,
    now_unix_ms: i64,
) -> Result<[u8; 64], AuthFailure> {
    if parsed.signed_at_ms.abs_diff(now_unix_ms) > MAX_SKEW_MS {
        return Err(if parsed.signed_at_ms < now_unix_ms {
            AuthFailure::Expired
        } else {
            AuthFailure::FromTheFuture
        });
    }
    let body_hash = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    let mut claimed = request.headers.get_all("x-amz-content-sha256").iter();
    if claimed.any(|value| value.as_bytes().trim_ascii() != body_hash) {
        return Err(AuthFailure::BodyChanged);
    }
    Ok(body_hash)
}

fn check_signature(
    parsed: &Parsed<'_>,
    request: &SignedRequest<'_>,
    body_hash: &[u8; 64],
    key: &hmac::Key,
) -> Result<(), AuthFailure> {
    let fits = |path: &str, query: &str| {
        let canonical = canonical_request_hash(parsed, request, body_hash, path, query);
        signature(key, parsed, &canonical).as_ref().ct_eq(&parsed.signature).into()
    };
    // As sent comes first: it is what old curl signs, and for plain paths and ordered queries what everyone signs.
    let as_sent = if request.raw_path.is_empty() { "/" } else { request.raw_path };
    if fits(as_sent, request.raw_query) {
        return Ok(());
    }
    let paths = canonical::path_forms(as_sent);
    let queries = canonical::query_forms(request.raw_query);
    let mut others = paths.iter().flat_map(|path| queries.iter().map(move |query| (path, query)));
    others.next(); // the pair as sent
    if others.any(|(path, query)| fits(path, query)) { Ok(()) } else { Err(AuthFailure::WrongSignature) }
}

/// SHA-256, in hex, of the canonical request.
fn canonical_request_hash(
    parsed: &Parsed<'_>,
    request: &SignedRequest<'_>,
    body_hash: &[u8; 64],
    path: &str,
    query: &str,
) -> [u8; 64] {
    let mut hash = digest::Context::new(&digest::SHA256);
    for line in [request.method.as_str(), path, query] {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    // In the order of the list, not sorted: old curl puts "a-b" before "a", in both places alike.
    for name in parsed.signed_headers.split(';') {
        hash.update(name.as_bytes());
        hash.update(b":");
        // A signed header that is absent counts as empty: old curl signs the ones that `-H 'Accept:'` removes.
        for (index, value) in request.headers.get_all(name).iter().enumerate() {
            if index > 0 {
                hash.update(b",");
            }
            canonical::folded(value.as_bytes(), |part| hash.update(part));
        }
        hash.update(b"\n");
    }
    hash.update(b"\n");
    hash.update(parsed.signed_headers.as_bytes());
    hash.update(b"\n");
    hash.update(body_hash);
    hex(hash.finish().as_ref())
}

fn signature(key: &hmac::Key, parsed: &Parsed<'_>, canonical_request_hash: &[u8; 64]) -> hmac::Tag {
    let mut mac = hmac::Context::with_key(key);
    for part in ["AWS4-HMAC-SHA256\n", parsed.amz_date, "\n", parsed.scope, "\n"] {
        mac.update(part.as_bytes());
    }
    mac.update(canonical_request_hash);
    mac.sign()
}

/// Lower-case hex of a SHA-256 value.
fn hex(hash: &[u8]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'0'; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}
