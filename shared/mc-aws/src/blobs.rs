//! Attachments on S3.
//!
//! Two calls, signed by AWS's own signer: its whole S3 client would add megabytes to every function.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use mc_core::ports::{Blobs, Clock};
use mc_core::{Error, ErrorKind, Result};

use crate::aws::{Service, credentials, host_url};
use crate::call::{Blame, Calls, Patience, blame_of, of_blame};
use crate::connector::Pool;
use crate::meter::Operation;
use crate::settings::Settings;

/// Attachments in a bucket. Clones share its connections.
#[derive(Clone)]
pub struct S3Blobs {
    settings: Arc<Settings>,
    identity: Identity,
    /// Up to the object's name.
    base: Arc<str>,
    pool: Pool,
    clock: Arc<dyn Clock>,
    calls: Calls,
    timeout: Duration,
}

impl fmt::Debug for S3Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Blobs").field("base", &self.base).finish_non_exhaustive()
    }
}

impl S3Blobs {
    pub(crate) fn new(
        settings: Arc<Settings>,
        bucket: &str,
        pool: Pool,
        clock: Arc<dyn Clock>,
        calls: Calls,
        timeout: Duration,
    ) -> Self {
        let host = host_url(&settings, Service::Bucket);
        // A bucket with a dot in its name is no host that a certificate could name; elsewhere than on AWS no name is.
        let base = match host.strip_prefix("https://") {
            Some(host) if settings.endpoint.is_none() && !bucket.contains('.') => {
                format!("https://{bucket}.{host}/")
            }
            _ => format!("{host}/{bucket}/"),
        };
        let identity = credentials(&settings).into();
        Self { settings, identity, base: base.into(), pool, clock, calls, timeout }
    }

    /// One signed request.
    async fn request(&self, method: &'static str, name: &str, body: Bytes) -> Result<(u16, Bytes), Broken> {
        let url = format!("{}{}", self.base, encode(name));
        let mut request = http::Request::builder()
            .method(method)
            .uri(url)
            .body(body)
            .map_err(|error| Broken::local(error.to_string()))?;
        self.sign(&mut request).map_err(Broken::local)?;
        let client = self.pool.client().map_err(|error| Broken::local(error.to_string()))?;
        let mut request =
            reqwest::Request::try_from(request).map_err(|error| Broken::local(error.to_string()))?;
        *request.timeout_mut() = Some(self.timeout);
        let lost = |error: reqwest::Error| Broken {
            blame: Blame::Unavailable { maybe_done: true },
            text: error.without_url().to_string(),
        };
        let answer = client.execute(request).await.map_err(lost)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(lost)?;
        match status {
            200..=299 | 404 => Ok((status, body)),
            _ => {
                let code = code_of(&body);
                Err(Broken {
                    blame: blame_of(code, status),
                    text: format!("{status} {}", code.unwrap_or_default()),
                })
            }
        }
    }

    fn sign(&self, request: &mut http::Request<Bytes>) -> Result<(), String> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let millis = u64::try_from(self.clock.now().millis()).unwrap_or_default();
        let params = SigningParams::builder()
            .identity(&self.identity)
            .region(&self.settings.region)
            .name("s3")
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?;
        let uri = request.uri().to_string();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            std::iter::empty(),
            SignableBody::Bytes(request.body()),
        );
        let signable = signable.map_err(|error| error.to_string())?;
        let (signed, _) = sign(signable, &params.into()).map_err(|error| error.to_string())?.into_parts();
        signed.apply_to_request_http1x(request);
        Ok(())
    }
}

/// A request that did not succeed.
struct Broken {
    blame: Blame,
    text: String,
}

impl Broken {
    fn local(text: String) -> Self {
        Self { blame: Blame::Refused, text }
    }

    fn into_error(self, what: &'static str, name: &str) -> Error {
        of_blame(what, self.blame).with("object", name).with("aws", self.text)
    }
}

/// The code in S3's answer, which is XML.
fn code_of(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// A name in a path: everything but letters, digits, `-`, `_`, `.`, `~` and the slashes between its parts.
fn encode(name: &str) -> String {
    name.bytes().fold(String::with_capacity(name.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        text
    })
}

#[async_trait]
impl Blobs for S3Blobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        const WHAT: &str = "a file cannot be kept";
        let put = || self.request("PUT", name, bytes.clone());
        let called =
            self.calls.call_as(Operation::PutObject, Patience::Usual, |e: &Broken| e.blame, put).await;
        self.calls.meter.used(Operation::PutObject, 1);
        match called.result {
            Ok((200..=299, _)) => Ok(()),
            // The bucket itself is not there.
            Ok((status, _)) => {
                Err(Error::new(ErrorKind::Unavailable, WHAT).with("object", name).with("aws", status))
            }
            Err(broken) => Err(broken.into_error(WHAT, name)),
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let get = || self.request("GET", name, Bytes::new());
        let called =
            self.calls.call_as(Operation::GetObject, Patience::Usual, |e: &Broken| e.blame, get).await;
        self.calls.meter.used(Operation::GetObject, 1);
        match called.result {
            Ok((200..=299, body)) => Ok(Some(body)),
            Ok(_) => Ok(None),
            Err(broken) => Err(broken.into_error("a file cannot be read", name)),
        }
    }

    async fn forget_before(&self, _day: &str) -> Result<()> {
        // The bucket's lifecycle does it.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_but_for_their_slashes() {
        assert_eq!(encode("20261201/01J.0"), "20261201/01J.0");
        assert_eq!(encode("a b+é"), "a%20b%2B%C3%A9");
    }

    #[test]
    fn the_code_is_read_from_the_answer() {
        assert_eq!(code_of(b"<Error><Code>SlowDown</Code><Message>x</Message></Error>"), Some("SlowDown"));
        assert_eq!(code_of(b"nothing"), None);
    }
}
