//! Keeping literal text literal, on platforms with an escape and without.
//!
//! The standard has the backslash, and receivers of standard Markdown get it. Feishu documents the numbers of HTML
//! (`&#42;` for `*`). Slack escapes three characters and none of its marks. WeCom and DingTalk document none, and a
//! backslash that is not understood is seen. There a character that would be formatting is replaced by a look-alike
//! (`*` by `∗`, a backtick by `ˋ`, `|` in a table by `∣`, brackets in a link's text by `［］`) or parted by a zero-width
//! space (`]` from `(`, `<` from a name, a mark at the start of a line from the line's start). The reader sees the same
//! text; only who copies it gets the other character, and only where it would have been formatting, which a warning tells.
//! In an address that is its own text such a character is percent-encoded instead, so that it stays the same address.

use std::borrow::Cow;

use super::marks::Marks;

/// Seen as nothing, and no letter, digit, space or mark to any parser.
pub(super) const ZERO_WIDTH: char = '\u{200B}';

/// Characters that look like one that would be formatting.
const LOOK_ALIKES: [char; 7] = ['∗', 'ˋ', 'ˍ', '∼', '∣', '［', '］'];

/// How a dialect keeps text literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// A real escape.
    Backslash,
    /// HTML's numbers, `&#42;`.
    Entity,
    /// Look-alikes for everything that is formatting in some Markdown.
    LookAlike,
    /// Look-alikes for the few marks of WeCom's version 1.
    Wecom,
    /// Slack's three escapes (`&amp;`, `&lt;`, `&gt;`), and look-alikes for its marks.
    Slack,
}

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a paragraph or the like.
    Text,
    /// In a link's text.
    Link,
    /// In a table's cell.
    Cell,
}

impl Rules {
    /// Whether code is written as the standard has it.
    pub(super) fn has_standard_code(self) -> bool {
        matches!(self, Rules::Backslash | Rules::Entity)
    }

    /// Whether anything is replaced by a look-alike.
    pub(super) fn has_look_alikes(self) -> bool {
        match self {
            Rules::Backslash | Rules::Entity => false,
            Rules::LookAlike | Rules::Wecom | Rules::Slack => true,
        }
    }

