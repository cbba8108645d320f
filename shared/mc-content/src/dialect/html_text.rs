//! The text of an author's HTML: tags out, structure and addresses kept.

use pulldown_cmark::{Event, Parser};

use super::link::{safe_url, says};
use super::tags::{Piece, Tag, UNREAD, pieces};

/// Elements that begin and end on a line of their own; those that also keep an empty line around them come first.
const PARAGRAPHS: [&str; 13] =
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"];
const LINES: [&str; 14] = [
    "div", "tr", "li", "section", "article", "header", "footer", "main", "nav", "form", "dl", "dt", "dd",
    "figure",
];
/// What is open beyond this begins no line: each line begins with all of it.
const MAX_DEPTH: usize = 40;

/// Readable text of HTML.
pub(super) fn write(html: &str) -> String {
    let mut reader = Reader::default();
    for piece in pieces(html, &UNREAD) {
        match piece {
            Piece::Text(text) => reader.text(text),
            Piece::Tag(tag) if !tag.is_whole() => {}
            Piece::Tag(tag) if tag.closes() => reader.close(&tag.name()),
            Piece::Tag(tag) => reader.open(&tag.name(), tag),
            Piece::Silent(_) => {}
        }
    }
    reader.finish()
}

/// What is open around a text and is seen at the beginning of its lines.
#[derive(Debug)]
enum Open {
    Quote,
    /// A list, and the number of its next item if its items have numbers.
    List(Option<i64>),
    /// An item, and how wide its mark is.
    Item(usize),
}

/// A link that is open: its address, and where its text begins once there is one.
struct Anchor {
    url: Option<String>,
    start: Option<usize>,
}

/// The cells of a table that is open.
struct Cells {
    /// Whether they are its author's layout, in which no bar parts them.
    layout: bool,
    /// How many of the row have begun.
    count: usize,
    /// Where the text was at the start of the last one.
    start: usize,
}

#[derive(Default)]
struct Reader {
    out: String,
    /// Where the last line of the text begins.
    line: usize,
    /// Line ends owed before the next text.
    lines: usize,
    space: bool,
    pre: usize,
    open: Vec<Open>,
    /// Whether a mark was just written, beside which the text begins, whatever element it is in.
    marked: bool,
    links: Vec<Anchor>,
    tables: Vec<Cells>,
}

impl Reader {
    fn open(&mut self, name: &str, tag: Tag<'_>) {
        match name {
            "br" => self.line_end(),
            "a" => {
                // There are no links in links: the one before has only lost its end tag.
                if !self.links.is_empty() {
                    self.close("a");
                }
                let url = tag.value("href").and_then(|address| safe_url(&decode(address)));
                self.links.push(Anchor { url, start: None });
            }
            "img" => {
                self.text(tag.value("alt").unwrap_or_default());
            }
            "td" | "th" => self.cell(),
            "li" => self.item(),
            "tr" => {
                self.cell_end();
                self.around(name);
            }
            _ => self.around(name),
        }
        match name {
            "table" => self.tables.push(Cells { layout: tag.lays_out(), count: 0, start: 0 }),
            "tr" => {
                if let Some(cells) = self.tables.last_mut() {
                    cells.count = 0;
                }
            }
            "pre" => self.pre += 1,
            "ul" => self.nest(Open::List(None)),
            "ol" => {
                let start = tag.value("start").and_then(|number| number.trim().parse().ok());
                self.nest(Open::List(Some(start.unwrap_or(1))));
            }
            "blockquote" => {
                if self.marked {
                    self.out.push_str("> ");
                }
                self.nest(Open::Quote);
            }
            "hr" => {
                self.write("----------");
                self.around(name);
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "a" => {
                let Some(Anchor { url: Some(url), start }) = self.links.pop() else { return };
                let text = start.and_then(|start| self.out.get(start..)).unwrap_or_default().trim();
                if text.is_empty() {
                    self.word(&url);
                } else if !says(text, &url) {
                    self.space = false;
                    self.write(&format!(" ({url})"));
                }
            }
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                self.around(name);
            }
            "td" | "th" => self.cell_end(),
            "tr" => {
                self.cell_end();
                self.around(name);
            }
            "table" => {
                self.cell_end();
                self.tables.pop();
                self.around(name);
            }
            "li" | "ul" | "ol" | "blockquote" => {
                self.end(name);
                self.marked = false;
                self.around(name);
            }
            _ => self.around(name),
        }
    }

