//! The pieces of a long line between which it may be cut.

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atom<'t> {
    /// Never cut: a link, an address, a tag.
    Hard(&'t str),
    /// Kept whole if a part can hold it: a word, a code span.
    Soft(&'t str),
    /// What stands between two marks of bold text.
    Bold(&'t str),
}

impl<'t> Atom<'t> {
    /// The text, without the marks of bold.
    pub(super) fn text(self) -> &'t str {
        match self {
            Self::Hard(text) | Self::Soft(text) | Self::Bold(text) => text,
        }
    }
}

/// The atoms of a line, in order and with nothing left out. `mark` is that of bold text.
pub(super) fn atoms<'t>(line: &'t str, mark: &'static str) -> Vec<Atom<'t>> {
    let mut scanner = Scanner { line, mark, closers: closers(line), ..Scanner::default() };
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let (atom, length) = scanner.next_atom(at);
        found.push(atom);
        at += length;
    }
    found
}

/// The words of a line of code, in which nothing is a link or a mark.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (text, others) = rest.split_at(word(rest));
        rest = others;
        Some(text).filter(|text| !text.is_empty())
    })
}

/// Looks for atoms in time that is linear in the line, whatever is in it: brackets are paired once, and an end that is
/// nowhere in the rest of the line is not looked for again.
#[derive(Debug, Default)]
struct Scanner<'t> {
    line: &'t str,
    mark: &'static str,
    /// For each byte that is an opening bracket, where its pair ends; else 0.
    closers: Vec<usize>,
    no_bold: bool,
    no_code: bool,
    no_anchor: bool,
}

impl<'t> Scanner<'t> {
    fn next_atom(&mut self, at: usize) -> (Atom<'t>, usize) {
        let text = &self.line[at..];
        let hard = self.link(at).or_else(|| address(text)).or_else(|| tag(text, &mut self.no_anchor));
        if let Some(length) = hard {
            return (Atom::Hard(&text[..length]), length);
        }
        if let Some(length) = self.bold(at) {
            return (Atom::Bold(&text[self.mark.len()..length - self.mark.len()]), length);
        }
        let length = enclosed(text, "`", &mut self.no_code).unwrap_or_else(|| word(text));
        (Atom::Soft(&text[..length]), length)
    }

    /// Bold text with its marks, which have no spaces beside it; with spaces they are signs of the text.
    fn bold(&mut self, at: usize) -> Option<usize> {
        let text = &self.line[at..];
        let length = if self.mark == "*" {
            starred(text, self.line[..at].chars().next_back(), &mut self.no_bold)?
        } else {
            enclosed(text, self.mark, &mut self.no_bold)?
        };
        let inner = &text[self.mark.len()..length - self.mark.len()];
        (!inner.is_empty() && inner.trim().len() == inner.len()).then_some(length)
    }

    /// `[text](address)` or `![text](address)`, brackets balanced.
    fn link(&self, at: usize) -> Option<usize> {
        let start = at + usize::from(self.line[at..].starts_with("!["));
        if !self.line[start..].starts_with('[') {
            return None;
        }
        let text_end = self.closers[start];
        let is_link = text_end > 0 && self.line[text_end..].starts_with('(') && self.closers[text_end] > 0;
        is_link.then(|| self.closers[text_end] - at)
    }
}

/// Pairs the brackets of a line.
fn closers(line: &str) -> Vec<usize> {
    let mut closers = vec![0; line.len()];
    let (mut square, mut round) = (Vec::new(), Vec::new());
    for (at, byte) in line.bytes().enumerate() {
        let opener = match byte {
            b'[' => {
                square.push(at);
                continue;
            }
            b'(' => {
                round.push(at);
                continue;
            }
            b']' => square.pop(),
            b')' => round.pop(),
            _ => continue,
        };
        if let Some(opener) = opener {
            closers[opener] = at + 1;
        }
    }
    closers
}

/// The length of what begins and ends with a mark.
fn enclosed(text: &str, mark: &str, is_nowhere: &mut bool) -> Option<usize> {
    if *is_nowhere || !text.starts_with(mark) {
        return None;
    }
    let end = text[mark.len()..].find(mark);
    *is_nowhere = end.is_none();
    end.map(|end| end + 2 * mark.len())
}

/// The length of what stands between two single asterisks, as Slack reads them: neither has a letter on its outer side or
/// another asterisk beside it, and one in code is none.
fn starred(text: &str, before: Option<char>, is_nowhere: &mut bool) -> Option<usize> {
    let is_unfit = |c: Option<char>| c.is_some_and(|c| c == '*' || c.is_alphanumeric());
    let inner = text.strip_prefix('*')?;
    if *is_nowhere || is_unfit(before) || inner.starts_with(|c: char| c == '*' || c.is_whitespace()) {
        return None;
    }
    let (mut previous, mut in_code) = (None, false);
    for (at, c) in inner.char_indices() {
        let is_beside = previous.is_some_and(|c: char| c != '*' && !c.is_whitespace());
        if c == '*' && !in_code && is_beside && !is_unfit(inner[at + 1..].chars().next()) {
            return Some(at + 2);
        }
        in_code ^= c == '`';
        previous = Some(c);
    }
    *is_nowhere = true;
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
fn tag(text: &str, no_anchor: &mut bool) -> Option<usize> {
    let inside = text.strip_prefix('<')?;
    if !inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '@') {
        return None;
    }
    if inside.starts_with("a ") && !*no_anchor {
        let end = text.find("</a>");
        *no_anchor = end.is_none();
        return end.map(|end| end + 4);
    }
    // An address may be long.
    let window = if inside.starts_with("http") { 4096 } else { 256 };
    let near = &text[..text.floor_char_boundary(window)];
    near.find('>').map(|end| end + 1)
}

