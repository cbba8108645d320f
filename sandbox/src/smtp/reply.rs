//! Replies.

use crate::answer::Refusal;

/// A reply of one line: a code and a text that begins with the enhanced status code where one applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn new(code: u16, text: impl Into<String>) -> Reply {
        Reply { code, text: text.into() }
    }

    pub(super) fn bad_sequence(text: &str) -> Reply {
        Reply::new(503, format!("5.5.1 {text}"))
    }

    pub(super) fn bad_parameter() -> Reply {
        Reply::new(555, "5.5.4 parameter not recognized or not implemented")
    }

    /// Whether the server hangs up after it.
    pub(super) fn closes(&self) -> bool {
        self.code == 421 || self.code == 221
    }
}

impl From<&Reply> for Refusal {
    fn from(reply: &Reply) -> Refusal {
        Refusal::new(i64::from(reply.code), reply.text.clone())
    }
}
