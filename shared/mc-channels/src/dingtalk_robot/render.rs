//! From a content to DingTalk's messages.

use mc_content::{dialect, split::split};
use mc_core::model::{AddressKind, Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, SizeUnit, Warning};
use serde_json::{Value, json};

use crate::overrides;
use crate::robot::{self, Mentions};

/// Bytes of the whole JSON. Not in the official pages, but refused with 460101 in practice.
const BODY_LIMIT: usize = 20_000;
/// Kept free for `msgUuid`, which is put in when sending.
const UUID_ROOM: usize = 160;
const ALLOWED: usize = BODY_LIMIT - UUID_ROOM;
/// People that one message may mention.
const MENTION_LIMIT: usize = 50;
/// What a conversation list shows of a title.
const TITLE_CHARACTERS: usize = 64;

/// Whom a message goes to is the channel's and the caller's `to`, not an override's; `msgUuid` is the push's.
const PROTECTED: [&str; 2] = ["at", "msgUuid"];

pub(super) fn render(content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let at = At::of(context, &mut warnings);
    let plain = robot::plain(content);
    if plain.trim().is_empty() {
        return Err(RenderError::new(
            "empty",
            "the content has neither title nor body; nothing would be shown",
        ));
    }
    let title = title(content, &plain);
    let payloads = match content.body.format {
        Format::Text => {
            in_parts(&plain, &at, |text, _| json!({"msgtype": "text", "text": {"content": text}}))?
        }
        Format::Html => {
            warnings.push(robot::html_warning());
            in_parts(&plain, &at, |text, _| json!({"msgtype": "text", "text": {"content": text}}))?
        }
        Format::Markdown => {
            let buttons = buttons(content);
            let source = if buttons.is_empty() {
                robot::titled_markdown(content)
            } else {
                let without = Content { buttons: Vec::new(), url: None, ..content.clone() };
                robot::titled_markdown(&without)
            };
            let source = dialect::dingtalk(&source, &mut warnings);
            in_parts(&source, &at, |text, last| {
                if last && !buttons.is_empty() {
                    json!({"msgtype": "actionCard", "actionCard":
                        {"title": title, "text": text, "btnOrientation": "0", "btns": buttons}})
                } else {
                    json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
                }
            })?
        }
    };
    warnings.extend(robot::split_warning(payloads.len()));
    let mut parts = Vec::with_capacity(payloads.len());
    let mut used = 0;
    for mut payload in payloads {
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        let size = json_size(&payload);
        if size > ALLOWED {
            return Err(too_large(size));
        }
        used = used.max(size);
        parts.push(Part { payload });
    }
    Ok(Rendered { parts, text: plain, warnings, size: robot::size(used, ALLOWED) })
}

fn too_large(used: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes as JSON; DingTalk takes {ALLOWED} in one message"))
}

fn json_size(payload: &Value) -> usize {
    payload.to_string().len()
}

/// The title that the conversation list and the notification show; DingTalk shows nothing without one.
fn title(content: &Content, plain: &str) -> String {
    let line = if content.title.trim().is_empty() {
        plain.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
    } else {
        &content.title
    };
    line.trim().chars().filter(|c| !c.is_control()).take(TITLE_CHARACTERS).collect()
}

fn buttons(content: &Content) -> Vec<Value> {
    let mut buttons: Vec<Value> =
        content.buttons.iter().map(|button| json!({"title": button.text, "actionURL": button.url})).collect();
    if let Some(url) = &content.url
        && !content.buttons.iter().any(|button| button.url == *url)
    {
        buttons.push(json!({"title": "查看详情", "actionURL": url}));
    }
    buttons
}

/// The people to mention: a block beside the message, and their names inside the text, without which the block has
/// no effect.
struct At {
    block: Value,
    line: String,
}

impl At {
    fn of(context: &RenderContext<'_>, warnings: &mut Vec<Warning>) -> Self {
        let mut mentions = Mentions::of(context.to, AddressKind::Dingtalk);
        let count = mentions.ids.len() + mentions.mobiles.len();
        if count > MENTION_LIMIT {
            warnings.push(Warning::new(
                "mention_dropped",
                format!(
                    "DingTalk mentions at most {MENTION_LIMIT} people; {} are not",
                    count - MENTION_LIMIT
                ),
            ));
            mentions.ids.truncate(MENTION_LIMIT);
            mentions.mobiles.truncate(MENTION_LIMIT - mentions.ids.len());
        }
        if mentions.is_empty() {
            return Self { block: Value::Null, line: String::new() };
        }
        let names: Vec<String> =
            mentions.ids.iter().chain(&mentions.mobiles).map(|name| format!("@{name}")).collect();
        let block = json!({"atUserIds": mentions.ids, "atMobiles": mentions.mobiles, "isAtAll": false});
        Self { block, line: format!("\n\n{}", names.join(" ")) }
    }
}

