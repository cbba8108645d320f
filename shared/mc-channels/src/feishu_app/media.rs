//! Files: uploaded once, and sent by the key that Feishu gives them.

use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{
    Attachment, Fetching, FileInfo, HttpRequest, Part, RenderError, SendError, SendFailure, Token, Warning,
};
use serde_json::{Value, json};

use super::FeishuApp;
use super::api::before_push;
use crate::feishu::Form;
use crate::outcome::failure;
use crate::upload;

/// How long a key is good is not said; nobody has seen one end. A day of reuse is what a campaign needs.
const LIVES: Duration = Duration::from_secs(86_400);
/// An upload takes no longer than the lease under which it is made.
const TIMEOUT: Duration = Duration::from_secs(20);
/// After so long with an upload the push is left to the next try, so that it never ends after its own lease.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

const LARGEST_IMAGE: u64 = 10 << 20;
const LARGEST_FILE: u64 = 30 << 20;

/// What Feishu shows as a picture.
const PICTURES: [&str; 9] =
    ["png", "jpeg", "jpg", "gif", "webp", "bmp", "tiff", "x-icon", "vnd.microsoft.icon"];

/// How a file is uploaded and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Image,
    File,
}

impl Sort {
    const fn msg_type(self) -> &'static str {
        match self {
            Sort::Image => "image",
            Sort::File => "file",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Sort::Image => "image_key",
            Sort::File => "file_key",
        }
    }
}

