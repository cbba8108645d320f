//! AWS Signature Version 4 for receivers behind API Gateway and its like. They are receivers as any other, so none of
//! AWS's own clients is wanted here.

use mc_core::Secret;
use ring::{digest, hmac};
use url::{Url, form_urlencoded};

use super::sign::ToSign;

/// Headers that it writes itself, or that another signer of the same kind would.
pub(super) const HEADERS: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Whose signature it is, and what it is good for.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) region: String,
    pub(super) service: String,
}

impl Key {
    /// The headers that sign method, address, body, and those headers that nothing between us and the receiver changes;
    /// nothing if the address cannot be read.
    pub(super) fn sign(
        &self,
        what: &ToSign<'_>,
        headers: &[(String, String)],
    ) -> Option<[(String, String); 2]> {
        let time = jiff::Timestamp::from_millisecond(what.now.millis()).ok()?;
        let date = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        // As the client will write it.
        let url = Url::parse(what.url).ok()?;
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let mut signed = vec![("host", host.as_str()), ("x-amz-date", &date)];
        let others = headers.iter().filter(|(name, _)| name == "content-type" || name == "webhook-id");
        signed.extend(others.map(|(name, value)| (name.as_str(), value.as_str())));
        signed.sort_unstable();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");

        let mut canonical = format!("{}\n{}\n{}\n", what.method, encoded(url.path(), b"/"), query(&url));
        for (name, value) in signed {
            let words: Vec<&str> = value.split_whitespace().collect();
            canonical.push_str(&format!("{name}:{}\n", words.join(" ")));
        }
        canonical.push_str(&format!("\n{names}\n{}", hash(what.body)));

        let day = date.get(..8)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hash(canonical.as_bytes()));
        let secret = Secret::new(format!("AWS4{}", self.secret.expose()));
        let mut tag = hmac_of(secret.expose().as_bytes(), day);
        for part in [self.region.as_str(), &self.service, "aws4_request", &to_sign] {
            tag = hmac_of(tag.as_ref(), part);
        }
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.id,
            hex(tag.as_ref())
        );
        Some([("x-amz-date".to_owned(), date), ("authorization".to_owned(), authorization)])
    }
}

/// The query, sorted, each name and value encoded.
fn query(url: &Url) -> String {
    let pairs = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
    let mut pairs: Vec<(String, String)> =
        pairs.map(|(name, value)| (encoded(&name, b""), encoded(&value, b""))).collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Percent-encodes all but the unreserved characters and what else is told.
fn encoded(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || also.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn hmac_of(key: &[u8], message: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
