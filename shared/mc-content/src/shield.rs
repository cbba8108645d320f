//! Shielding: how a value stays text in Markdown.
//!
//! Every ASCII character of a value that is not a letter or a digit is moved to a private range, `U+10F700` plus its
//! byte. The Markdown parser takes what stands there for letters, so a value cannot close a code span, leave a table
//! cell or begin a link, wherever the author put it. What comes out of the parser is moved back, and only then escaped
//! for the platform.
//!
//! One more character of the range, [`NOTHING`], stands for no text at all. It opens values at whose edge the parser
//! would still look (an empty value in `**{{ x }}**`, a full stop of Chinese before the closing `**`, `1` before `. `).
//! [`BESIDE`] stands for no text either: it tells a body from what was put above and below it.

use std::borrow::Cow;

/// The first character of the private range.
const FIRST: u32 = 0x0010_F700;
/// The last character of the private range.
const LAST: u32 = FIRST + 0xFF;
/// Every character of the range begins with this byte in UTF-8, and hardly any other text has it.
const LEAD_BYTE: u8 = 0xF4;
/// A letter to the parser, nothing to the reader.
pub(crate) const NOTHING: char = '\u{10F7FF}';
/// The same, at the beginning of what was put above or below a body.
pub(crate) const BESIDE: char = '\u{10F7FE}';
/// A shielded `<`, which takes raw HTML from the author's Markdown.
pub(crate) const LESS_THAN: char = '\u{10F73C}';

/// Whether a character stands for one of a value, or for no text.
pub(crate) fn is_shielded(c: char) -> bool {
    (FIRST..=LAST).contains(&u32::from(c))
}

/// The character that stands for an ASCII byte.
pub(crate) fn moved(byte: u8) -> char {
    char::from_u32(FIRST + u32::from(byte)).unwrap_or(NOTHING)
}

/// Whether the parser, which looks at neighbours to tell whether `**` opens or closes, would be misled by this edge.
fn misleads(edge: Option<char>) -> bool {
    edge.is_none_or(|c| !c.is_ascii() && !c.is_alphanumeric())
}

/// Appends a value, shielded.
pub(crate) fn shield_into(value: &str, out: &mut String) {
    let starts_badly = misleads(value.chars().next()) || value.bytes().all(|b| b.is_ascii_digit());
    if starts_badly {
        out.push(NOTHING);
    }
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => out.push(c),
            // A line ends with one character, whatever the system of whoever wrote it.
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push(moved(b'\n')),
            '\n' | '\t' | ' '..='~' => out.push(moved(c as u8)),
            // No platform shows the other control characters, and some refuse them.
            '\0'..='\u{1F}' | '\u{7F}' => {}
            _ if is_shielded(c) => {}
            _ => out.push(c),
        }
    }
    if !value.is_empty() && misleads(value.chars().next_back()) {
        out.push(NOTHING);
    }
}

/// A value, shielded.
pub(crate) fn shield(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 16);
    shield_into(value, &mut out);
    out
}

/// Whether shielding would leave this value as it is. Most words and numbers are like that.
pub(crate) fn needs_no_shield(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.iter().all(u8::is_ascii_alphanumeric) && !bytes.iter().all(u8::is_ascii_digit)
}

/// Moves shielded characters back.
pub(crate) fn unshield(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&LEAD_BYTE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == NOTHING {
            continue;
        }
        match u32::from(c).checked_sub(FIRST).and_then(|offset| u8::try_from(offset).ok()) {
            Some(byte) if byte.is_ascii() => out.push(char::from(byte)),
            Some(_) => {}
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Takes the private range out of a text that is not shielded.
pub(crate) fn strip(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&LEAD_BYTE) || !text.chars().any(is_shielded) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| !is_shielded(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_as_it_was() {
        for value in
            ["", "a", "2024", "a*b_c `d` <e> [f](g) | h\ti\nj", " edge ", "完成。", "！", "🎉", "\u{a0}x"]
        {
            assert_eq!(unshield(&shield(value)), value, "{value:?}");
        }
    }

    #[test]
    fn nothing_ascii_but_letters_and_digits_is_left() {
        let all: String = (0u8..128).map(char::from).collect();
        assert!(shield(&all).chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric()));
    }

    #[test]
    fn line_ends_are_one_character_and_control_characters_go() {
        assert_eq!(unshield(&shield("a\r\nb\rc\nd\0e\u{1b}f\u{7f}")), "a\nb\nc\ndef");
    }

    #[test]
    fn characters_of_the_private_range_are_stripped_from_values() {
        assert_eq!(unshield(&shield("a\u{10F72A}b\u{10F7FF}")), "ab");
        assert_eq!(strip("a\u{10F72A}b"), "ab");
        assert_eq!(strip("a\u{10F000}b"), "a\u{10F000}b");
    }

    #[test]
    fn plain_words_are_left_alone() {
        assert!(needs_no_shield("deploy7"));
        assert!(!needs_no_shield("7"));
        assert!(!needs_no_shield(""));
        assert!(!needs_no_shield("a b"));
    }
}
