//! From a content to DingTalk's messages.

use mc_content::dialect;
use mc_core::model::{AddressKind, Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Warning};
use serde_json::{Value, json};

use crate::dingtalk::{buttons, title};
use crate::overrides;
use crate::robot::{self, Mentions, Place, json_size};

/// Bytes of the whole JSON. Not in the official pages, but refused with 460101 in practice.
const BODY_LIMIT: usize = 20_000;
/// Kept free for `msgUuid`, which is put in when sending.
const UUID_ROOM: usize = 160;
const ALLOWED: usize = BODY_LIMIT - UUID_ROOM;
/// People that one message may mention.
const MENTION_LIMIT: usize = 50;
/// Characters of a button's label of which two fit into one line.
const SHORT_LABEL: usize = 8;

/// Whom a message goes to is the channel's and the caller's `to`, not an override's; `msgUuid` is the push's.
const PROTECTED: [&str; 2] = ["at", "msgUuid"];

pub(super) fn render(content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let at = At::of(context, &mut warnings);
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    if plain.trim().is_empty() {
        return Err(RenderError::new(
            "empty",
            "the content has neither title nor body; nothing would be shown",
        ));
    }
    let title = title(content, &plain);
    let as_text = |text: &str| json!({"msgtype": "text", "text": {"content": text}});
    let payloads = match content.body.format {
        Format::Text | Format::Html => {
            if content.body.format == Format::Html {
                warnings.extend(robot::html_as_text(content, "robots show"));
            }
            warnings.extend(robot::dead_buttons(content));
            in_parts(&plain, &at, |text, _| as_text(text))?
        }
        Format::Markdown => {
            let buttons = buttons(content, &mut warnings);
            let source = if buttons.is_empty() {
                robot::titled_markdown(content)
            } else {
                let without = Content { buttons: Vec::new(), url: None, ..content.clone() };
                robot::titled_markdown(&without)
            };
            let source = dialect::dingtalk(&source, &mut warnings);
            in_parts(&source, &at, |text, place| {
                if place.last && !buttons.is_empty() {
                    json!({"msgtype": "actionCard", "actionCard": action_card(&title, text, &buttons)})
                } else {
                    json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}})
                }
            })?
        }
    };
    let split = payloads.len();
    let mut parts: Vec<Part> = Vec::with_capacity(split);
    let mut used = 0;
    for mut payload in payloads {
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        let size = json_size(&payload);
        if size > ALLOWED {
            return Err(too_large(size));
        }
        used = used.max(size);
        parts.push(Part::new(payload));
    }
    // An override that says everything anew (a `link`, a `feedCard`) is one message, however long the content was.
    parts.dedup();
    warnings.extend(robot::split_warning(parts.len()));
    warnings.extend(robot::left_out(content, context));
    warnings.extend(robot::colourless(content));
    Ok(Rendered { parts, text: plain, warnings, size: robot::size(used, ALLOWED) })
}

fn too_large(used: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes as JSON; DingTalk takes {ALLOWED} in one message"))
}

/// One button is the card's own and its whole surface; several stand in a list, two short ones beside each other.
fn action_card(title: &str, text: &str, buttons: &[(String, String)]) -> Value {
    if let [(label, url)] = buttons {
        return json!({"title": title, "text": text, "singleTitle": label, "singleURL": url});
    }
    let is_short = |(label, _): &(String, String)| label.chars().count() <= SHORT_LABEL;
    let beside = buttons.len() == 2 && buttons.iter().all(is_short);
    let list: Vec<Value> =
        buttons.iter().map(|(label, url)| json!({"title": label, "actionURL": url})).collect();
    json!({"title": title, "text": text, "btnOrientation": if beside { "1" } else { "0" }, "btns": list})
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
        let given = mentions.ids.len();
        mentions.ids.retain(|id| id != "@all");
        let all = mentions.ids.len() < given;
        // A department is for apps; a robot cannot mention it.
        let given = mentions.ids.len();
        mentions.ids.retain(|id| !id.starts_with("dept:"));
        if mentions.ids.len() < given {
            let detail = "a robot mentions people; departments are not mentioned";
            warnings.push(Warning::new("mention_dropped", detail));
        }
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
        if mentions.is_empty() && !all {
            return Self { block: Value::Null, line: String::new() };
        }
        let everybody = all.then(|| "@all".to_owned());
        let named = mentions.ids.iter().chain(&mentions.mobiles).map(|name| format!("@{name}"));
        let names: Vec<String> = everybody.into_iter().chain(named).collect();
        let block = json!({"atUserIds": mentions.ids, "atMobiles": mentions.mobiles, "isAtAll": all});
        Self { block, line: format!("\n\n{}", names.join(" ")) }
    }
}

