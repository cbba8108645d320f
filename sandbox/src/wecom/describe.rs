//! What a reader of the group would see.

use serde_json::Value;

use crate::item::{Item, Platform};
use crate::mask;
use crate::request::shown;

/// The client cuts titles and descriptions of news here.
const TITLE_BYTES: usize = 128;
const DESCRIPTION_BYTES: usize = 512;

/// An item for the inbox, made from whatever of the body can be read.
pub(super) fn describe(key: &str, body: &[u8]) -> Item {
    let mut item = Item::draft(Platform::Wecom, mask::key(key), body);
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    fill(&mut item, &message);
    let part = message.get(&item.kind).unwrap_or(&Value::Null);
    item.to = mentioned(&item.kind, &item.text, part);
    item
}

/// What a reader sees of a message, of a robot's or of an app's.
pub(super) fn fill(item: &mut Item, message: &Value) {
    item.kind = shown(message, "msgtype").unwrap_or_default();
    let part = message.get(&item.kind).unwrap_or(&Value::Null);
    match item.kind.as_str() {
        "text" | "markdown" | "markdown_v2" => {
            item.text = shown(part, "content").unwrap_or_default();
        }
        "textcard" => {
            item.title = shown(part, "title").map(|title| cut(title, TITLE_BYTES));
            let description = shown(part, "description").map(|text| cut(text, DESCRIPTION_BYTES));
            item.text = description.into_iter().chain(shown(part, "url")).collect::<Vec<_>>().join("\n");
        }
        "news" => describe_news(item, part),
        "template_card" => describe_card(item, part),
        "file" | "voice" => item.text = shown(part, "media_id").unwrap_or_default(),
        "image" => item.text = "(image)".to_owned(),
        _ => {}
    }
}

/// The people whom the message alerts: `markdown_v2` alerts nobody, and the lists belong to `text`.
fn mentioned(kind: &str, content: &str, part: &Value) -> Vec<String> {
    let mut people = Vec::new();
    if !matches!(kind, "text" | "markdown") {
        return people;
    }
    if kind == "text" {
        for name in ["mentioned_list", "mentioned_mobile_list"] {
            let listed = part.get(name).and_then(Value::as_array).into_iter().flatten();
            people.extend(listed.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let inline = content.split("<@").skip(1).filter_map(|rest| rest.split_once('>'));
    people.extend(inline.map(|(userid, _)| userid.to_owned()));
    people
}

fn describe_news(item: &mut Item, part: &Value) {
    let articles = part.get("articles").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    item.title = articles.first().and_then(|article| shown(article, "title")).map(|t| cut(t, TITLE_BYTES));
    let lines = articles.iter().flat_map(|article| {
        let title = shown(article, "title").map(|title| cut(title, TITLE_BYTES));
        let description = shown(article, "description").map(|text| cut(text, DESCRIPTION_BYTES));
        [title, description, shown(article, "url")].into_iter().flatten()
    });
    item.text = lines.collect::<Vec<_>>().join("\n");
}

fn describe_card(item: &mut Item, card: &Value) {
    let null = Value::Null;
    let headline = card.get("main_title").unwrap_or(&null);
    item.title = shown(headline, "title");
    let mut lines =
        Vec::from_iter([shown(headline, "desc"), shown(card, "sub_title_text")].into_iter().flatten());
    for row in card.get("horizontal_content_list").and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = (shown(row, "keyname"), shown(row, "value"));
        lines.push(format!("{}: {}", name.unwrap_or_default(), value.unwrap_or_default()));
    }
    let buttons = card.get("button_list").and_then(Value::as_array).into_iter().flatten();
    lines.extend(buttons.filter_map(|button| shown(button, "text")).map(|text| format!("[{text}]")));
    item.text = lines.join("\n");
}

/// Cuts at a character's end, as the client does.
fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}
