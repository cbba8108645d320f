//! `POST /media/upload?access_token=&type=`

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use serde_json::json;

use super::Call;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::multipart::{self, File};
use crate::request;
use crate::sandbox::Sandbox;

/// The largest file that a message may carry, which is less than may be uploaded.
const FILE_MESSAGE_BYTES: usize = 10 << 20;

/// What an app has uploaded. The files themselves are not kept; their ids are good for ever.
#[derive(Default)]
pub(super) struct Media(HashMap<String, Upload>);

struct Upload {
    kind: String,
    name: String,
    size: usize,
}

impl Media {
    /// Whether an id may be sent as this type.
    pub(super) fn judge(&self, media_id: &str, kind: &str) -> Result<(), Refusal> {
        match self.0.get(media_id) {
            Some(upload) if upload.kind == kind => {
                let is_too_large = kind == "file" && upload.size > FILE_MESSAGE_BYTES;
                if is_too_large { Err(Refusal::new(45_002, "文件超过10MB")) } else { Ok(()) }
            }
            _ => Err(Refusal::new(40_007, "不合法的media_id")),
        }
    }

    /// The file's name as the reader sees it.
    pub(super) fn name(&self, media_id: &str) -> Option<String> {
        self.0.get(media_id).map(|upload| upload.name.clone())
    }
}

pub(super) async fn upload(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let call = Call { method: &method, query: query.as_deref(), api: "upload", now };
    let kind = request::query(query.as_deref(), "type").unwrap_or_default();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let judge = || {
        sandbox.dingtalk_apps().by_token(&call, |state| {
            let file = check(&kind, content_type.unwrap_or_default(), &body)?;
            let upload = Upload { kind: kind.clone(), size: file.content.len(), name: file.name };
            let media_id = format!("@lSandbox{:0>6}", state.next());
            state.media.0.insert(media_id.clone(), upload);
            let answer = json!({"errcode": 0, "errmsg": "ok", "type": kind, "media_id": media_id,
                "created_at": now});
            Ok(answer)
        })
    };
    sandbox.aside(Platform::DingtalkApp, "upload", judge).await
}

/// The sizes are on the page, the codes are not: WeCom's are taken, whose family they are of.
fn check<'b>(kind: &str, content_type: &str, body: &'b [u8]) -> Result<File<'b>, Refusal> {
    let most = match kind {
        "image" | "video" | "file" => 20 << 20,
        "voice" => 2 << 20,
        _ => return Err(Refusal::new(40_004, "不合法的媒体文件类型")),
    };
    let file = multipart::file(content_type, body, "media");
    let file = file.filter(|file| !file.content.is_empty() && !file.name.is_empty());
    let file = file.ok_or_else(|| Refusal::new(40_035, "a part named media with a filename is expected"))?;
    if file.content.len() > most {
        return Err(Refusal::new(40_006, "不合法的文件大小"));
    }
    Ok(file)
}
