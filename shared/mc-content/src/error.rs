//! What is wrong with a template, and where.

use serde::{Deserialize, Serialize};

/// One fault, with its place in the document it was found in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// A JSON pointer: `/body`, `/channels/ops/title`.
    pub pointer: String,
    /// What is wrong and what to do.
    pub detail: String,
}

/// A name as a member of a JSON pointer (RFC 6901).
pub fn escape_member(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl FieldError {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}
