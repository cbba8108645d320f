//! Lines that begin as the line does in which their text stands.
//!
//! A filter does not see where its text lands. In Markdown a table in a quotation or under an item of a list would stand
//! outside of it from its second line on. So the lines of a table end with [`HANGING`], and once all is written what follows
//! such a line gets what the first one has before its own text: the marks of a quotation, the spaces under an item.

use crate::shield::HANGING;

/// Quotations and items in each other that are followed. The parser reads no more either.
const DEEPEST: usize = 40;

/// What a line stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    /// A quotation.
    Quote,
    /// An item of a list whose text is so many spaces to the right.
    Item(usize),
}

impl Container {
    /// What follows the beginning of a line, if it goes on with this container. An empty line goes on with an item, but for
    /// one that others hang on: more comes behind it.
    fn goes_on(self, line: &str, hangs: bool) -> Option<&str> {
        match self {
            Container::Quote => in_quote(line),
            Container::Item(_) if !hangs && line.trim().is_empty() => Some(line),
            Container::Item(width) => (spaces(line) >= width).then(|| &line[width..]),
        }
    }

    /// The container that a line begins, and what follows.
    fn begun(line: &str) -> Option<(Self, &str)> {
        if let Some(rest) = in_quote(line) {
            return Some((Container::Quote, rest));
        }
        let indent = spaces(line);
        let text = &line[indent..];
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let marks = if digits == 0 { "-*+" } else { ".)" };
        let rest = text[digits..].strip_prefix(|c: char| marks.contains(c));
        let rest = rest.filter(|_| indent < 4 && digits < 10)?;
        let width = line.len() - rest.len();
        match spaces(rest) {
            _ if rest.trim().is_empty() => Some((Container::Item(width + 1), "")),
            0 => None,
            // More are those of code in the item.
            gap => {
                let gap = if gap > 4 { 1 } else { gap };
                Some((Container::Item(width + gap), &rest[gap..]))
            }
        }
    }

    /// How a line begins that goes on with it.
    fn beginning(self) -> String {
        match self {
            Container::Quote => "> ".to_owned(),
            Container::Item(width) => " ".repeat(width),
        }
    }
}

