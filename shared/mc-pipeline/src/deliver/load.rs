//! Reading what a claimed share needs: its message, its recipients, its files.

use mc_core::id::MessageId;
use mc_core::model::{AttachmentRef, MessageDoc, Recipient};
use mc_core::ports::{Attachment, HttpRequest, Item, Query, Route, SendError, SendFailure};
use mc_core::{Error, ErrorKind, Result, Secret};

use super::Job;
use super::claim::Claim;
use crate::center::Center;
use crate::keys;
use crate::share::{self, Head, Share, attr};

/// An attachment fetched by URL may be this large.
const MAX_FETCHED: usize = 20 << 20;

/// The message of a claimed share: the claimed item itself if the share lives in its head, else one read.
pub async fn message(center: &Center, job: &Job, claim: &Claim) -> Result<Option<Box<Head>>> {
    if job.share == 0 {
        return Head::read(&claim.item).map(|head| Some(Box::new(head)));
    }
    Ok(head(center, &job.project, job.message).await?.map(Box::new))
}

/// A message's head.
pub async fn head(center: &Center, project: &str, id: MessageId) -> Result<Option<Head>> {
    let item = center.store.get(&keys::head(project, id, center.spread)).await?;
    item.as_ref().map(Head::read).transpose()
}

/// A share of a message, inside its head or by itself.
pub async fn share(
    center: &Center,
    project: &str,
    id: MessageId,
    head: &Head,
    index: u32,
) -> Result<Option<Share>> {
    if index == 0 {
        return Ok(head.inline.clone());
    }
    let item = center.store.get(&keys::share(project, id, index, center.spread)).await?;
    item.map(|item| Share::read(index, &item.attrs)).transpose()
}

/// A share's recipients, wherever they lie.
pub async fn recipients(
    center: &Center,
    project: &str,
    id: MessageId,
    share: &Share,
    doc: &MessageDoc,
) -> Result<Vec<Recipient>> {
    if share.index == 0 {
        return Ok(doc.to.clone());
    }
    if let Some(few) = &share.recipients {
        return Ok(few.clone());
    }
    let mut all: Vec<Recipient> = Vec::new();
    let mut query = Query::prefix(
        keys::message_partition(project, id, center.spread),
        keys::cold_prefix(id, share.index),
        100,
    );
    loop {
        let page = center.store.query(&query).await?;
        for item in &page.items {
            all.extend(read_recipients(item)?);
        }
        match page.items.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(all),
        }
    }
}

fn read_recipients(item: &Item) -> Result<Vec<Recipient>> {
    share::json(&item.attrs, attr::RECIPIENTS)?.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "a share's recipients are missing").with("key", &item.key.sk)
    })
}

/// The bytes of a message's files; those given by URL are fetched now, through the guarded client.
pub async fn attachments(
    center: &Center,
    refs: &[AttachmentRef],
) -> Result<std::result::Result<Vec<Attachment>, SendError>> {
    let mut files = Vec::with_capacity(refs.len());
    for file in refs {
        let bytes = match (&file.blob, &file.url) {
            (Some(blob), _) => match center.blobs.get(blob).await? {
                Some(bytes) => bytes,
                None => {
                    return Ok(Err(refused(
                        "attachment_gone",
                        format!("{} is no longer kept", file.filename),
                    )));
                }
            },
            (None, Some(url)) => match fetch(center, file, url).await {
                Ok(bytes) => bytes,
                Err(error) => return Ok(Err(error)),
            },
            (None, None) => continue,
        };
        files.push(Attachment {
            filename: file.filename.clone(),
            content_type: file.content_type.clone(),
            bytes,
        });
    }
    Ok(Ok(files))
}

async fn fetch(
    center: &Center,
    file: &AttachmentRef,
    url: &str,
) -> std::result::Result<bytes::Bytes, SendError> {
    let request = HttpRequest {
        method: "GET",
        url: Secret::new(url),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        timeout: std::time::Duration::from_secs(30),
        redirects: 3,
        max_answer: MAX_FETCHED,
        body_optional: false,
    };
    let again = |code: &str, text: String| SendError {
        failure: SendFailure::Transient { after: None },
        code: code.to_owned(),
        text,
    };
    match center.http.call(&Route::default(), request).await {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(answer.body),
        Ok(answer) if answer.status >= 500 || answer.status == 429 => Err(again(
            "attachment_fetch",
            format!("{} could not be fetched: HTTP {}", file.filename, answer.status),
        )),
        Ok(answer) => Err(refused(
            "attachment_fetch",
            format!("{} cannot be fetched: HTTP {}", file.filename, answer.status),
        )),
        Err(error) => {
            use mc_core::ports::HttpErrorKind as Kind;
            let text = format!("{} cannot be fetched: {error}", file.filename);
            match error.kind {
                Kind::BadUrl | Kind::Forbidden | Kind::TooLarge => Err(refused("attachment_fetch", text)),
                Kind::NotResolved | Kind::NotConnected | Kind::Proxy | Kind::Tls | Kind::Unknown => {
                    Err(again("attachment_fetch", text))
                }
            }
        }
    }
}

fn refused(code: &str, text: String) -> SendError {
    SendError { failure: SendFailure::Permanent, code: code.to_owned(), text }
}
