//! From a content to Feishu's messages.

use mc_content::dialect;
use mc_core::model::{Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Warning};
use serde_json::{Value, json};

use super::card::{self, Frame};
use super::text::{Mention, literal};
use super::{Markdown, post};
use crate::overrides;
use crate::robot::{self, Place, json_size};

/// Bytes of a robot's request. The page says 20 KB; the smaller reading is taken.
const HOOK_LIMIT: usize = 20_000;
/// What signing adds to it.
const HOOK_ROOM: usize = 120;
/// Bytes of an app's request with a text, and with anything else.
const TEXT_LIMIT: usize = 150_000;
const RICH_LIMIT: usize = 30_000;
/// What the recipient and the push's id add to it.
const SINGLE_ROOM: usize = 400;
/// What two hundred recipients add to it.
const BATCH_ROOM: usize = 9_000;

/// Through which of Feishu's doors a message goes; each wants it a little different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A group's custom robot.
    Hook,
    /// An app, to one recipient.
    Single,
    /// An app, to many at once.
    Batch,
}

impl Form {
    /// A message in its native form, content as an object, so that overrides can reach into it.
    fn message(self, msg_type: &str, body: Value) -> Value {
        match (self, msg_type) {
            (Form::Hook | Form::Batch, "interactive") => json!({"msg_type": msg_type, "card": body}),
            (Form::Hook | Form::Batch, "post") => json!({"msg_type": msg_type, "content": {"post": body}}),
            _ => json!({"msg_type": msg_type, "content": body}),
        }
    }

    /// A message as it is sent: an app's content is JSON inside of JSON.
    fn sealed(self, mut message: Value) -> Value {
        if self == Form::Single
            && let Some(content) = message.get_mut("content")
            && !content.is_string()
        {
            *content = content.to_string().into();
        }
        message
    }

    /// Bytes that a message may take.
    fn allowed(self, msg_type: &str) -> usize {
        let limit = if msg_type == "text" { TEXT_LIMIT } else { RICH_LIMIT };
        match self {
            Form::Hook => HOOK_LIMIT - HOOK_ROOM,
            Form::Single => limit - SINGLE_ROOM,
            Form::Batch => limit - BATCH_ROOM,
        }
    }

    /// What belongs to the channel and the push, and not to an override.
    fn protected(self) -> &'static [&'static str] {
        match self {
            Form::Hook => &["timestamp", "sign"],
            Form::Single => &["receive_id", "uuid"],
            Form::Batch => &["department_ids", "open_ids", "user_ids", "union_ids"],
        }
    }
}

/// How a channel writes.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) form: Form,
    pub(crate) markdown: Markdown,
    /// Whether the channel hears of clicks, so that buttons can be pressed.
    pub(crate) clicks: bool,
}

/// Writes a content; `mentions` are called to the first part.
pub(crate) fn render(
    Manner { form, markdown, clicks }: Manner,
    content: &Content,
    context: &RenderContext<'_>,
    mentions: &[Mention],
    mut warnings: Vec<Warning>,
) -> Result<Rendered, RenderError> {
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    if plain.trim().is_empty() {
        let detail = "the content has neither title nor body; nothing would be shown";
        return Err(RenderError::new("empty", detail));
    }
    let is_card = content.body.format == Format::Markdown && markdown == Markdown::Card;
    if !is_card {
        warnings.extend(robot::dead_buttons(content));
    }
    let parts = match (content.body.format, markdown) {
        (Format::Text, _) => in_parts(form, "text", &literal(&plain), |text, place| {
            let mut text = text.to_owned();
            if place.first && !mentions.is_empty() {
                let people: Vec<String> = mentions.iter().map(Mention::in_text).collect();
                text.push_str(&format!("\n{}", people.join(" ")));
            }
            json!({"text": text})
        })?,
        (Format::Markdown, Markdown::Card) => {
            let frame = Frame::of(content, &plain, clicks, &mut warnings);
            let source = dialect::feishu(&card::source(content), &mut warnings);
            in_parts(form, "interactive", &source, |text, place| frame.card(text, place, mentions))?
        }
        (Format::Html | Format::Markdown, _) => {
            match content.body.format {
                Format::Markdown => {
                    warnings.push(Warning::new(
                        "markdown_as_text",
                        "rich text has no marks; lists and tables are lines of text",
                    ));
                    warnings.extend(robot::dead_links(&content.body));
                    warnings.extend(linked_pictures(content));
                }
                _ => {
                    warnings.extend(robot::html_as_text(content, "Feishu shows"));
                    warnings.extend(linked_pictures(content));
                }
            }
            in_parts(form, "post", &post::source(content), |text, place| {
                post::post(&content.title, text, if place.first { mentions } else { &[] })
            })?
        }
    };
    warnings.extend(match (clicks, is_card) {
        (true, true) => None,
        (true, false) => robot::unpressable_because(content, "only a card (markdown) has buttons to press"),
        (false, _) => robot::unpressable(content),
    });
    warnings.extend(robot::files_left_out(context));
    // The level is the colour of a card's title.
    if !is_card || content.title.trim().is_empty() {
        warnings.extend(robot::colourless(content));
    }
    finish(form, parts, context.overrides, plain, warnings)
}

