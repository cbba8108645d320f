//! The pieces of a long line between which it may be cut.

/// How far the end of a piece is looked for. Longer pieces fit in no part of any platform, and without a bound a text of
/// opening brackets would take quadratic time.
const LONGEST: usize = 8192;

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom<'t> {
    /// Never cut: a link, an address, a tag.
    Hard(&'t str),
    /// Kept whole if a part can hold it: a word, a code span.
    Soft(&'t str),
    /// What stands between two `**`.
    Bold(&'t str),
}

/// The atoms of a line, in order and with nothing left out.
pub(super) fn atoms(line: &str) -> Vec<Atom<'_>> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (atom, length) = next_atom(rest);
        found.push(atom);
        rest = &rest[length..];
    }
    found
}

fn next_atom(text: &str) -> (Atom<'_>, usize) {
    let near = &text[..text.floor_char_boundary(LONGEST)];
    if let Some(length) = link(near).or_else(|| address(text)).or_else(|| tag(near)) {
        return (Atom::Hard(&text[..length]), length);
    }
    if let Some(inner) =
        near.strip_prefix("**").and_then(|t| t.find("**").map(|end| &t[..end])).filter(|t| !t.is_empty())
    {
        return (Atom::Bold(inner), inner.len() + 4);
    }
    if let Some(inner) = near.strip_prefix('`').and_then(|t| t.find('`').map(|end| &t[..end])) {
        return (Atom::Soft(&text[..inner.len() + 2]), inner.len() + 2);
    }
    let length = word(text);
    (Atom::Soft(&text[..length]), length)
}

/// `[text](address)` or `![text](address)`, brackets balanced.
fn link(text: &str) -> Option<usize> {
    let start = usize::from(text.starts_with('!'));
    let end = start + balanced(&text[start..], '[', ']')?;
    Some(end + balanced(&text[end..], '(', ')')?)
}

/// The length of a bracketed text.
fn balanced(text: &str, open: char, close: char) -> Option<usize> {
    if !text.starts_with(open) {
        return None;
    }
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + c.len_utf8());
            }
        }
    }
    None
}

/// A bare address.
fn address(text: &str) -> Option<usize> {
    if !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        return None;
    }
    Some(text.find(|c: char| !c.is_ascii_graphic() || "<>\"`[]()|".contains(c)).unwrap_or(text.len()))
}

/// `<@id>`, `<font …>`, or a whole `<a …>…</a>`.
fn tag(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '@') {
        return None;
    }
    if inside.starts_with("a ") {
        return text.find("</a>").map(|end| end + 4);
    }
    text.find('>').map(|end| end + 1).filter(|end| *end <= 256)
}

/// A word with the spaces after it, or one character of a script that has no spaces.
fn word(text: &str) -> usize {
    let mut length = 0;
    let mut spaces = false;
    for cluster in clusters(text) {
        let is_space = cluster.trim().is_empty();
        let in_word = cluster.len() == 1 && !"[*`<!".contains(cluster) && !spaces;
        if length > 0 && !is_space && (!in_word || address_starts(&text[length..])) {
            break;
        }
        spaces |= is_space;
        length += cluster.len();
        if cluster.len() > 1 && !text[length..].starts_with(' ') {
            break;
        }
    }
    length
}

fn address_starts(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Characters with what belongs to them: accents, skin tones, joined emoji. Between these a text may always be cut.
pub(super) fn clusters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        let (_, mut last) = chars.next()?;
        let end = chars.find(|(_, c)| {
            let belongs = last == '\u{200D}' || extends(*c);
            last = *c;
            !belongs
        });
        let (cluster, others) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = others;
        Some(cluster)
    })
}

fn extends(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x200D | 0x20D0..=0x20FF | 0xFE00..=0xFE0F | 0x1F3FB..=0x1F3FF | 0xE0020..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_addresses_and_tags_are_hard() {
        for piece in [
            "[a](https://b)",
            "![a [b]](https://c)",
            "https://a.b/c?d=1&e=%20",
            "<@zhangsan>",
            "<font color=\"info\">",
            "<a href=\"https://x\">y z</a>",
        ] {
            assert_eq!(atoms(piece), [Atom::Hard(piece)], "{piece}");
            let line = format!("看 {piece} 好");
            assert!(atoms(&line).contains(&Atom::Hard(piece)), "{line}: {:?}", atoms(&line));
        }
    }

    #[test]
    fn nothing_is_lost() {
        for line in [
            "a b  c 你好，世界 [x](y) **b c** `d e` https://q <f",
            "[[((",
            "**",
            "** **",
            "e\u{301}👍🏽 👩‍💻x",
            "`a",
        ] {
            let joined: String = atoms(line)
                .into_iter()
                .map(|a| match a {
                    Atom::Hard(t) | Atom::Soft(t) => t.to_owned(),
                    Atom::Bold(t) => format!("**{t}**"),
                })
                .collect();
            assert_eq!(joined, line);
        }
        assert_eq!(clusters("e\u{301}👍🏽👩‍💻x").collect::<Vec<_>>(), ["e\u{301}", "👍🏽", "👩‍💻", "x"]);
    }
}
