//! The files that come with a message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use mc_core::ports::{FileInfo, HttpErrorKind};

use super::Refusal;
use super::request::AttachmentIn;
use crate::center::Center;

/// At most this many bytes of attachments inside one message.
const MAX_ATTACHED: usize = 2_621_440;

/// The bytes of files, in their order; `None` for those that are fetched when the message is sent.
pub(super) async fn check(
    center: &Center,
    attachments: &[AttachmentIn],
) -> Result<Vec<Option<Bytes>>, Refusal> {
    let mut total = 0;
    let mut files = Vec::with_capacity(attachments.len());
    for (i, attachment) in attachments.iter().enumerate() {
        let wrong = |field: &str, detail: &str| {
            Err(Refusal::field("invalid_request", format!("/attachments/{i}/{field}"), detail))
        };
        let name = &attachment.filename;
        if name.is_empty()
            || name.len() > 255
            || name.chars().any(|c| c.is_control() || c == '/' || c == '\\')
        {
            return wrong("filename", "a file name is 1 to 255 bytes without slashes and control characters");
        }
        let media = &attachment.content_type;
        if !media.contains('/') || media.len() > 128 || media.chars().any(|c| c.is_control() || !c.is_ascii())
        {
            return wrong("content_type", "is not a media type like application/pdf");
        }
        match (&attachment.content, &attachment.url) {
            (Some(content), None) => {
                let Ok(bytes) = STANDARD.decode(content) else {
                    return wrong("content", "is not standard base64");
                };
                total += bytes.len();
                files.push(Some(bytes.into()));
            }
            (None, Some(_)) => files.push(None),
            _ => return wrong("content", "give either content (base64) or url"),
        }
    }
    if total > MAX_ATTACHED {
        let detail = "inline attachments are at most 2.5 MiB together; give larger ones by url";
        return Err(Refusal::field("attachments_too_large", "/attachments", detail));
    }
    for (i, attachment) in attachments.iter().enumerate() {
        let Some(url) = &attachment.url else { continue };
        center.http.admit(url).await.map_err(|error| {
            let code = match error.kind {
                HttpErrorKind::Forbidden => "forbidden_address",
                _ => "invalid_request",
            };
            Refusal::field(code, format!("/attachments/{i}/url"), error.text)
        })?;
    }
    Ok(files)
}

/// What rendering may know of them.
pub(super) fn infos(attachments: &[AttachmentIn], files: &[Option<Bytes>]) -> Vec<FileInfo> {
    let sizes = files.iter().map(|file| file.as_ref().map(|bytes| bytes.len() as u64));
    let info = |(attachment, size): (&AttachmentIn, Option<u64>)| FileInfo {
        filename: attachment.filename.clone(),
        content_type: attachment.content_type.clone(),
        size,
    };
    attachments.iter().zip(sizes).map(info).collect()
}
