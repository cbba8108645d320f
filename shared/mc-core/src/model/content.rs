//! What a message says, after templates and before a platform's form.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Plain text, shown as it is.
    #[default]
    Text,
    /// CommonMark with tables, strikethrough and task lists; raw HTML is text.
    Markdown,
    /// HTML.
    Html,
}

impl Format {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Markdown => "markdown",
            Format::Html => "html",
        }
    }
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something went well.
    Success,
    /// Something wants attention.
    Warning,
    /// Something is wrong.
    Danger,
}

impl Level {
    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Success => "success",
            Level::Warning => "warning",
            Level::Danger => "danger",
        }
    }
}

/// A body with its format.
///
/// The text of a Markdown body may hold *shielded* characters: the punctuation of values, moved to a private plane so
/// that no parser takes it for formatting. Only `mc-content` shields and unshields.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// How it is written.
    pub format: Format,
    /// The text.
    pub text: String,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({}, {} bytes)", self.format.as_str(), self.text.len())
    }
}

/// A label and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What it is.
    pub label: String,
    /// How much of it.
    pub value: String,
}

impl Fact {
    /// The fact as a line. One without a label is its value.
    pub fn line(&self) -> String {
        if self.label.trim().is_empty() {
            self.value.clone()
        } else {
            format!("{}: {}", self.label, self.value)
        }
    }
}

/// A button that opens a page, or tells the caller that it was pressed.
///
/// A platform that tells of clicks shows a button with an `action` as one to press; every other platform shows where
/// it leads, or leaves it away with a warning if it leads nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What it says.
    pub text: String,
    /// Where it leads; empty if it leads nowhere.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What the caller is told when somebody presses it; empty if it only opens a page.
    #[serde(default, deserialize_with = "super::or_default", skip_serializing_if = "String::is_empty")]
    pub action: String,
}

impl Button {
    /// A button that opens a page.
    pub fn link(text: impl Into<String>, url: impl Into<String>) -> Self {
        Self { text: text.into(), url: url.into(), action: String::new() }
    }
}

/// What a message says, with all values in place. Platforms show what they can of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The title: a mail's subject, a card's head, the line in a conversation list.
    pub title: String,
    /// The body.
    pub body: Body,
    /// Where a click on the message leads.
    pub url: Option<String>,
    /// What the link there says; without it each platform's own word.
    pub url_label: Option<String>,
    /// Label and value pairs.
    pub facts: Vec<Fact>,
    /// Buttons.
    pub buttons: Vec<Button>,
    /// A picture's URL.
    pub image: Option<String>,
    /// How grave it is.
    pub level: Option<Level>,
}

impl Content {
    /// A content of a title and a body.
    pub fn new(title: impl Into<String>, format: Format, text: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: Body { format, text: text.into() },
            url: None,
            url_label: None,
            facts: Vec::new(),
            buttons: Vec::new(),
            image: None,
            level: None,
        }
    }

    /// What the link says, where there is one and somebody chose its words.
    pub fn link_label(&self) -> Option<&str> {
        self.url.as_ref()?;
        self.url_label.as_deref().map(str::trim).filter(|label| !label.is_empty())
    }

    /// The buttons that lead somewhere.
    pub fn links(&self) -> impl Iterator<Item = &Button> {
        self.buttons.iter().filter(|button| !button.url.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_without_a_label_is_its_value() {
        let line = |label: &str| Fact { label: label.into(), value: "v".into() }.line();
        assert_eq!([line("k"), line(" ")], ["k: v", "v"]);
    }

    #[test]
    fn a_label_says_something_of_a_link_or_nothing() {
        let content = |url: Option<&str>, label: &str| Content {
            url: url.map(str::to_owned),
            url_label: Some(label.to_owned()),
            ..Content::new("", Format::Text, "")
        };
        assert_eq!(content(Some("https://x.example"), " See ").link_label(), Some("See"));
        assert_eq!(content(Some("https://x.example"), " ").link_label(), None);
        assert_eq!(content(None, "See").link_label(), None);
    }
}
