//! Template cards of apps: all five types. The lists that robots have too are checked by the robots' rules.

use std::collections::HashSet;

use serde_json::Value;

use crate::answer::Refusal;
use crate::request::{list, text};
use crate::wecom::card as common;
use crate::wecom::rules::check_url;

const KEY_BYTES: usize = 1024;
const TASK_BYTES: usize = 128;

/// Checks a card; `true` if it answers to clicks.
pub(super) fn check(card: &Value) -> Result<bool, Refusal> {
    let card_type = text(card, "card_type", 42031)?;
    common::check_horizontal(card)?;
    common::check_jumps(card)?;
    let has_menu = card.get("action_menu").is_some_and(|menu| !menu.is_null());
    match card_type {
        "text_notice" => common::check_headline(card)?,
        "news_notice" => {
            // One of the two pictures must be there.
            if card.get("image_text_area").is_none_or(Value::is_null) {
                common::check_image(card)?;
            }
            common::check_vertical(card)?;
        }
        "button_interaction" => check_buttons(card)?,
        "vote_interaction" => {
            let checkbox = card.get("checkbox").unwrap_or(&Value::Null);
            key(checkbox, "question_key", 42043)?;
            check_options(checkbox, 20)?;
            check_submit(card)?;
        }
        "multiple_interaction" => {
            let lists = list(card, "select_list", 42047)?;
            if !(1..=3).contains(&lists.len()) {
                return Err(Refusal::new(42047, "select_list holds 1 to 3"));
            }
            for select in lists {
                key(select, "question_key", 42043)?;
                check_options(select, 10)?;
            }
            check_submit(card)?;
        }
        _ => return Err(Refusal::new(42031, "invalid card_type")),
    }
    let is_notice = matches!(card_type, "text_notice" | "news_notice");
    let action = card.get("card_action").is_some_and(|action| !action.is_null());
    if is_notice || action {
        common::check_action(card)?;
    }
    if has_menu {
        check_menu(card.get("action_menu").unwrap_or(&Value::Null))?;
    }
    let answers = !is_notice || has_menu;
    if answers {
        check_task(card)?;
    }
    Ok(answers)
}

fn check_task(card: &Value) -> Result<(), Refusal> {
    let task = text(card, "task_id", 42014)?;
    let fits = task.len() <= TASK_BYTES
        && task.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@'));
    if fits { Ok(()) } else { Err(Refusal::new(42014, "invalid task_id")) }
}

fn check_buttons(card: &Value) -> Result<(), Refusal> {
    common::check_headline(card)?;
    let buttons = list(card, "button_list", 42035)?;
    if !(1..=6).contains(&buttons.len()) {
        return Err(Refusal::new(42035, "button_list holds 1 to 6"));
    }
    let mut keys = HashSet::new();
    for button in buttons {
        text(button, "text", 42038)?;
        let style = button.get("style").map_or(Some(1), Value::as_u64);
        if !style.is_some_and(|style| (1..=4).contains(&style)) {
            return Err(Refusal::new(40058, "button style is 1 to 4"));
        }
        match common::kind(button, 42039)? {
            0 if !keys.insert(key(button, "key", 42039)?) => {
                return Err(Refusal::new(42039, "button keys must differ"));
            }
            0 => {}
            1 => check_url(text(button, "url", 42028)?)?,
            _ => return Err(Refusal::new(42039, "button type is 0 or 1")),
        }
    }
    let selection = card.get("button_selection").filter(|selection| !selection.is_null());
    selection.map_or(Ok(()), |selection| {
        key(selection, "question_key", 42043)?;
        check_options(selection, 10)
    })
}

fn check_options(question: &Value, most: usize) -> Result<(), Refusal> {
    let options = list(question, "option_list", 42037)?;
    if options.is_empty() || options.len() > most {
        return Err(Refusal::new(42037, format!("option_list holds 1 to {most}")));
    }
    let mut ids = HashSet::new();
    for option in options {
        text(option, "text", 42041)?;
        if !ids.insert(text(option, "id", 42040)?) {
            return Err(Refusal::new(42040, "option ids must differ"));
        }
    }
    Ok(())
}

fn check_submit(card: &Value) -> Result<(), Refusal> {
    let submit = card.get("submit_button").unwrap_or(&Value::Null);
    key(submit, "key", 42046)?;
    text(submit, "text", 42049).map(drop)
}

fn check_menu(menu: &Value) -> Result<(), Refusal> {
    let actions = list(menu, "action_list", 42051)?;
    if !(1..=3).contains(&actions.len()) {
        return Err(Refusal::new(42036, "action_list holds 1 to 3"));
    }
    let mut keys = HashSet::new();
    for action in actions {
        text(action, "text", 42051)?;
        if !keys.insert(key(action, "key", 42051)?) {
            return Err(Refusal::new(42051, "action keys must differ"));
        }
    }
    Ok(())
}

fn key<'v>(object: &'v Value, name: &str, errcode: i64) -> Result<&'v str, Refusal> {
    let key = text(object, name, errcode)?;
    if key.len() > KEY_BYTES {
        Err(Refusal::new(errcode, format!("{name} is at most 1024 bytes")))
    } else {
        Ok(key)
    }
}
