//! Files a robot uploads to send them later.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde_json::json;

use super::known;
use crate::answer::{Refusal, json_answer};
use crate::sandbox::Sandbox;
use crate::{multipart, request};

const LIFETIME_MS: u64 = 3 * 24 * 3_600_000;
const FILE_BYTES: usize = 20 << 20;
const VOICE_BYTES: usize = 2 << 20;
/// "More than 5 bytes", says the page.
const TOO_SMALL: usize = 5;

/// Who uploaded what, and when. The files themselves are not kept.
#[derive(Default)]
pub(super) struct Media(Mutex<HashMap<String, Upload>>);

struct Upload {
    key: String,
    at: u64,
}

impl Media {
    /// Whether this robot itself uploaded it within the last three days.
    pub(super) fn usable(&self, media_id: &str, key: &str, now: u64) -> bool {
        let uploads = self.lock();
        let upload = uploads.get(media_id);
        upload.is_some_and(|upload| upload.key == key && now.saturating_sub(upload.at) < LIFETIME_MS)
    }

    fn store(&self, key: &str, now: u64) -> String {
        let mut uploads = self.lock();
        uploads.retain(|_, upload| now.saturating_sub(upload.at) < LIFETIME_MS);
        let media_id = (1..).map(|n| format!("sandbox-media-{now}-{n}")).find(|id| !uploads.contains_key(id));
        let media_id = media_id.unwrap_or_default();
        uploads.insert(media_id.clone(), Upload { key: key.to_owned(), at: now });
        media_id
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /cgi-bin/webhook/upload_media?key=&type=file|voice`
pub(crate) async fn upload(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = request::query(query.as_deref(), "key").unwrap_or_default();
    let kind = request::query(query.as_deref(), "type").unwrap_or_default();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answer = match check(&key, &kind, content_type.unwrap_or_default(), &body) {
        Ok(()) => {
            let now = sandbox.now();
            let media_id = sandbox.wecom().media.store(&key, now);
            let created_at = (now / 1_000).to_string();
            json!({"errcode": 0, "errmsg": "ok", "type": kind, "media_id": media_id, "created_at": created_at})
        }
        Err(refusal) => json!({"errcode": refusal.errcode, "errmsg": refusal.errmsg}),
    };
    json_answer(StatusCode::OK, &answer)
}

fn check(key: &str, kind: &str, content_type: &str, body: &[u8]) -> Result<(), Refusal> {
    known(key)?;
    let most = match kind {
        "file" => FILE_BYTES,
        "voice" => VOICE_BYTES,
        _ => return Err(Refusal::new(40004, "invalid media type")),
    };
    let Some(file) = multipart::file(content_type, body, "media") else {
        return Err(Refusal::new(44001, "empty media data: a part named media with a filename is expected"));
    };
    let file = file.content;
    if file.len() <= TOO_SMALL {
        return Err(Refusal::new(40006, "invalid media size"));
    }
    if file.len() > most {
        return Err(Refusal::new(45001, "media size out of limit"));
    }
    if kind == "voice" && !file.starts_with(b"#!AMR") {
        return Err(Refusal::new(40004, "invalid media type: AMR expected"));
    }
    Ok(())
}
