//! How much of WeCom's limits a message takes.

use mc_core::ports::{RenderError, Size};
use serde_json::Value;

use super::card::{self, DESCRIPTION_BYTES, TITLE_BYTES};
use crate::robot;

/// Bytes of a `text` and of a `markdown`.
pub(super) const TEXT_BYTES: usize = 2048;

/// How much of its limit a message takes. An override may have made it longer than WeCom takes.
pub(super) fn measure(message: &Value) -> Result<Size, RenderError> {
    let bytes = |value: &Value| value.as_str().map_or(0, str::len);
    let within = |used: usize, allowed: usize| {
        if used > allowed { Err(too_large(used, allowed)) } else { Ok(robot::size(used, allowed)) }
    };
    let both = |card: &Value| {
        within(bytes(&card["title"]), TITLE_BYTES)?;
        within(bytes(&card["description"]), DESCRIPTION_BYTES)
    };
    match message["msgtype"].as_str().unwrap_or_default() {
        kind @ ("text" | "markdown") => within(bytes(&message[kind]["content"]), TEXT_BYTES),
        "textcard" => both(&message["textcard"]),
        "news" => {
            let articles = message["news"]["articles"].as_array().map(Vec::as_slice).unwrap_or_default();
            articles.iter().try_fold(robot::size(0, DESCRIPTION_BYTES), |most, article| {
                let size = both(article)?;
                Ok(if size.used > most.used { size } else { most })
            })
        }
        "template_card" => Ok(card::size(&message["template_card"])),
        // An override may have made it anything else, whose limits are its own.
        _ => Ok(robot::size(0, TEXT_BYTES)),
    }
}

/// The refusal of a message that is longer than WeCom takes.
pub(super) fn too_large(used: usize, allowed: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes; WeCom takes {allowed} in one message"))
}
