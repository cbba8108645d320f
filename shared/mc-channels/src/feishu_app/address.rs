//! What kind of id an address is.

use mc_core::model::{AddressKind, Recipient};

/// The kinds of ids, told apart by their form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Open,
    Union,
    Chat,
    Department,
    Email,
    User,
}

impl Id {
    pub(super) fn of(address: &str) -> Self {
        match address {
            _ if address.starts_with("ou_") => Id::Open,
            _ if address.starts_with("on_") => Id::Union,
            _ if address.starts_with("oc_") => Id::Chat,
            _ if address.starts_with("od-") => Id::Department,
            _ if address.contains('@') => Id::Email,
            _ => Id::User,
        }
    }

    /// The word for `receive_id_type`. Departments cannot be written to one by one.
    pub(super) fn single(self) -> Option<&'static str> {
        match self {
            Id::Open => Some("open_id"),
            Id::Union => Some("union_id"),
            Id::Chat => Some("chat_id"),
            Id::Email => Some("email"),
            Id::User => Some("user_id"),
            Id::Department => None,
        }
    }

    /// The list that such ids go into in a batch, and the one in the answer that names the bad ones. Groups and mail
    /// addresses cannot be written to in batches.
    pub(super) fn batch(self) -> Option<(&'static str, &'static str)> {
        match self {
            Id::Open => Some(("open_ids", "invalid_open_ids")),
            Id::Union => Some(("union_ids", "invalid_union_ids")),
            Id::User => Some(("user_ids", "invalid_user_ids")),
            Id::Department => Some(("department_ids", "invalid_department_ids")),
            Id::Chat | Id::Email => None,
        }
    }
}

/// A recipient's address on Feishu.
pub(super) fn address(recipient: &Recipient) -> &str {
    recipient.addresses.get(AddressKind::Feishu).unwrap_or_default()
}