/// The messages that a content's files are, without the keys that they get when they are sent. Batches carry pictures
/// and no other files.
pub(super) fn parts(
    files: &[FileInfo],
    form: Form,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Part>, RenderError> {
    let mut parts = Vec::with_capacity(files.len());
    let mut dropped = 0;
    for (at, file) in files.iter().enumerate() {
        let sort = sort(file)?;
        if form == Form::Batch && sort == Sort::File {
            dropped += 1;
            continue;
        }
        let payload = json!({"msg_type": sort.msg_type(), "content": content(form, sort, "")});
        parts.push(Part { file: Some(at), ..Part::new(payload) });
    }
    if dropped > 0 {
        let detail = format!("batches carry pictures and no other files; {dropped} left out");
        warnings.push(Warning::new("file_dropped", detail));
    }
    Ok(parts)
}

fn content(form: Form, sort: Sort, key: &str) -> Value {
    let content = json!({sort.key(): key});
    if form == Form::Single { content.to_string().into() } else { content }
}

/// Pictures are shown in the conversation, everything else is a file to open. A size that is not known yet is looked at
/// when it is.
fn sort(file: &FileInfo) -> Result<Sort, RenderError> {
    let name = &file.filename;
    match file.size {
        Some(0) => {
            Err(RenderError::new("file_empty", format!("{name} is empty; Feishu takes no empty files")))
        }
        Some(size) if size > LARGEST_FILE => Err(RenderError::new(
            "too_large",
            format!("{name} has {size} bytes; Feishu takes files of {LARGEST_FILE} bytes at most"),
        )),
        size => {
            let media = file.content_type.trim().to_ascii_lowercase();
            let shown = media.strip_prefix("image/").is_some_and(|kind| PICTURES.contains(&kind));
            let fits = size.is_none_or(|size| size <= LARGEST_IMAGE);
            Ok(if shown && fits { Sort::Image } else { Sort::File })
        }
    }
}

impl FeishuApp {
    /// The message of a part that is a file, with its key in its place.
    pub(super) async fn with_file(&self, message: &Value, file: &Attachment) -> Result<Value, SendError> {
        let sort = if message["msg_type"] == "image" { Sort::Image } else { Sort::File };
        let began = self.ports.clock.now();
        let key = self.key_of(file, sort).await?;
        if self.ports.clock.now().since(began) > PATIENCE {
            let text = "the file took long to upload; it is kept, and sent at the next try";
            return Err(failure(SendFailure::Transient { after: None }, "slow_upload", text));
        }
        let mut message = message.clone();
        message["content"] = content(self.config.form, sort, key.expose());
        Ok(message)
    }

    /// Feishu's key of a file, which is uploaded if there is none.
    ///
    /// The key is shared like the access token and under a lease of its own. Uploading asks for the access token; getting
    /// the access token never asks for a file: so nobody ever waits in a circle.
    async fn key_of(&self, file: &Attachment, sort: Sort) -> Result<Secret, SendError> {
        let hash = upload::hash(file, sort.msg_type());
        let name = format!("media:{}:{hash}", self.config.account);
        let fetch = || -> Fetching<'_> { Box::pin(self.upload(file, sort, &hash)) };
        self.ready().await?;
        self.ports.tokens.get(&self.project, &name, None, &fetch).await
    }

    /// Uploads a file. Nothing was pushed when this fails, so its failures are never doubt.
    async fn upload(&self, file: &Attachment, sort: Sort, hash: &str) -> Result<Token, SendError> {
        let filename = upload::plain_name(file);
        let (path, body) = match sort {
            Sort::Image => (
                "/open-apis/im/v1/images",
                upload::form_with(&[("image_type", "message")], "image", file, hash),
            ),
            Sort::File => (
                "/open-apis/im/v1/files",
                upload::form_with(&[("file_type", "stream"), ("file_name", &filename)], "file", file, hash),
            ),
        };
        let answer = self
            .with_app_token(|token| {
                let request = HttpRequest {
                    headers: vec![
                        ("content-type".into(), format!("multipart/form-data; boundary={hash}")),
                        ("authorization".into(), format!("Bearer {}", token.expose())),
                    ],
                    timeout: TIMEOUT,
                    ..HttpRequest::post_json(self.url(path), body.clone())
                };
                self.judged(request)
            })
            .await
            .map_err(before_push)?;
        match answer.data.get(sort.key()).and_then(Value::as_str).filter(|key| !key.is_empty()) {
            Some(key) => Ok(Token { value: Secret::new(key), lives: LIVES }),
            None => {
                let text = format!("the answer to the upload has no {}", sort.key());
                Err(failure(SendFailure::Transient { after: None }, "no_key", text))
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
            ("image/png", Some(1), Sort::Image),
            (" IMAGE/JPEG", None, Sort::Image),
            ("image/png", Some(LARGEST_IMAGE), Sort::Image),
            ("image/png", Some(LARGEST_IMAGE + 1), Sort::File),
            ("image/svg+xml", Some(100), Sort::File),
            ("application/pdf", Some(LARGEST_FILE), Sort::File),
        ] {
            assert_eq!(sort(&info(content_type, size)).unwrap(), expected, "{content_type} {size:?}");
        }
        assert_eq!(sort(&info("text/plain", Some(0))).unwrap_err().code, "file_empty");
        assert_eq!(sort(&info("text/plain", Some(LARGEST_FILE + 1))).unwrap_err().code, "too_large");
    }

    #[test]
    fn each_file_is_a_message_and_a_batch_says_what_it_leaves_out() {
        let files = [info("image/png", Some(9)), info("text/plain", Some(9))];
        let mut warnings = Vec::new();
        let single = parts(&files, Form::Single, &mut warnings).unwrap();
        assert_eq!(single[0].payload, json!({"msg_type": "image", "content": "{\"image_key\":\"\"}"}));
        assert_eq!(single[1].payload, json!({"msg_type": "file", "content": "{\"file_key\":\"\"}"}));
        assert_eq!((single[0].file, single[1].file, warnings.len()), (Some(0), Some(1), 0));
        let batch = parts(&files, Form::Batch, &mut warnings).unwrap();
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].payload, json!({"msg_type": "image", "content": {"image_key": ""}}));
        assert_eq!(warnings[0].code, "file_dropped");
    }
}
