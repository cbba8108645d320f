//! AWS Signature Version 4, the signing side, for requests of our own client.

use mc_core::Timestamp;
use ring::{digest, hmac};

/// The headers that sign a request: `x-amz-date` and `authorization`.
///
/// Paths and queries of our own client are made of characters that need no escaping.
pub fn headers(
    access_key_id: &str,
    secret: &str,
    method: &str,
    host: &str,
    path_and_query: &str,
    body: &[u8],
    now: Timestamp,
) -> [(&'static str, String); 2] {
    let stamp = now.to_string();
    let stamp = format!(
        "{}{}{}T{}{}{}Z",
        &stamp[..4],
        &stamp[5..7],
        &stamp[8..10],
        &stamp[11..13],
        &stamp[14..16],
        &stamp[17..19]
    );
    let date = &stamp[..8];
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let hash = hex(digest::digest(&digest::SHA256, body).as_ref());
    let canonical =
        format!("{method}\n{path}\n{query}\nhost:{host}\nx-amz-date:{stamp}\n\nhost;x-amz-date\n{hash}");
    let scope = format!("{date}/any/message-center/aws4_request");
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [date, "any", "message-center", "aws4_request"] {
        key = mac(&key, part);
    }
    let signature = hex(&mac(&key, &to_sign));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    [("x-amz-date", stamp), ("authorization", authorization)]
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
