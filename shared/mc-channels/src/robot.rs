//! What the robots of all platforms share: plain wording, mentions of people, pools, clean JSON.

use mc_content::dialect;
use mc_core::model::{AddressKind, Content, Format, Recipient};
use mc_core::ports::{Size, SizeUnit, Slot, Warning};
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
fn domestic(mobile: &str) -> String {
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

/// Which robot of a pool pushes. A pool may have shrunk since the slot was reserved.
pub(crate) fn lane(slot: Option<Slot>, robots: usize) -> usize {
    slot.map_or(0, |slot| usize::from(slot.lane) % robots.max(1))
}

/// The note that a content became several messages.
pub(crate) fn split_warning(parts: usize) -> Option<Warning> {
    (parts > 1).then(|| Warning::new("split", format!("too long for one message; sent as {parts}")))
}

/// The note that HTML became plain text.
pub(crate) fn html_warning() -> Warning {
    Warning::new("html_as_text", "robots show no HTML; its text is sent")
}

/// How close the largest part comes to the limit.
pub(crate) fn size(used: usize, allowed: usize) -> Size {
    Size { used, allowed, unit: SizeUnit::Bytes }
}