/// Splits a text so that each payload's JSON fits; the first part mentions people.
fn in_parts(text: &str, at: &At, payload: impl Fn(&str, bool) -> Value) -> Result<Vec<Value>, RenderError> {
    let overhead = json_size(&payload("", true)).max(json_size(&payload("", false)))
        + at.line.len()
        + json_size(&at.block)
        + "\"at\":,".len();
    let mut room =
        ALLOWED.checked_sub(overhead).filter(|room| *room > 0).ok_or_else(|| too_large(overhead))?;
    // JSON's escapes make a text longer than it is, so the room shrinks until all parts fit.
    loop {
        let texts = split(text, room, SizeUnit::Bytes).map_err(too_large)?;
        let count = texts.len();
        let mut payloads = Vec::with_capacity(count);
        for (index, mut text) in texts.into_iter().enumerate() {
            let mentions = index == 0 && !at.block.is_null();
            if mentions {
                text.push_str(&at.line);
            }
            let mut payload = payload(&text, index + 1 == count);
            if mentions {
                payload["at"] = at.block.clone();
            }
            payloads.push(payload);
        }
        let largest = payloads.iter().map(json_size).max().unwrap_or_default();
        if largest <= ALLOWED {
            return Ok(payloads);
        }
        room = (room * ALLOWED / largest).min(room - 1);
        if room < 64 {
            return Err(too_large(largest));
        }
    }
}

#[cfg(test)]
mod tests {
    use mc_core::id::MessageId;
    use mc_core::model::{Addresses, Button, Recipient};
    use serde_json::Map;

    use super::*;

    fn rendered(content: &Content, to: &[Recipient], patch: Option<&Value>) -> Result<Rendered, RenderError> {
        let empty = Map::new();
        let context = RenderContext {
            project: "default",
            message: "msg_01HF7YAT31000000000000001A".parse::<MessageId>().unwrap(),
            delivery: "dlv_1",
            to,
            data: &empty,
            params: &empty,
            overrides: patch,
        };
        render(content, &context)
    }

    fn person(mobile: &str) -> Recipient {
        let addresses = Addresses { mobile: Some(mobile.into()), ..Addresses::default() };
        Recipient { addresses, data: None }
    }

    #[test]
    fn a_mention_stands_in_the_block_and_in_the_text() {
        let content = Content::new("", Format::Markdown, "down");
        let rendered = rendered(&content, &[person("+8613800000000")], None).unwrap();
        let payload = &rendered.parts[0].payload;
        assert_eq!(payload["at"]["atMobiles"], json!(["13800000000"]));
        assert!(payload["markdown"]["text"].as_str().unwrap().contains("@13800000000"));
        assert_eq!(payload["markdown"]["title"], "down", "a title is never empty");
    }

    #[test]
    fn buttons_make_a_card() {
        let mut content = Content::new("Deploy", Format::Markdown, "done");
        content.buttons = vec![Button { text: "Log".into(), url: "https://ci.example.com/1".into() }];
        content.url = Some("https://ci.example.com/2".into());
        let rendered = rendered(&content, &[], None).unwrap();
        let card = &rendered.parts[0].payload["actionCard"];
        assert_eq!(card["btns"][0], json!({"title": "Log", "actionURL": "https://ci.example.com/1"}));
        assert_eq!(card["btns"][1]["actionURL"], "https://ci.example.com/2");
    }

    #[test]
    fn parts_fit_as_json() {
        for unit in ["一行字。\n", "\"quoted\"\n", "\\\\\\\\\n"] {
            let content = Content::new("long", Format::Text, unit.repeat(9000));
            let rendered = rendered(&content, &[person("13800000000")], None).unwrap();
            assert!(rendered.parts.len() > 1);
            for part in &rendered.parts {
                assert!(part.payload.to_string().len() <= ALLOWED);
            }
            assert!(rendered.parts[0].payload.get("at").is_some());
            assert!(rendered.parts[1].payload.get("at").is_none());
        }
    }

    #[test]
    fn overrides_cannot_mention() {
        let content = Content::new("", Format::Text, "hello");
        let all = json!({"at": {"isAtAll": true}});
        assert_eq!(rendered(&content, &[], Some(&all)).unwrap_err().code, "bad_override");
        let long = json!({"text": {"content": "x".repeat(20_000)}});
        assert_eq!(rendered(&content, &[], Some(&long)).unwrap_err().code, "too_large");
    }
}
