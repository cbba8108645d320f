//! Contents that come with a message.

use mc_core::model::{Body, Content, Format, InlineContent};

use crate::shield::strip;

/// Takes an inline content as it is: literal text, never a template. A Markdown body is the author's Markdown; only the
/// private characters that stand for shielded ones are taken out of it.
pub fn inline(content: &InlineContent) -> Content {
    let text = match content.format {
        Format::Markdown => strip(&content.body).into_owned(),
        Format::Text | Format::Html => content.body.clone(),
    };
    Content {
        title: content.title.clone(),
        body: Body { format: content.format, text },
        url: content.url.clone(),
        url_label: content.url_label.clone(),
        facts: content.facts.clone(),
        buttons: content.buttons.clone(),
        image: content.image.clone(),
        level: content.level,
    }
}
