//! A self-built IM: takes any JSON, demands only what it was told to demand, and answers what it was told to answer.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::sandbox::Sandbox;
use crate::sigv4::{Arrived, Sigv4Rule};
use crate::{mask, request, signing};

/// What a path under `/im/` demands; a request that does not comply is answered 401.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImExpectation {
    /// Headers that must be there, with this value or (`None`) with any.
    pub headers: BTreeMap<String, Option<String>>,
    /// A Standard Webhooks secret: `whsec_…`, or `whpk_…` for ed25519.
    pub standard_webhooks: Option<String>,
    /// A plain HMAC over the body.
    pub hmac: Option<HmacRule>,
    /// AWS Signature Version 4.
    pub sigv4: Option<Sigv4Rule>,
    /// The whole body.
    pub body: Option<Value>,
    /// What a request that complies is answered, in place of the usual answer.
    pub answer: Option<Value>,
}

/// An HMAC-SHA256 in a header.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HmacRule {
    /// The header that carries it.
    pub header: String,
    /// The key, used as raw UTF-8 bytes.
    pub secret: String,
    /// How it is written.
    #[serde(default)]
    pub encoding: HmacEncoding,
    /// What stands in front of it, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// What is signed: `{body}` and `{timestamp}` are replaced.
    #[serde(default = "whole_body")]
    pub content: String,
    /// The header that carries the timestamp, exactly as it is signed.
    #[serde(default)]
    pub timestamp_header: Option<String>,
}

/// How an HMAC is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HmacEncoding {
    /// Lower- or upper-case hex.
    #[default]
    Hex,
    /// Padded standard base64.
    Base64,
}

fn whole_body() -> String {
    "{body}".to_owned()
}

/// The expectations by path.
#[derive(Default)]
pub(crate) struct Ims(Mutex<HashMap<String, Arc<ImExpectation>>>);

impl Ims {
    pub(crate) fn expect(&self, path: &str, expectation: ImExpectation) {
        let path = path.trim_start_matches('/').to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path, Arc::new(expectation));
    }

    fn expectation(&self, path: &str) -> Arc<ImExpectation> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).map(Arc::clone).unwrap_or_default()
    }
}

/// `ANY /im/{*path}`
pub(crate) async fn receive(
    State(sandbox): State<Sandbox>,
    Path(path): Path<String>,
    method: Method,
    // What was signed is the address as it was called, with what the sandbox is mounted under.
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let expectation = sandbox.ims().expectation(&path);
    let secret_headers: Vec<String> = expectation.headers.keys().cloned().collect();
    let mut item = Item::draft(Platform::Im, mask::path(&format!("/im/{path}")), &body);
    item.headers = Some(mask::headers(&headers, &secret_headers));
    let json = serde_json::from_slice::<Value>(&body).ok();
    describe(&mut item, json.as_ref());
    let now = sandbox.now();
    sandbox
        .receive(item, |item| {
            let arrived = Arrived { method: &method, uri: &uri, headers: &headers, body: &body };
            let checked = expectation.check(&arrived, json.as_ref(), now);
            if expectation.signs() {
                item.verified = Some(checked.is_ok());
            }
            match checked {
                Err(reason) => Verdict::Refused(Refusal::new(401, reason)),
                // A GET has nothing to parse; everything else must carry JSON.
                Ok(()) if json.is_none() && !(method == Method::GET && body.is_empty()) => {
                    Verdict::Refused(Refusal::new(400, "the body is not JSON"))
                }
                Ok(()) => expectation.answer.clone().map_or(Verdict::Accepted, Verdict::Answered),
            }
        })
        .await
}

impl ImExpectation {
    fn signs(&self) -> bool {
        self.standard_webhooks.is_some() || self.hmac.is_some() || self.sigv4.is_some()
    }

    fn check(
        &self,
        arrived: &Arrived<'_>,
        json: Option<&Value>,
        now_ms: u64,
    ) -> Result<(), Cow<'static, str>> {
        let Arrived { headers, body, .. } = *arrived;
        for (name, wanted) in &self.headers {
            let Some(value) = headers.get(name) else { return Err(format!("{name} is missing").into()) };
            if wanted.as_ref().is_some_and(|wanted| value.as_bytes() != wanted.as_bytes()) {
                return Err(format!("{name} is wrong").into());
            }
        }
        if let Some(secret) = &self.standard_webhooks {
            signing::standard_webhook(secret, headers, body, now_ms)?;
        }
        if let Some(rule) = &self.sigv4 {
            rule.check(arrived, now_ms)?;
        }
        if self.body.is_some() && self.body.as_ref() != json {
            return Err("the body is not the one that was agreed on".into());
        }
        self.hmac.as_ref().map_or(Ok(()), |rule| rule.check(headers, body).map_err(Cow::Borrowed))
    }
}

impl HmacRule {
    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
        let value = headers.get(&self.header).and_then(|value| value.to_str().ok());
        let value = value.ok_or("the signature is missing")?;
        let encoded = value.strip_prefix(&self.prefix).ok_or("the signature lacks its prefix")?;
        let tag = match self.encoding {
            HmacEncoding::Hex => from_hex(encoded),
            HmacEncoding::Base64 => STANDARD.decode(encoded).ok(),
        };
        let tag = tag.ok_or("the signature is not well encoded")?;
        let content = self.signed_content(headers, body).ok_or("the timestamp is missing")?;
        if signing::hmac_sha256(&self.secret, &content, &tag) {
            Ok(())
        } else {
            Err("the signature does not match")
        }
    }

    fn signed_content(&self, headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
        let timestamp = match &self.timestamp_header {
            Some(name) => headers.get(name)?.to_str().ok()?,
            None => "",
        };
        let around: Vec<String> =
            self.content.split("{body}").map(|part| part.replace("{timestamp}", timestamp)).collect();
        let parts: Vec<&[u8]> = around.iter().map(String::as_bytes).collect();
        Some(parts.join(body))
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

/// A guess at what a reader would see: the names most self-built IMs use.
fn describe(item: &mut Item, body: Option<&Value>) {
    item.kind = "json".to_owned();
    let Some(body) = body else { return };
    let first = |names: &[&str]| names.iter().find_map(|name| request::shown(body, name));
    if let Some(kind) = first(&["msgtype", "msg_type", "type", "kind"]) {
        item.kind = kind;
    }
    item.title = first(&["title", "subject"]);
    let names = ["text", "content", "markdown", "message", "body"];
    let nested = || {
        names
            .iter()
            .filter_map(|name| body.get(name))
            .find_map(|inner| ["content", "text", "body"].iter().find_map(|name| request::shown(inner, name)))
    };
    item.text = first(&names).or_else(nested).unwrap_or_default();
    item.to = ["to", "touser", "receiver", "receivers", "users"]
        .iter()
        .find_map(|name| match body.get(name)? {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => Some(many.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        })
        .unwrap_or_default();
}