/// What follows the mark of a quotation.
fn in_quote(line: &str) -> Option<&str> {
    let rest = line[spaces(line).min(3)..].strip_prefix('>')?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

fn spaces(line: &str) -> usize {
    line.bytes().take_while(|b| *b == b' ').count()
}

/// Lets lines begin as the one does in which they hang, and takes [`HANGING`] away. It is nothing if that is more than `most`
/// bytes.
pub(super) fn settle(text: String, most: usize) -> Option<String> {
    if !text.contains(HANGING) {
        return Some(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut open = Vec::new();
    // How a line begins, if the one before hangs.
    let mut beginning: Option<String> = None;
    // Whether an item was begun that has no text yet: below an empty line there would be none in it.
    let mut is_bare = false;
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let hangs = !end.is_empty() && line.ends_with(HANGING);
        let line = line.replace(HANGING, "");
        let is_empty = line.trim().is_empty();
        if is_bare && is_empty && hangs {
            continue;
        }
        match &beginning {
            Some(_) if is_bare => out.push_str(&line),
            // Whoever knew where the text lands may have put it there.
            Some(beginning) if line.starts_with(beginning) => out.push_str(&line),
            Some(beginning) => {
                out.push_str(if is_empty { beginning.trim_end() } else { beginning.as_str() });
                out.push_str(&line);
            }
            None => {
                let is_only_mark = read(&line, hangs, &mut open);
                if hangs {
                    beginning = Some(open.iter().map(|container| container.beginning()).collect());
                }
                if hangs && is_only_mark {
                    out.push_str(line.trim_end());
                    out.push(' ');
                    is_bare = true;
                    continue;
                }
                out.push_str(&line);
            }
        }
        is_bare = false;
        if !hangs {
            beginning = None;
        }
        out.push_str(end);
        if out.len() > most {
            return None;
        }
    }
    Some(out)
}

/// Follows a line into what it stands in, and says whether the line is no more than the mark of a new item.
fn read(line: &str, hangs: bool, open: &mut Vec<Container>) -> bool {
    let mut rest = line;
    let mut kept = 0;
    while let Some(after) = open.get(kept).and_then(|container| container.goes_on(rest, hangs)) {
        rest = after;
        kept += 1;
    }
    open.truncate(kept);
    let mut is_item = false;
    while open.len() < DEEPEST
        && let Some((container, after)) = Container::begun(rest)
    {
        is_item = matches!(container, Container::Item(_));
        open.push(container);
        rest = after;
    }
    is_item && rest.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text in which `$` is a mark.
    fn settled(text: &str) -> String {
        settle(text.replace('$', &HANGING.to_string()), 10_000).expect("fits")
    }

    #[test]
    fn lines_begin_as_the_one_does_in_which_they_hang() {
        for (text, wanted) in [
            ("a$\n$\n|b|$\n$\nc\nd", "a\n\n|b|\n\nc\nd"),
            ("> a$\n$\n|b|$\n$\nc\nd", "> a\n>\n> |b|\n>\n> c\nd"),
            ("> > $\n|b|$\n\n> c", "> > \n> > |b|\n> >\n> c"),
            (">a\n>$\n|b|$\n", ">a\n>\n> |b|\n"),
            ("- a$\n$\n|b|$\n\n- c", "- a\n\n  |b|\n\n- c"),
            ("10) a\n    $\n|b|$\nc", "10) a\n    \n    |b|\n    c"),
            ("- a\n\n  - b\n\n    $\n|b|$\n", "- a\n\n  - b\n\n    \n    |b|\n"),
            ("- a\n\n  - b\n  $\n|b|$\n", "- a\n\n  - b\n  \n  |b|\n"),
            ("> - a\n> \n>   $\n|b|$\n", "> - a\n> \n>   \n>   |b|\n"),
            ("- > a$\n|b|$\n", "- > a\n  > |b|\n"),
            ("- [ ] a$\n|b|$\n", "- [ ] a\n  |b|\n"),
        ] {
            assert_eq!(settled(text), wanted, "{text}");
        }
    }

    #[test]
    fn an_item_may_be_nothing_else() {
        for (text, wanted) in [
            ("- $\n$\n|b|$\n|c|$\n$\n\n- d", "- |b|\n  |c|\n\n\n- d"),
            ("> 1.    $\n$\n|b|$\n|c|$\n", "> 1. |b|\n>    |c|\n"),
        ] {
            assert_eq!(settled(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_stands_in_nothing_stays() {
        for text in [
            "    $\n$\n|b|$\n",
            "- a\n$\n|b|$\n",
            "> a\n$\n|b|$\n",
            "**a** -b 1.c --- $\n|b|$\n",
            "- a\n\nb\n  $\n|b|$\n",
            "$a$",
            "> a\n> b",
        ] {
            assert_eq!(settled(text), text.replace('$', ""), "{text}");
        }
    }

    #[test]
    fn what_begins_so_already_is_left() {
        assert_eq!(settled("> a$\n> |b|$\n> |c|"), "> a\n> |b|\n> |c|");
    }

    #[test]
    fn what_becomes_too_long_is_refused() {
        let text = format!("{} a{HANGING}\nb", "> ".repeat(10));
        assert_eq!(settle(text.clone(), 44).map(|text| text.len()), Some(44));
        assert_eq!(settle(text, 43), None);
        let deep = format!("{}{HANGING}\nb", "- ".repeat(100_000));
        assert_eq!(settle(deep, 1 << 20).map(|text| text.len()), Some(200_000 + 1 + 2 * DEEPEST + 1));
    }
}
