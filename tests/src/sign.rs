//! AWS Signature Version 4, as a careful caller writes it: the whole canonical form, for any path and query.

use jiff::Timestamp;
use ring::{digest, hmac};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SCOPE_END: &str = "eu-test-1/message-center/aws4_request";

/// An access key and its secret.
#[derive(Clone)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// What is signed of a request.
pub(crate) struct ToSign<'a> {
    pub(crate) method: &'a str,
    /// As it is sent.
    pub(crate) path: &'a str,
    /// As it is sent, without the question mark.
    pub(crate) query: &'a str,
    pub(crate) host: &'a str,
    pub(crate) body: &'a [u8],
}

impl AccessKey {
    /// The headers that make a request one of this key, signed now.
    pub(crate) fn headers(&self, request: &ToSign<'_>) -> [(&'static str, String); 2] {
        let date = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{SCOPE_END}", &date[..8]);
        let canonical = canonical_request(request, &date);
        let to_sign = format!("{ALGORITHM}\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let signature = hex(hmac::sign(&self.signing_key(&scope), to_sign.as_bytes()).as_ref());
        let authorization = format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}",
            self.id
        );
        [("x-amz-date", date), ("authorization", authorization)]
    }

    fn signing_key(&self, scope: &str) -> hmac::Key {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{}", self.secret).as_bytes());
        scope.split('/').fold(secret, |key, part| {
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
        })
    }
}

fn canonical_request(request: &ToSign<'_>, date: &str) -> String {
    let mut pairs: Vec<String> = request
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort_unstable();
    format!(
        "{}\n{}\n{}\nhost:{}\nx-amz-date:{date}\n\nhost;x-amz-date\n{}",
        request.method,
        escape_again(request.path),
        pairs.join("&"),
        request.host,
        sha256(request.body)
    )
}

/// Paths are escaped once more than they were sent, as the standard has it for every service but S3.
fn escape_again(path: &str) -> String {
    path.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, Method};
    use mc_api::auth::sigv4::{self, SignedRequest};

    use super::*;

    #[test]
    fn the_server_accepts_it() {
        let key = AccessKey { id: "AKID".to_owned(), secret: "a+secret/".to_owned() };
        let table = [("/v1/messages", ""), ("/v1/messages", "limit=2&cursor=a%2Fb"), ("/a%20b/c:d", "x")];
        for (path, query) in table {
            let request = ToSign { method: "PUT", path, query, host: "localhost:1", body: b"{}" };
            let mut headers = HeaderMap::new();
            headers.insert("host", "localhost:1".parse().unwrap());
            for (name, value) in key.headers(&request) {
                headers.insert(HeaderName::from_static(name), value.parse().unwrap());
            }
            let parsed = sigv4::parse(&headers).unwrap();
            assert_eq!(parsed.access_key_id, "AKID");
            let arrived = SignedRequest {
                method: &Method::PUT,
                raw_path: path,
                raw_query: query,
                headers: &headers,
                body: b"{}",
            };
            let now = Timestamp::now().as_millisecond();
            assert_eq!(sigv4::verify(&parsed, &arrived, b"a+secret/", now), Ok(()), "{path}?{query}");
        }
    }
}
