//! Bare addresses of web pages in an author's text, found as GitHub's Markdown finds them.
//!
//! One ends at the first character that is not ASCII, because Chinese has no spaces around it.
//!
//! A value is shielded, so it never begins an address. Behind the host that the author wrote it belongs to the address, as
//! it does in `[text](https://x.example/{{ id }})`. A host with something of a value in it is no host of the author's, and
//! such an address stays text.

use std::borrow::Cow;

use crate::shield::{LESS_THAN, is_shielded, moved};

/// What parts the scheme from the host, behind the colon.
const SLASHES: &str = "//";

/// A source with the marks inside of its addresses shielded, so that the parser takes none of them for formatting.
pub(super) fn protected(source: &str) -> Cow<'_, str> {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut out = String::new();
    let (mut copied, mut from) = (0, 0);
    while let Some((start, end)) = first(&source[from..], length_in_source) {
        let start = from + start;
        let address = &source[start..from + end];
        from += end;
        // The first two are the scheme's.
        let Some((path, _)) = address.match_indices(['/', '?', '#']).nth(2) else { continue };
        for (at, mark) in address[path..].match_indices(['*', '_', '~']) {
            let at = path + at;
            let (before, after) = (address[..at].chars().next_back(), address[at + 1..].chars().next());
            // Inside of a word the parser leaves an underscore alone, and behind a backslash everything.
            if (mark == "_" && is_word(before) && is_word(after)) || before == Some('\\') {
                continue;
            }
            out.push_str(&source[copied..start + at]);
            out.push(moved(mark.as_bytes()[0]));
            copied = start + at + 1;
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(source);
    }
    out.push_str(&source[copied..]);
    Cow::Owned(out)
}

/// Where the first address of a text begins and ends. The text is what the parser gave, shielded still.
pub(super) fn find(text: &str) -> Option<(usize, usize)> {
    first(text, length)
}

/// Where the first address begins and ends. `length` says how much of what follows a scheme may belong to it.
fn first(text: &str, length: fn(&str) -> usize) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = text[from..].find(':') {
        let colon = from + at;
        from = colon + 1;
        if !text[from..].starts_with(SLASHES) {
            continue;
        }
        from += SLASHES.len();
        let Some(start) = scheme(&text[..colon]) else { continue };
        let rest = &text[from..];
        let rest = &rest[..length(rest)];
        if has_host(rest) {
            return Some((start, from + kept(rest)));
        }
        from += rest.len();
    }
    None
}

fn length(rest: &str) -> usize {
    rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())
}

/// In a source an address also ends where the text of a link, the cell of a table or formatting does.
fn length_in_source(rest: &str) -> usize {
    let mut previous = None;
    for (at, c) in rest.char_indices() {
        if !is_part(c) || c == '|' {
            return at;
        }
        if matches!((previous, c), (Some(']'), '(') | (Some('*'), '*') | (Some('~'), '~')) {
            return at - 1;
        }
        previous = Some(c);
    }
    rest.len()
}

/// Where the scheme at the end of a text begins, if it is one of web pages and no part of a longer word.
fn scheme(before: &str) -> Option<usize> {
    let length = before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    let start = before.len() - length;
    ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(&before[start..])).then_some(start)
}

fn is_part(c: char) -> bool {
    match c {
        '<' | '>' | '"' | '`' | LESS_THAN => false,
        c => c.is_ascii_graphic() || is_shielded(c),
    }
}

