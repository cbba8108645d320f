//! Messages with more than a text: links, forms, cards with buttons.

use mc_content::dialect;
use mc_core::model::{Content, Level};
use serde_json::{Value, json};

use super::render::LIMIT;
use crate::robot::json_size;

/// Characters of a link's title and text.
const LINK_TITLE: usize = 100;
const LINK_TEXT: usize = 500;

/// A form shows a title of so many characters, so many facts, and so many lines of text; more would be cut.
const FORM_TITLE: usize = 50;
const FORM_FACTS: usize = 6;
const FORM_LINES: usize = 3;
const FORM_TEXT: usize = 60;

/// Characters of a button's label, and of its address alone and among others; of all buttons as JSON.
const LABEL: usize = 20;
const SINGLE_URL: usize = 500;
const URL: usize = 700;
const ALL_BUTTONS: usize = 1000;
/// Characters of a label of which two fit into one line.
const SHORT_LABEL: usize = 8;
/// Bytes that a card may take without its text, so that a good part of it has room.
const FRAME: usize = 1400;

/// A text with a link as the form or the link that it asks for; `None` where a plain text says more.
pub(super) fn of_text(content: &Content) -> Option<Value> {
    let url = content.url.as_deref().and_then(dialect::safe_url)?;
    let title = one_line(&content.title);
    if title.is_empty() || content.links().next().is_some() {
        return None;
    }
    let text = dialect::text(&content.body);
    let text = text.trim();
    let message = match (&content.image, content.facts.is_empty()) {
        (Some(image), true) => link(&title, text, &url, &dialect::safe_url(image)?),
        (None, false) => form(content, &title, text, &url),
        _ => None,
    };
    message.filter(|message| json_size(message) <= LIMIT)
}

fn link(title: &str, text: &str, url: &str, image: &str) -> Option<Value> {
    let fits = fits(title, LINK_TITLE) && fits(text, LINK_TEXT) && !text.is_empty();
    let link = json!({"messageUrl": url, "picUrl": image, "title": title, "text": text});
    fits.then(|| json!({"msgtype": "link", "link": link}))
}

fn form(content: &Content, title: &str, text: &str, url: &str) -> Option<Value> {
    let facts = &content.facts;
    let whole = facts.iter().all(|fact| !fact.label.trim().is_empty() && !fact.value.trim().is_empty());
    let short = text.lines().count() <= FORM_LINES && fits(text, FORM_TEXT);
    if !whole || !short || facts.len() > FORM_FACTS || !fits(title, FORM_TITLE) {
        return None;
    }
    let form: Vec<Value> = facts
        .iter()
        .map(|fact| json!({"key": format!("{}: ", fact.label.trim()), "value": fact.value}))
        .collect();
    let mut body = json!({"title": title, "form": form});
    if !text.is_empty() {
        body["content"] = text.into();
    }
    let color = match content.level {
        None | Some(Level::Info) => "FF1677FF",
        Some(Level::Success) => "FF30A46C",
        Some(Level::Warning) => "FFF76B15",
        Some(Level::Danger) => "FFE5484D",
    };
    let head = json!({"bgcolor": color, "text": title});
    Some(json!({"msgtype": "oa", "oa": {"message_url": url, "head": head, "body": body}}))
}

/// A card without its text; `None` if the buttons do not fit into one.
pub(super) fn of_buttons(title: &str, buttons: &[(String, String)]) -> Option<Value> {
    let buttons: Vec<(String, &str)> =
        buttons.iter().map(|(label, url)| (one_line(label), url.as_str())).collect();
    let fitting = |(label, url): &(String, &str)| !label.is_empty() && fits(label, LABEL) && fits(url, URL);
    if !buttons.iter().all(fitting) {
        return None;
    }
    let mut card = json!({"title": title, "markdown": ""});
    match buttons.as_slice() {
        [(label, url)] if fits(url, SINGLE_URL) => {
            card["single_title"] = label.as_str().into();
            card["single_url"] = (*url).into();
        }
        list => {
            let short = |(label, _): &(String, &str)| fits(label, SHORT_LABEL);
            let beside = list.len() == 2 && list.iter().all(short);
            let list: Vec<Value> =
                list.iter().map(|(label, url)| json!({"title": label, "action_url": url})).collect();
            let list = Value::from(list);
            if !fits(&list.to_string(), ALL_BUTTONS) {
                return None;
            }
            card["btn_orientation"] = if beside { "1" } else { "0" }.into();
            card["btn_json_list"] = list;
        }
    }
    let message = json!({"msgtype": "action_card", "action_card": card});
    (json_size(&message) <= FRAME).then_some(message)
}

fn fits(text: &str, characters: usize) -> bool {
    text.chars().count() <= characters
}

fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
