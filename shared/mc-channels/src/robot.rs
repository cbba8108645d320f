//! What the robots of all platforms share: plain wording, mentions of people, pools, clean JSON.

use std::borrow::Cow;
use std::io;

use mc_content::dialect;
use mc_content::split::split;
use mc_core::model::{AddressKind, Body, Content, Format, Recipient};
use mc_core::ports::{RenderContext, Size, SizeUnit, Slot, Warning};
use serde_json::Value;

/// Everything a content says, title first, as plain lines.
pub(crate) fn plain(content: &Content) -> String {
    let title = content.title.trim();
    let rest = dialect::email_text(content);
    match (title.is_empty(), rest.is_empty()) {
        (_, true) => title.to_owned(),
        (true, false) => rest,
        (false, false) => format!("{title}\n{rest}"),
    }
}

/// Everything a content says as Markdown source for a dialect, title first as a heading.
pub(crate) fn titled_markdown(content: &Content) -> String {
    let source = dialect::markdown_of(content);
    let title: String = content.title.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let repeated = source
        .lines()
        .next()
        .is_some_and(|line| line.starts_with('#') && line.trim_start_matches('#').trim() == title);
    if title.is_empty() || repeated {
        return source;
    }
    // As a text's Markdown the title's punctuation is kept from being formatting.
    let title = dialect::markdown_of(&Content::new("", Format::Text, title));
    format!("## {title}\n\n{source}")
}

/// The people to mention, by the platform's own id and else by mobile number.
#[derive(Default)]
pub(crate) struct Mentions {
    pub(crate) ids: Vec<String>,
    pub(crate) mobiles: Vec<String>,
}

impl Mentions {
    pub(crate) fn of(to: &[Recipient], own: AddressKind) -> Self {
        let mut mentions = Self::default();
        for recipient in to {
            match recipient.addresses.first_of(&[own, AddressKind::Mobile]) {
                Some((AddressKind::Mobile, mobile)) => push_new(&mut mentions.mobiles, domestic(mobile)),
                Some((_, id)) => push_new(&mut mentions.ids, id.to_owned()),
                None => {}
            }
        }
        mentions
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.mobiles.is_empty()
    }
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// The platforms know mainland numbers without the country's code.
pub(crate) fn domestic(mobile: &str) -> String {
    let digits: String = mobile.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    let bare = digits.strip_prefix("+86").or_else(|| digits.strip_prefix("0086")).unwrap_or(&digits);
    bare.to_owned()
}

/// Takes out what platforms refuse in JSON: all control characters but line feed and tab.
pub(crate) fn clean(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(|c: char| is_bad(c)) => text.retain(|c| !is_bad(c)),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(members) => members.values_mut().for_each(clean),
        _ => {}
    }
}

fn is_bad(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// Whether what follows a `<` makes one of these tags of it.
pub(crate) fn is_tag(text: &str, tags: &[&str]) -> bool {
    let text = text.strip_prefix('/').unwrap_or(text);
    let end = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let ends = text[end..].chars().next().is_none_or(|c| c == '>' || c == '/' || c.is_whitespace());
    ends && tags.iter().any(|tag| tag.eq_ignore_ascii_case(&text[..end]))
}

/// Which robot of a pool pushes. A pool may have shrunk since the slot was reserved.
pub(crate) fn lane(slot: Option<Slot>, robots: usize) -> usize {
    slot.map_or(0, |slot| usize::from(slot.lane) % robots.max(1))
}

/// Where a part stands among those of one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) first: bool,
    pub(crate) last: bool,
}

/// Splits a text so that every payload made of a piece of it is at most `allowed` bytes of JSON; a text that cannot be
/// split that far is an error with the size it has.
pub(crate) fn in_parts(
    text: &str,
    allowed: usize,
    payload: impl Fn(&str, Place) -> Value,
) -> Result<Vec<Value>, usize> {
    let whole = payload(text, Place { first: true, last: true });
    if json_size(&whole) <= allowed {
        return Ok(vec![whole]);
    }
    let frame = |first, last| json_size(&payload("", Place { first, last }));
    let frame = frame(true, true).max(frame(true, false)).max(frame(false, true));
    let mut room = allowed.checked_sub(frame).filter(|room| *room > 0).ok_or(frame)?;
    // JSON's escapes make a text longer than it is, so the room shrinks until all parts fit.
    loop {
        let texts = split(text, room, SizeUnit::Bytes).map_err(|size| size + frame)?;
        let count = texts.len();
        let place = |at| Place { first: at == 0, last: at + 1 == count };
        let payloads: Vec<Value> =
            texts.iter().enumerate().map(|(at, text)| payload(text, place(at))).collect();
        let largest = payloads.iter().map(json_size).max().unwrap_or_default();
        if largest <= allowed {
            return Ok(payloads);
        }
        room = (room * allowed / largest).min(room - 1);
        if room < 64 {
            return Err(largest);
        }
    }
}

