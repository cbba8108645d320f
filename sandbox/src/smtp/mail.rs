//! Turning a received mail into an inbox item.

use super::envelope::Envelope;
use super::reply::Reply;
use crate::item::{Item, Platform};
use crate::mime;

/// The item for a mail, and the reply if it cannot be taken.
pub(super) fn read(envelope: &Envelope, account: Option<&str>, raw: &[u8]) -> (Item, Result<(), Reply>) {
    let mut item = Item::draft(Platform::Smtp, account.unwrap_or("anonymous").to_owned(), raw);
    item.to.clone_from(&envelope.recipients);
    mime::describe(&mut item, &envelope.sender, raw);
    let verdict = check(envelope, &item, raw);
    (item, verdict)
}

fn check(envelope: &Envelope, item: &Item, raw: &[u8]) -> Result<(), Reply> {
    // RFC 6152: eight-bit content has to be announced. Many servers forgive this; a strict one is allowed
    // not to.
    if !raw.is_ascii() && !envelope.eight_bit {
        return Err(Reply::new(554, "5.6.1 eight-bit content without BODY=8BITMIME"));
    }
    if item.mail.as_ref().is_none_or(|mail| mail.from.is_empty()) {
        return Err(Reply::new(554, "5.6.0 the From header is missing"));
    }
    Ok(())
}
