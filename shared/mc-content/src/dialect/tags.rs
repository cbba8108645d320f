//! HTML as pieces: texts, tags, and what is neither.
//!
//! Whoever reads an author's HTML reads it through here, so that all of them see the same tags.

use std::ops::Range;

/// Elements whose content is nothing to read.
pub(super) const UNREAD: [&str; 6] = ["script", "style", "head", "title", "template", "svg"];

/// Attributes by which a table lays out, unless it has lines.
const LAYOUT: [&str; 7] = ["cellpadding", "cellspacing", "width", "align", "bgcolor", "background", "role"];

/// A piece of HTML. All pieces together are the HTML as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'h> {
    /// Text, with its entities.
    Text(&'h str),
    /// A start tag or an end tag.
    Tag(Tag<'h>),
    /// A comment, a declaration, or all that stands in a silent element.
    Silent(&'h str),
}

impl<'h> Piece<'h> {
    /// The piece as it was written.
    pub(super) fn source(self) -> &'h str {
        match self {
            Piece::Text(source) | Piece::Silent(source) | Piece::Tag(Tag(source)) => source,
        }
    }
}

/// The pieces of HTML. What stands in an element that is `silent` is one of them.
pub(super) fn pieces<'h>(html: &'h str, silent: &'static [&'static str]) -> Pieces<'h> {
    Pieces { rest: html, silent, within: None }
}

/// An iterator over pieces.
pub(super) struct Pieces<'h> {
    rest: &'h str,
    silent: &'static [&'static str],
    /// The silent element that has just begun.
    within: Option<&'static str>,
}

impl<'h> Pieces<'h> {
    fn take(&mut self, length: usize) -> &'h str {
        let (piece, rest) = self.rest.split_at(length);
        self.rest = rest;
        piece
    }
}

impl<'h> Iterator for Pieces<'h> {
    type Item = Piece<'h>;

    fn next(&mut self) -> Option<Piece<'h>> {
        if let Some(name) = self.within.take() {
            let content = self.take(content_length(self.rest, name));
            if !content.is_empty() {
                return Some(Piece::Silent(content));
            }
        }
        let markup =
            self.rest.match_indices('<').find_map(|(at, _)| Some((at, Markup::at(&self.rest[at..])?)));
        let Some((start, markup)) = markup else {
            let text = self.take(self.rest.len());
            return (!text.is_empty()).then_some(Piece::Text(text));
        };
        if start > 0 {
            return Some(Piece::Text(self.take(start)));
        }
        match markup {
            Markup::Tag(length) => {
                let tag = Tag(self.take(length));
                if !tag.closes() && !tag.0.ends_with("/>") {
                    self.within = self.silent.iter().copied().find(|name| tag.is(name));
                }
                Some(Piece::Tag(tag))
            }
            Markup::Comment(length) => Some(Piece::Silent(self.take(length))),
        }
    }
}

/// What begins with `<`, and how long it is.
enum Markup {
    Tag(usize),
    Comment(usize),
}

impl Markup {
    /// What `html`, which begins with `<`, begins with; nothing if the sign is text.
    fn at(html: &str) -> Option<Self> {
        let until = |end: Option<usize>, width: usize| end.map_or(html.len(), |at| at + width);
        if html.starts_with("<!--") {
            return Some(Self::Comment(until(html.find("-->"), 3)));
        }
        let mut behind = html[1..].chars();
        match (behind.next()?, behind.next()) {
            ('/', None) => None,
            ('/', Some(c)) if c.is_ascii_alphabetic() => Some(Self::Tag(until(tag_end(html), 1))),
            ('/' | '!' | '?', _) => Some(Self::Comment(until(html.find('>'), 1))),
            (c, _) if c.is_ascii_alphabetic() => Some(Self::Tag(until(tag_end(html), 1))),
            _ => None,
        }
    }
}

/// Where a tag ends, attributes in quotes skipped.
fn tag_end(html: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in html.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quote that never ends is no quote.
    html.find('>')
}

/// How much stands in a silent element that has just begun. A head whose end tag is left out ends where the body begins.
fn content_length(html: &str, name: &str) -> usize {
    let ends = |(at, _): &(usize, &str)| {
        let tag = Tag(&html[*at..]);
        if tag.closes() { tag.is(name) } else { name == "head" && tag.is("body") }
    };
    html.match_indices('<').find(ends).map_or(html.len(), |(at, _)| at)
}

fn ends_name(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '/' | '>')
}

/// A tag as it was written. The last one of a text may lack its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'h>(&'h str);