/// Splits a text so that each payload fits; the first part mentions people.
fn in_parts(text: &str, at: &At, payload: impl Fn(&str, Place) -> Value) -> Result<Vec<Value>, RenderError> {
    let mentions = !at.block.is_null();
    robot::in_parts(text, ALLOWED, |text, place| {
        if !(mentions && place.first) {
            return payload(text, place);
        }
        let mut payload = payload(&format!("{text}{}", at.line), place);
        payload["at"] = at.block.clone();
        payload
    })
    .map_err(too_large)
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Addresses, Button, Recipient};

    use super::*;
    use crate::testing;

    fn rendered(content: &Content, to: &[Recipient], patch: Option<&Value>) -> Result<Rendered, RenderError> {
        render(content, &testing::context(to, &[], patch))
    }

    fn person(mobile: &str) -> Recipient {
        let addresses = Addresses { mobile: Some(mobile.into()), ..Addresses::default() };
        Recipient { addresses, ..Recipient::default() }
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
    fn everybody_is_mentioned_as_such_and_a_department_is_not() {
        let one = |id: &str| {
            let addresses = Addresses { dingtalk: Some(id.into()), ..Addresses::default() };
            Recipient { addresses, ..Recipient::default() }
        };
        let content = Content::new("", Format::Text, "down");
        let of = |to: &[&str]| {
            let to: Vec<Recipient> = to.iter().map(|id| one(id)).collect();
            let rendered = rendered(&content, &to, None).unwrap();
            let codes: Vec<String> =
                rendered.warnings.iter().map(|warning| warning.code.to_string()).collect();
            (rendered.parts[0].payload.clone(), codes)
        };
        let (payload, warnings) = of(&["@all", "manager4220"]);
        let at = json!({"atUserIds": ["manager4220"], "atMobiles": [], "isAtAll": true});
        assert_eq!((&payload["at"], &payload["text"]["content"]), (&at, &json!("down\n\n@all @manager4220")));
        assert!(warnings.is_empty(), "{warnings:?}");
        let (payload, warnings) = of(&["dept:1"]);
        assert_eq!(payload, json!({"msgtype": "text", "text": {"content": "down"}}));
        assert_eq!(warnings, ["mention_dropped"]);
    }

    #[test]
    fn buttons_make_a_card() {
        let mut content = Content::new("Deploy", Format::Markdown, "done");
        content.buttons = vec![Button::link("Log", "https://ci.example.com/1")];
        content.url = Some("https://ci.example.com/2".into());
        let rendered = rendered(&content, &[], None).unwrap();
        let card = &rendered.parts[0].payload["actionCard"];
        assert_eq!(card["btns"][0], json!({"title": "Log", "actionURL": "https://ci.example.com/1"}));
        assert_eq!(card["btns"][1]["actionURL"], "https://ci.example.com/2");
        assert_eq!(card["btnOrientation"], "1", "two short labels stand beside each other");
        content.buttons[0].text = "The whole log of it".into();
        let payload = &self::rendered(&content, &[], None).unwrap().parts[0].payload;
        assert_eq!(payload["actionCard"]["btnOrientation"], "0");

        content.buttons.clear();
        let payload = &self::rendered(&content, &[person("13800000000")], None).unwrap().parts[0].payload;
        let card = json!({"title": "Deploy", "text": "## Deploy\n\ndone\n\n@13800000000",
            "singleTitle": "查看详情", "singleURL": "https://ci.example.com/2"});
        assert_eq!(payload["actionCard"], card);
        assert_eq!(payload["at"]["atMobiles"], json!(["13800000000"]), "a card can mention people");

        content.url_label = Some("See it".into());
        let payload = &self::rendered(&content, &[], None).unwrap().parts[0].payload;
        assert_eq!(payload["actionCard"]["singleTitle"], "See it");
    }

    #[test]
    fn a_button_that_opens_nothing_is_left_away_and_told() {
        let mut content = Content::new("Deploy", Format::Markdown, "done");
        content.buttons = vec![Button::link("Log", "javascript:alert(1)")];
        let rendered = rendered(&content, &[], None).unwrap();
        assert_eq!(rendered.parts[0].payload["msgtype"], "markdown");
        assert_eq!(rendered.warnings[0].code, "button_dropped");
        let text = Content { body: Content::new("", Format::Text, "done").body, ..content };
        assert_eq!(self::rendered(&text, &[], None).unwrap().warnings[0].code, "link_dropped");
    }

    #[test]
    fn a_link_and_a_picture_that_open_nothing_leave_no_line_behind() {
        let mut content = Content::new("Deploy", Format::Markdown, "done");
        (content.url, content.image) = (Some("/relative".into()), Some("foo".into()));
        let rendered = rendered(&content, &[], None).unwrap();
        assert_eq!(rendered.parts[0].payload["markdown"]["text"], "## Deploy\n\ndone");
        let codes: Vec<&str> = rendered.warnings.iter().map(|warning| &*warning.code).collect();
        assert_eq!(codes, ["link_dropped", "image_dropped"]);
    }

    #[test]
    fn links_and_feeds_are_overrides_and_one_message_however_long_the_content() {
        let content = Content::new("long", Format::Text, "一行字。\n".repeat(9000));
        let entry = json!({"title": "t", "messageURL": "https://x.example", "picURL": "https://x.example/p"});
        for (msgtype, body) in [
            ("link", json!({"title": "t", "text": "x", "messageUrl": "https://x.example"})),
            ("feedCard", json!({"links": [entry]})),
        ] {
            let patch = json!({"msgtype": msgtype, "text": null, msgtype: body});
            let rendered = rendered(&content, &[], Some(&patch)).unwrap();
            assert_eq!(rendered.parts.len(), 1);
            assert_eq!(rendered.parts[0].payload, json!({"msgtype": msgtype, msgtype: body}));
            assert!(rendered.warnings.is_empty(), "{:?}", rendered.warnings);
        }
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