/// Whether what follows the scheme begins with a host that is all the author's.
fn has_host(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.is_ascii() && host.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// How much of an address is left without the marks at its end that belong to the sentence around it: punctuation,
/// brackets that were not opened in it, an entity.
fn kept(address: &str) -> usize {
    let unopened = |open: char, close: char| {
        address.matches(close).count().saturating_sub(address.matches(open).count())
    };
    let (mut round, mut square) = (unopened('(', ')'), unopened('[', ']'));
    let mut kept = address;
    while let Some(last) = kept.chars().next_back() {
        let before = &kept[..kept.len() - last.len_utf8()];
        kept = match last {
            '?' | '!' | '.' | ',' | ':' | '*' | '_' | '~' | '\'' => before,
            ';' => without_entity(before),
            ')' if round > 0 => {
                round -= 1;
                before
            }
            ']' if square > 0 => {
                square -= 1;
                before
            }
            _ => break,
        };
    }
    kept.len()
}

/// What stands before `;`, without the rest of an entity.
fn without_entity(before: &str) -> &str {
    let name = before.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    match name.strip_suffix('&') {
        Some(rest) if name.len() < before.len() => rest,
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use super::{find, protected};
    use crate::shield::{shield, unshield};

    fn address(text: &str) -> Option<&str> {
        find(text).map(|(start, end)| &text[start..end])
    }

    #[test]
    fn an_address_ends_where_the_sentence_around_it_goes_on() {
        for (text, wanted) in [
            ("see https://e.com/a.", "https://e.com/a"),
            ("https://e.com/a?b=c&d=e#f, and", "https://e.com/a?b=c&d=e#f"),
            ("HTTP://E.com/A!?", "HTTP://E.com/A"),
            ("(https://e.com/a)", "https://e.com/a"),
            ("(https://e.com/a_(b))", "https://e.com/a_(b)"),
            ("https://e.com/a_(b)", "https://e.com/a_(b)"),
            ("(see https://e.com/a).", "https://e.com/a"),
            ("[https://e.com/?a[]=1]", "https://e.com/?a[]=1"),
            ("https://e.com/?q=a&hl;", "https://e.com/?q=a"),
            ("https://e.com/a;", "https://e.com/a"),
            ("见https://e.com/a。好", "https://e.com/a"),
            ("见 https://e.com/a，好", "https://e.com/a"),
            ("'https://e.com/a'", "https://e.com/a"),
            ("\"https://e.com/a\"", "https://e.com/a"),
            ("https://e.com/a>b", "https://e.com/a"),
            ("http://jenkins:8080", "http://jenkins:8080"),
            ("ftp://e.com https://e.com", "https://e.com"),
        ] {
            assert_eq!(address(text), Some(wanted), "{text}");
        }
        for text in [
            "xhttps://e.com",
            "ftp://e.com",
            "https://",
            "https:// e.com",
            "https:///a",
            "https://é.com",
            "://",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_goes_on_with_an_address_and_makes_none() {
        let found = |before: &str, value: &str, after: &str| {
            let text = format!("{before}{}{after}", shield(value));
            address(&text).map(|address| unshield(address).into_owned())
        };
        for (before, value, after, wanted) in [
            ("https://e.com/", "a-7.", ".", Some("https://e.com/a-7.")),
            ("https://e.com/", "42", "/log", Some("https://e.com/42/log")),
            ("https://e.com?id=", "a b", "", Some("https://e.com?id=a b")),
            ("https://e.com/", "", ")", Some("https://e.com/")),
            ("https://e.com/", "<b>", "", Some("https://e.com/")),
            ("https://", "evil.example/", "", None),
            ("https://e.com", "@evil.example/", "", None),
            ("https://e.com.", "evil-x", ".com/", None),
            ("", "https://evil.example", "", None),
            ("see ", "https://evil.example", "/a", None),
            ("https", "://evil.example", "", None),
        ] {
            assert_eq!(found(before, value, after).as_deref(), wanted, "{before}{{{{ {value} }}}}{after}");
        }
    }

    #[test]
    fn only_marks_that_an_address_has_inside_are_shielded() {
        let shown = |source: &str| {
            let protected = protected(source);
            assert_eq!(unshield(&protected), source);
            protected.replace(crate::shield::is_shielded, "^")
        };
        for (source, wanted) in [
            ("*a* https://e.com/_b_/~c*d e_", "*a* https://e.com/^b^/^c^d e_"),
            ("https://e.com/a_b_c", "https://e.com/a_b_c"),
            ("**https://e.com/a**", "**https://e.com/a**"),
            ("**https://e.com/a**(b)", "**https://e.com/a**(b)"),
            ("[**https://e.com/_a**](https://e.com/_b)", "[**https://e.com/^a**](https://e.com/^b)"),
            ("|~~https://e.com/a~~|", "|~~https://e.com/a~~|"),
            ("https://my_host_/ https://e.com/a\\_b", "https://my_host_/ https://e.com/a\\_b"),
        ] {
            assert_eq!(shown(source), wanted, "{source}");
        }
    }

    #[test]
    fn many_beginnings_do_not_take_for_ever() {
        for piece in
            ["http://", "https://a)", "https://a;", "https://a|", "https://a**", "://", "https://\u{10F72E}"]
        {
            let text = piece.repeat(200_000);
            assert!(find(&text).is_none_or(|(start, _)| start == 0), "{piece}");
            assert_eq!(protected(&text), text, "{piece}");
        }
    }
}