impl<'h> Tag<'h> {
    pub(super) fn source(self) -> &'h str {
        self.0
    }

    /// Whether it is an end tag.
    pub(super) fn closes(self) -> bool {
        self.0.starts_with("</")
    }

    /// Whether it has its end.
    pub(super) fn is_whole(self) -> bool {
        self.0.ends_with('>')
    }

    /// The element's name in lower case.
    pub(super) fn name(self) -> String {
        let from = self.name_on();
        from[..from.find(ends_name).unwrap_or(from.len())].to_ascii_lowercase()
    }

    /// Whether it is a tag of this element, whose name is in lower case.
    pub(super) fn is(self, name: &str) -> bool {
        let from = self.name_on();
        from.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
            && from[name.len()..].chars().next().is_none_or(ends_name)
    }

    /// The tag from its name on.
    fn name_on(self) -> &'h str {
        self.0.strip_prefix("</").or_else(|| self.0.strip_prefix('<')).unwrap_or(self.0)
    }

    /// The value of a start tag's attribute, with its entities; empty if it has none.
    pub(super) fn value(self, name: &str) -> Option<&'h str> {
        let attributes = self.attributes();
        attributes.iter().find(|attribute| attribute.is(name)).map(|a| &self.0[a.value.clone()])
    }

    /// Whether the start tag of a table begins its author's layout, and no table of values.
    pub(super) fn lays_out(self) -> bool {
        match self.value("border") {
            Some(border) => matches!(border.trim(), "" | "0"),
            None => self.attributes().iter().any(|a| LAYOUT.iter().any(|name| a.is(name))),
        }
    }

    /// All attributes of a start tag.
    pub(super) fn attributes(self) -> Vec<Attribute<'h>> {
        let tag = self.0.strip_suffix('>').unwrap_or(self.0);
        let end_of = |from: usize, ends: &dyn Fn(char) -> bool| {
            tag[from..].find(ends).map_or(tag.len(), |at| from + at)
        };
        let skipped = |from: usize| end_of(from, &|c| !c.is_ascii_whitespace());
        let mut found = Vec::new();
        let mut at = end_of(1, &|c| c.is_ascii_whitespace() || c == '/');
        loop {
            at = end_of(at, &|c| !c.is_ascii_whitespace() && c != '/');
            if at == tag.len() {
                return found;
            }
            // A name has one character at least, whatever it is.
            let first = tag[at..].chars().next().map_or(1, char::len_utf8);
            let name_end = end_of(at + first, &|c| c.is_ascii_whitespace() || matches!(c, '=' | '/'));
            let name = &tag[at..name_end];
            let Some(value) = tag[skipped(name_end)..].strip_prefix('=') else {
                found.push(Attribute { name, value: name_end..name_end, quoted: false });
                at = name_end;
                continue;
            };
            let start = skipped(tag.len() - value.len());
            let quote = tag[start..].chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, next) = match quote {
                Some(quote) => {
                    let end = end_of(start + 1, &|c| c == quote);
                    (start + 1..end, (end + 1).min(tag.len()))
                }
                None => {
                    let end = end_of(start, &|c| c.is_ascii_whitespace());
                    (start..end, end)
                }
            };
            found.push(Attribute { name, value, quoted: quote.is_some() });
            at = next;
        }
    }
}

/// An attribute of a start tag, and where its value stands in the tag, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'h> {
    pub(super) name: &'h str,
    pub(super) value: Range<usize>,
    pub(super) quoted: bool,
}

impl Attribute<'_> {
    /// Whether it has this name, which is in lower case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str) -> Vec<Piece<'_>> {
        let found: Vec<_> = pieces(html, &UNREAD).collect();
        let whole: String = found.iter().map(|piece| piece.source()).collect();
        assert_eq!(whole, html, "nothing is lost");
        found
    }

    #[test]
    fn texts_tags_and_what_is_neither_are_told_apart() {
        use Piece::{Silent, Text};
        let tag = |source| Piece::Tag(Tag(source));
        for (html, wanted) in [
            ("", vec![]),
            ("a < b <3 </", vec![Text("a < b <3 </")]),
            ("a<p>b</p >", vec![Text("a"), tag("<p>"), Text("b"), tag("</p >")]),
            ("<a t='>' u=\">\">x", vec![tag("<a t='>' u=\">\">"), Text("x")]),
            ("<a t='>x", vec![tag("<a t='>"), Text("x")]),
            ("a <b", vec![Text("a "), tag("<b")]),
            (
                "<!-- > --><!doctype html><?x?></ p>",
                vec![Silent("<!-- > -->"), Silent("<!doctype html>"), Silent("<?x?>"), Silent("</ p>")],
            ),
            ("<STYLE>a > b</style>c", vec![tag("<STYLE>"), Silent("a > b"), tag("</style>"), Text("c")]),
            ("<script>'</scripts>'", vec![tag("<script>"), Silent("'</scripts>'")]),
            ("<svg/>a", vec![tag("<svg/>"), Text("a")]),
            (
                "<head><title>x</title><body>y",
                vec![tag("<head>"), Silent("<title>x</title>"), tag("<body>"), Text("y")],
            ),
        ] {
            assert_eq!(read(html), wanted, "{html}");
        }
    }

    #[test]
    fn attributes_are_read_as_browsers_read_them() {
        let source = "<A href = 'x y' on/data-a=b/c disabled =\"\" é=ü>";
        let [Piece::Tag(tag)] = read(source)[..] else { panic!("one tag") };
        assert!(tag.is("a") && tag.name() == "a" && !tag.closes() && tag.is_whole());
        let attributes = tag.attributes();
        let found: Vec<(&str, &str, bool)> =
            attributes.iter().map(|a| (a.name, &source[a.value.clone()], a.quoted)).collect();
        let wanted = [
            ("href", "x y", true),
            ("on", "", false),
            ("data-a", "b/c", false),
            ("disabled", "", true),
            ("é", "ü", false),
        ];
        assert_eq!(found, wanted);
        assert_eq!((tag.value("data-a"), tag.value("alt")), (Some("b/c"), None));
    }
}
