//! From a rendered payload to the bytes of a mail.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};
use mc_core::ports::{Push, SendError, SendFailure};
use mc_core::{Timestamp, ports};
use ring::digest;
use url::Host;

use super::config::Config;
use crate::outcome::failure;

/// A mail, ready to go.
pub(super) struct Mail {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
    /// Without its angle brackets.
    pub(super) id: String,
}

/// Builds the mail of a push. The same push gives the same `Message-ID`, so a repeat can be recognised.
pub(super) fn build(config: &Config, push: &Push<'_>, now: Timestamp) -> Result<Mail, SendError> {
    let [recipient] = push.to else {
        return Err(bad("bad_push", "a mail goes to exactly one recipient"));
    };
    let address = recipient.addresses.email.as_deref().unwrap_or_default();
    let to = address_of(address)
        .ok_or_else(|| bad("bad_address", "the recipient's address cannot be written to"))?;
    let payload = &push.part.payload;
    let field = |name: &str| payload[name].as_str().map(ToOwned::to_owned);
    let (Some(subject), Some(html), Some(text)) = (field("subject"), field("html"), field("text")) else {
        return Err(bad("bad_payload", "the payload is not one that this channel has rendered"));
    };
    let id = format!("{}@{}", token(push.push_id), config.from.email.domain());
    let boundary = boundary(push.push_id);
    let envelope = Envelope::new(Some(config.from.email.clone()), vec![to.clone()])
        .map_err(|_| bad("bad_address", "the recipient's address cannot be written to"))?;
    let mut builder = Message::builder()
        .envelope(envelope.clone())
        .from(config.from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default()))
        .message_id(Some(format!("<{id}>")));
    if let Some(reply_to) = &config.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    for (name, value) in payload["headers"].as_object().into_iter().flatten() {
        // Both are written above, from the settings they were rendered from.
        if name.eq_ignore_ascii_case("from") || name.eq_ignore_ascii_case("reply-to") {
            continue;
        }
        let header = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| bad("bad_payload", "the payload holds a header that cannot be written"))?;
        builder = builder.raw_header(HeaderValue::new(header, value.as_str().unwrap_or_default().to_owned()));
    }
    let alternative = MultiPart::alternative()
        .boundary(format!("{boundary}-a"))
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(html));
    let body = if push.attachments.is_empty() {
        alternative
    } else {
        let mixed = MultiPart::mixed().boundary(format!("{boundary}-m")).multipart(alternative);
        push.attachments.iter().map(attachment).fold(mixed, MultiPart::singlepart)
    };
    let message =
        builder.multipart(body).map_err(|_| bad("bad_payload", "the mail cannot be put together"))?;
    Ok(Mail { envelope, bytes: message.formatted(), id })
}

fn bad(code: &str, text: &str) -> SendError {
    failure(SendFailure::Permanent, code, text)
}

/// An address whose domain is in ASCII, as every server understands it.
fn address_of(text: &str) -> Option<Address> {
    if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let (user, domain) = text.rsplit_once('@')?;
    if domain.is_ascii() {
        return Address::new(user, domain).ok();
    }
    match Host::parse(domain).ok()? {
        Host::Domain(domain) => Address::new(user, &domain).ok(),
        _ => None,
    }
}

fn attachment(file: &ports::Attachment) -> SinglePart {
    let name: String = file
        .filename
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let name = if name.is_empty() { "attachment".to_owned() } else { name };
    let kind = ContentType::parse(&file.content_type)
        .or_else(|_| ContentType::parse("application/octet-stream"))
        .unwrap_or(ContentType::TEXT_PLAIN);
    Attachment::new(name).body(file.bytes.to_vec(), kind)
}

/// What may stand left of the `@` of a message id.
fn token(push_id: &str) -> String {
    push_id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
        .collect()
}

/// A boundary that no body holds by chance and no caller can foresee to matter; the same for every try.
fn boundary(push_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, push_id.as_bytes());
    digest.as_ref()[..16].iter().fold("mc".to_owned(), |mut text, byte| {
        use std::fmt::Write;
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
