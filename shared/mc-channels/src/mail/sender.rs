//! Who a channel's mails come from.

use lettre::message::Mailbox;

use crate::fields::Fields;

/// The sender of a channel's mails, and where answers go.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) from: Mailbox,
    pub(crate) reply_to: Option<Mailbox>,
}

impl Sender {
    /// Reads the settings `from` and `reply_to`; `None` when `from` cannot be used, which is noted.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let from = fields.required("from", "the sender, like Alerts <alerts@example.com>");
        let from = mailbox(fields, "from", &from);
        let reply_to = fields.optional::<String>("reply_to");
        let reply_to = reply_to.and_then(|text| mailbox(fields, "reply_to", &text));
        Some(Self { from: from?, reply_to })
    }
}

fn mailbox(fields: &mut Fields<'_>, name: &str, text: &str) -> Option<Mailbox> {
    if text.is_empty() {
        return None;
    }
    if text.contains(['\r', '\n', '\0']) {
        fields.problem(name, "holds a line break; that could smuggle in a header");
        return None;
    }
    match text.parse() {
        Ok(mailbox) => Some(mailbox),
        Err(_) => {
            fields.problem(name, "is an address, like alerts@example.com or Alerts <alerts@example.com>");
            None
        }
    }
}