    /// Begins a cell. A bar parts it from the one before it if that is no more than a line: behind several lines, the
    /// last of them would look like the whole cell.
    fn cell(&mut self) {
        let end = self.out.len();
        // Browsers show the text of a cell that is in no table, too.
        let Some(cells) = self.tables.last_mut() else {
            self.space = true;
            return;
        };
        let (layout, count, start) = (cells.layout, cells.count, cells.start);
        cells.count += 1;
        cells.start = end;
        if count == 0 {
            return;
        }
        if layout {
            self.space = true;
            return;
        }
        // Before the first line of a cell stand only the line ends that the row owed.
        if !matches!(self.out.get(start..self.line), None | Some("" | "\n" | "\n\n")) {
            self.space = false;
            self.lines = self.lines.max(1);
            return;
        }
        // What a paragraph in the cell before owes is not paid in the middle of a row.
        if count > 1 || end > start {
            self.lines = 0;
        }
        self.write(" | ");
        self.marked = true;
        if let Some(cells) = self.tables.last_mut() {
            cells.start = self.out.len();
        }
    }

    /// What comes after a cell does not stand beside the bar before it, even if nothing was in the cell.
    fn cell_end(&mut self) {
        if self.tables.last().is_some_and(|cells| cells.count > 0) {
            self.marked = false;
        }
    }

    /// Begins an item of a list. It ends the one before it, whose end tag may be left out.
    fn item(&mut self) {
        let list = self.open.iter().rposition(|open| matches!(open, Open::List(_)));
        if let Some(at) = list.filter(|at| at + 1 < self.open.len()) {
            self.open.truncate(at + 1);
            self.marked = false;
        }
        self.around("li");
        let mut mark = "- ".to_owned();
        if let Some(at) = list
            && let Some(Open::List(Some(number))) = self.open.get_mut(at)
        {
            mark = format!("{number}. ");
            *number = number.saturating_add(1);
        }
        self.write(&mark);
        self.marked = true;
        if list.is_some() {
            self.nest(Open::Item(mark.len()));
        }
    }

    fn nest(&mut self, open: Open) {
        if self.open.len() < MAX_DEPTH {
            self.open.push(open);
        }
    }

    /// Ends what an end tag is for, and what was left open in it. That of an item does not reach out of its list.
    fn end(&mut self, name: &str) {
        let is_ended = |open: &Open| match open {
            Open::Quote => name == "blockquote",
            Open::List(_) => matches!(name, "ul" | "ol"),
            Open::Item(_) => name == "li",
        };
        let is_list = |open: &Open| matches!(open, Open::List(_));
        let last = self.open.iter().rposition(|open| is_ended(open) || (name == "li" && is_list(open)));
        if let Some(at) = last.filter(|at| self.open.get(*at).is_some_and(is_ended)) {
            self.open.truncate(at);
        }
    }

    /// The line ends around a block. A list's item and its paragraph stay together, and so does a list in an item.
    fn around(&mut self, name: &str) {
        let in_item =
            matches!(name, "ul" | "ol") && self.open.iter().any(|open| matches!(open, Open::Item(_)));
        let owed = if PARAGRAPHS.contains(&name) && !in_item {
            2
        } else if in_item || LINES.contains(&name) {
            1
        } else {
            return;
        };
        self.space = false;
        if !self.marked {
            self.lines = self.lines.max(owed);
        }
    }

    fn line_end(&mut self) {
        self.space = false;
        self.lines += 1;
    }

