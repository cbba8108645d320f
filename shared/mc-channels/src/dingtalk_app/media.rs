//! Files: uploaded once, and sent by the id that DingTalk gives them.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{
    Attachment, Fetching, FileInfo, HttpRequest, Part, RenderError, SendError, SendFailure, Token,
};
use serde_json::{Value, json};

use super::DingtalkApp;
use super::api::before_push;
use super::table::judge;
use crate::outcome::failure;
use crate::upload::{form, hash};

/// How long an id is used. That it can be used again is said, and no end; one that is unknown is got anew.
const LIVES: Duration = Duration::from_secs(3 * 86_400);
/// An upload takes no longer than the lease under which it is made.
const TIMEOUT: Duration = Duration::from_secs(20);
/// After so long with an upload the push is left to the next try, so that it never ends after its own lease.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// A message takes no larger file, though more may be uploaded.
const LARGEST_FILE: u64 = 10 << 20;
/// An older page says 1 MB of pictures; those above are sent as files.
const LARGEST_IMAGE: u64 = 1 << 20;

/// The messages that a content's files are, without the ids that they get when they are sent.
pub(super) fn parts(files: &[FileInfo]) -> Result<Vec<Part>, RenderError> {
    let part = |(at, file): (usize, &FileInfo)| {
        let kind = kind(file)?;
        let payload = json!({"msg": {"msgtype": kind, kind: {"media_id": ""}}});
        Ok(Part { file: Some(at), ..Part::new(payload) })
    };
    files.iter().enumerate().map(part).collect()
}

/// Pictures are shown in the conversation, everything else is a file to open. A size that is not known yet is looked at
/// when it is.
fn kind(file: &FileInfo) -> Result<&'static str, RenderError> {
    let name = &file.filename;
    match file.size {
        Some(0) => {
            Err(RenderError::new("file_empty", format!("{name} is empty; DingTalk takes no such file")))
        }
        Some(size) if size > LARGEST_FILE => Err(RenderError::new(
            "too_large",
            format!("{name} has {size} bytes; DingTalk takes files of {LARGEST_FILE} bytes at most"),
        )),
        size => {
            let content_type = file.content_type.trim().to_ascii_lowercase();
            let shown = matches!(
                content_type.as_str(),
                "image/png" | "image/jpeg" | "image/jpg" | "image/gif" | "image/bmp"
            );
            Ok(if shown && size.is_some_and(|size| size <= LARGEST_IMAGE) { "image" } else { "file" })
        }
    }
}

/// What a part with a file is sent as.
pub(super) fn kind_of(body: &Value) -> &'static str {
    if body["msg"]["msgtype"] == "image" { "image" } else { "file" }
}

/// Whether DingTalk says that it does not know a file's id.
pub(super) fn is_unknown(error: &SendError) -> bool {
    error.code == "40007"
}

impl DingtalkApp {
    /// DingTalk's id of a file, which is uploaded if DingTalk does not have it or says that it is `rejected`.
    ///
    /// The id is shared like the access token, under a lease of its own. Uploading asks for the access token; getting the
    /// access token never asks for a file: so nobody ever waits in a circle.
    pub(super) async fn media(
        &self,
        file: &Attachment,
        kind: &str,
        rejected: Option<&Secret>,
    ) -> Result<Secret, SendError> {
        let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
        if size == 0 || size > LARGEST_FILE {
            let text = format!("{} has {size} bytes; DingTalk takes 1 to {LARGEST_FILE}", file.filename);
            return Err(failure(SendFailure::Permanent, "too_large", text));
        }
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
            let request = HttpRequest {
                headers: vec![("content-type".into(), format!("multipart/form-data; boundary={hash}"))],
                timeout: TIMEOUT,
                ..HttpRequest::post_json(
                    self.url("/media/upload", &token, &format!("&type={kind}")),
                    body.clone(),
                )
            };
            async move { judge(&self.request(request).await?, &self.config, Some(&token)) }
        });
        let answer = answer.await.map_err(before_push)?;
        let missing = || {
            let text = "the answer to the upload has no media_id";
            failure(SendFailure::Transient { after: None }, "no_media_id", text)
        };
        let id = answer.text("media_id").ok_or_else(missing)?;
        Ok(Token { value: Secret::new(id), lives: LIVES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_shown_and_other_files_are_opened() {
        let info = |content_type: &str, size: Option<u64>| FileInfo {
            filename: "a".into(),
            content_type: content_type.into(),
            size,
        };
        for (content_type, size, expected) in [
            ("image/png", Some(1), "image"),
            ("IMAGE/JPEG", Some(LARGEST_IMAGE), "image"),
            ("image/png", Some(LARGEST_IMAGE + 1), "file"),
            ("image/png", None, "file"),
            ("image/svg+xml", Some(100), "file"),
            ("application/pdf", Some(LARGEST_FILE), "file"),
        ] {
            let parts = parts(&[info(content_type, size)]).unwrap();
            assert_eq!(kind_of(&parts[0].payload), expected, "{content_type} {size:?}");
            assert_eq!(parts[0].file, Some(0));
        }
        for (size, code) in [(0, "file_empty"), (LARGEST_FILE + 1, "too_large")] {
            assert_eq!(parts(&[info("text/plain", Some(size))]).unwrap_err().code, code);
        }
    }
}
