//! What a message must look like. The shapes differ between a robot's door and an app's: here `content` is an object,
//! there a text with JSON in it; here a card lies under `card`, there under `content`.

use serde_json::Value;

use super::card;
use crate::answer::Refusal;

/// What an error is called at one of the doors.
#[derive(Clone, Copy)]
pub(super) struct Codes {
    /// The shape is wrong.
    pub(super) shape: i64,
    /// A card cannot be made.
    pub(super) card: i64,
    /// Whether `post` may have `md`, `hr`, `code_block`, `emotion` and styles.
    pub(super) rich: bool,
}

const HOOK: Codes = Codes { shape: 9499, card: 11246, rich: false };

/// Checks a robot's whole message.
pub(super) fn check_hook(message: &Value) -> Result<(), Refusal> {
    let null = Value::Null;
    let content = message.get("content").unwrap_or(&null);
    match message.get("msg_type").and_then(Value::as_str) {
        Some("text") => text(content, HOOK),
        Some("post") => post(content.get("post").unwrap_or(&null), HOOK),
        Some("image") => member(content, "image_key", HOOK),
        Some("share_chat") => member(content, "share_chat_id", HOOK),
        Some("interactive") => card::check(message.get("card").unwrap_or(&null), HOOK.card),
        Some(_) => Err(bad(HOOK, "unknown msg_type")),
        None => Err(Refusal::new(19002, "params error, msg_type need")),
    }
}

pub(super) fn text(content: &Value, codes: Codes) -> Result<(), Refusal> {
    member(content, "text", codes)
}

/// Checks `{"zh_cn": {"title", "content": [[…]]}}`.
pub(super) fn post(post: &Value, codes: Codes) -> Result<(), Refusal> {
    let Some(languages) = post.as_object().filter(|languages| !languages.is_empty()) else {
        return Err(bad(codes, "post needs a language"));
    };
    for language in languages.values() {
        if language.get("title").is_some_and(|title| !title.is_string()) {
            return Err(bad(codes, "post.title is no text"));
        }
        let Some(paragraphs) = language.get("content").and_then(Value::as_array) else {
            return Err(bad(codes, "post.content is no list of paragraphs"));
        };
        for paragraph in paragraphs {
            let Some(nodes) = paragraph.as_array() else {
                return Err(bad(codes, "a paragraph is a list"));
            };
            for node in nodes {
                check_node(node, nodes.len(), codes)?;
            }
        }
    }
    Ok(())
}

fn check_node(node: &Value, neighbours: usize, codes: Codes) -> Result<(), Refusal> {
    if node.get("style").is_some() && !codes.rich {
        return Err(bad(codes, "style is not supported here"));
    }
    match node.get("tag").and_then(Value::as_str) {
        Some("text") => member(node, "text", codes),
        Some("a") => {
            member(node, "text", codes)?;
            let href = node.get("href").and_then(Value::as_str).unwrap_or_default();
            // "Make sure that the address is legal, or the message fails."
            let legal = url::Url::parse(href).is_ok_and(|url| url.has_host());
            if legal { Ok(()) } else { Err(bad(codes, "href is no address")) }
        }
        Some("at") => member(node, "user_id", codes),
        // A picture is a paragraph of its own.
        Some("img") if neighbours == 1 => member(node, "image_key", codes),
        Some("md") if codes.rich && neighbours == 1 => member(node, "text", codes),
        Some("code_block") if codes.rich => member(node, "text", codes),
        Some("hr" | "emotion" | "media") if codes.rich => Ok(()),
        _ => Err(bad(codes, "a tag that is not supported here")),
    }
}

/// A member that is a text and not empty.
pub(super) fn member(object: &Value, name: &str, codes: Codes) -> Result<(), Refusal> {
    match object.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(()),
        _ => Err(bad(codes, &format!("{name} is missing or empty"))),
    }
}

fn bad(codes: Codes, what: &str) -> Refusal {
    // The platform says less; what is wrong is for the reader of the inbox.
    Refusal::new(codes.shape, format!("Bad Request: {what}"))
}
