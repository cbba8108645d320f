//! What a reader of the group would see.

use serde_json::Value;

use crate::item::{Item, Platform};
use crate::mask;
use crate::request::shown;

/// An item for the inbox, made from whatever of the body can be read.
pub(super) fn describe(token: &str, body: &[u8]) -> Item {
    let mut item = Item::draft(Platform::Dingtalk, mask::key(token), body);
    let message: Value = serde_json::from_slice(body).unwrap_or_default();
    item.kind = shown(&message, "msgtype").unwrap_or_default();
    let part = message.get(&item.kind).unwrap_or(&Value::Null);
    item.title = shown(part, "title");
    item.text = match item.kind.as_str() {
        "text" => shown(part, "content").unwrap_or_default(),
        "feedCard" => links(part),
        _ => shown(part, "text").unwrap_or_default(),
    };
    // `at` works in these three types only.
    if matches!(item.kind.as_str(), "text" | "markdown" | "actionCard") {
        item.to = alerted(message.get("at").unwrap_or(&Value::Null), &item.text);
    }
    item
}

/// Title and text together, where a keyword may stand.
pub(super) fn everything(message: &Value) -> String {
    let part = shown(message, "msgtype").and_then(|msgtype| message.get(&msgtype)).unwrap_or(&Value::Null);
    let texts = ["title", "text", "content"].iter().filter_map(|name| shown(part, name));
    texts.chain([links(part)]).collect::<Vec<_>>().join("\n")
}

/// Whom the platform really alerts: only those whose `@…` also stands in the text. A wrong one is not an
/// error there, so the inbox is the only place to notice.
fn alerted(at: &Value, text: &str) -> Vec<String> {
    let listed = ["atMobiles", "atUserIds"].iter().filter_map(|name| at.get(name)?.as_array()).flatten();
    let mut people: Vec<String> = listed
        .filter_map(Value::as_str)
        .filter(|person| text.contains(&format!("@{person}")))
        .map(str::to_owned)
        .collect();
    if at.get("isAtAll") == Some(&Value::Bool(true)) {
        people.push("@all".to_owned());
    }
    people
}

fn links(part: &Value) -> String {
    let links = part.get("links").and_then(Value::as_array).into_iter().flatten();
    let lines = links.flat_map(|link| [shown(link, "title"), shown(link, "messageURL")]).flatten();
    lines.collect::<Vec<_>>().join("\n")
}
