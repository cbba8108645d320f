//! Turning a received mail into an inbox item.

use std::collections::BTreeMap;

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use super::envelope::Envelope;
use super::reply::Reply;
use crate::item::{Attachment, Item, Mail, Platform};

/// The item for a mail, and the reply if it cannot be taken.
pub(super) fn read(envelope: &Envelope, account: Option<&str>, raw: &[u8]) -> (Item, Result<(), Reply>) {
    let mut item = Item::draft(Platform::Smtp, account.unwrap_or("anonymous").to_owned(), raw);
    item.kind = "mail".to_owned();
    item.to.clone_from(&envelope.recipients);
    let message = MessageParser::default().parse(raw);
    let mut mail = Mail { sender: envelope.sender.clone(), ..Mail::default() };
    if let Some(message) = &message {
        item.title = message.subject().map(str::to_owned);
        item.text = message.body_text(0).map(|text| text.trim_end().to_owned()).unwrap_or_default();
        item.headers = Some(headers(message));
        mail.from = addresses(message.from()).into_iter().next().unwrap_or_default();
        mail.to = addresses(message.to());
        mail.html = html(message);
        mail.attachments = message.attachments().map(attachment).collect();
    }
    let verdict = check(envelope, &mail, raw);
    item.mail = Some(mail);
    (item, verdict)
}

fn check(envelope: &Envelope, mail: &Mail, raw: &[u8]) -> Result<(), Reply> {
    // RFC 6152: eight-bit content has to be announced. Many servers forgive this; a strict one is allowed
    // not to.
    if !raw.is_ascii() && !envelope.eight_bit {
        return Err(Reply::new(554, "5.6.1 eight-bit content without BODY=8BITMIME"));
    }
    if mail.from.is_empty() {
        return Err(Reply::new(554, "5.6.0 the From header is missing"));
    }
    Ok(())
}

/// The HTML body itself; `mail-parser` would make one up from the text.
fn html(message: &Message<'_>) -> Option<String> {
    let part = message.html_part(0)?;
    part.is_text_html().then(|| message.body_html(0).map(std::borrow::Cow::into_owned)).flatten()
}

fn headers(message: &Message<'_>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in message.headers_raw() {
        let value = value.trim();
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| *all = format!("{all}, {value}"))
            .or_insert_with(|| value.to_owned());
    }
    headers
}

fn addresses(list: Option<&Address<'_>>) -> Vec<String> {
    let found = list.into_iter().flat_map(|list| list.iter());
    found.filter_map(|address| address.address().map(str::to_owned)).collect()
}

fn attachment(part: &mail_parser::MessagePart<'_>) -> Attachment {
    let name = part.attachment_name().unwrap_or("unnamed").to_owned();
    Attachment { name, size: part.contents().len() }
}