/// A word with the spaces after it, or one character of a script that has no spaces.
fn word(text: &str) -> usize {
    let mut length = 0;
    let mut spaces = false;
    for cluster in clusters(text) {
        let is_space = cluster.trim().is_empty();
        let in_word = cluster.is_ascii() && !"[*`<!".contains(cluster) && !spaces;
        if length > 0 && !is_space && (!in_word || address_starts(&text[length..])) {
            break;
        }
        spaces |= is_space;
        length += cluster.len();
        if !cluster.is_ascii() && !text[length..].starts_with(' ') {
            break;
        }
    }
    length
}

fn address_starts(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// Characters with what belongs to them: accents, skin tones, joined emoji, flags, and what a dialect writes for one
/// character (`&#42;`). Between these a text may always be cut.
pub(super) fn clusters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        let (_, first) = chars.next()?;
        let (mut last, mut is_half_flag) = (first, is_flag(first));
        let end = chars.find(|(_, c)| {
            let is_other_half = is_half_flag && is_flag(*c);
            is_half_flag = is_half_flag && !is_other_half;
            let belongs = last == '\u{200D}' || extends(*c) || is_other_half;
            last = *c;
            !belongs
        });
        let end = entity(rest).unwrap_or_else(|| end.map_or(rest.len(), |(at, _)| at));
        let (cluster, others) = rest.split_at(end);
        rest = others;
        Some(cluster)
    })
}

/// Half of a flag: two such letters are one.
fn is_flag(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

/// The length of something like `&amp;` or `&#42;`.
fn entity(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('&')?;
    let length = inside.bytes().take(8).take_while(|b| b.is_ascii_alphanumeric() || *b == b'#').count();
    (length > 0 && inside[length..].starts_with(';')).then_some(length + 2)
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
            format!("<https://x/{}|y z>", "a".repeat(1000)).as_str(),
        ] {
            assert_eq!(atoms(piece, "**"), [Atom::Hard(piece)], "{piece}");
            let line = format!("看 {piece} 好");
            let found = atoms(&line, "**");
            assert!(found.contains(&Atom::Hard(piece)), "{line}: {found:?}");
        }
    }

    #[test]
    fn asterisks_between_spaces_are_no_marks() {
        let bold = |line: &'static str, mark| -> Vec<&str> {
            let found = atoms(line, mark).into_iter();
            found.filter(|atom| matches!(atom, Atom::Bold(_))).map(Atom::text).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(bold("2 ** 10 and 3 ** 2, a** b**", "**"), none);
        assert_eq!(bold("2 ** 10 **b**", "**"), ["b"]);
        assert_eq!(bold("2 * 10 and 3 * 2, a* b* *", "*"), none);
        assert_eq!(bold("2 * 10 *b*, 4*5 *c d*: *e", "*"), ["b", "c d"]);
        assert_eq!(bold("*see `a*b` and c*d* now*", "*"), ["see `a*b` and c*d"]);
    }

    #[test]
    fn two_asterisks_are_no_mark_of_slack() {
        for line in ["** see this **", "**see this**", "* see **", "***", "a ** b** c"] {
            let found = atoms(line, "*");
            assert!(!found.iter().any(|atom| matches!(atom, Atom::Bold(_))), "{line}: {found:?}");
        }
        let found = atoms("** a *b c* **", "*");
        assert!(found.contains(&Atom::Bold("b c")), "{found:?}");
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
            let joined: String = atoms(line, "**")
                .into_iter()
                .map(|a| {
                    if matches!(a, Atom::Bold(_)) { format!("**{}**", a.text()) } else { a.text().to_owned() }
                })
                .collect();
            assert_eq!(joined, line);
            assert_eq!(words(line).collect::<String>(), line);
        }
        assert_eq!(clusters("e\u{301}👍🏽👩‍💻x").collect::<Vec<_>>(), ["e\u{301}", "👍🏽", "👩‍💻", "x"]);
        assert_eq!(clusters("🇨🇳🇩🇪🇫").collect::<Vec<_>>(), ["🇨🇳", "🇩🇪", "🇫"]);
        assert_eq!(
            clusters("a&#42;&amp;& b;").collect::<Vec<_>>(),
            ["a", "&#42;", "&amp;", "&", " ", "b", ";"]
        );
        assert_eq!(words("a&#42;b c").collect::<Vec<_>>(), ["a&#42;b ", "c"]);
    }
}