/// Bytes of a value as JSON.
pub(crate) fn json_size(value: &Value) -> usize {
    /// Counts what is written, and keeps nothing.
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Neither a value nor the counter has a way to fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// The note that a content became several messages.
pub(crate) fn split_warning(parts: usize) -> Option<Warning> {
    (parts > 1).then(|| Warning::new("split", format!("too long for one message; sent as {parts}")))
}

/// The notes that HTML became plain text, and that its pictures are not in it. `who` shows none.
pub(crate) fn html_as_text(content: &Content, who: &str) -> Vec<Warning> {
    let mut warnings =
        vec![Warning::new("html_as_text", format!("{who} no HTML; its text is sent, with links"))];
    let pictures = content.body.text.to_ascii_lowercase().matches("<img").count();
    if pictures > 0 {
        let detail = format!("{pictures} picture(s) of the HTML left out: a text has none");
        warnings.push(Warning::new("image_dropped", detail));
    }
    warnings
}

/// A content whose own link and picture can be opened. Another one is taken out with a warning, so that no line is left
/// of it that only says the title again.
pub(crate) fn openable<'c>(content: &'c Content, warnings: &mut Vec<Warning>) -> Cow<'c, Content> {
    let is_dead = |address: Option<&str>| address.is_some_and(|address| dialect::safe_url(address).is_none());
    let (link, picture) = (is_dead(content.url.as_deref()), is_dead(content.image.as_deref()));
    if !link && !picture {
        return Cow::Borrowed(content);
    }
    let mut content = content.clone();
    let mut dropped = |code, what: &str, address: &mut Option<String>| {
        // A template that has nothing to link to leaves an empty text, and nothing is lost with it.
        if address.take().is_some_and(|address| !address.trim().is_empty()) {
            let detail = format!("the message's {what} has no address that may be opened; it is left away");
            warnings.push(Warning::new(code, detail));
        }
    };
    if link {
        dropped("link_dropped", "link", &mut content.url);
    }
    if picture {
        dropped("image_dropped", "picture", &mut content.image);
    }
    Cow::Owned(content)
}

/// The note on buttons that open nothing, where a text has their labels.
pub(crate) fn dead_buttons(content: &Content) -> Option<Warning> {
    let count = content.links().filter(|button| dialect::safe_url(&button.url).is_none()).count();
    let detail = format!("{count} button(s) without an address that may be opened written as text");
    (count > 0).then(|| Warning::new("link_dropped", detail))
}

/// The notes on links and pictures in a body's Markdown that open nothing, for kinds that write no dialect of it.
pub(crate) fn dead_links(body: &Body) -> Vec<Warning> {
    // Any dialect that has links and pictures finds the same ones.
    dead_links_in(body, dialect::wecom_v2)
}

/// The same for a mail, which can show files that travel with it.
pub(crate) fn dead_links_of_mail(body: &Body) -> Vec<Warning> {
    dead_links_in(body, dialect::mail_markdown)
}

fn dead_links_in(body: &Body, write: fn(&str, &mut Vec<Warning>) -> String) -> Vec<Warning> {
    // A link has a bracket, or is an address in angle brackets.
    if body.format != Format::Markdown || !(body.text.contains(']') || body.text.contains('<')) {
        return Vec::new();
    }
    let mut notes = Vec::new();
    write(&body.text, &mut notes);
    notes.retain(|note| matches!(&*note.code, "link_dropped" | "image_dropped"));
    notes
}

/// The note that a button was left away. A label that is an address is not repeated: it may hold a secret.
pub(crate) fn button_warning(label: &str) -> Warning {
    let label =
        if label.contains("://") { "with an address for a label".to_owned() } else { format!("\"{label}\"") };
    let detail = format!("the button {label} has no address that may be opened; it is left away");
    Warning::new("button_dropped", detail)
}

/// The note that the link's label is not seen. It is not repeated: a label that is an address may hold a secret.
pub(crate) fn unlabelled(content: &Content) -> Option<Warning> {
    let detail = "a click on the message opens its link; the link's label is not shown";
    content.link_label().map(|_| Warning::new("label_dropped", detail))
}

/// The note that the level is not seen, for messages without a colour.
pub(crate) fn colourless(content: &Content) -> Option<Warning> {
    level_dropped(content, "this message has no colour")
}

/// The note that the level is not seen, and why.
pub(crate) fn level_dropped(content: &Content, why: &str) -> Option<Warning> {
    let level = content.level?.as_str();
    Some(Warning::new("level_dropped", format!("the level \"{level}\" is not seen: {why}")))
}

/// Whether a content says so little that no form of it comes near a limit of megabytes.
pub(crate) fn says_little(content: &Content) -> bool {
    const LITTLE: usize = 64 << 10;
    // There can be any number of facts and buttons with nothing in them, and each has a form around it.
    const FRAME: usize = 100;
    let Content { title, body, url, url_label, facts, buttons, image, level: _ } = content;
    let texts = [Some(title), Some(&body.text), url.as_ref(), url_label.as_ref(), image.as_ref()];
    let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
    let facts = facts.iter().map(|fact| FRAME + fact.label.len() + fact.value.len()).sum::<usize>();
    let buttons = buttons.iter().map(|b| FRAME + b.text.len() + b.url.len() + b.action.len()).sum::<usize>();
    texts + facts + buttons < LITTLE
}

