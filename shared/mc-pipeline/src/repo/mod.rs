//! Documents people configure: kept as one JSON each, cached for about a minute, listed by when they were made.

mod access_keys;
mod approval;
mod cache;
mod channels;
mod docs;
mod gate;
mod operators;
mod people;
mod projects;
mod templates;
mod webhooks;

pub use access_keys::AccessKeys;
pub use approval::{Review, Reviewed};
pub use cache::Cache;
pub use channels::{Broken, Build, ChannelEntry, Channels, Stored, setting_field, setting_of, with_settings};
pub use docs::{Docs, Listed, Put, is_place};
pub(crate) use docs::{name_of, place, places, whole};
pub use operators::{Operators, Session};
pub use people::{Contacts, Groups};
pub use projects::Projects;
pub use templates::{Deleted, PutError, TemplateEntry, Templates};
pub use webhooks::Webhooks;
