//! From a content to Slack's messages.

use mc_content::dialect;
use mc_content::split::{split, split_mrkdwn};
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
/// Characters kept free in a message and in its first section for the message's number, and for what lists add to theirs.
const ROOM: usize = 40;
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
    if !context.to.is_empty() {
        let detail = format!(
            "Slack's people have ids of their own, which no address of ours is; {} in `to` not mentioned",
            context.to.len()
        );
        warnings.push(Warning::new("mention_dropped", detail));
    }
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    if plain.trim().is_empty() {
        return Err(RenderError::new(
            "empty",
            "the content has neither title nor body; Slack refuses empty messages",
        ));
    }
    let only_text = content.facts.is_empty() && content.buttons.is_empty() && content.image.is_none();
    let payloads: Vec<Value> = if content.body.format == Format::Text && only_text {
        let texts = split(&escaped(&plain), TEXT_LIMIT, SizeUnit::Characters)
            .map_err(|used| too_large(used, TEXT_LIMIT))?;
        // Without marks a text is shown as it is.
        texts.into_iter().map(|text| json!({"text": text, "mrkdwn": false})).collect()
    } else {
        if content.body.format == Format::Html {
            warnings.extend(robot::html_as_text(content, "Slack shows"));
        }
        in_blocks(content, &plain, &mut warnings)?
    };
    warnings.extend(robot::split_warning(payloads.len()));
    warnings.extend(robot::left_out(content, context));
    warnings.extend(robot::colourless(content));
    let mut parts = Vec::with_capacity(payloads.len());
    let (mut used, mut allowed) = (0_usize, TEXT_LIMIT);
    for mut payload in payloads {
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        let (size, limit) = measure(&payload)?;
        (used, allowed) = (used.max(size), limit);
        parts.push(Part::new(payload));
    }
    Ok(Rendered { parts, text: plain, warnings, size: Size { used, allowed, unit: SizeUnit::Characters } })
}

/// The title as a header, the body in sections, facts as fields, the picture, the buttons.
fn in_blocks(content: &Content, plain: &str, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let title = content.title.trim();
    let as_header = !title.is_empty() && title.chars().count() <= HEADER_LIMIT && !title.contains('\n');
    let fits = content.facts.iter().all(|fact| fact.label.len() + fact.value.len() < FACT_LIMIT / 6);
    let mut notes = Vec::new();
    let facts = if fits { facts(content, &mut notes) } else { Vec::new() };
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
    // What the body's text is warned of is said once.
    notes.dedup_by(|one, other| one.code == other.code);
    notes.retain(|note: &Warning| warnings.iter().all(|known| known.code != note.code));
    warnings.append(&mut notes);
    let sections = sections(&source)?;
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
        let alt = if as_header { title } else { "picture" };
        blocks.push(json!({"type": "image", "image_url": url, "alt_text": alt}));
    }
    let buttons = links.iter().enumerate().map(|(at, button)| {
        json!({"type": "button", "action_id": format!("link-{at}"), "url": button.url,
            "text": {"type": "plain_text", "text": button.text, "emoji": false}})
    });
    let rows = grouped(buttons, BUTTONS);
    blocks.extend(rows.into_iter().map(|elements| json!({"type": "actions", "elements": elements})));
    // One block is kept free for a number that no section can carry.
    let mut messages = numbered(grouped(blocks, BLOCKS - 1));
    if messages.is_empty() {
        // What no block shows is told by the line of the notification.
        messages.push(Vec::new());
    }
    Ok(messages.into_iter().map(|blocks| json!({"text": notification, "blocks": blocks})).collect())
}

/// A text in sections of one message or of several. Messages are numbered, and not what they are made of.
fn sections(source: &str) -> Result<Vec<String>, RenderError> {
    if source.trim().is_empty() {
        return Ok(Vec::new());
    }
    let allowed = SECTION_LIMIT - ROOM;
    let pieces =
        split_mrkdwn(source, allowed, SizeUnit::Characters).map_err(|used| too_large(used, allowed))?;
    if pieces.len() == 1 {
        return Ok(pieces);
    }
    // Each piece has its number in a paragraph of its own.
    let unnumbered = |piece: &String| {
        piece.split_once('\n').map_or("", |(_, text)| text.trim_start_matches('\n')).to_owned()
    };
    Ok(pieces.iter().map(unnumbered).collect())
}

/// Numbers the messages of one content, if there are several. The number stands below a header, in the section that
/// follows or in one of its own.
fn numbered(mut messages: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let count = messages.len();
    if count < 2 {
        return messages;
    }
    for (at, blocks) in messages.iter_mut().enumerate() {
        let number = format!("({}/{count})", at + 1);
        let place = blocks.iter().take_while(|block| block["type"] == "header").count();
        let text = blocks.get(place).and_then(|block| block["text"]["text"].as_str());
        match text.map(|text| format!("{number}\n{text}")) {
            Some(text) => blocks[place]["text"]["text"] = text.into(),
            None => blocks.insert(place, json!({"type": "section", "text": mrkdwn(&number)})),
        }
    }
    messages
}

