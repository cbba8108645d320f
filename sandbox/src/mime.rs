//! What a mail says (RFC 5322), however it came.

use std::collections::BTreeMap;

use mail_parser::{Address, Message, MessageParser, MimeHeaders};

use crate::item::{Attachment, Item, Mail};

/// Fills an item with what a reader of the mail would see. `sender` is the envelope's.
pub(crate) fn describe(item: &mut Item, sender: &str, raw: &[u8]) {
    item.kind = "mail".to_owned();
    let mut mail = Mail { sender: sender.to_owned(), ..Mail::default() };
    if let Some(message) = &MessageParser::default().parse(raw) {
        item.title = message.subject().map(str::to_owned);
        item.text = message.body_text(0).map(|text| text.trim_end().to_owned()).unwrap_or_default();
        item.headers = Some(headers(message));
        mail.from = addresses(message.from()).into_iter().next().unwrap_or_default();
        mail.to = addresses(message.to());
        mail.html = html(message);
        mail.attachments = message.attachments().map(attachment).collect();
    }
    item.mail = Some(mail);
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
