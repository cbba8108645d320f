//! A whole content as one text: body, facts, buttons, picture, link.

use mc_core::model::{Content, Format};

use super::link::safe_url;
use crate::shield::shield;

/// Everything of a content as Markdown source, for platforms whose message is one Markdown text: the body, facts as
/// `**label**: value` lines, the picture, buttons that lead somewhere and the link. Not the title, which platforms show
/// in their own way.
///
/// Values are shielded, so the source is for one of the dialects and never for sending as it is.
pub fn markdown_of(content: &Content) -> String {
    let mut parts = Vec::new();
    match content.body.format {
        Format::Markdown => parts.push(content.body.text.trim_end().to_owned()),
        Format::Text | Format::Html => parts.push(paragraphs(&super::text(&content.body))),
    }
    let facts: Vec<String> =
        content.facts.iter().map(|f| format!("**{}**: {}", shield(&f.label), shield(&f.value))).collect();
    parts.push(facts.join("\n"));
    if let Some(image) = &content.image {
        parts.push(format!("![{}]({})", shield(&content.title), shield(image)));
    }
    let buttons: Vec<String> =
        content.links().map(|b| format!("[{}]({})", shield(&b.text), shield(&b.url))).collect();
    parts.push(buttons.join("\n"));
    if let Some(url) = link_of(content) {
        let text = if content.title.trim().is_empty() { url } else { &content.title };
        parts.push(format!("[{}]({})", shield(text), shield(url)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
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
    out.trim_matches('\n').to_owned()
}

/// The text alternative of an e-mail: the body, the facts, and every address that the HTML has behind a word.
pub fn email_text(content: &Content) -> String {
    with_extras(content, &super::text(&content.body))
}

/// The same, of a body whose text is there already.
pub(super) fn with_extras(content: &Content, body: &str) -> String {
    let mut parts = vec![body.trim_end().to_owned()];
    let facts: Vec<String> = content.facts.iter().map(|f| format!("{}: {}", f.label, f.value)).collect();
    parts.push(facts.join("\n"));
    let buttons: Vec<String> = content
        .links()
        .map(|b| safe_url(&b.url).map_or_else(|| b.text.clone(), |url| format!("{}: {url}", b.text)))
        .collect();
    parts.push(buttons.join("\n"));
    parts.extend(content.image.as_deref().and_then(safe_url));
    parts.extend(link_of(content).and_then(safe_url));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// The link of a content, unless a button already leads there.
pub(super) fn link_of(content: &Content) -> Option<&str> {
    content.url.as_deref().filter(|url| content.buttons.iter().all(|b| b.url != **url))
}
