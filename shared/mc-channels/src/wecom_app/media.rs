//! Files: uploaded once, and sent by the id that WeCom gives them for three days.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{
    Attachment, Fetching, FileInfo, HttpRequest, Part, RenderError, SendError, SendFailure, Token,
};
use serde_json::{Value, json};

use super::WecomApp;
use super::table::before_push;
use crate::outcome::failure;
use crate::upload::{form, hash};

/// For how long WeCom keeps a file.
const LIVES: Duration = Duration::from_secs(3 * 86_400);
/// An upload takes no longer than the lease under which it is made.
const TIMEOUT: Duration = Duration::from_secs(20);
/// After so long with an upload the push is left to the next try, so that it never ends after its own lease.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// "More than 5 bytes", says the page.
const SMALLEST: u64 = 6;
const LARGEST_IMAGE: u64 = 10 << 20;
const LARGEST_FILE: u64 = 20 << 20;

/// The messages that a content's files are, without the ids that they get when they are sent.
pub(super) fn parts(files: &[FileInfo], agent_id: u64) -> Result<Vec<Part>, RenderError> {
    let part = |(at, file): (usize, &FileInfo)| {
        let kind = kind(file)?;
        let payload = json!({"msgtype": kind, "agentid": agent_id, kind: {"media_id": ""}});
        Ok(Part { file: Some(at), ..Part::new(payload) })
    };
    files.iter().enumerate().map(part).collect()
}

/// Pictures are shown in the conversation, everything else is a file to open. A size that is not known yet is looked at
/// when it is.
fn kind(file: &FileInfo) -> Result<&'static str, RenderError> {
    let name = &file.filename;
    match file.size {
        Some(size) if size < SMALLEST => Err(RenderError::new(
            "file_too_small",
            format!("{name} has {size} bytes; WeCom takes files of {SMALLEST} bytes and more"),
        )),
        Some(size) if size > LARGEST_FILE => Err(RenderError::new(
            "too_large",
            format!("{name} has {size} bytes; WeCom takes files of {LARGEST_FILE} bytes at most"),
        )),
        size => {
            let shown = matches!(
                file.content_type.trim().to_ascii_lowercase().as_str(),
                "image/png" | "image/jpeg" | "image/jpg"
            );
            Ok(if shown && size.is_none_or(|size| size <= LARGEST_IMAGE) { "image" } else { "file" })
        }
    }
}

/// What a part with a file is sent as.
pub(super) fn kind_of(message: &Value) -> &'static str {
    if message["msgtype"] == "image" { "image" } else { "file" }
}

impl WecomApp {
    /// WeCom's id of a file, which is uploaded if WeCom does not have it or says that it is `rejected`.
    ///
    /// The id is shared like the access token and under a lease of its own. Uploading asks for the access token; getting
    /// the access token never asks for a file: so nobody ever waits in a circle.
    pub(super) async fn media(
        &self,
        file: &Attachment,
        kind: &str,
        rejected: Option<&Secret>,
    ) -> Result<Secret, SendError> {
        let hash = hash(file, kind);
        let name = format!("{}:{hash}", self.config.media_name);
        let fetch = || -> Fetching<'_> { Box::pin(self.upload(file, kind, &hash)) };
        self.ready().await?;
        self.ports.tokens.get(&self.project, &name, rejected, &fetch).await
    }

    /// Uploads a file. Nothing was pushed when this fails, so its failures are never doubt.
    async fn upload(&self, file: &Attachment, kind: &str, hash: &str) -> Result<Token, SendError> {
        let body = form(file, hash);
        let answer = self.with_token(|token| {
            let url = self.url("/cgi-bin/media/upload", &token, &format!("&type={kind}"));
            let request = HttpRequest {
                headers: vec![("content-type".into(), format!("multipart/form-data; boundary={hash}"))],
                timeout: TIMEOUT,
                ..HttpRequest::post_json(url, body.clone())
            };
            async move { self.request(request, &token).await }
        });
        let answer = answer.await.map_err(before_push)?;
        match answer.get("media_id").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            Some(id) => Ok(Token { value: Secret::new(id), lives: LIVES }),
            None => {
                let text = "the answer to the upload has no media_id";
                Err(failure(SendFailure::Transient { after: None }, "no_media_id", text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(content_type: &str, size: Option<u64>) -> FileInfo {
        FileInfo { filename: "a".into(), content_type: content_type.into(), size }
    }

    #[test]
    fn pictures_are_shown_and_other_files_are_opened() {
        for (content_type, size, expected) in [
            ("image/png", Some(6), "image"),
            ("IMAGE/JPEG", None, "image"),
            ("image/png", Some(LARGEST_IMAGE), "image"),
            ("image/png", Some(LARGEST_IMAGE + 1), "file"),
            ("image/gif", Some(100), "file"),
            ("application/pdf", Some(LARGEST_FILE), "file"),
        ] {
            let parts = parts(&[info(content_type, size)], 7).unwrap();
            assert_eq!(kind_of(&parts[0].payload), expected, "{content_type} {size:?}");
            assert_eq!((parts[0].file, &parts[0].payload["agentid"]), (Some(0), &json!(7)));
        }
        for (size, code) in [(5, "file_too_small"), (LARGEST_FILE + 1, "too_large")] {
            assert_eq!(parts(&[info("text/plain", Some(size))], 7).unwrap_err().code, code);
        }
    }
}
