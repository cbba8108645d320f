//! From a content to Slack's messages.

use mc_content::dialect;
use mc_content::split::split;
use mc_core::model::{Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Size, SizeUnit, Warning};
use serde_json::{Value, json};

use crate::overrides;
use crate::robot;

/// Characters of a message without blocks. Slack advises so many and cuts at 40,000.
const TEXT_LIMIT: usize = 4_000;
/// Characters of a section.
const SECTION_LIMIT: usize = 3_000;
/// Characters of a header.
const HEADER_LIMIT: usize = 150;
/// Blocks of one message.
const BLOCKS: usize = 50;
/// Characters of all blocks of one message. No page has a number; Slack refuses them near 13,000.
const TOTAL: usize = 12_000;
/// Facts of one section, and characters of one.
const FACTS: usize = 10;
const FACT_LIMIT: usize = 2_000;
/// Buttons of one block, and characters of one and of its address.
const BUTTONS: usize = 25;
const BUTTON_LIMIT: usize = 75;
const ADDRESS_LIMIT: usize = 3_000;
/// Characters of the line in a notification.
const NOTIFICATION: usize = 150;

/// The channel is the channel's own.
const PROTECTED: [&str; 1] = ["channel"];

pub(super) fn render(content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let plain = robot::plain(content);
    if plain.trim().is_empty() {
        return Err(RenderError::new(
            "empty",
            "the content has neither title nor body; Slack refuses empty messages",
        ));
    }
    let only_text = content.facts.is_empty() && content.buttons.is_empty() && content.image.is_none();
    let (payloads, allowed) = if content.body.format == Format::Text && only_text {
        let texts = pieces(&escaped(&plain), TEXT_LIMIT)?;
        // Without marks a text is shown as it is.
        (texts.into_iter().map(|text| json!({"text": text, "mrkdwn": false})).collect(), TEXT_LIMIT)
    } else {
        if content.body.format == Format::Html {
            warnings.extend(robot::html_as_text(content, "Slack shows"));
        }
        (in_blocks(content, &plain, &mut warnings)?, SECTION_LIMIT)
    };
    warnings.extend(robot::split_warning(payloads.len()));
    warnings.extend(robot::left_out(content, context));
    warnings.extend(robot::colourless(content));
    let mut parts = Vec::with_capacity(payloads.len());
    let mut used = 0;
    for mut payload in payloads {
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        used = used.max(longest(&payload));
        parts.push(Part::new(payload));
    }
    let size = Size { used, allowed, unit: SizeUnit::Characters };
    if used > allowed {
        return Err(too_large(used, allowed));
    }
    Ok(Rendered { parts, text: plain, warnings, size })
}