/// What a button or a link says that leads to more and was given no words.
pub(crate) const DETAILS: &str = "查看详情";

/// The notes on what a kind without files and without clicks leaves out.
pub(crate) fn left_out(content: &Content, context: &RenderContext<'_>) -> Vec<Warning> {
    unpressable(content).into_iter().chain(files_left_out(context)).collect()
}

/// The note on files, for a kind that sends none.
pub(crate) fn files_left_out(context: &RenderContext<'_>) -> Option<Warning> {
    let count = context.files.len();
    (count > 0).then(|| Warning::new("file_dropped", format!("this kind sends no files; {count} left out")))
}

/// The note on buttons that could only be pressed, for a kind that never hears of it.
pub(crate) fn unpressable(content: &Content) -> Option<Warning> {
    unpressable_because(content, "this kind hears of no clicks")
}

/// The same, and why nobody can press them.
pub(crate) fn unpressable_because(content: &Content, why: &str) -> Option<Warning> {
    let count = pressed(content);
    let detail = format!("{count} button(s) without a url left out: {why}");
    (count > 0).then(|| Warning::new("button_dropped", detail))
}

/// How many buttons do nothing but tell that they were pressed.
pub(crate) fn pressed(content: &Content) -> usize {
    content.buttons.iter().filter(|button| button.url.is_empty()).count()
}

/// How close the largest part comes to the limit.
pub(crate) fn size(used: usize, allowed: usize) -> Size {
    Size { used, allowed, unit: SizeUnit::Bytes }
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact};
    use serde_json::json;

    use super::*;

    #[test]
    fn what_fills_the_limit_is_one_part_and_a_byte_more_is_two() {
        let payload = |text: &str, _: Place| json!({"text": if text.is_empty() { " " } else { text }});
        let most = 1_000 - json_size(&json!({"text": ""}));
        for (length, parts) in [(most, 1), (most + 1, 2)] {
            let payloads = in_parts(&"x".repeat(length), 1_000, payload).unwrap();
            assert_eq!(payloads.len(), parts, "{length} bytes");
            assert!(payloads.iter().all(|payload| json_size(payload) <= 1_000));
        }
    }

    #[test]
    fn a_link_and_a_picture_that_open_nothing_are_taken_out_with_a_word() {
        let content = |url: &str, image: &str| Content {
            url: Some(url.into()),
            image: Some(image.into()),
            ..Content::new("Title", Format::Markdown, "body")
        };
        for (url, image, expected) in [
            ("https://x.example/", "https://x.example/p.png", vec![]),
            ("not a url", "https://x.example/p.png", vec!["link_dropped"]),
            ("/relative", "data:image/png;base64,AA", vec!["link_dropped", "image_dropped"]),
            (" ", "", vec![]),
        ] {
            let mut warnings = Vec::new();
            let content = content(url, image);
            let left = openable(&content, &mut warnings);
            let codes: Vec<&str> = warnings.iter().map(|warning| &*warning.code).collect();
            assert_eq!(codes, expected, "{url} {image}");
            assert_eq!(left.url.is_some(), url.starts_with("https:"), "{url}");
            assert_eq!(left.image.is_some(), image.starts_with("https:"), "{image}");
        }
    }

    #[test]
    fn little_is_little_of_everything() {
        let long = || "a".repeat(64 << 10);
        let short = || Content::new("t", Format::Text, "b");
        let fact = |label: String| Fact { label, value: String::new() };
        assert!(says_little(&short()));
        for (what, much) in [
            ("title", Content { title: long(), ..short() }),
            ("body", Content::new("t", Format::Text, long())),
            ("url", Content { url: Some(long()), ..short() }),
            ("url_label", Content { url_label: Some(long()), ..short() }),
            ("image", Content { image: Some(long()), ..short() }),
            ("fact", Content { facts: vec![fact(long())], ..short() }),
            ("facts", Content { facts: vec![fact(String::new()); 700], ..short() }),
            ("button", Content { buttons: vec![Button::link(long(), "")], ..short() }),
            ("buttons", Content { buttons: vec![Button::link("", "tel:1"); 700], ..short() }),
        ] {
            assert!(!says_little(&much), "{what}");
        }
    }

    #[test]
    fn links_in_markdown_that_open_nothing_are_noted() {
        let codes = |text: &str| -> Vec<String> {
            let notes = dead_links(&Content::new("", Format::Markdown, text).body);
            notes.iter().map(|note| note.code.to_string()).collect()
        };
        assert_eq!(codes("[a](javascript:x) ![i](data:x) [b](/relative)"), ["link_dropped", "image_dropped"]);
        let none: [&str; 0] = [];
        assert_eq!(codes("[a](https://x.example) ~~struck~~ a < b"), none);
    }
}
