//! AWS Signature Version 4, the calling side, made for many requests of one key.
//!
//! Only `host` and `x-amz-date` are signed, which is what the server asks for, and the canonical request is hashed
//! piece by piece without being written down. Paths must be plain and without a query beyond what is sent as it is.

use std::time::{Duration, Instant};

use ring::{digest, hmac};

/// The service that the signatures are made for.
const SERVICE: &str = "message-center";

/// The region is ours to choose: the server takes any.
const REGION: &str = "any";

const SIGNED_HEADERS: &str = "host;x-amz-date";

/// The access key of the measured process.
#[derive(Clone, Copy, Debug)]
pub struct AccessKey {
    /// Its id.
    pub id: &'static str,
    /// Its secret.
    pub secret: &'static str,
}

/// Signs requests.
#[derive(Clone)]
pub struct Signer {
    access_key: AccessKey,
    date: AmzDate,
    key: hmac::Key,
    scope: String,
}

impl Signer {
    /// A signer that keeps to the date of the machine.
    pub fn new(access_key: AccessKey) -> Self {
        Self::at(access_key, AmzDate::now())
    }

    fn at(access_key: AccessKey, date: AmzDate) -> Self {
        let day = date.day();
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", access_key.secret).as_bytes());
        for part in [day, REGION, SERVICE, "aws4_request"] {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
        }
        let scope = format!("{day}/{REGION}/{SERVICE}/aws4_request");
        Self { access_key, date, key, scope }
    }

    /// Writes the headers `x-amz-date` and `authorization` for a request, each with its line end.
    ///
    /// `path` may carry a query, sent exactly as it stands here and with its pairs in order.
    pub fn write_headers(&mut self, out: &mut Vec<u8>, method: &str, path: &str, host: &str, body: &[u8]) {
        if let Some(later) = self.date.refreshed() {
            if later.day() == self.date.day() {
                self.date = later;
            } else {
                *self = Self::at(self.access_key, later);
            }
        }
        let signature = self.signature(method, path, host, body);
        let pieces = [
            "x-amz-date: ",
            &self.date.text,
            "\r\nauthorization: AWS4-HMAC-SHA256 Credential=",
            self.access_key.id,
            "/",
            &self.scope,
            ", SignedHeaders=",
            SIGNED_HEADERS,
            ", Signature=",
        ];
        for piece in pieces {
            out.extend_from_slice(piece.as_bytes());
        }
        out.extend_from_slice(&signature);
        out.extend_from_slice(b"\r\n");
    }

    fn signature(&self, method: &str, path: &str, host: &str, body: &[u8]) -> [u8; 64] {
        let body_hash = hex(digest::digest(&digest::SHA256, body).as_ref());
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut canonical = digest::Context::new(&digest::SHA256);
        for piece in [method, "\n", path, "\n", query, "\nhost:", host, "\nx-amz-date:", &self.date.text] {
            canonical.update(piece.as_bytes());
        }
        for piece in ["\n\n", SIGNED_HEADERS, "\n"] {
            canonical.update(piece.as_bytes());
        }
        canonical.update(&body_hash);
        let mut mac = hmac::Context::with_key(&self.key);
        for piece in ["AWS4-HMAC-SHA256\n", &self.date.text, "\n", &self.scope, "\n"] {
            mac.update(piece.as_bytes());
        }
        mac.update(&hex(canonical.finish().as_ref()));
        hex(mac.sign().as_ref())
    }
}

/// The time as signatures write it, renewed once a second.
#[derive(Clone)]
struct AmzDate {
    text: String,
    read_at: Instant,
}

impl AmzDate {
    fn now() -> Self {
        let text = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        Self { text, read_at: Instant::now() }
    }

    fn day(&self) -> &str {
        &self.text[..8]
    }

    fn refreshed(&self) -> Option<Self> {
        (self.read_at.elapsed() >= Duration::from_secs(1)).then(Self::now)
    }
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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use mc_api::auth::sigv4::{self, AuthFailure, SignedRequest};

    use super::*;

    const KEY: AccessKey = AccessKey { id: "AKIDBENCH", secret: "a+secret/of=the~bench" };
    const HOST: &str = "127.0.0.1:8080";

    fn headers(written: &[u8]) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_static(HOST));
        for line in std::str::from_utf8(written).unwrap().lines() {
            let (name, value) = line.split_once(": ").unwrap();
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn verify(signed_path: &str, body: &[u8], arrived: &[u8]) -> Result<(), AuthFailure> {
        let mut written = Vec::new();
        Signer::new(KEY).write_headers(&mut written, "POST", signed_path, HOST, body);
        let headers = headers(&written);
        let parsed = sigv4::parse(&headers)?;
        assert_eq!(parsed.access_key_id, KEY.id);
        let (raw_path, raw_query) = signed_path.split_once('?').unwrap_or((signed_path, ""));
        let request =
            SignedRequest { method: &Method::POST, raw_path, raw_query, headers: &headers, body: arrived };
        sigv4::verify(&parsed, &request, KEY.secret.as_bytes(), jiff::Timestamp::now().as_millisecond())
    }

    #[test]
    fn the_server_accepts_it() {
        assert_eq!(verify("/v1/messages", b"{\"a\":1}", b"{\"a\":1}"), Ok(()));
        assert_eq!(verify("/v1/messages?limit=50", b"", b""), Ok(()));
        assert_eq!(verify("/v1/messages", b"{}", b"[]"), Err(AuthFailure::WrongSignature));
    }

    #[test]
    fn a_new_day_has_a_new_key() {
        let yesterday = AmzDate {
            text: "20200101T235959Z".to_owned(),
            read_at: Instant::now().checked_sub(Duration::from_secs(2)).unwrap(),
        };
        let mut signer = Signer::at(KEY, yesterday);
        let before = signer.scope.clone();
        signer.write_headers(&mut Vec::new(), "GET", "/", HOST, b"");
        assert_ne!(signer.scope, before);
        assert!(signer.scope.starts_with(signer.date.day()));
    }
}
