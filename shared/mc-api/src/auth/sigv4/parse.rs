//! Reading the `Authorization` and `x-amz-date` headers.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};
use jiff::{civil::DateTime, tz::TimeZone};

use super::{AuthFailure, SERVICE};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// More than any signer sends; keeps a hostile list from costing much.
const MAX_SIGNED_HEADERS: usize = 64;

/// What a signed request claims: which access key, and what its signature covers.
#[derive(Clone, Copy)]
pub struct Parsed<'a> {
    /// The access key whose secret has to be looked up.
    pub access_key_id: &'a str,
    /// The day of the scope, `YYYYMMDD`.
    pub date: &'a str,
    /// The region of the scope: any word.
    pub region: &'a str,
    /// The names of the signed headers, separated by `;`.
    pub signed_headers: &'a str,
    /// The `x-amz-date` header, `YYYYMMDDTHHMMSSZ`.
    pub amz_date: &'a str,
    /// The same as milliseconds since 1970.
    pub signed_at_ms: i64,
    /// `date/region/service/aws4_request`.
    pub(super) scope: &'a str,
    pub(super) signature: [u8; 32],
}

/// Without the signature: for five minutes it is as good as a password for this one request.
impl fmt::Debug for Parsed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parsed")
            .field("access_key_id", &self.access_key_id)
            .field("scope", &self.scope)
            .field("signed_headers", &self.signed_headers)
            .field("amz_date", &self.amz_date)
            .finish_non_exhaustive()
    }
}

/// Whether the request carries a signature at all, good or bad.
pub fn is_signed(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(ALGORITHM.as_bytes()))
}

/// Reads what a signed request claims. Nothing is verified yet.
pub fn parse(headers: &HeaderMap) -> Result<Parsed<'_>, AuthFailure> {
    if !is_signed(headers) {
        return Err(AuthFailure::Missing);
    }
    let authorization = only(headers, "authorization").ok_or(AuthFailure::Malformed)?;
    let fields = fields(authorization).ok_or(AuthFailure::Malformed)?;
    let credential = split_credential(fields.credential).ok_or(AuthFailure::Malformed)?;
    let signature = unhex(fields.signature).ok_or(AuthFailure::Malformed)?;
    if credential.service != SERVICE {
        return Err(AuthFailure::WrongService);
    }
    check_signed_headers(fields.signed_headers)?;
    if headers.get_all("x-amz-content-sha256").iter().any(is_unsigned_payload) {
        return Err(AuthFailure::UnsignedPayload);
    }
    let amz_date = only(headers, "x-amz-date").ok_or(AuthFailure::Malformed)?;
    let signed_at_ms = unix_ms(amz_date).ok_or(AuthFailure::Malformed)?;
    if !amz_date.starts_with(credential.date) {
        return Err(AuthFailure::Malformed);
    }
    Ok(Parsed {
        access_key_id: credential.access_key_id,
        date: credential.date,
        region: credential.region,
        signed_headers: fields.signed_headers,
        amz_date,
        signed_at_ms,
        scope: credential.scope,
        signature,
    })
}

/// The header's text, if it is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.trim())
}

struct Fields<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

/// The three fields of `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, in any order.
fn fields(authorization: &str) -> Option<Fields<'_>> {
    let list = authorization.strip_prefix(ALGORITHM)?.strip_prefix([' ', '\t'])?;
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in list.split(',') {
        let (name, value) = field.trim().split_once('=')?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    Some(Fields { credential: credential?, signed_headers: signed_headers?, signature: signature? })
}

struct Credential<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    scope: &'a str,
}

/// `access key/date/region/service/aws4_request`.
fn split_credential(credential: &str) -> Option<Credential<'_>> {
    let mut from_the_end = credential.rsplitn(5, '/');
    if from_the_end.next()? != "aws4_request" {
        return None;
    }
    let service = from_the_end.next()?;
    let region = from_the_end.next()?;
    let date = from_the_end.next()?;
    let access_key_id = from_the_end.next()?;
    let scope = credential.get(access_key_id.len() + 1..)?;
    let complete = !access_key_id.is_empty() && date.len() == 8 && !region.is_empty();
    complete.then_some(Credential { access_key_id, date, region, service, scope })
}

fn check_signed_headers(list: &str) -> Result<(), AuthFailure> {
    let (mut host, mut date) = (false, false);
    for (index, name) in list.split(';').enumerate() {
        if index >= MAX_SIGNED_HEADERS || name.is_empty() || name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(AuthFailure::Malformed);
        }
        host |= name == "host";
        date |= name == "x-amz-date";
    }
    if host && date { Ok(()) } else { Err(AuthFailure::HeaderNotSigned) }
}

/// `UNSIGNED-PAYLOAD`, `STREAMING-…` and the like: words where a hash should be.
fn is_unsigned_payload(value: &HeaderValue) -> bool {
    value.as_bytes().iter().any(u8::is_ascii_uppercase)
}

fn unix_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0_i16, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0')))
    };
    let small = |from: usize| number(from, from + 2).and_then(|n| i8::try_from(n).ok());
    let moment =
        DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(9)?, small(11)?, small(13)?, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(moment).ok()?.as_millisecond())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = lower_hex(pair[0])? << 4 | lower_hex(pair[1])?;
    }
    Some(bytes)
}

/// Lower case only, so that a signature has one spelling.
fn lower_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
