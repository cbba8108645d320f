//! Pictures and files that an app uploads to send them later.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::app::AppState;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::multipart;
use crate::sandbox::Sandbox;

const IMAGE_BYTES: usize = 10 << 20;
const FILE_BYTES: usize = 30 << 20;
const FILE_TYPES: [&str; 7] = ["opus", "mp4", "pdf", "doc", "xls", "ppt", "stream"];
/// How the pictures begin that Feishu recognises: PNG, JPEG, GIF, WebP, BMP, TIFF twice, ICO.
const PICTURES: [&[u8]; 8] =
    [b"\x89PNG", b"\xFF\xD8\xFF", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*", b"\0\0\x01\0"];

/// `POST /open-apis/im/v1/images`
pub(super) async fn image(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    upload(&sandbox, &headers, "images", |state, form| {
        if form.text(&body, "image_type").as_deref() != Some("message") {
            return Err(invalid());
        }
        let content = form.file(&body, "image", IMAGE_BYTES)?;
        if !PICTURES.iter().any(|start| content.starts_with(start)) {
            return Err(Refusal::new(234_011, "Can't recognize the image format."));
        }
        Ok(json!({"image_key": state.keep("img_v3_")}))
    })
    .await
}

/// `POST /open-apis/im/v1/files`
pub(super) async fn file(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    upload(&sandbox, &headers, "files", |state, form| {
        let known = form.text(&body, "file_type").is_some_and(|given| FILE_TYPES.contains(&given.as_str()));
        let named = form.text(&body, "file_name").is_some_and(|name| !name.is_empty());
        if !known || !named {
            return Err(invalid());
        }
        form.file(&body, "file", FILE_BYTES)?;
        Ok(json!({"file_key": state.keep("file_v3_")}))
    })
    .await
}

async fn upload(
    sandbox: &Sandbox,
    headers: &HeaderMap,
    call: &str,
    take: impl FnOnce(&mut AppState, Form<'_>) -> Result<Value, Refusal>,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.feishu().apps.by_token(headers, now, |state| {
            if !state.app.bot {
                return Err(Refusal::new(234_007, "App does not enable bot feature."));
            }
            state.check_scope(&["im:resource", "im:resource:upload"])?;
            let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let data = take(state, Form(content_type.unwrap_or_default()))?;
            Ok(json!({"code": 0, "msg": "success", "data": data}))
        })
    };
    sandbox.aside(Platform::FeishuApp, call, judge).await
}

struct Form<'a>(&'a str);

impl Form<'_> {
    fn text(&self, body: &[u8], name: &str) -> Option<String> {
        multipart::text(self.0, body, name)
    }

    fn file<'b>(&self, body: &'b [u8], name: &str, most: usize) -> Result<&'b [u8], Refusal> {
        let file = multipart::file(self.0, body, name).ok_or_else(invalid)?;
        match file.content.len() {
            0 => Err(Refusal::new(234_010, "File's size can't be 0.")),
            size if size > most => Err(Refusal::new(234_006, "The file size exceed the max value.")),
            _ => Ok(file.content),
        }
    }
}

fn invalid() -> Refusal {
    Refusal::new(234_001, "Invalid request param.")
}

impl AppState {
    /// A key for what was just uploaded. What was uploaded is not kept.
    fn keep(&mut self, prefix: &str) -> String {
        let key = self.next_id(prefix);
        self.uploaded.insert(key.clone());
        key
    }

    /// Whether a picture or a file was uploaded by this app.
    pub(super) fn check_owner(&self, msg_type: &str, content: &Value) -> Result<(), Refusal> {
        let name = match msg_type {
            "image" => "image_key",
            "file" => "file_key",
            _ => return Ok(()),
        };
        let key = content.get(name).and_then(Value::as_str).unwrap_or_default();
        if self.uploaded.contains(key) {
            return Ok(());
        }
        Err(Refusal::new(230_017, "Bot is NOT the owner of the resource."))
    }
}
