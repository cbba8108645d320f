//! Plain text in Feishu's messages, and the people in it.

use mc_content::dialect;
use mc_core::model::{AddressKind, Recipient};
use mc_core::ports::Warning;

use crate::robot::is_tag;

/// What Feishu reads as a mark in a text: a mention, and in an app's messages bold, italic, underlined and struck out.
const TAGS: [&str; 5] = ["at", "b", "i", "u", "s"];

/// A text that is shown as it is: without tags, and without `[text](address)`.
pub(super) fn literal(text: &str) -> String {
    dialect::without_marks(text, &['<', ']'], |sign, after| match sign {
        '<' => is_tag(after, &TAGS),
        _ => after.starts_with('('),
    })
}

/// Somebody to mention, by open id or user id.
pub(crate) struct Mention(String);

impl Mention {
    /// The recipients that a robot can mention; a warning counts the others that have a Feishu address.
    pub(crate) fn of(to: &[Recipient], warnings: &mut Vec<Warning>) -> Vec<Self> {
        let mut mentions: Vec<Self> = Vec::new();
        let mut dropped = 0;
        for id in to.iter().filter_map(|recipient| recipient.addresses.get(AddressKind::Feishu)) {
            if !is_mentionable(id) {
                dropped += 1;
            } else if mentions.iter().all(|known| known.0 != id) {
                mentions.push(Self(id.to_owned()));
            }
        }
        if dropped > 0 {
            let detail = format!("robots mention by open id or user id only; {dropped} are not mentioned");
            warnings.push(Warning::new("mention_dropped", detail));
        }
        mentions
    }

    /// As a text has it.
    pub(super) fn in_text(&self) -> String {
        format!("<at user_id=\"{}\"></at>", self.0)
    }

    /// As a card's Markdown has it.
    pub(super) fn in_card(&self) -> String {
        format!("<at id={}></at>", self.0)
    }

    pub(super) fn id(&self) -> &str {
        &self.0
    }
}

/// Open ids and user ids; not union ids, groups, departments, mail addresses, nor `all`.
fn is_mentionable(id: &str) -> bool {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    plain && id != "all" && !["on_", "oc_", "od-"].iter().any(|prefix| id.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use mc_core::model::Addresses;

    use super::*;

    #[test]
    fn nothing_in_a_text_is_a_mark() {
        for (text, expected) in [
            ("<at user_id=\"all\"></at>", "<\u{200B}at user_id=\"all\"><\u{200B}/at>"),
            ("<B>x</b>", "<\u{200B}B>x<\u{200B}/b>"),
            ("<body> a < b <atlas> <3", "<body> a < b <atlas> <3"),
            ("[x](https://x.example) a[0] [y]", "[x]\u{200B}(https://x.example) a[0] [y]"),
            ("<", "<"),
            ("一<二>]", "一<二>]"),
        ] {
            assert_eq!(literal(text), expected, "{text}");
        }
    }

    #[test]
    fn robots_mention_open_ids_and_user_ids() {
        let person = |id: &str| {
            let addresses = Addresses { feishu: Some(id.into()), ..Addresses::default() };
            Recipient { addresses, ..Recipient::default() }
        };
        let to = ["ou_1", "u-2", "ou_1", "on_3", "oc_4", "a@b.c", "all", "x\"><at"].map(person);
        let mut warnings = Vec::new();
        let mentions = Mention::of(&to, &mut warnings);
        let ids: Vec<&str> = mentions.iter().map(Mention::id).collect();
        assert_eq!(ids, ["ou_1", "u-2"]);
        assert!(warnings[0].detail.contains("5 are not"), "{warnings:?}");
    }
}