    /// Code as it may be sent. Feishu may look for mentions everywhere, and code cannot be escaped.
    pub(super) fn code(self, text: &str) -> Cow<'_, str> {
        if self == Rules::Slack {
            return text
                .replace("```", "ˋˋˋ")
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .into();
        }
        if self == Rules::Entity && text.contains('<') {
            return without_tags(text, &["at", "/at"]).into();
        }
        text.into()
    }

    /// Appends a text without line ends. What is in `out` tells whether a line begins here. Answers whether something was
    /// replaced by a look-alike.
    pub(super) fn push_line(self, text: &str, place: Place, marks: Marks, out: &mut String) -> bool {
        if !(out.is_empty() || out.ends_with('\n')) {
            return self.push(text, place, marks, out);
        }
        let text = push_indent(text, out);
        let text = self.guard_line_start(text, out);
        if self == Rules::LookAlike && is_block(text) {
            return self.push(text, place, Marks::ANY, out);
        }
        self.push_after(out.chars().next_back().or(Some('\n')), text, place, marks, out)
    }

    /// Appends a text that follows a mark, so that it cannot be at the start of a line.
    pub(super) fn push(self, text: &str, place: Place, marks: Marks, out: &mut String) -> bool {
        self.push_after(None, text, place, marks, out)
    }

    fn push_after(
        self,
        before: Option<char>,
        text: &str,
        place: Place,
        marks: Marks,
        out: &mut String,
    ) -> bool {
        let mut rest = text;
        let mut previous = before;
        let (mut is_mark, mut is_replaced) = (false, false);
        // Only ASCII's punctuation and tabs mean anything anywhere; what stands between them is copied as it is.
        while let Some(at) = rest.find(|c: char| c.is_ascii_punctuation() || c == '\t') {
            let (plain, from) = rest.split_at(at);
            out.push_str(plain);
            previous = plain.chars().next_back().or(previous);
            let (c, after) = (char::from(from.as_bytes()[0]), &from[1..]);
            // All of a run is a mark, or nothing of it.
            if matches!(c, '*' | '_' | '~') && previous != Some(c) {
                is_mark = self.has_look_alikes() && marks.has(c, previous, from.chars().find(|n| *n != c));
            }
            let sign = Sign { c, previous, next: after.chars().next(), rest: from, place, marks, is_mark };
            match self {
                Rules::Backslash => push_escaped(c, out),
                Rules::Entity => push_entity(sign, out),
                Rules::LookAlike => push_look_alike(sign, out),
                Rules::Wecom => push_wecom(sign, out),
                Rules::Slack => push_slack(sign, out),
            }
            is_replaced = is_replaced || out.ends_with(LOOK_ALIKES);
            previous = Some(c);
            rest = after;
        }
        out.push_str(rest);
        is_replaced
    }

    /// Appends an address that is its own text. With a look-alike in it, it would be another address for whoever copies it,
    /// so what this dialect would replace is percent-encoded instead.
    pub(super) fn push_address(self, address: &str, place: Place, out: &mut String) {
        let start = out.len();
        self.push(address, place, Marks::ANY, out);
        if matches!(self, Rules::LookAlike | Rules::Wecom) && out[start..] != *address {
            out.truncate(start);
            self.push(&without_look_alikes(address), place, Marks::ANY, out);
        }
    }

    /// Where a link leads, as it stands behind its text. The standard reads entities there, too: `&copy;` in an address would
    /// be another address.
    pub(super) fn destination(self, url: &str) -> Cow<'_, str> {
        if self != Rules::Backslash || !url.contains('&') {
            return url.into();
        }
        let mut out = String::with_capacity(url.len() + 16);
        let mut rest = url;
        while let Some(at) = rest.find('&') {
            out.push_str(&rest[..at]);
            out.push_str(if is_entity(&rest[at..]) { "&amp;" } else { "&" });
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
        out.into()
    }

    /// Appends the text of a code span. Code is copied, so it is left alone but for what would end the span, and for
    /// mentions and colours, which WeCom may look for everywhere.
    pub(super) fn push_code(self, text: &str, out: &mut String) {
        let text = text.replace('`', "ˋ");
        if self == Rules::Slack {
            out.push_str(&self.code(&text));
        } else if self == Rules::Wecom {
            out.push_str(&without_tags(&text, &["@", "font"]));
        } else {
            out.push_str(&text);
        }
    }

    /// Takes its meaning from a mark at the start of a line, and returns what is still to be written.
    fn guard_line_start<'t>(self, text: &'t str, out: &mut String) -> &'t str {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let is_number = digits > 0 && text[digits..].starts_with(['.', ')']);
        match self {
            Rules::Backslash => {
                // The other marks are escaped wherever they stand.
                let mark = if is_number { digits } else { 0 };
                if is_number || text.starts_with(['-', '+', '=', ':']) {
                    out.push_str(&text[..mark]);
                    out.push('\\');
                    out.push_str(&text[mark..=mark]);
                    return &text[mark + 1..];
                }
            }
            Rules::Entity => {
                let mark = if is_number { digits } else { 0 };
                if is_number || text.starts_with(['-', '+', '=', ':', '|']) {
                    out.push_str(&text[..mark]);
                    entity(char::from(text.as_bytes()[mark]), out);
                    return &text[mark + 1..];
                }
            }
            Rules::LookAlike if is_number || text.starts_with(['#', '>', '-', '+', '=', '|', '~', ':']) => {
                out.push(ZERO_WIDTH);
            }
            Rules::Wecom if text.starts_with(['#', '>']) => out.push(ZERO_WIDTH),
            // Escaped it would begin a quotation all the same.
            Rules::Slack if text.starts_with('>') => out.push(ZERO_WIDTH),
            Rules::LookAlike | Rules::Wecom | Rules::Slack => {}
        }
        text
    }
}

/// A sign of a literal text, and where it stands.
#[derive(Clone, Copy)]
struct Sign<'t> {
    c: char,
    previous: Option<char>,
    next: Option<char>,
    /// The text from the sign on.
    rest: &'t str,
    place: Place,
    marks: Marks,
    /// Whether it would be a mark around a text, or a part of one.
    is_mark: bool,
}

/// Whether a line would be a list's item or a thematic break.
fn is_block(line: &str) -> bool {
    let Some(mark @ ('*' | '_')) = line.chars().next() else { return false };
    let is_item = mark == '*' && line[1..].chars().next().is_none_or(char::is_whitespace);
    is_item || (line.matches(mark).count() > 2 && line.chars().all(|c| c == mark || c.is_whitespace()))
}

/// An address with everything percent-encoded that is replaced by a look-alike anywhere.
fn without_look_alikes(address: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut out = String::with_capacity(address.len() + 16);
    let mut previous = None;
    let mut chars = address.chars().peekable();
    while let Some(c) = chars.next() {
        let in_word = is_word(previous) && is_word(chars.peek().copied());
        if matches!(c, '*' | '`' | '~' | '[' | ']' | '|' | '\\') || (c == '_' && !in_word) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
        previous = Some(c);
    }
    out
}

/// A text in which each `<` is parted from these words, whatever their case.
fn without_tags(text: &str, words: &[&str]) -> String {
    without_marks(text, &['<'], |_, after| {
        let begins =
            |word: &&str| after.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        words.iter().any(begins)
    })
}

/// A text that is shown as it is, where a platform documents no escape: a zero-width space parts each of these signs from
/// what would make a mark of it. `is_mark` looks at a sign and at what follows it.
pub fn without_marks(text: &str, signs: &[char], is_mark: impl Fn(char, &str) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, sign)) = rest.char_indices().find(|(_, c)| signs.contains(c)) {
        let (before, after) = rest.split_at(at + sign.len_utf8());
        out.push_str(before);
        if is_mark(sign, after) {
            out.push(ZERO_WIDTH);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Spaces at the start of a line would vanish or make code of it; no-break spaces are only seen.
fn push_indent<'t>(text: &'t str, out: &mut String) -> &'t str {
    let rest = text.trim_start_matches([' ', '\t']);
    for c in text[..text.len() - rest.len()].chars() {
        out.push_str(if c == '\t' { "\u{A0}\u{A0}\u{A0}\u{A0}" } else { "\u{A0}" });
    }
    rest
}

