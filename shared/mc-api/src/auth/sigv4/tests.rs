//! Vectors recorded from real signers (`tests/python/make_sigv4_vectors.py`), and what must never pass.

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixtures {
    access_key_id: String,
    secret_access_key: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize, Clone)]
struct Vector {
    signer: String,
    case: String,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("../fixtures/sigv4.json")).unwrap()
}

const SECRET: &[u8] = b"only-for-tests/of+the=signature~verifier";

impl Vector {
    fn one(signer: &str, case: &str) -> Self {
        let found = fixtures().vectors.into_iter().find(|v| v.signer.starts_with(signer) && v.case == case);
        found.unwrap_or_else(|| panic!("no vector {case} by {signer}"))
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(known, _)| known == name).unwrap().1
    }

    fn header_map(&self) -> HeaderMap {
        let pairs = self.headers.iter().filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        });
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }

    /// Parses and verifies, with and without the cache, `late_ms` after it was signed.
    fn verify(&self, secret: &[u8], late_ms: i64) -> Result<(), AuthFailure> {
        let headers = self.header_map();
        let parsed = parse(&headers)?;
        let request = SignedRequest {
            method: &Method::from_bytes(self.method.as_bytes()).unwrap(),
            raw_path: &self.path,
            raw_query: &self.query,
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let now = parsed.signed_at_ms.saturating_add(late_ms);
        let result = verify(&parsed, &request, secret, now);
        let keys = SigningKeys::new(8);
        for _ in 0..2 {
            assert_eq!(result, keys.verify(&parsed, &request, secret, now), "the cache changes the answer");
            assert_eq!(result.is_ok(), !keys.is_empty(), "only good keys are kept");
        }
        result
    }

    /// What happens to the request after a change.
    fn after(&self, change: impl FnOnce(&mut Self)) -> Result<(), AuthFailure> {
        let mut changed = self.clone();
        change(&mut changed);
        changed.verify(SECRET, 0)
    }
}

fn post() -> Vector {
    Vector::one("botocore", "post_json")
}