/// The note that pictures, the message's own and those in its Markdown, are links in a rich text.
fn linked_pictures(content: &Content) -> Option<Warning> {
    let mut notes = Vec::new();
    if content.body.format == Format::Markdown && content.body.text.contains("![") {
        // A dialect without pictures finds them, and their line.
        dialect::wecom(&content.body.text, &mut notes);
    }
    let in_body = notes.into_iter().find(|note| note.code == "image_linked");
    let own = content.image.as_ref();
    in_body.or_else(|| own.map(|_| Warning::new("image_linked", "the picture is written as a link to it")))
}

fn in_parts(
    form: Form,
    msg_type: &str,
    text: &str,
    body: impl Fn(&str, Place) -> Value,
) -> Result<Vec<Value>, RenderError> {
    let allowed = form.allowed(msg_type);
    let sealed = |text: &str, place: Place| form.sealed(form.message(msg_type, body(text, place)));
    let parts = robot::in_parts(text, allowed, sealed).map_err(|used| too_large(used, allowed))?;
    // Overrides want the content open; that it fits when sealed is known now.
    let open = |part: Value| match part.get("content").and_then(Value::as_str).map(serde_json::from_str) {
        Some(Ok(content)) => form.message(msg_type, content),
        _ => part,
    };
    Ok(parts.into_iter().map(open).collect())
}

fn finish(
    form: Form,
    messages: Vec<Value>,
    patch: Option<&Value>,
    text: String,
    mut warnings: Vec<Warning>,
) -> Result<Rendered, RenderError> {
    let mut parts: Vec<Part> = Vec::with_capacity(messages.len());
    let (mut used, mut allowed) = (0, 0);
    for mut message in messages {
        overrides::apply(&mut message, patch, form.protected())?;
        robot::clean(&mut message);
        let payload = form.sealed(message);
        let (size, limit) =
            (json_size(&payload), form.allowed(payload["msg_type"].as_str().unwrap_or_default()));
        if size > limit {
            return Err(too_large(size, limit));
        }
        used = used.max(size);
        allowed = limit;
        parts.push(Part::new(payload));
    }
    // An override that says everything anew is one message, however long the content was.
    parts.dedup();
    warnings.extend(robot::split_warning(parts.len()));
    Ok(Rendered { parts, text, warnings, size: robot::size(used, allowed) })
}

fn too_large(used: usize, allowed: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes as JSON; Feishu takes {allowed} in one message"))
}

#[cfg(test)]
mod tests {
    use mc_core::model::Button;

    use super::*;
    use crate::testing;

    fn warned(markdown: Markdown, clicks: bool, content: &Content) -> Vec<Warning> {
        let manner = Manner { form: Form::Single, markdown, clicks };
        render(manner, content, &testing::context(&[], &[], None), &[], Vec::new()).unwrap().warnings
    }

    #[test]
    fn a_picture_in_a_rich_text_is_a_link_with_a_word_on_it() {
        let image = Some("https://x.example/p.png".to_owned());
        let codes = |markdown, content: Content| -> Vec<String> {
            warned(markdown, false, &content).iter().map(|warning| warning.code.to_string()).collect()
        };
        let body = "see ![chart](https://x.example/c.png)";
        let shown = || Content::new("t", Format::Markdown, body);
        let own = || Content { image: image.clone(), ..Content::new("t", Format::Markdown, "hi") };
        let html = Content { image: image.clone(), ..Content::new("t", Format::Html, "<p>hi</p>") };
        assert_eq!(codes(Markdown::Post, shown()), ["markdown_as_text", "image_linked"]);
        assert_eq!(codes(Markdown::Post, own()), ["markdown_as_text", "image_linked"]);
        assert_eq!(codes(Markdown::Post, html), ["html_as_text", "image_linked"]);
        assert_eq!(codes(Markdown::Post, Content::new("t", Format::Markdown, "hi")), ["markdown_as_text"]);
    }

    #[test]
    fn why_a_button_cannot_be_pressed_is_true() {
        let press = Button { text: "Approve".into(), action: "approve".into(), ..Button::default() };
        let why = |format, clicks| {
            let content = Content { buttons: vec![press.clone()], ..Content::new("t", format, "hi") };
            let warnings = warned(Markdown::Card, clicks, &content);
            let dropped = warnings.into_iter().find(|warning| warning.code == "button_dropped");
            dropped.map(|warning| warning.detail)
        };
        assert_eq!(why(Format::Markdown, true), None);
        for (format, clicks, reason) in [
            (Format::Text, true, "only a card"),
            (Format::Html, true, "only a card"),
            (Format::Text, false, "hears of no clicks"),
        ] {
            let detail = why(format, clicks).unwrap();
            assert!(detail.contains(reason), "{detail}");
        }
    }
}