/// The title as a header, the body in sections, facts as fields, the picture, the buttons.
fn in_blocks(content: &Content, plain: &str, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let title = content.title.trim();
    let as_header = !title.is_empty() && title.chars().count() <= HEADER_LIMIT && !title.contains('\n');
    let fits = content.facts.iter().all(|fact| fact.label.len() + fact.value.len() < FACT_LIMIT / 6);
    let facts = if fits { facts(content) } else { Vec::new() };
    // What has a block of its own is not written into the body as well.
    let (links, others): (Vec<_>, Vec<_>) =
        content.buttons.iter().partition(|button| is_button(&button.text, &button.url));
    let picture = content.image.as_deref().and_then(dialect::safe_url).filter(|url| is_page(url));
    let rest = Content {
        title: if as_header { String::new() } else { content.title.clone() },
        facts: if fits { Vec::new() } else { content.facts.clone() },
        buttons: others.into_iter().filter(|button| !button.url.is_empty()).cloned().collect(),
        image: if picture.is_some() { None } else { content.image.clone() },
        url: content.url.clone().filter(|url| links.iter().all(|button| button.url != *url)),
        ..content.clone()
    };
    let source = dialect::slack(&robot::titled_markdown(&rest), warnings);
    let sections = if source.trim().is_empty() { Vec::new() } else { pieces(&source, SECTION_LIMIT)? };
    let notification: String = escaped(plain.lines().find(|line| !line.trim().is_empty()).unwrap_or(plain));
    let notification: String = if notification.chars().count() > NOTIFICATION {
        // Cut in front of a character and never inside of an escape: what follows is all in the blocks.
        escaped(&plain.lines().next().unwrap_or_default().chars().take(NOTIFICATION / 5).collect::<String>())
            + "…"
    } else {
        notification
    };
    let mut blocks = Vec::new();
    if as_header {
        blocks.push(json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}}));
    }
    blocks.extend(sections.iter().map(|section| json!({"type": "section", "text": mrkdwn(section)})));
    blocks.extend(facts);
    if let Some(url) = &picture {
        let alt = if title.is_empty() { "picture" } else { title };
        blocks.push(json!({"type": "image", "image_url": url, "alt_text": alt}));
    }
    let buttons = links.iter().enumerate().map(|(at, button)| {
        json!({"type": "button", "action_id": format!("link-{at}"), "url": button.url,
            "text": {"type": "plain_text", "text": button.text, "emoji": false}})
    });
    let rows = grouped(buttons, BUTTONS);
    blocks.extend(rows.into_iter().map(|elements| json!({"type": "actions", "elements": elements})));
    let mut messages = grouped(blocks, BLOCKS);
    if messages.is_empty() {
        // What no block shows is told by the line of the notification.
        messages.push(Vec::new());
    }
    Ok(messages.into_iter().map(|blocks| json!({"text": notification, "blocks": blocks})).collect())
}

/// Puts items into groups in their order, as many into each as it may have of items and of characters.
fn grouped(items: impl IntoIterator<Item = Value>, most: usize) -> Vec<Vec<Value>> {
    let mut groups: Vec<Vec<Value>> = Vec::new();
    let mut used = 0;
    for item in items {
        let size = characters(&item);
        match groups.last_mut() {
            Some(group) if group.len() < most && used + size <= TOTAL => {
                used += size;
                group.push(item);
            }
            _ => {
                used = size;
                groups.push(vec![item]);
            }
        }
    }
    groups
}

/// Characters of everything that a value says. Whether Slack counts addresses and the names of types is not said, so they
/// count as well.
fn characters(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(characters).sum(),
        Value::Object(members) => members.values().map(characters).sum(),
        _ => 0,
    }
}

/// Addresses in blocks are not made links again, and names no mentions.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

fn facts(content: &Content) -> Vec<Value> {
    let fields: Vec<Value> = content
        .facts
        .iter()
        .map(|fact| {
            let one = Content { facts: vec![fact.clone()], ..Content::new("", Format::Markdown, "") };
            mrkdwn(&dialect::slack(&dialect::markdown_of(&one), &mut Vec::new()))
        })
        .collect();
    let groups = grouped(fields, FACTS);
    groups.into_iter().map(|fields| json!({"type": "section", "fields": fields})).collect()
}

fn is_button(text: &str, url: &str) -> bool {
    let label = text.chars().count();
    (1..=BUTTON_LIMIT).contains(&label) && url.len() <= ADDRESS_LIMIT && is_page(url)
}

fn is_page(url: &str) -> bool {
    url.len() <= ADDRESS_LIMIT && (url.starts_with("https://") || url.starts_with("http://"))
}

/// Slack's three escapes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn pieces(text: &str, allowed: usize) -> Result<Vec<String>, RenderError> {
    split(text, allowed, SizeUnit::Characters).map_err(|used| too_large(used, allowed))
}

fn too_large(used: usize, allowed: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} characters; Slack takes {allowed} in one text"))
}

