//! Templates and Markdown dialects: from a template and values to the text a platform shows.
//!
//! A stored template is compiled once ([`CompiledTemplate`]), checked against its values, and rendered for a target into
//! a [`Content`](mc_core::model::Content). A content's body is then written in each platform's [`dialect`], and what
//! is too long is [`split`]. Everything here is pure: no clock, no files, no network.
#![deny(missing_docs)]

pub mod dialect;
mod engine;
mod error;
mod inline;
mod schema;
mod shield;
mod snippet;
pub mod split;
mod template;
mod value;
pub mod words;

pub use error::{FieldError, escape_member};
pub use inline::inline;
pub use snippet::{Escape, Snippet};
pub use template::{CompiledTemplate, Library, RECIPIENT, Target, included_names, names_in_body};
