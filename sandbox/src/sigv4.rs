//! AWS Signature Version 4, as a service checks it.

use http::{HeaderMap, Method, Uri};
use jiff::tz::TimeZone;
use ring::{digest, hmac};
use serde::Deserialize;

/// How far `x-amz-date` may be off, in either direction.
const TOLERANCE_SECONDS: i64 = 300;

/// Who may sign, and for what.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sigv4Rule {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The region that the scope names.
    pub region: String,
    /// The service that the scope names.
    pub service: String,
}

/// A request, as it arrived.
pub(crate) struct Arrived<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

impl Arrived<'_> {
    /// Whose key the signature claims to be made with.
    pub(crate) fn access_key_id(&self) -> Option<&str> {
        let authorization = self.headers.get("authorization")?.to_str().ok()?;
        Some(authorization.split_once("Credential=")?.1.split_once('/')?.0)
    }
}

impl Sigv4Rule {
    /// An error says what is wrong, in the words a service would use.
    pub(crate) fn check(&self, request: &Arrived<'_>, now_ms: u64) -> Result<(), &'static str> {
        let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
        let authorization = header("authorization").ok_or("Missing Authentication Token")?;
        let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("Missing Authentication Token")?;
        let part =
            |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let credential = part("Credential").ok_or("Authorization header requires 'Credential' parameter.")?;
        let signed =
            part("SignedHeaders").ok_or("Authorization header requires 'SignedHeaders' parameter.")?;
        let signature = part("Signature").ok_or("Authorization header requires 'Signature' parameter.")?;
        let date = header("x-amz-date").ok_or("Authorization header requires existence of 'X-Amz-Date'.")?;
        if !is_near(date, now_ms) {
            return Err("Signature expired");
        }
        let (key_id, scope) = credential.split_once('/').ok_or("Credential must have a scope")?;
        if key_id != self.access_key_id {
            return Err("The security token included in the request is invalid.");
        }
        let day = date.get(..8).unwrap_or_default();
        if scope != format!("{day}/{}/{}/aws4_request", self.region, self.service) {
            return Err("Credential should be scoped to a valid region and to the correct service.");
        }
        let names: Vec<&str> = signed.split(';').collect();
        if !names.contains(&"host") || !names.contains(&"x-amz-date") || !names.is_sorted() {
            return Err("'Host' and 'X-Amz-Date' must be signed headers, in order.");
        }
        let canonical = canonical(request, &names).ok_or("a signed header is missing")?;
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret_access_key).into_bytes();
        for part in [day, &self.region, &self.service, "aws4_request"] {
            key = sign(&key, part.as_bytes()).as_ref().to_vec();
        }
        let expected = hex(sign(&key, to_sign.as_bytes()).as_ref());
        // A sandbox has nothing that timing could betray.
        if expected == signature {
            Ok(())
        } else {
            Err("The request signature we calculated does not match the signature you provided.")
        }
    }
}

/// The canonical request: path and query are encoded once more than they were sent.
fn canonical(request: &Arrived<'_>, names: &[&str]) -> Option<String> {
    let mut query: Vec<(String, String)> =
        url::form_urlencoded::parse(request.uri.query().unwrap_or_default().as_bytes())
            .map(|(name, value)| (encode(&name, ""), encode(&value, "")))
            .collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers = String::new();
    for name in names {
        let value = request.headers.get(*name)?.to_str().ok()?;
        let value: Vec<&str> = value.split_whitespace().collect();
        headers.push_str(&format!("{name}:{}\n", value.join(" ")));
    }
    let (method, path) = (request.method, encode(request.uri.path(), "/"));
    let (names, body) = (names.join(";"), hash(request.body));
    Some(format!("{method}\n{path}\n{}\n{headers}\n{names}\n{body}", query.join("&")))
}

fn is_near(date: &str, now_ms: u64) -> bool {
    let then = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok();
    let then = then.and_then(|then| then.to_zoned(TimeZone::UTC).ok());
    then.is_some_and(|then| {
        let now = i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX);
        then.timestamp().as_second().abs_diff(now) <= TOLERANCE_SECONDS.unsigned_abs()
    })
}

fn encode(text: &str, also: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let plain =
            byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.as_bytes().contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn sign(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// When the published vectors were signed: 2015-08-30T12:36:00Z.
    const THEN: u64 = 1_440_938_160_000;

    fn check(method: Method, uri: &'static str, signature: &str, now_ms: u64) -> Result<(), &'static str> {
        let rule = Sigv4Rule {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        };
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        let headers = HeaderMap::from_iter([
            (http::header::HOST, HeaderValue::from_static("example.amazonaws.com")),
            (
                http::header::HeaderName::from_static("x-amz-date"),
                HeaderValue::from_static("20150830T123600Z"),
            ),
            (http::header::AUTHORIZATION, HeaderValue::from_str(&authorization).unwrap()),
        ]);
        let uri = Uri::from_static(uri);
        rule.check(&Arrived { method: &method, uri: &uri, headers: &headers, body: b"" }, now_ms)
    }

    #[test]
    fn the_published_vectors_are_accepted_and_no_change_of_them() {
        let get = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let post = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(check(Method::GET, "/", get, THEN), Ok(()));
        assert_eq!(check(Method::POST, "/", post, THEN + 300_000), Ok(()));
        assert!(check(Method::GET, "/", get, THEN + 301_000).is_err());
        assert!(check(Method::GET, "/", post, THEN).is_err());
        assert!(check(Method::GET, "/a", get, THEN).is_err());
        assert!(check(Method::GET, "/?a=b", get, THEN).is_err());
        // The query is sorted before it is signed.
        let sorted = "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500";
        assert_eq!(check(Method::GET, "/?Param2=value2&Param1=value1", sorted, THEN), Ok(()));
    }
}
