//! A whole content as one text: body, facts, buttons, picture, link.

use mc_core::model::{Content, Fact, Format};

use super::link::safe_url;
use crate::shield::{BESIDE, shield};

/// Everything of a content as Markdown source, for platforms whose message is one Markdown text: the body, facts as
/// `**label**: value` lines, the picture, buttons that lead somewhere and the link. Not the title, which platforms show
/// in their own way.
///
/// Values are shielded, so the source is for one of the dialects and never for sending as it is. Warnings name the lines
/// of the body alone, also if a title was put above it: `## `, what this writes of the title as a text, an empty line.
pub fn markdown_of(content: &Content) -> String {
    let body = match content.body.format {
        Format::Markdown => content.body.text.trim_end().to_owned(),
        Format::Text | Format::Html => paragraphs(&super::text(&content.body)),
    };
    let facts: Vec<String> = content.facts.iter().map(fact).collect();
    let mut extras = vec![facts.join("\n")];
    if let Some(image) = &content.image {
        extras.push(format!("![{}]({})", shield(&content.title), shield(image)));
    }
    let buttons: Vec<String> =
        content.links().map(|b| format!("[{}]({})", shield(&b.text), shield(&b.url))).collect();
    extras.push(buttons.join("\n"));
    if let Some(url) = link_of(content) {
        let titled = if content.title.trim().is_empty() { url } else { &content.title };
        let text = content.link_label().unwrap_or(titled);
        extras.push(format!("[{}]({})", shield(text), shield(url)));
    }
    extras.retain(|part| !part.is_empty());
    if extras.is_empty() {
        return body;
    }
    let between = if body.is_empty() { "" } else { "\n\n" };
    format!("{body}{between}{BESIDE}{}", extras.join("\n\n"))
}

/// A fact as a line of Markdown. One without a label is its value.
fn fact(fact: &Fact) -> String {
    let value = shield(&fact.value);
    if fact.label.trim().is_empty() { value } else { format!("**{}**: {value}", shield(&fact.label)) }
}

/// Literal text as Markdown: shielded, with its empty lines as ends of paragraphs.
fn paragraphs(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len() * 2);
    for line in text.split('\n') {
        if !line.trim().is_empty() {
            out.push_str(&shield(line));
        }
        out.push('\n');
    }
    let text = out.trim_matches('\n');
    if text.is_empty() { String::new() } else { format!("{BESIDE}{text}") }
}

/// The text alternative of an e-mail: the body, the facts, and every address that the HTML has behind a word.
pub fn email_text(content: &Content) -> String {
    with_extras(content, &super::text(&content.body))
}

/// The same, of a body whose text is there already.
pub(super) fn with_extras(content: &Content, body: &str) -> String {
    let mut parts = vec![body.trim_end().to_owned()];
    let facts: Vec<String> = content.facts.iter().map(Fact::line).collect();
    parts.push(facts.join("\n"));
    let buttons: Vec<String> = content
        .links()
        .map(|b| safe_url(&b.url).map_or_else(|| b.text.clone(), |url| format!("{}: {url}", b.text)))
        .collect();
    parts.push(buttons.join("\n"));
    parts.extend(content.image.as_deref().and_then(safe_url));
    let link = link_of(content).and_then(safe_url);
    parts.extend(link.map(|url| content.link_label().map_or(url.clone(), |label| format!("{label}: {url}"))));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// The link of a content, unless a button already leads there.
pub(super) fn link_of(content: &Content) -> Option<&str> {
    content.url.as_deref().filter(|url| content.buttons.iter().all(|b| b.url != **url))
}
