//! From a rendered payload to the bytes of a mail.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Body, Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};
use mc_core::ports::{Push, SendError, SendFailure};
use mc_core::{Timestamp, ports};
use ring::digest;
use url::Host;

use super::{Sender, pictures};
use crate::outcome::failure;

/// A mail, ready to go.
pub(crate) struct Mail {
    pub(crate) envelope: Envelope,
    pub(crate) bytes: Vec<u8>,
    /// Without its angle brackets.
    pub(crate) id: String,
}

/// Builds the mail of a push. The same push gives the same `Message-ID`, so a repeat can be recognised.
pub(crate) fn build(sender: &Sender, push: &Push<'_>, now: Timestamp) -> Result<Mail, SendError> {
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
    let id = format!("{}@{}", token(push.push_id), sender.from.email.domain());
    let boundary = boundary(push.push_id);
    let envelope = Envelope::new(Some(sender.from.email.clone()), vec![to.clone()])
        .map_err(|_| bad("bad_address", "the recipient's address cannot be written to"))?;
    let mut builder = Message::builder()
        .envelope(envelope.clone())
        .from(sender.from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or_default()))
        .message_id(Some(format!("<{id}>")));
    if let Some(reply_to) = &sender.reply_to {
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
    let (html, ids) = pictures::identified(&html, push.attachments);
    let files = || push.attachments.iter().zip(&ids);
    let shown: Vec<_> = files().filter_map(|(file, id)| Some(image(file, id.as_deref()?))).collect();
    let attached: Vec<_> = files().filter(|(_, id)| id.is_none()).map(|(file, _)| attachment(file)).collect();
    let alternative =
        MultiPart::alternative().boundary(format!("{boundary}-a")).singlepart(SinglePart::plain(text));
    let alternative = if shown.is_empty() {
        alternative.singlepart(SinglePart::html(html))
    } else {
        let related =
            MultiPart::related().boundary(format!("{boundary}-r")).singlepart(SinglePart::html(html));
        alternative.multipart(shown.into_iter().fold(related, MultiPart::singlepart))
    };
    let body = if attached.is_empty() {
        alternative
    } else {
        let mixed = MultiPart::mixed().boundary(format!("{boundary}-m")).multipart(alternative);
        attached.into_iter().fold(mixed, MultiPart::singlepart)
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

/// A picture that the HTML shows by its `Content-ID`. It has its name, too, for whoever saves it.
fn image(file: &ports::Attachment, id: &str) -> SinglePart {
    Attachment::new_inline_with_name(id.to_owned(), name(file)).body(in_base64(file), media_type(file))
}

/// The bytes of a file. Whatever looks like a text has line ends of its own, which a mail may carry in base64 alone.
fn in_base64(file: &ports::Attachment) -> Body {
    // Base64 takes all bytes, so nothing is ever left to another encoding.
    Body::new_with_encoding(file.bytes.to_vec(), ContentTransferEncoding::Base64).unwrap_or_else(Body::new)
}

/// The media type of a file. A mail or a part of one must not be in base64 under its own type, so it is any file.
fn media_type(file: &ports::Attachment) -> ContentType {
    let given = file.content_type.trim().to_ascii_lowercase();
    let is_mail = given.starts_with("message/") || given.starts_with("multipart/");
    let given = if is_mail { "application/octet-stream" } else { &file.content_type };
    ContentType::parse(given)
        .or_else(|_| ContentType::parse("application/octet-stream"))
        .unwrap_or(ContentType::TEXT_PLAIN)
}

fn attachment(file: &ports::Attachment) -> SinglePart {
    Attachment::new(name(file)).body(in_base64(file), media_type(file))
}

/// The name of a file, without a path and without what no header can carry.
fn name(file: &ports::Attachment) -> String {
    let name: String = file
        .filename
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    if name.is_empty() { "attachment".to_owned() } else { name }
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

#[cfg(test)]
mod tests {
    use mail_parser::{MessageParser, MimeHeaders};
    use mc_core::model::{Addresses, Content, Format, Recipient};
    use mc_core::ports::Part;
    use serde_json::json;

    use super::*;
    use crate::mail::render;
    use crate::testing;

    fn sender() -> Sender {
        Sender { from: "a@example.com".parse().unwrap(), reply_to: None }
    }

    fn file(name: &str, content_type: &str, bytes: &[u8]) -> ports::Attachment {
        ports::Attachment {
            filename: name.to_owned(),
            content_type: content_type.to_owned(),
            bytes: bytes.to_vec().into(),
        }
    }

    fn built(part: &Part, files: &[ports::Attachment]) -> Vec<u8> {
        let addresses = Addresses { email: Some("b@example.com".into()), ..Addresses::default() };
        let push = Push {
            project: "default",
            message: "msg_01HF7YAT31000000000000001A".parse().unwrap(),
            delivery: "dlv_1",
            push_id: "01HF7YAT31000000000000001A-0-0",
            again: false,
            part,
            to: &[Recipient { addresses, ..Recipient::default() }],
            attachments: files,
            slot: None,
        };
        build(&sender(), &push, Timestamp::EPOCH).ok().unwrap().bytes
    }

    /// Whether every line ends as RFC 5321 has it, and no line holds what none may.
    fn is_legal(mail: &[u8]) -> bool {
        let lines = String::from_utf8(mail.to_vec()).unwrap().replace("\r\n", "");
        !lines.contains(['\r', '\n', '\0'])
    }

    #[test]
    fn an_image_that_the_body_shows_travels_inside_and_others_beside_it() {
        let html = "<img src=\"cid:logo.png\"> cid:other.png.txt";
        let part = Part::new(json!({"subject": "s", "text": "t", "html": html, "headers": {}}));
        let files = ["logo.png", "other.png"].map(|name| file(name, "image/png", &[1, 2, 3]));
        let text = String::from_utf8(built(&part, &files)).unwrap();
        let (related, mixed) =
            (text.find("multipart/related").unwrap(), text.find("multipart/mixed").unwrap());
        let (logo, other) = (text.find("Content-ID: <logo.png>").unwrap(), text.find("other.png\"").unwrap());
        assert!(mixed < related && related < logo && logo < other, "{text}");
        assert_eq!(text.matches("Content-ID:").count(), 1);
    }

    #[test]
    fn an_image_of_any_name_is_shown() {
        let names = ["图.png", "my pic.png", "a&b (1).png"];
        let body = "![](cid:图.png) ![](cid:my%20pic.png) ![](<cid:a&b (1).png>)";
        let content = Content::new("t", Format::Markdown, body);
        let rendered = render(&sender(), &content, &testing::context(&[], &[], None)).unwrap();
        let files = names.map(|name| file(name, "image/png", name.as_bytes()));
        let mail = built(&rendered.parts[0], &files);
        let parsed = MessageParser::default().parse(&mail).unwrap();
        let html = parsed.body_html(0).unwrap();
        let arrived: Vec<_> = parsed.parts.iter().filter(|part| part.content_id().is_some()).collect();
        assert_eq!(arrived.len(), names.len());
        for (part, name) in arrived.into_iter().zip(names) {
            let id = part.content_id().unwrap();
            assert!(id.is_ascii() && html.contains(&format!("src=\"cid:{id}\"")), "{id}: {html}");
            assert_eq!((part.attachment_name(), part.contents()), (Some(name), name.as_bytes()));
        }
    }

    #[test]
    fn every_file_arrives_byte_for_byte() {
        let part = Part::new(json!({"subject": "s", "text": "t", "html": "<p>t</p>", "headers": {}}));
        let files = [
            file("lines.csv", "text/csv", b"name,count\nann,1\n"),
            file("old.txt", "text/plain", b"one\rtwo\r"),
            file("zero.txt", "text/plain", b"a\0b\0"),
            file("mixed.log", "text/plain; charset=utf-8", "一\n二\r\n三\r".as_bytes()),
            file("page.html", "text/html", b"<p>\n.\n</p>"),
            file("mail.eml", "message/rfc822", b"Subject: inner\n\nhello\n"),
            file("all.bin", "application/octet-stream", &(0..=255).collect::<Vec<u8>>()),
        ];
        let mail = built(&part, &files);
        assert!(is_legal(&mail));
        let parsed = MessageParser::default().parse(&mail).unwrap();
        let arrived: Vec<(&str, &[u8])> = parsed
            .attachments()
            .map(|part| (part.attachment_name().unwrap_or_default(), part.contents()))
            .collect();
        let sent: Vec<(&str, &[u8])> =
            files.iter().map(|file| (file.filename.as_str(), file.bytes.as_ref())).collect();
        assert_eq!(arrived, sent);
    }

    #[test]
    fn a_text_with_any_line_ends_and_signs_makes_a_legal_mail() {
        for format in [Format::Text, Format::Markdown, Format::Html] {
            let content = Content::new("t", format, "one\rtwo\r\nthree\nfour\0\u{b}\u{1b} 五");
            let rendered = render(&sender(), &content, &testing::context(&[], &[], None)).unwrap();
            let mail = built(&rendered.parts[0], &[]);
            assert!(is_legal(&mail), "{format:?}");
            let parsed = MessageParser::default().parse(&mail).unwrap();
            let text = parsed.body_text(0).unwrap();
            for word in ["one", "two", "three", "four", "五"] {
                assert!(text.contains(word), "{format:?}: {text}");
            }
        }
    }
}