    /// Text between tags, with its entities.
    fn text(&mut self, text: &str) {
        let text = decode(text);
        if self.pre > 0 {
            return self.preformatted(&text);
        }
        for (i, word) in text.split([' ', '\t', '\r', '\n', '\u{C}']).enumerate() {
            if i > 0 {
                self.space = true;
            }
            if !word.is_empty() {
                self.word(word);
            }
        }
    }

    /// A word, with the space before it if there is one.
    fn word(&mut self, word: &str) {
        if self.space && self.lines == 0 && !self.out.is_empty() && !self.out.ends_with([' ', '\n']) {
            self.out.push(' ');
        }
        self.space = false;
        self.write(word);
    }

    /// Text whose line ends stay.
    fn preformatted(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.out.push('\n');
                self.line = self.out.len();
            }
            if !line.is_empty() || (i == 0 && self.lines > 0) {
                self.write(line);
            }
        }
    }

    fn write(&mut self, text: &str) {
        if self.lines > 0 || self.out.is_empty() || self.out.ends_with('\n') {
            self.begin_line();
        }
        let start = self.out.len();
        for link in self.links.iter_mut().rev().take_while(|link| link.start.is_none()) {
            link.start = Some(start);
        }
        self.out.push_str(text);
        self.marked = false;
    }

    /// Pays the line ends that are owed, and writes what is seen at the beginning of a line.
    fn begin_line(&mut self) {
        if self.lines > 0 {
            self.out.truncate(self.out.trim_end_matches([' ', '\n']).len());
            if !self.out.is_empty() {
                self.out.push_str(if self.lines > 1 { "\n\n" } else { "\n" });
            }
            self.lines = 0;
            self.line = self.out.len();
        }
        for open in &self.open {
            match open {
                Open::Quote => self.out.push_str("> "),
                Open::List(_) => {}
                Open::Item(width) => self.out.extend(std::iter::repeat_n(' ', *width)),
            }
        }
    }

    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}

