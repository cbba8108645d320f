//! One body, every platform's way of writing it.
//!
//! Markdown is parsed once into blocks; each dialect writes them as well as its platform can show them and says in a
//! warning what it had to degrade. Line ends inside a paragraph stay line ends everywhere, because chat platforms show
//! them and a template should look the same in all places. A bare address is a link in HTML, on Slack and in standard
//! Markdown; the other platforms make links of addresses themselves.

mod ast;
mod autolink;
mod content;
mod email;
mod flavor;
mod html;
mod html_text;
mod link;
mod literal;
mod markdown;
mod marks;
mod notes;
mod parse;
mod safe_html;
mod tags;
mod text;

use mc_core::model::{Body, Format};
use mc_core::ports::Warning;

pub use content::{email_text, markdown_of};
pub use email::{Email, add_unsubscribe, email, taken_out};
pub use html_text::decode as decode_entities;
pub use link::safe_url;
pub use literal::without_marks;
pub use safe_html::safe_html;

/// WeCom's `markdown` (version 1): headings, bold, links, code spans on one line, quotations.
///
/// Lists become lines (`• `, `1. `), tables `head: cell` lines, blocks of code quotations, pictures links, italics plain.
/// WeCom documents no escape: what would be formatting in a text is replaced by a look-alike (`∗`, `ˋ`, `［］` in a
/// link) or parted by a zero-width space. Colours (`<font color>`) and mentions (`<@id>`) never come from a text.
pub fn wecom(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::WECOM, warnings)
}

/// WeCom's robot `markdown_v2`: nearly all of Markdown. Texts are kept literal as in [`wecom`], with more look-alikes
/// because it has more marks. A sign that could enclose nothing stays what it is, in all dialects with look-alikes, and a
/// warning tells where one was replaced.
pub fn wecom_v2(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::WECOM_V2, warnings)
}

/// Markdown whose pictures may be files that travel with it (`cid:logo.png`), as those of a mail. A mail is sent as HTML:
/// this is for the warnings, which are those of [`wecom_v2`] otherwise.
pub fn mail_markdown(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::MAIL, warnings)
}

/// DingTalk's Markdown: line ends are two spaces and a line end; tables become lines, code quotations or plain text.
///
/// That DingTalk understands a backslash is nowhere said, so texts are kept literal with look-alikes and, at the start
/// of a line, with a zero-width space.
pub fn dingtalk(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::DINGTALK, warnings)
}

/// Feishu's card Markdown (JSON 2.0): CommonMark with tables. Line ends are `<br>`, pictures links (Feishu shows uploaded
/// ones only), links to anything but web pages text. Texts are kept literal with HTML's numbers, as Feishu documents.
pub fn feishu(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::FEISHU, warnings)
}

/// Slack's mrkdwn: `*bold*`, `_italics_`, `~struck~`, code, quotations, `<address|text>`, `<address>`. Headings become bold
/// lines, lists and tables lines, pictures links. `&`, `<` and `>` are escaped everywhere, so that no text calls a person
/// or a channel; marks in texts are replaced by look-alikes, and what would be a `:shortcode:` is parted.
pub fn slack(md: &str, warnings: &mut Vec<Warning>) -> String {
    markdown::write(md, &flavor::SLACK, warnings)
}

/// Standard Markdown (CommonMark with tables and strikethrough), values escaped with backslashes: for receivers that
/// take Markdown as such. A body's own text may hold shielded characters and is not for sending.
pub fn commonmark(md: &str) -> String {
    markdown::write(md, &flavor::COMMONMARK, &mut Vec::new())
}

/// A body as its format gives it, fit for sending, and its plain text. Markdown is parsed once for both.
pub fn source_and_text(body: &Body) -> (String, String) {
    match body.format {
        Format::Markdown => {
            markdown::write_with(&body.text, &flavor::COMMONMARK, &mut Vec::new(), text::write)
        }
        Format::Text | Format::Html => (body.text.clone(), text(body)),
    }
}

/// Plain text of any body.
pub fn text(body: &Body) -> String {
    match body.format {
        Format::Text => body.text.clone(),
        Format::Markdown => text::write(&parse::parse(&body.text)),
        Format::Html => html_text::write(&body.text),
    }
}

/// Inner HTML of any body: text as paragraphs, Markdown as HTML with raw HTML shown as text, HTML as it is.
pub fn html(body: &Body) -> String {
    match body.format {
        Format::Text => html::paragraphs(&body.text, html::bare),
        Format::Markdown => html::write(&parse::parse(&body.text), html::bare),
        Format::Html => body.text.clone(),
    }
}
