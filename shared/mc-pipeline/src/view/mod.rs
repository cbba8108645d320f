//! What became of messages, and what can still be done about them.

mod actions;
mod list;
mod message;
mod reschedule;
mod waiting;

pub(crate) use actions::call_off;
pub use actions::{cancel, retry};
pub use list::{Filter, MessagePage, list, scheduled_through};
pub(crate) use message::shares;
pub use message::{
    AttemptView, DeliveryView, MessageView, RecipientName, RecipientView, RecipientsPage, get,
    named_recipients, recipients,
};
pub use reschedule::reschedule;
pub use waiting::{Reason, Waiting};