/// Replaces entities. The Markdown parser knows all of HTML's, so it is asked.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let length = rest.bytes().skip(1).take(33).position(|b| b == b';').map(|p| p + 2);
        let decoded = length.and_then(|length| entity(&rest[..length]).map(|c| (c, length)));
        let (decoded, length) = decoded.unwrap_or_else(|| ("&".to_owned(), 1));
        out.push_str(if decoded == "\u{A0}" { " " } else { &decoded });
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn entity(entity: &str) -> Option<String> {
    if !entity[1..entity.len() - 1].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#') {
        return None;
    }
    let decoded: String = Parser::new(entity)
        .filter_map(|event| match event {
            Event::Text(text) => Some(text.into_string()),
            _ => None,
        })
        .collect();
    (!decoded.is_empty() && decoded != entity).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::write;

    #[test]
    fn html_becomes_readable() {
        let table = [
            ("<h1>Hi</h1><p>a <b>bold</b>\n word<br>next</p>", "Hi\n\na bold word\nnext"),
            ("<ul><li>one</li><li><p>two</p></li></ul>after", "- one\n- two\n\nafter"),
            ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "a | b\n1 | 2"),
            ("<a href='https://x.y/?a=1&amp;b=2'>see</a>", "see (https://x.y/?a=1&b=2)"),
            ("<a href=\"https://x.y\">https://x.y</a>", "https://x.y"),
            ("<a href=\"https://x.y/a(b)\">https://x.y/a(b)</a>", "https://x.y/a(b)"),
            ("<a href=\"javascript:x\">see</a>", "see"),
            ("<a href=https://x.y>a <a href=https://x.z>b</a>", "a (https://x.y)b (https://x.z)"),
            ("a<script>if (a < b) { '</p>' }</script>b<style>p{}</style><!-- no > -->c", "abc"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("&lt;b&gt; &amp; &hellip;&#8364;&nbsp;&bogus; 1 < 2", "<b> & …€ &bogus; 1 < 2"),
            ("<img src=x alt=\"a > b\">!", "a > b!"),
            ("<p>", ""),
            ("a <b", "a"),
        ];
        for (html, text) in table {
            assert_eq!(write(html), text, "{html}");
        }
    }

    #[test]
    fn a_bar_parts_values_in_a_row_and_nothing_else() {
        let row = "<tr><td><p>Left</p></td><td><p>Right</p></td></tr>";
        let table = [
            (format!("<table role=\"presentation\">{row}</table>"), "Left\n\nRight"),
            ("<table width=600><tr><td>a</td><td>b</td></tr></table>".into(), "a b"),
            (
                "<table role=none><tr><td><a href=https://x.y><img></a></td><td><a href=https://x.z></a></td></table>"
                    .into(),
                "https://x.y https://x.z",
            ),
            (format!("<table>{row}{row}</table>"), "Left | Right\n\nLeft | Right"),
            (format!("<table border=1 width=600>{row}</table>"), "Left | Right"),
            ("<table><tr><th></th><th>a</th></tr><tr><td>1</td><td>2</td></tr></table>".into(), " | a\n1 | 2"),
            ("<table><tr><td>a</td><td><br></td><td>c</td></tr></table>".into(), "a |  | c"),
            ("<table><tr><td>a<br>b</td><td><p>c</p></td><td>d</td></tr></table>".into(), "a\nb\n\nc | d"),
            ("<table><tr><td>a<br>b</td><td>c</td></tr></table>".into(), "a\nb\nc"),
            ("<table><tr><td>a<td><tr><td>b</td><td></td></tr><tr><td>c</table>".into(), "a |\nb |\nc"),
            (
                format!("<table width=600><tr><td><table>{row}</table></td><td>side</td></tr></table>"),
                "Left | Right\n\nside",
            ),
            (
                "<table><tr><td>a</td><td><table role=none><tr><td>x</td><td>y</td></tr></table></td>\
                 <td>b</td></tr></table>"
                    .into(),
                "a | x y | b",
            ),
            ("<td>a</td><td>b</td></table>c".into(), "a b\n\nc"),
        ];
        for (html, text) in table {
            assert_eq!(write(&html), text, "{html}");
        }
    }

    #[test]
    fn lists_are_numbered_and_nested_and_quotations_are_marked() {
        let table = [
            ("<ol><li>one</li><li>two</li></ol>after", "1. one\n2. two\n\nafter"),
            (
                "<ol start=\"9\"><li>a<ul><li>b<br>c</li></ul></li><li><p>d</p></li></ol>",
                "9. a\n   - b\n     c\n10. d",
            ),
            ("<ol start=x><li>a<li>b<ul><li>c</ul><li>d</ol>", "1. a\n2. b\n   - c\n3. d"),
            ("<ul><li></li><li>a</li></ul>", "-\n- a"),
            ("<li>a<li>b", "- a\n- b"),
            ("x<blockquote><p>a</p><p>b<br>c</p></blockquote>d", "x\n\n> a\n\n> b\n> c\n\nd"),
            ("<ul><li><blockquote>a<br>b</blockquote></li></ul>c", "- > a\n  > b\n\nc"),
            ("<blockquote><pre>a\n\n  b\n</pre></blockquote>c", "> a\n\n>   b\n\nc"),
            ("<blockquote><a href=\"https://x.y\">https://x.y</a></blockquote>", "> https://x.y"),
            ("</ul></li></blockquote>a", "a"),
        ];
        for (html, text) in table {
            assert_eq!(write(html), text, "{html}");
        }
    }

    #[test]
    fn many_links_that_have_no_end_do_not_take_for_ever() {
        let html = "<a href=https://x.y>https://x.z ".repeat(100_000);
        assert_eq!(write(&html).matches("https://x.y").count(), 99_999, "the last one never ends");
    }

    #[test]
    fn deep_nesting_is_not_seen_at_every_line() {
        let html = format!("{}a", "<blockquote><ul><li>".repeat(100_000));
        assert!(write(&html).len() < 10 * html.len());
        let html = format!("{}{}", "<blockquote>".repeat(50_000), "a<br></li>".repeat(50_000));
        assert_eq!(write(&html).matches('a').count(), 50_000);
    }
}
