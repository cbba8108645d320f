//! One body, every platform's way of writing it.

use mc_core::model::{Body, Content};
use mc_core::ports::Warning;

/// WeCom's `markdown` (version 1).
pub fn wecom(md: &str, _warnings: &mut Vec<Warning>) -> String {
    md.to_owned()
}

/// WeCom's `markdown_v2`.
pub fn wecom_v2(md: &str, _warnings: &mut Vec<Warning>) -> String {
    md.to_owned()
}

/// DingTalk's Markdown.
pub fn dingtalk(md: &str, _warnings: &mut Vec<Warning>) -> String {
    md.to_owned()
}

/// Plain text of any body.
pub fn text(body: &Body) -> String {
    body.text.clone()
}

/// Inner HTML of any body.
pub fn html(body: &Body) -> String {
    body.text.clone()
}

/// A whole HTML document of a content.
pub fn email_html(content: &Content) -> String {
    content.body.text.clone()
}

/// The text alternative of a content.
pub fn email_text(content: &Content) -> String {
    content.body.text.clone()
}

/// Everything of a content as Markdown source.
pub fn markdown_of(content: &Content) -> String {
    content.body.text.clone()
}
