//! What a message of an app must look like.

use serde_json::Value;

use crate::answer::Refusal;
use crate::request::{list, text};
use crate::wecom::rules::check_url;

const TEXT_BYTES: usize = 2048;
const ARTICLES: usize = 8;
const TITLE_BYTES: usize = 128;
const HTML_BYTES: usize = 666 << 10;
const AUTHOR_BYTES: usize = 64;
const PAGE_BYTES: usize = 1024;

/// Checks a message of a type; `media` judges an id by the type it was uploaded as. Cards are checked elsewhere.
pub(super) fn check(
    msgtype: &str,
    part: &Value,
    message: &Value,
    media: impl Fn(&str, &str) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    check_safe(msgtype, message)?;
    match msgtype {
        // The page says that a longer text is cut, the table of codes that it is refused, and of Markdown neither
        // says anything. Refusing is stricter.
        "text" | "markdown" => {
            let content = text(part, "content", 44004)?;
            if content.len() > TEXT_BYTES {
                return Err(Refusal::new(
                    45002,
                    format!("content size out of limit, max {TEXT_BYTES} bytes"),
                ));
            }
            Ok(())
        }
        "textcard" => check_textcard(part),
        "news" => check_articles(part, |article| {
            text(article, "title", 41016)?;
            if article.get("appid").is_some_and(|appid| appid != "") {
                text(article, "pagepath", 40058)?;
            } else {
                check_url(text(article, "url", 41010)?)?;
            }
            if article.get("picurl").is_some_and(|picurl| picurl != "") {
                check_url(text(article, "picurl", 40058)?)?;
            }
            Ok(())
        }),
        "mpnews" => check_articles(part, |article| {
            sized(text(article, "title", 41016)?, TITLE_BYTES, 45002)?;
            media(text(article, "thumb_media_id", 41006)?, "image")?;
            sized(text(article, "content", 44004)?, HTML_BYTES, 45002)?;
            let author = article.get("author").and_then(Value::as_str).unwrap_or_default();
            sized(author, AUTHOR_BYTES, 45032)
        }),
        "image" | "voice" | "file" | "video" => media(text(part, "media_id", 41006)?, msgtype),
        "miniprogram_notice" => check_notice(part, message),
        "template_card" => Ok(()),
        _ => Err(Refusal::new(40008, "invalid message type")),
    }
}

fn check_safe(msgtype: &str, message: &Value) -> Result<(), Refusal> {
    let safe = match message.get("safe") {
        None | Some(Value::Null) => 0,
        Some(safe) => safe.as_u64().ok_or_else(|| Refusal::wrong_type(40058, "safe"))?,
    };
    match (safe, msgtype) {
        (0, _)
        | (1, "text" | "textcard" | "mpnews" | "image" | "voice" | "file" | "video")
        | (2, "mpnews") => Ok(()),
        (1 | 2, "news") => Err(Refusal::new(40074, "safe is not supported by news")),
        _ => Err(Refusal::new(40058, "safe is not supported by this message")),
    }
}

fn check_textcard(part: &Value) -> Result<(), Refusal> {
    // A long title or description is cut by the client, not refused.
    text(part, "title", 41016)?;
    text(part, "description", 41033)?;
    check_url(text(part, "url", 41010)?)?;
    let button = part.get("btntxt").and_then(Value::as_str).unwrap_or_default();
    if button.chars().count() > 4 {
        return Err(Refusal::new(40058, "btntxt is at most 4 characters"));
    }
    Ok(())
}

fn check_articles(part: &Value, one: impl Fn(&Value) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let articles = list(part, "articles", 40063)?;
    if articles.is_empty() {
        return Err(Refusal::new(40063, "articles are missing or empty"));
    }
    if articles.len() > ARTICLES {
        return Err(Refusal::new(45008, "article size out of limit, max 8"));
    }
    articles.iter().try_for_each(one)
}

/// The codes 90200 to 90208 are named as a group; the first stands for all.
fn check_notice(part: &Value, message: &Value) -> Result<(), Refusal> {
    if message.get("touser").and_then(Value::as_str) == Some("@all") {
        return Err(Refusal::new(90200, "miniprogram_notice does not take @all"));
    }
    text(part, "appid", 90200)?;
    let title = text(part, "title", 90200)?.chars().count();
    let page = part.get("page").and_then(Value::as_str).unwrap_or_default();
    let items = list(part, "content_item", 90200)?;
    let fits = |item: &Value| {
        let short =
            |name, most| item.get(name).and_then(Value::as_str).is_some_and(|t| t.chars().count() <= most);
        short("key", 10) && short("value", 30)
    };
    if (4..=12).contains(&title) && page.len() <= PAGE_BYTES && items.len() <= 10 && items.iter().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(90200, "invalid miniprogram_notice"))
}

fn sized(text: &str, most: usize, errcode: i64) -> Result<(), Refusal> {
    if text.len() > most {
        Err(Refusal::new(errcode, format!("size out of limit, max {most} bytes")))
    } else {
        Ok(())
    }
}