/// Puts items into groups in their order, as many into each as it may have of items and of characters.
fn grouped(items: impl IntoIterator<Item = Value>, most: usize) -> Vec<Vec<Value>> {
    let mut groups: Vec<Vec<Value>> = Vec::new();
    let mut used = 0;
    for item in items {
        let size = characters(&item);
        match groups.last_mut() {
            Some(group) if group.len() < most && used + size <= TOTAL - ROOM => {
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

fn facts(content: &Content, warnings: &mut Vec<Warning>) -> Vec<Value> {
    let fields: Vec<Value> = content
        .facts
        .iter()
        .map(|fact| {
            let one = Content { facts: vec![fact.clone()], ..Content::new("", Format::Markdown, "") };
            mrkdwn(&dialect::slack(&dialect::markdown_of(&one), warnings))
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

fn too_large(used: usize, allowed: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} characters; Slack takes {allowed} there in one message"))
}

/// How much of its limit a message takes: of that of all blocks together, or of that of a text. An override may have made
/// it longer than Slack takes.
fn measure(payload: &Value) -> Result<(usize, usize), RenderError> {
    let within = |used: usize, allowed: usize| {
        if used > allowed { Err(too_large(used, allowed)) } else { Ok((used, allowed)) }
    };
    let count = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
    let text = within(count(&payload["text"]), TEXT_LIMIT)?;
    let Some(blocks) = payload["blocks"].as_array().filter(|blocks| !blocks.is_empty()) else {
        return Ok(text);
    };
    for block in blocks {
        within(count(&block["text"]["text"]), SECTION_LIMIT)?;
    }
    within(blocks.iter().map(characters).sum(), TOTAL)
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact, Recipient};

    use super::*;
    use crate::testing;

    fn rendered(content: &Content, overrides: Option<&Value>) -> Result<Rendered, RenderError> {
        render(content, &testing::context(&[], &[], overrides))
    }

    fn codes(rendered: &Rendered) -> Vec<&str> {
        rendered.warnings.iter().map(|warning| &*warning.code).collect()
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
            assert!(size <= TOTAL, "{size}");
            for block in blocks {
                for (at, name) in ["fields", "elements"].into_iter().enumerate() {
                    shown[at] += block[name].as_array().map_or(0, Vec::len);
                }
            }
        }
        assert_eq!(shown, [100, 30], "nothing is left out");
    }

    /// What the headers and sections of each message say.
    fn sections_of(rendered: &Rendered) -> Vec<Vec<&str>> {
        fn of(part: &Part) -> Vec<&str> {
            let blocks = part.payload["blocks"].as_array().unwrap();
            blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect()
        }
        rendered.parts.iter().map(of).collect()
    }

    #[test]
    fn messages_are_numbered_and_sections_are_not() {
        let lines = |count: usize| "0123456789 012345678\n\n".repeat(count);
        let one = rendered(&Content::new("Log", Format::Markdown, lines(250)), None).unwrap();
        let messages = sections_of(&one);
        assert_eq!((messages.len(), messages[0].len()), (1, 3), "a header and two sections");
        assert!(messages[0][1].starts_with("0123456789") && !messages[0].concat().contains("(1/2)"));
        assert!(one.size.used > 5_000 && one.size.allowed == TOTAL && codes(&one).is_empty());

        let two = rendered(&Content::new("Log", Format::Markdown, lines(640)), None).unwrap();
        let messages = sections_of(&two);
        assert_eq!((messages.len(), codes(&two)), (2, vec!["split"]));
        assert!(messages[0][0] == "Log" && messages[0][1].starts_with("(1/2)\n0123456789"));
        assert!(messages[1][0].starts_with("(2/2)\n0123456789"));
        let numbers = messages.concat().iter().filter(|section| section.starts_with('(')).count();
        assert_eq!(numbers, 2);
        assert!(two.size.used <= TOTAL);
    }

    #[test]
    fn bold_text_stays_bold_in_every_section() {
        let body = format!("**{}end**", "word ".repeat(1_500));
        let one = rendered(&Content::new("Log", Format::Markdown, body), None).unwrap();
        let sections = &sections_of(&one)[0][1..];
        assert!(sections.len() > 2, "{}", sections.len());
        for section in sections {
            assert!(section.starts_with("*word") && section.ends_with("d*"), "{section}");
            assert_eq!(section.matches('*').count(), 2, "{section}");
        }
    }

    #[test]
    fn a_message_without_a_text_has_its_number_in_a_section() {
        let address = |at: usize| format!("https://x.example/{at}/{}", "a".repeat(2_900));
        let buttons = (0..9).map(|at| Button { url: address(at), ..button("Open") }).collect();
        let content = Content { buttons, ..Content::new("Log", Format::Markdown, "done") };
        let rendered = rendered(&content, None).unwrap();
        assert_eq!(sections_of(&rendered), [vec!["Log", "(1/3)\ndone"], vec!["(2/3)"], vec!["(3/3)"]]);
    }

    #[test]
    fn what_opens_nothing_and_who_is_not_mentioned_is_told() {
        let content = Content {
            url: Some("not a url".into()),
            image: Some("foo".into()),
            buttons: vec![Button { url: "ftp://x.example".into(), ..button("Log") }],
            ..Content::new("Deploy", Format::Markdown, "done")
        };
        let to = [Recipient::default(), Recipient::default()];
        let rendered = render(&content, &testing::context(&to, &[], None)).unwrap();
        assert_eq!(codes(&rendered), ["mention_dropped", "link_dropped", "image_dropped", "link_dropped"]);
        assert!(rendered.warnings[0].detail.contains("2 in `to`"));
        assert_eq!(sections_of(&rendered), [vec!["Deploy", "done\n\nLog"]]);
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
