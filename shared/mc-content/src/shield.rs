//! Shielding: how a value stays text in Markdown.
//!
//! Every ASCII character of a value that is not a letter or a digit is moved to a private range, `U+10F700` plus its
//! byte. The Markdown parser takes what stands there for letters, so a value cannot close a code span, leave a table
//! cell or begin a link, wherever the author put it. What comes out of the parser is moved back, and only then escaped
//! for the platform.
//!
//! One more character of the range, [`NOTHING`], stands for no text at all. It opens values at whose edge the parser
//! would still look (an empty value in `**{{ x }}**`, a full stop of Chinese before the closing `**`, `1` before `. `).
//! [`BESIDE`] stands for no text either: it tells a body from what was put above and below it. And [`HANGING`] is only there
//! until a text is rendered.

use std::borrow::Cow;

/// The first character of the private range.
const FIRST: u32 = 0x0010_F700;
/// The last character of the private range.
const LAST: u32 = FIRST + 0xFF;
/// Every character of the range begins with this byte in UTF-8, and hardly any other text has it.
const LEAD_BYTE: u8 = 0xF4;
/// Bytes of a character of the range.
const WIDTH: usize = 4;
/// A letter to the parser, nothing to the reader.
pub(crate) const NOTHING: char = '\u{10F7FF}';
/// The same, at the beginning of what was put above or below a body.
pub(crate) const BESIDE: char = '\u{10F7FE}';
/// Before the line ends of what a filter wrote, whose lines begin as the one does in which it stands.
pub(crate) const HANGING: char = '\u{10F7FD}';
/// A shielded `<`, which takes raw HTML from the author's Markdown.
pub(crate) const LESS_THAN: char = '\u{10F73C}';
/// A shielded line end.
pub(crate) const LINE_END: char = '\u{10F70A}';

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
    let mut copied = 0;
    for (at, byte) in value.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || (!byte.is_ascii() && byte != LEAD_BYTE) {
            continue;
        }
        out.push_str(&value[copied..at]);
        copied = at + 1;
        match byte {
            // A line ends with one character, whatever the system of whoever wrote it.
            b'\r' if value.as_bytes().get(copied) == Some(&b'\n') => {}
            b'\r' => out.push(moved(b'\n')),
            b'\n' | b'\t' | b' '..=b'~' => out.push(moved(byte)),
            // No platform shows the other control characters, and some refuse them.
            0..=0x1F | 0x7F => {}
            _ => copied = if value[at..].starts_with(is_shielded) { at + WIDTH } else { at },
        }
    }
    out.push_str(&value[copied..]);
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
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b == LEAD_BYTE) {
        let (before, behind) = rest.split_at(at);
        let (character, after) = behind.split_at(WIDTH);
        out.push_str(before);
        match character.chars().next().map(|c| u32::from(c).wrapping_sub(FIRST)).map(u8::try_from) {
            Some(Ok(byte)) if byte.is_ascii() => out.push(char::from(byte)),
            // [`NOTHING`] and its like.
            Some(Ok(_)) => {}
            _ => out.push_str(character),
        }
        rest = after;
    }
    out.push_str(rest);
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
