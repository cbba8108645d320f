//! `POST /cgi-bin/media/upload?access_token=&type=`

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::json;

use super::DAY_MS;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::multipart::{self, File};
use crate::request;
use crate::sandbox::Sandbox;

const LIFETIME_MS: u64 = 3 * DAY_MS;
/// "More than 5 bytes", says the page.
const TOO_SMALL: usize = 5;

/// What the corporations have uploaded. The files themselves are not kept.
#[derive(Default)]
pub(super) struct Media(Mutex<HashMap<String, Upload>>);

struct Upload {
    corp: String,
    kind: String,
    name: String,
    at: u64,
}

impl Media {
    /// Whether an id may be sent as this type.
    pub(super) fn judge(&self, corp: &str, media_id: &str, kind: &str, now: u64) -> Result<(), Refusal> {
        match self.lock().get(media_id) {
            Some(upload) if upload.corp != corp || upload.kind != kind => {
                Err(Refusal::new(40007, "invalid media_id"))
            }
            Some(upload) if now.saturating_sub(upload.at) >= LIFETIME_MS => {
                Err(Refusal::new(40145, "media_id expired"))
            }
            Some(_) => Ok(()),
            None => Err(Refusal::new(40007, "invalid media_id")),
        }
    }

    /// The file's name as the reader sees it.
    pub(super) fn name(&self, media_id: &str) -> Option<String> {
        self.lock().get(media_id).map(|upload| upload.name.clone())
    }

    fn store(&self, upload: Upload) -> String {
        let mut uploads = self.lock();
        let media_id = format!("sandbox-app-media-{}", uploads.len() + 1);
        uploads.insert(media_id.clone(), upload);
        media_id
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `POST /cgi-bin/media/upload?access_token=&type=image|voice|video|file`
pub(crate) async fn upload(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let kind = request::query(query.as_deref(), "type").unwrap_or_default();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let now = sandbox.now();
    let apps = sandbox.wecom_apps();
    let judge = || {
        apps.by_token(query.as_deref(), now, |state| {
            let file = check(&kind, content_type.unwrap_or_default(), &body)?;
            let (corp, name) = (state.corp.clone(), file.name);
            let media_id = apps.media.store(Upload { corp, kind: kind.clone(), name, at: now });
            let created_at = (now / 1_000).to_string();
            Ok(json!({"errcode": 0, "errmsg": "ok", "type": kind, "media_id": media_id, "created_at": created_at}))
        })
    };
    sandbox.aside(Platform::WecomApp, "upload", judge).await
}

fn check<'b>(kind: &str, content_type: &str, body: &'b [u8]) -> Result<File<'b>, Refusal> {
    let most = match kind {
        "image" | "video" => 10 << 20,
        "voice" => 2 << 20,
        "file" => 20 << 20,
        _ => return Err(Refusal::new(40004, "invalid media type")),
    };
    let Some(file) = multipart::file(content_type, body, "media") else {
        return Err(Refusal::new(44001, "empty media data: a part named media with a filename is expected"));
    };
    if file.content.len() <= TOO_SMALL {
        return Err(Refusal::new(40006, "invalid media size"));
    }
    if file.content.len() > most {
        return Err(Refusal::new(45001, "media size out of limit"));
    }
    let begins = |with: &[u8]| file.content.starts_with(with);
    let fits = match kind {
        "image" => begins(&[0xff, 0xd8, 0xff]) || begins(b"\x89PNG\r\n\x1a\n"),
        "voice" => begins(b"#!AMR"),
        "video" => file.content.get(4..8) == Some(b"ftyp"),
        _ => true,
    };
    if fits { Ok(file) } else { Err(Refusal::new(40005, "invalid file type")) }
}
