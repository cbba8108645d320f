//! Contents that come with a message.

use mc_core::model::{Body, Content, InlineContent};

/// Takes an inline content as it is: literal text, never a template.
pub fn inline(content: &InlineContent) -> Content {
    Content {
        title: content.title.clone(),
        body: Body { format: content.format, text: content.body.clone() },
        url: content.url.clone(),
        facts: content.facts.clone(),
        buttons: content.buttons.clone(),
        image: content.image.clone(),
        level: content.level,
    }
}