fn push_escaped(c: char, out: &mut String) {
    match c {
        '\t' => out.push(' '),
        // Punctuation that begins no formatting anywhere stays readable.
        ',' | ';' | '?' | '/' | '%' | '@' | '\'' | '"' | '$' | '.' | '(' | ')' | '{' | '}' | '^' | ':'
        | '-' | '+' | '=' => out.push(c),
        c if c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
        }
        c => out.push(c),
    }
}

fn push_entity(sign: Sign<'_>, out: &mut String) {
    let Sign { c, previous, next, rest, place, .. } = sign;
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '\t' => out.push(' '),
        '_' if is_word(previous) && is_word(next) => out.push(c),
        '*' | '_' | '`' | '~' | '[' | ']' | '<' | '>' | '#' | '\\' | '$' => entity(c, out),
        '|' if place != Place::Text => entity(c, out),
        '!' if matches!(next, Some('[') | None) => entity(c, out),
        '&' if next.is_none() || is_entity(rest) => entity(c, out),
        // `:OK:` would be a picture.
        ':' if is_between_colons(rest) => entity(c, out),
        c => out.push(c),
    }
}

fn entity(c: char, out: &mut String) {
    out.push_str(&format!("&#{};", u32::from(c)));
}

fn push_look_alike(sign: Sign<'_>, out: &mut String) {
    let Sign { c, previous, next, rest, place, marks, is_mark } = sign;
    match c {
        '\t' => out.push(' '),
        '*' if is_mark => out.push('∗'),
        '`' => out.push('ˋ'),
        '_' if is_mark => out.push('ˍ'),
        // One that opens only is none.
        '~' if marks.may_pair('~') && (next == Some('~') || previous.is_none_or(|p| !p.is_whitespace())) => {
            out.push('∼');
        }
        '[' if place == Place::Link => out.push('［'),
        ']' if place == Place::Link => out.push('］'),
        '|' if place != Place::Text => out.push('∣'),
        ']' if matches!(next, Some('(' | '[' | ':') | None) => parted(c, out),
        '!' if matches!(next, Some('[')) => parted(c, out),
        '<' if next.is_none_or(|n| n.is_ascii_alphabetic() || "/@!?".contains(n)) => parted(c, out),
        '&' if is_entity(rest) => parted(c, out),
        '\\' if next.is_none_or(|n| n.is_ascii_punctuation()) => parted(c, out),
        c => out.push(c),
    }
}

fn push_wecom(sign: Sign<'_>, out: &mut String) {
    let Sign { c, previous, next, rest, place, marks, .. } = sign;
    match c {
        '\t' => out.push(' '),
        // One asterisk between other characters is no mark there.
        '*' if marks.has_two(previous, next) => out.push('∗'),
        '`' => out.push('ˋ'),
        '[' if place == Place::Link => out.push('［'),
        ']' if place == Place::Link => out.push('］'),
        ']' if matches!(next, Some('(') | None) => parted(c, out),
        '<' if next.is_none_or(|n| n.is_ascii_alphabetic() || "/@!?".contains(n)) => parted(c, out),
        '&' if is_entity(rest) => parted(c, out),
        c => out.push(c),
    }
}

fn push_slack(sign: Sign<'_>, out: &mut String) {
    let Sign { c, previous, rest, place, is_mark, .. } = sign;
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '\t' => out.push(' '),
        '*' if is_mark => out.push('∗'),
        '`' => out.push('ˋ'),
        '~' if is_mark => out.push('∼'),
        '_' if is_mark => out.push('ˍ'),
        '|' if place == Place::Link => out.push('∣'),
        ':' if !is_word(previous) && is_shortcode(rest) => parted(c, out),
        c => out.push(c),
    }
}

/// Whether a text begins with something like `:tada:`, which becomes a picture.
fn is_shortcode(text: &str) -> bool {
    let name = text[1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_+-'".contains(b)).count();
    name > 0 && text[1 + name..].starts_with(':')
}

fn parted(c: char, out: &mut String) {
    out.push(c);
    out.push(ZERO_WIDTH);
}

/// Whether a text begins with something like `&lt;` or `&#60;`.
fn is_entity(text: &str) -> bool {
    let name = text[1..].trim_start_matches('#');
    let end = name.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (1..=32).contains(&end) && name[end..].starts_with(';')
}

/// Whether a text begins with something like `:OK:`.
fn is_between_colons(text: &str) -> bool {
    let end = text[1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let name = &text[1..=end];
    name.contains(|c: char| c.is_ascii_alphabetic()) && text[1 + end..].starts_with(':')
}
