//! What a work notification must look like. Its cards are spelt otherwise than a robot's.

use serde_json::Value;

use crate::answer::Refusal;
use crate::item::Item;
use crate::request::{list, shown, text};

/// A member is missing, or is of the wrong type.
const MISSING: i64 = 40_035;
/// Something is too long.
const LONG: i64 = 45_002;

/// What a reader would see, made from whatever of the body can be read.
pub(super) fn describe(item: &mut Item, body: &Value) {
    let msg = body.get("msg").unwrap_or(&Value::Null);
    item.kind = shown(msg, "msgtype").unwrap_or_default();
    let part = msg.get(&item.kind).unwrap_or(&Value::Null);
    let inner = part.get("body").unwrap_or(part);
    item.title = shown(inner, "title");
    let mut lines: Vec<String> =
        ["content", "text", "markdown"].iter().filter_map(|name| shown(inner, name)).collect();
    for fact in inner.get("form").and_then(Value::as_array).into_iter().flatten() {
        let (key, value) = (shown(fact, "key"), shown(fact, "value"));
        lines.push(format!("{} {}", key.unwrap_or_default(), value.unwrap_or_default()));
    }
    item.text = lines.join("\n");
}

/// Checks a message of a type; `media` judges an id by the type it was uploaded as. What the pages only suggest is not
/// checked.
pub(super) fn check(
    msgtype: &str,
    part: &Value,
    media: impl Fn(&str, &str) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    match msgtype {
        "text" => text(part, "content", MISSING).map(drop),
        "image" | "file" => media(text(part, "media_id", MISSING)?, msgtype),
        "voice" => {
            media(text(part, "media_id", MISSING)?, msgtype)?;
            let seconds: Option<u32> = text(part, "duration", MISSING)?.parse().ok();
            let fits = seconds.is_some_and(|seconds| (1..60).contains(&seconds));
            if fits { Ok(()) } else { Err(Refusal::new(MISSING, "duration is a text of 1 to 59 seconds")) }
        }
        "link" => {
            check_url(text(part, "messageUrl", MISSING)?)?;
            text(part, "picUrl", MISSING)?;
            at_most(text(part, "title", MISSING)?, 100)?;
            at_most(text(part, "text", MISSING)?, 500)
        }
        "markdown" => {
            text(part, "title", MISSING)?;
            at_most(text(part, "text", MISSING)?, 5_000)
        }
        "oa" => check_oa(part),
        "action_card" => check_card(part),
        _ => Err(Refusal::new(MISSING, "不支持的消息类型")),
    }
}

fn check_oa(oa: &Value) -> Result<(), Refusal> {
    check_url(text(oa, "message_url", MISSING)?)?;
    let head = oa.get("head").unwrap_or(&Value::Null);
    let color = text(head, "bgcolor", MISSING)?;
    if color.len() != 8 || !color.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refusal::new(MISSING, "bgcolor is 8 hexadecimal digits"));
    }
    if let Some(bar) = oa.get("status_bar").filter(|bar| !bar.is_null()) {
        text(bar, "status_value", MISSING)?;
    }
    let body = oa.get("body").filter(|body| body.is_object());
    let body = body.ok_or_else(|| Refusal::new(MISSING, "body is missing"))?;
    at_most(&shown(body, "title").unwrap_or_default(), 50)?;
    for fact in list(body, "form", MISSING)? {
        text(fact, "key", MISSING)?;
        text(fact, "value", MISSING)?;
    }
    Ok(())
}

fn check_card(card: &Value) -> Result<(), Refusal> {
    text(card, "markdown", MISSING)?;
    text(card, "title", MISSING)?;
    if card.get("single_title").is_some() || card.get("single_url").is_some() {
        at_most(text(card, "single_title", MISSING)?, 20)?;
        let url = text(card, "single_url", MISSING)?;
        check_url(url)?;
        return at_most(url, 500);
    }
    let orientation = card.get("btn_orientation").and_then(Value::as_str).unwrap_or_default();
    if !matches!(orientation, "0" | "1") {
        return Err(Refusal::new(MISSING, "btn_orientation must be \"0\" or \"1\""));
    }
    let buttons = list(card, "btn_json_list", MISSING)?;
    if buttons.is_empty() {
        return Err(Refusal::new(MISSING, "single_title or btn_json_list is missing"));
    }
    at_most(&Value::from(buttons).to_string(), 1_000)?;
    for button in buttons {
        at_most(text(button, "title", MISSING)?, 20)?;
        let url = text(button, "action_url", MISSING)?;
        check_url(url)?;
        at_most(url, 700)?;
    }
    Ok(())
}

fn at_most(text: &str, characters: usize) -> Result<(), Refusal> {
    let fits = text.chars().count() <= characters;
    if fits { Ok(()) } else { Err(Refusal::new(LONG, format!("超过{characters}个字符"))) }
}

fn check_url(url: &str) -> Result<(), Refusal> {
    let schemes = ["http://", "https://", "dingtalk://", "eapp://"];
    let known = schemes.iter().any(|scheme| url.starts_with(scheme));
    if known { Ok(()) } else { Err(Refusal::new(MISSING, "不合法的URL")) }
}
