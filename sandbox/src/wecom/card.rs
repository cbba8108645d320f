//! Template cards. A robot takes `text_notice` and `news_notice`.
//!
//! Lengths in 字 are display advice on the page and are not refused; counts and required members are. The
//! codes for list lengths (42035 to 42037) are named as a group without saying which list is which; they are
//! given here in the order of the lists on the page.

use serde_json::Value;

use super::rules::check_url;
use crate::answer::Refusal;
use crate::request::{list, text};

const HORIZONTAL: usize = 6;
const JUMPS: usize = 3;
const VERTICAL: usize = 4;

/// Checks a card.
pub(super) fn check(card: &Value) -> Result<(), Refusal> {
    match text(card, "card_type", 42031)? {
        "text_notice" => check_headline(card)?,
        "news_notice" => check_image(card)?,
        _ => return Err(Refusal::new(42031, "invalid card_type for a robot")),
    }
    check_horizontal(card)?;
    check_jumps(card)?;
    check_vertical(card)?;
    check_action(card)
}

pub(super) fn check_vertical(card: &Value) -> Result<(), Refusal> {
    if list(card, "vertical_content_list", 42037)?.len() > VERTICAL {
        return Err(Refusal::new(42037, "vertical_content_list holds 4 at most"));
    }
    Ok(())
}

pub(super) fn check_headline(card: &Value) -> Result<(), Refusal> {
    let headline = card.get("main_title").unwrap_or(&Value::Null);
    text(headline, "title", 42033).or_else(|refusal| {
        // Either of the two will do; the refusal speaks of the first.
        text(card, "sub_title_text", 42033).map_err(|_| refusal)
    })?;
    Ok(())
}

pub(super) fn check_image(card: &Value) -> Result<(), Refusal> {
    let image = card.get("card_image").unwrap_or(&Value::Null);
    check_url(text(image, "url", 42044)?)?;
    match image.get("aspect_ratio") {
        None | Some(Value::Null) => Ok(()),
        Some(ratio) if ratio.as_f64().is_some_and(|ratio| (1.3..=2.25).contains(&ratio)) => Ok(()),
        Some(_) => Err(Refusal::new(42044, "card_image.aspect_ratio must be 1.3 to 2.25")),
    }
}

pub(super) fn check_horizontal(card: &Value) -> Result<(), Refusal> {
    let rows = list(card, "horizontal_content_list", 42035)?;
    if rows.len() > HORIZONTAL {
        return Err(Refusal::new(42035, "horizontal_content_list holds 6 at most"));
    }
    for row in rows {
        text(row, "keyname", 42027)?;
        match kind(row, 42035)? {
            0 => {}
            1 => check_url(text(row, "url", 42028)?)?,
            2 => drop(text(row, "media_id", 42029)?),
            3 => drop(text(row, "userid", 42050)?),
            _ => return Err(Refusal::new(42035, "horizontal_content_list.type must be 0 to 3")),
        }
    }
    Ok(())
}

pub(super) fn check_jumps(card: &Value) -> Result<(), Refusal> {
    let jumps = list(card, "jump_list", 42042)?;
    if jumps.len() > JUMPS {
        return Err(Refusal::new(42036, "jump_list holds 3 at most"));
    }
    for jump in jumps {
        text(jump, "title", 42033)?;
        match kind(jump, 42042)? {
            0 => {}
            1 => check_url(text(jump, "url", 42028)?)?,
            2 => drop(text(jump, "appid", 42030)?),
            _ => return Err(Refusal::new(42042, "jump_list.type must be 0 to 2")),
        }
    }
    Ok(())
}

pub(super) fn check_action(card: &Value) -> Result<(), Refusal> {
    let missing = || Refusal::new(42045, "card_action is missing or invalid");
    let action = card.get("card_action").ok_or_else(missing)?;
    match kind(action, 42045)? {
        1 => check_url(text(action, "url", 42028)?),
        2 => text(action, "appid", 42030).map(drop),
        _ => Err(missing()),
    }
}

/// The `type` member; absent is 0.
pub(super) fn kind(object: &Value, errcode: i64) -> Result<u64, Refusal> {
    match object.get("type") {
        None | Some(Value::Null) => Ok(0),
        Some(kind) => kind.as_u64().ok_or_else(|| Refusal::wrong_type(errcode, "type")),
    }
}
