//! What robots and apps of Feishu (and of Lark, its twin abroad) share: the messages and the form of the answers.

mod answer;
mod card;
mod message;
mod post;
mod text;

use serde::Deserialize;

pub(crate) use answer::Answer;
pub(crate) use message::{Form, Manner, render};
pub(crate) use text::Mention;

pub(crate) const BASE_URL: &str = "https://open.feishu.cn";

/// What Markdown is sent as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Markdown {
    /// A card (JSON 2.0), which clients show since 7.20; older ones show its title and ask for an update.
    #[default]
    Card,
    /// Rich text without marks, which every client shows.
    Post,
}