/// The longest text of a payload: a section's, or the message's own.
fn longest(payload: &Value) -> usize {
    let count = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let sections =
        payload["blocks"].as_array().into_iter().flatten().map(|block| count(&block["text"]["text"]));
    sections.chain([count(&payload["text"])]).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact};

    use super::*;
    use crate::testing;

    fn rendered(content: &Content, overrides: Option<&Value>) -> Result<Rendered, RenderError> {
        render(content, &testing::context(&[], &[], overrides))
    }

    #[test]
    fn a_text_stays_a_text() {
        let content = Content::new("A & B", Format::Text, "<!channel> *bold* 1 < 2");
        let payload = &rendered(&content, None).unwrap().parts[0].payload;
        assert_eq!(*payload, json!({"text": "A &amp; B\n&lt;!channel&gt; *bold* 1 &lt; 2", "mrkdwn": false}));
    }

    #[test]
    fn markdown_becomes_blocks() {
        let content = Content {
            facts: vec![Fact { label: "App".into(), value: "<pay> *".into() }],
            buttons: vec![Button { url: "https://x.example/?a=b&c".into(), ..button("Open & see") }],
            image: Some("https://x.example/a.png".into()),
            ..Content::new(
                "Deploy",
                Format::Markdown,
                "# Deploy\n\n**done** <!here> [log](https://x.example/?a=1&b=2)",
            )
        };
        let payload = &rendered(&content, None).unwrap().parts[0].payload;
        let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text, "verbatim": true});
        let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
        assert_eq!(payload["text"], "Deploy");
        assert_eq!(
            payload["blocks"],
            json!([
                {"type": "header", "text": plain("Deploy")},
                {"type": "section", "text": mrkdwn("*Deploy*\n*done* &lt;!here&gt; <https://x.example/?a=1&amp;b=2|log>")},
                {"type": "section", "fields": [mrkdwn("*App*: &lt;pay&gt; ∗")]},
                {"type": "image", "image_url": "https://x.example/a.png", "alt_text": "Deploy"},
                {"type": "actions", "elements": [{"type": "button", "action_id": "link-0",
                    "url": "https://x.example/?a=b&c", "text": plain("Open & see")}]},
            ])
        );
    }

    fn button(text: &str) -> Button {
        serde_json::from_value(json!({"text": text, "url": "https://x.example"})).unwrap()
    }

    #[test]
    fn long_contents_become_sections_and_then_messages() {
        let body = "一行字 and words.\n\n".repeat(600);
        let some = rendered(&Content::new("长", Format::Markdown, body.clone()), None).unwrap();
        assert_eq!(some.parts.len(), 1);
        assert!(some.parts[0].payload["blocks"].as_array().unwrap().len() > 3);
        let label = "系统".repeat(50);
        let facts = vec![Fact { label, value: "<&>".into() }; 100];
        let buttons =
            vec![Button { url: format!("https://x.example/{}", "a".repeat(2_900)), ..button("Open") }; 30];
        let many = Content { facts, buttons, ..Content::new("长", Format::Markdown, body.repeat(10)) };
        let many = rendered(&many, None).unwrap();
        assert!(many.parts.len() > 8 && many.size.used <= many.size.allowed);
        let mut shown = [0, 0];
        for part in &many.parts {
            let blocks = part.payload["blocks"].as_array().unwrap();
            assert!(blocks.len() <= 50);
            let size = characters(&part.payload["blocks"]);
            assert!(size <= TOTAL + 100, "{size}");
            for block in blocks {
                for (at, name) in ["fields", "elements"].into_iter().enumerate() {
                    shown[at] += block[name].as_array().map_or(0, Vec::len);
                }
            }
        }
        assert_eq!(shown, [100, 30], "nothing is left out");
    }

    #[test]
    fn overrides_change_the_form_but_not_the_channel() {
        let content = Content::new("", Format::Text, "hello");
        let other = json!({"text": "other", "unfurl_links": false});
        let payload = &rendered(&content, Some(&other)).unwrap().parts[0].payload;
        assert_eq!((&payload["text"], &payload["unfurl_links"]), (&json!("other"), &json!(false)));
        assert_eq!(rendered(&content, Some(&json!({"channel": "C1"}))).unwrap_err().code, "bad_override");
        assert_eq!(
            rendered(&content, Some(&json!({"text": "x".repeat(4_001)}))).unwrap_err().code,
            "too_large"
        );
        assert_eq!(rendered(&Content::new(" ", Format::Text, ""), None).unwrap_err().code, "empty");
    }
}
