//! What a robot's message must look like. Names are spelt differently from type to type on purpose: that is
//! how the platform spells them, and a misspelt member is a missing one.

use serde_json::Value;

use crate::answer::Refusal;
use crate::request::{list, text, texts};

const MISSING: i64 = 40035;
const PEOPLE: usize = 50;

/// Checks a whole message.
pub(super) fn check(message: &Value) -> Result<(), Refusal> {
    let msgtype = text(message, "msgtype", MISSING)?;
    let part = message.get(msgtype).unwrap_or(&Value::Null);
    match msgtype {
        "text" => require(part, &["content"])?,
        "link" => require(part, &["title", "text", "messageUrl"])?,
        "markdown" => require(part, &["title", "text"])?,
        "actionCard" => check_action_card(part)?,
        "feedCard" => check_feed(part)?,
        _ => return Err(Refusal::new(400105, "unsupported msgtype")),
    }
    check_at(message)
}

fn require(part: &Value, names: &[&str]) -> Result<(), Refusal> {
    names.iter().try_for_each(|name| text(part, name, MISSING).map(drop))
}

fn check_action_card(part: &Value) -> Result<(), Refusal> {
    require(part, &["title", "text"])?;
    if let Some(orientation) = part.get("btnOrientation") {
        // The pages show the strings "0" and "1"; a number is a mistake the platform may forgive.
        if orientation != "0" && orientation != "1" {
            return Err(Refusal::new(MISSING, "btnOrientation must be \"0\" or \"1\""));
        }
    }
    // With either single member set, the buttons are ignored, so both must be there.
    if part.get("singleTitle").is_some() || part.get("singleURL").is_some() {
        return require(part, &["singleTitle", "singleURL"]);
    }
    let buttons = list(part, "btns", MISSING)?;
    if buttons.is_empty() {
        return Err(Refusal::new(MISSING, "singleTitle or btns is missing"));
    }
    buttons.iter().try_for_each(|button| require(button, &["title", "actionURL"]))
}

fn check_feed(part: &Value) -> Result<(), Refusal> {
    let links = list(part, "links", MISSING)?;
    if links.is_empty() {
        return Err(Refusal::new(MISSING, "links are missing"));
    }
    links.iter().try_for_each(|link| require(link, &["title", "messageURL", "picURL"]))
}

fn check_at(message: &Value) -> Result<(), Refusal> {
    let Some(at) = message.get("at") else { return Ok(()) };
    let people = texts(at, "atMobiles", MISSING)?.len() + texts(at, "atUserIds", MISSING)?.len();
    if at.get("isAtAll").is_some_and(|all| !all.is_boolean()) {
        return Err(Refusal::wrong_type(MISSING, "isAtAll"));
    }
    // The page gives the number and no code; 41029 is the family's "too many receivers".
    if people > PEOPLE {
        return Err(Refusal::new(41029, "too many receivers, max 50"));
    }
    Ok(())
}
