//! What a message must look like. The words are Slack's own.

use serde_json::Value;

use crate::request::shown;

const TEXT: usize = 40_000;
const BLOCKS: usize = 50;
/// Characters of all blocks. No page has a number; this is about where messages have been refused.
const TOTAL: usize = 13_000;
const SECTION: usize = 3_000;
const FIELDS: usize = 10;
const FIELD: usize = 2_000;
const HEADER: usize = 150;
const ELEMENTS: usize = 25;
const BUTTON: usize = 75;
const ADDRESS: usize = 3_000;

/// Checks a whole message.
pub(super) fn check(message: &Value) -> Result<(), &'static str> {
    let text = shown(message, "text");
    let blocks = message.get("blocks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if text.is_none() && blocks.is_empty() {
        return Err("no_text");
    }
    // Slack cuts what is longer. Refusing is stricter.
    if text.is_some_and(|text| text.chars().count() > TEXT) {
        return Err("msg_too_long");
    }
    if blocks.len() > BLOCKS || !blocks.iter().all(is_block) {
        return Err("invalid_blocks");
    }
    if blocks.iter().flat_map(texts).map(|text| text.chars().count()).sum::<usize>() > TOTAL {
        return Err("msg_blocks_too_long");
    }
    Ok(())
}

fn is_block(block: &Value) -> bool {
    let list = |name: &str| block.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match shown(block, "type").as_deref() {
        Some("header") => is_text(&block["text"], "plain_text", HEADER),
        Some("divider") => true,
        Some("section") => {
            let fields = list("fields");
            let has_text = block.get("text").is_some();
            (has_text || !fields.is_empty())
                && (!has_text
                    || is_text(&block["text"], "mrkdwn", SECTION)
                    || is_text(&block["text"], "plain_text", SECTION))
                && fields.len() <= FIELDS
                && fields
                    .iter()
                    .all(|field| is_text(field, "mrkdwn", FIELD) || is_text(field, "plain_text", FIELD))
        }
        Some("image") => is_address(block, "image_url") && shown(block, "alt_text").is_some(),
        Some("actions") => {
            let elements = list("elements");
            (1..=ELEMENTS).contains(&elements.len())
                && elements.iter().all(|element| {
                    shown(element, "type").as_deref() == Some("button")
                        && is_text(&element["text"], "plain_text", BUTTON)
                        && is_address(element, "url")
                })
        }
        _ => false,
    }
}

fn is_text(object: &Value, kind: &str, longest: usize) -> bool {
    shown(object, "type").as_deref() == Some(kind)
        && shown(object, "text").is_some_and(|text| text.chars().count() <= longest)
}

fn is_address(object: &Value, name: &str) -> bool {
    shown(object, name).is_some_and(|url| url.len() <= ADDRESS && url.contains("://"))
}

/// Everything a block says.
pub(super) fn texts(block: &Value) -> Vec<String> {
    let mut texts = Vec::from_iter(shown(&block["text"], "text"));
    for name in ["fields", "elements"] {
        for part in block.get(name).and_then(Value::as_array).into_iter().flatten() {
            texts.extend(shown(part, "text").or_else(|| shown(&part["text"], "text")));
        }
    }
    texts.extend(shown(block, "alt_text"));
    texts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_blocks_together_have_a_limit() {
        let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "字".repeat(SECTION)}});
        let message = |count| check(&json!({"blocks": vec![section.clone(); count]}));
        assert_eq!(message(4), Ok(()));
        assert_eq!(message(5), Err("msg_blocks_too_long"));
    }
}