#[test]
fn every_recorded_request_is_accepted() {
    let fixtures = fixtures();
    let signers: std::collections::BTreeSet<_> = fixtures.vectors.iter().map(|v| &v.signer).collect();
    assert!(signers.len() >= 6, "{signers:?}");
    let mut refused = Vec::new();
    for vector in &fixtures.vectors {
        assert_eq!(parse(&vector.header_map()).unwrap().access_key_id, fixtures.access_key_id);
        if let Err(failure) = vector.verify(fixtures.secret_access_key.as_bytes(), 0) {
            refused.push(format!("{} {}: {failure}", vector.signer, vector.case));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn no_recorded_request_passes_with_a_change() {
    for vector in &fixtures().vectors {
        let what = format!("{} {}", vector.signer, vector.case);
        let refused = Err(AuthFailure::WrongSignature);
        assert_eq!(vector.verify(b"another secret", 0), refused, "{what}");
        assert!(vector.after(|v| v.body.push(' ')).is_err(), "{what}");
        assert_eq!(vector.after(|v| v.path.push('x')), refused, "{what}");
        assert_eq!(vector.after(|v| v.query.push_str("&x=1")), refused, "{what}");
        assert_eq!(vector.after(|v| v.method = "PATCH".to_owned()), refused, "{what}");
        assert_eq!(vector.after(|v| v.header("host").push('0')), refused, "{what}");
    }
}

#[test]
fn the_time_may_be_five_minutes_off() {
    let (edge, expired, future) = (300_000, Err(AuthFailure::Expired), Err(AuthFailure::FromTheFuture));
    let table = [(0, Ok(())), (edge, Ok(())), (-edge, Ok(())), (edge + 1, expired), (-edge - 1, future)];
    for (late_ms, expected) in table.into_iter().chain([(i64::MAX, expired), (i64::MIN, future)]) {
        assert_eq!(post().verify(SECRET, late_ms), expected, "{late_ms}");
    }
}

#[test]
fn a_changed_time_is_refused() {
    let change = |from: &str, to: &str| {
        post().after(|v| *v.header("x-amz-date") = v.header("x-amz-date").replace(from, to))
    };
    assert_eq!(change("T120000Z", "T120001Z"), Err(AuthFailure::WrongSignature));
    assert_eq!(change("20261101", "20261102"), Err(AuthFailure::Malformed), "not the day of the scope");
    for bad in ["T120000", "T120000z", "T126000Z", "T240000Z", "T12000+Z", "é120000Z", "120000Z", "T120000Z0"]
    {
        assert_eq!(change("T120000Z", bad), Err(AuthFailure::Malformed), "{bad}");
    }
    let both = post().after(|v| {
        v.header("x-amz-date").replace_range(4..8, "1301");
        *v.header("authorization") = v.header("authorization").replace("20261101", "20261301");
    });
    assert_eq!(both, Err(AuthFailure::Malformed), "no such month");
}

#[test]
fn the_authorization_header_is_read_strictly() {
    let change = |from: &str, to: &str| {
        post().after(|v| *v.header("authorization") = v.header("authorization").replace(from, to))
    };
    assert_eq!(change(", ", ","), Ok(()));
    assert_eq!(change(", ", " ,  "), Ok(()));
    assert_eq!(change("host;", ""), Err(AuthFailure::HeaderNotSigned));
    assert_eq!(change(";x-amz-date", ""), Err(AuthFailure::HeaderNotSigned));
    assert_eq!(change("/message-center/", "/s3/"), Err(AuthFailure::WrongService));
    assert_eq!(change("eu-central-1", "eu-central-2"), Err(AuthFailure::WrongSignature));
    assert_eq!(change("MCEXAMPLEKEY", "a/b/c"), Ok(()), "the key id is no part of the signature: look it up");
    assert_eq!(change("content-type;", ""), Err(AuthFailure::WrongSignature));
    assert_eq!(change("content-type;", "content-type;content-type;"), Err(AuthFailure::WrongSignature));
    assert_eq!(change("AWS4-HMAC-SHA256 ", "Bearer "), Err(AuthFailure::Missing));
    assert_eq!(change("AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 "), Err(AuthFailure::Missing));
    let malformed = [
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256-PAYLOAD "),
        ("Credential=", "credential="),
        ("Credential=", "Credential=MC/20261101/any/message-center/aws4_request, Credential="),
        ("Credential=", "Token=1, Credential="),
        ("Credential=MCEXAMPLEKEY00000001", "Credential="),
        ("Credential=MCEXAMPLEKEY00000001/20261101/eu-central-1", "Credential="),
        ("/eu-central-1/", "//"),
        ("aws4_request", "aws4_reques"),
        ("host;", "Host;"),
        ("host;", "host;;"),
        ("host;", &"host;".repeat(64)),
        ("Signature=", "Signature=0"),
        ("Signature=", "Signature"),
        ("Signature=", "Signature=é"),
    ];
    for (from, to) in malformed {
        assert_eq!(change(from, to), Err(AuthFailure::Malformed), "{from} -> {to}");
    }
    let upper = post().after(|v| {
        let at = v.header("authorization").len() - 64;
        v.header("authorization")[at..].make_ascii_uppercase();
    });
    assert_eq!(upper, Err(AuthFailure::Malformed));
    let twice = post().after(|v| v.headers.extend_from_within(..));
    assert_eq!(twice, Err(AuthFailure::Malformed), "every header twice");
    let none = post().after(|v| v.headers.retain(|(name, _)| name != "authorization"));
    assert_eq!(none, Err(AuthFailure::Missing));
    let undated = post().after(|v| v.headers.retain(|(name, _)| name != "x-amz-date"));
    assert_eq!(undated, Err(AuthFailure::Malformed));
}

#[test]
fn the_body_is_always_signed() {
    let vector = Vector::one("botocore", "header_content_sha256");
    assert_eq!(vector.after(|v| v.body.push(' ')), Err(AuthFailure::BodyChanged));
    for word in
        ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
    {
        let claim = |v: &mut Vector| *v.header("x-amz-content-sha256") = word.to_owned();
        assert_eq!(vector.after(claim), Err(AuthFailure::UnsignedPayload), "{word}");
        let added = |v: &mut Vector| v.headers.push(("x-amz-content-sha256".to_owned(), word.to_owned()));
        assert_eq!(post().after(added), Err(AuthFailure::UnsignedPayload), "{word} outside the signature");
    }
    let empty = |v: &mut Vector| v.header("x-amz-content-sha256").clear();
    assert_eq!(vector.after(empty), Err(AuthFailure::BodyChanged));
}

#[test]
fn signed_headers_cannot_change() {
    let vector = Vector::one("libcurl", "header_repeated");
    let refused = Err(AuthFailure::WrongSignature);
    let first = vector.headers.iter().position(|(name, _)| name == "x-note").unwrap();
    assert_eq!(vector.after(|v| v.header("x-note").insert(0, ' ')), Ok(()), "blanks around do not count");
    assert_eq!(vector.after(|v| v.header("x-note").push('b')), refused);
    assert_eq!(vector.after(|v| drop(v.headers.remove(first))), refused, "one of three values gone");
    assert_eq!(vector.after(|v| v.headers.retain(|(name, _)| name != "x-note")), refused, "all gone");
    assert_eq!(vector.after(|v| v.headers.swap(first, first + 1)), refused, "another order");
    let unsigned = |v: &mut Vector| v.headers.push(("x-other".to_owned(), "1".to_owned()));
    assert_eq!(vector.after(unsigned), Ok(()), "headers outside the list are free");
}

#[test]
fn a_rotated_secret_is_refused_at_once() {
    let vector = post();
    let headers = vector.header_map();
    let parsed = parse(&headers).unwrap();
    let body = vector.body.as_bytes();
    let request = SignedRequest {
        method: &Method::POST,
        raw_path: &vector.path,
        raw_query: "",
        headers: &headers,
        body,
    };
    let keys = SigningKeys::default();
    let check = |secret| keys.verify(&parsed, &request, secret, parsed.signed_at_ms);
    assert_eq!(check(SECRET), Ok(()));
    assert_eq!(check(b"the next one"), Err(AuthFailure::WrongSignature));
    assert_eq!((check(SECRET), keys.len()), (Ok(()), 1));
}

/// A request of our own, for bodies too large to keep as a vector. Written out here a second time, on purpose in the
/// plainest way.
#[test]
fn a_body_of_four_mebibytes() {
    let body = "0123456789abcdef".repeat(4 * 1024 * 1024 / 16);
    let body_hash = digest::digest(&digest::SHA256, body.as_bytes());
    let text = |hash: &[u8]| String::from_utf8(hex(hash).to_vec()).unwrap();
    let canonical = format!(
        "POST\n/v1/messages\n\nhost:mc\nx-amz-date:20261101T120000Z\n\nhost;x-amz-date\n{}",
        text(body_hash.as_ref())
    );
    let scope = "20261101/any/message-center/aws4_request";
    let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
    let to_sign = format!("AWS4-HMAC-SHA256\n20261101T120000Z\n{scope}\n{}", text(hash.as_ref()));
    let signature = hmac::sign(&keys::derive(SECRET, "20261101", "any"), to_sign.as_bytes());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AK/{scope}, SignedHeaders=host;x-amz-date, Signature={}",
        text(signature.as_ref())
    );
    let headers = [("host", "mc"), ("x-amz-date", "20261101T120000Z"), ("authorization", &authorization)];
    let mut vector = Vector { body, path: "/v1/messages".to_owned(), query: String::new(), ..post() };
    vector.headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    assert_eq!(vector.verify(SECRET, 0), Ok(()));
    assert_eq!(vector.after(|v| v.body.push('0')), Err(AuthFailure::WrongSignature));
    assert_eq!(
        vector.after(|v| v.body.replace_range(4_000_000..4_000_001, "x")),
        Err(AuthFailure::WrongSignature)
    );
}

/// Random damage to any part never panics, and passes only where the change has no meaning.
#[test]
fn damage_neither_panics_nor_passes() {
    const JUNK: [&str; 24] = [
        "%",
        "%2",
        "%zz",
        "+",
        "&",
        "=",
        "&&",
        "==",
        "/",
        "//",
        "/../",
        "..",
        ";",
        ",",
        " ",
        "\t",
        "é",
        "%C3",
        "\u{0}",
        "A",
        "0",
        "Credential=",
        "20261101",
        "%%%",
    ];
    let vectors = fixtures().vectors;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let mut passed = 0;
    for _ in 0..6_000 {
        let mut vector = vectors[random(vectors.len())].clone();
        let count = vector.headers.len();
        let part = match random(4) {
            0 => &mut vector.path,
            1 => &mut vector.query,
            2 => vector.header("authorization"),
            _ => &mut vector.headers[random(count)].1,
        };
        let at = random(part.len() + 1);
        let at = (0..=at).rev().find(|at| part.is_char_boundary(*at)).unwrap();
        match random(3) {
            0 => part.insert_str(at, JUNK[random(JUNK.len())]),
            1 => part.truncate(at),
            _ => drop(part.pop()),
        }
        passed += u32::from(vector.verify(SECRET, 0).is_ok());
    }
    // Unsigned headers, blanks and empty pairs: harmless, and a fair share of the changes.
    assert!(passed < 3_000, "{passed}");
}

#[test]
fn nothing_secret_is_shown() {
    let headers = post().header_map();
    let shown = format!("{:?}", parse(&headers).unwrap());
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(
        shown.contains("MCEXAMPLEKEY00000001") && !shown.contains(&authorization[authorization.len() - 64..]),
        "{shown}"
    );
}
