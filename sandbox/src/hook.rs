//! A receiver of result webhooks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::sandbox::Sandbox;
use crate::{mask, request, signing};

/// The receivers' secrets by name.
#[derive(Default)]
pub(crate) struct Hooks(Mutex<HashMap<String, String>>);

impl Hooks {
    pub(crate) fn register(&self, name: String, secret: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, secret);
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// `POST /hook/{name}`: stores anything; with a registered secret, a bad signature is stored with
/// `verified: false` and answered 401, as a careful receiver would.
pub(crate) async fn receive(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut item = Item::draft(Platform::Hook, name.clone(), &body);
    item.headers = Some(mask::headers(&headers, &[]));
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    item.kind = request::shown(&event, "type").unwrap_or_else(|| "webhook".to_owned());
    item.text.clone_from(&item.raw);
    let secret = sandbox.hooks().secret(&name);
    let now = sandbox.now();
    sandbox
        .receive(item, |item| {
            let Some(secret) = secret else { return Verdict::Accepted };
            let checked = signing::standard_webhook(&secret, &headers, &body, now);
            item.verified = Some(checked.is_ok());
            checked.map_err(|reason| Refusal::new(401, reason)).into()
        })
        .await
}
