//! What a reader would see.

use serde_json::Value;

use crate::item::{Item, Platform};
use crate::mask;
use crate::request::shown;

/// An item of a robot's message, made from whatever of the body can be read.
pub(super) fn hook(token: &str, body: &[u8]) -> Item {
    let mut item = Item::draft(Platform::Feishu, mask::key(token), body);
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    item.kind = shown(&message, "msg_type").unwrap_or_default();
    let null = Value::Null;
    let content = message.get("content").unwrap_or(&null);
    let content = match item.kind.as_str() {
        "interactive" => message.get("card").unwrap_or(&null),
        "post" => content.get("post").unwrap_or(&null),
        _ => content,
    };
    say(&mut item, content);
    item
}

/// An item of an app's message to one.
pub(super) fn single(body: &[u8]) -> Item {
    let mut item = Item::draft(Platform::FeishuApp, String::new(), body);
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    item.kind = shown(&message, "msg_type").unwrap_or_default();
    let content = shown(&message, "content").unwrap_or_default();
    say(&mut item, &serde_json::from_str(&content).unwrap_or_default());
    item.to = Vec::from_iter(shown(&message, "receive_id"));
    item
}

/// An item of an app's message to many.
pub(super) fn batch(body: &[u8]) -> Item {
    let mut item = Item { platform: Platform::FeishuApp, ..hook("", body) };
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    let lists = ["open_ids", "union_ids", "user_ids", "department_ids"];
    let ids = lists.iter().filter_map(|list| message.get(list)?.as_array()).flatten();
    item.to = ids.filter_map(Value::as_str).map(str::to_owned).collect();
    item
}

/// Fills in title, text and the people who are called.
fn say(item: &mut Item, content: &Value) {
    match item.kind.as_str() {
        "text" => {
            let text = shown(content, "text").unwrap_or_default();
            item.to = tagged(&text, "<at user_id=\"");
            item.text = text;
        }
        "post" => post(item, content),
        "interactive" => card(item, content),
        "image" => item.text = shown(content, "image_key").unwrap_or_default(),
        "file" => item.text = shown(content, "file_key").unwrap_or_default(),
        "share_chat" => item.text = shown(content, "share_chat_id").unwrap_or_default(),
        _ => {}
    }
}

fn post(item: &mut Item, post: &Value) {
    let Some(language) = post.as_object().and_then(|languages| languages.values().next()) else { return };
    item.title = shown(language, "title");
    let paragraphs = language.get("content").and_then(Value::as_array).into_iter().flatten();
    let mut lines = Vec::new();
    for paragraph in paragraphs {
        let mut line = String::new();
        for node in paragraph.as_array().into_iter().flatten() {
            if let Some(user) = shown(node, "user_id") {
                line.push_str(&format!("@{user}"));
                item.to.push(user);
            }
            line.push_str(&shown(node, "text").unwrap_or_default());
        }
        lines.push(line);
    }
    item.text = lines.join("\n");
}

fn card(item: &mut Item, card: &Value) {
    item.title = card.pointer("/header/title").and_then(|title| shown(title, "content"));
    let mut texts = Vec::new();
    let elements = card.pointer("/body/elements").or_else(|| card.get("elements"));
    collect(elements.unwrap_or(&Value::Null), &mut texts);
    let text = texts.join("\n");
    item.to = tagged(&text, "<at id=");
    item.text = unescaped(&text);
}

/// The texts of a card, whatever they lie in.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            texts.extend(shown(value, "content"));
            members.values().for_each(|member| collect(member, texts));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The ids behind a tag that calls somebody.
fn tagged(text: &str, tag: &str) -> Vec<String> {
    let after = text.split(tag).skip(1);
    after.filter_map(|rest| Some(rest.split(['"', '>']).next()?.to_owned())).collect()
}

/// Line ends and characters that were written as HTML.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = text.replace("<br>", "\n");
    let mut rest = text.as_str();
    while let Some(at) = rest.find("&#") {
        out.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let number = after.split_once(';').and_then(|(number, after)| Some((number.parse().ok()?, after)));
        match number.and_then(|(number, after)| Some((char::from_u32(number)?, after))) {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push_str("&#");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}
