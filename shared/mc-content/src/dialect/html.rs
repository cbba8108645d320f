//! HTML of blocks.

use super::ast::{Align, Block, Inline, List, Table};

/// The style of a block, by its tag: e-mail readers only believe what stands on the block itself. A `div` is the box
/// around a table; without a style there is none.
pub(super) type Style = fn(&str) -> &'static str;

/// No styles.
pub(super) fn bare(_tag: &str) -> &'static str {
    ""
}

/// Blocks as HTML.
pub(super) fn write(blocks: &[Block], style: Style) -> String {
    let mut writer = Writer::new(style);
    writer.blocks(blocks, false);
    writer.out
}

/// A word longer than this gets places to break in a cell of a table with styles.
const LONG_WORD: usize = 24;

/// The same, with places to break (`<wbr>`) in long words, so that no word makes a column wide.
fn escape_breaking(text: &str, out: &mut String) {
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let mut rest = word;
        while let Some((at, _)) = rest.char_indices().nth(LONG_WORD / 2).filter(|_| word.len() > LONG_WORD) {
            escape(&rest[..at], out);
            out.push_str("<wbr>");
            rest = &rest[at..];
        }
        escape(rest, out);
    }
}

/// A text for an element or an attribute.
pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

/// Keeps the spaces of aligned columns and of indented lines; to be appended to a style. Line ends of the source are seen
/// there, too, so none may stand beside a `<br>`.
pub(super) const KEEP_SPACES: &str = ";white-space:pre-wrap";

/// Plain text as paragraphs: an empty line parts them, other line ends stay. With styles its spaces stay as well.
pub(super) fn paragraphs(text: &str, style: Style) -> String {
    let text = text.replace("\r\n", "\n");
    let (more, line_end) = if style("p").is_empty() { ("", "<br>\n") } else { (KEEP_SPACES, "<br>") };
    let mut writer = Writer::new(style);
    let mut open = false;
    for line in text.split('\n') {
        if line.trim().is_empty() {
            if open {
                writer.out.push_str("</p>\n");
            }
            open = false;
            continue;
        }
        if open {
            writer.out.push_str(line_end);
        } else {
            writer.open_with("p", "", more);
        }
        open = true;
        escape(line, &mut writer.out);
    }
    if open {
        writer.out.push_str("</p>\n");
    }
    writer.out
}

struct Writer {
    out: String,
    style: Style,
    /// Whether long words get places to break.
    breaks: bool,
}

impl Writer {
    fn new(style: Style) -> Self {
        Self { out: String::new(), style, breaks: false }
    }

    fn text(&mut self, text: &str) {
        if self.breaks {
            escape_breaking(text, &mut self.out);
        } else {
            escape(text, &mut self.out);
        }
    }

    fn open(&mut self, tag: &str) {
        self.open_with(tag, "", "");
    }

    /// Opens a tag with more attributes and more style than it always has.
    fn open_with(&mut self, tag: &str, attributes: &str, more: &str) {
        let style = (self.style)(tag);
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push_str(attributes);
        if !style.is_empty() || !more.is_empty() {
            self.out.push_str(" style=\"");
            self.out.push_str(style);
            self.out.push_str(more);
            self.out.push('"');
        }
        self.out.push('>');
    }

    fn close(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push_str(">\n");
    }

    fn blocks(&mut self, blocks: &[Block], tight: bool) {
        for block in blocks {
            self.block(block, tight);
        }
    }

    fn block(&mut self, block: &Block, tight: bool) {
        match block {
            Block::Paragraph(children) if tight => self.inlines(children),
            Block::Paragraph(children) => self.element("p", children),
            Block::Heading(level, children) => self.element(heading(*level), children),
            Block::Quote(_, blocks) => {
                self.open("blockquote");
                self.out.push('\n');
                self.blocks(blocks, false);
                self.close("blockquote");
            }
            Block::List(list) => self.list(list),
            Block::Code(code) => {
                self.open("pre");
                self.out.push_str("<code");
                if !code.language.is_empty() {
                    self.out.push_str(" class=\"language-");
                    escape(&code.language, &mut self.out);
                    self.out.push('"');
                }
                self.out.push('>');
                escape(&code.text, &mut self.out);
                self.out.push_str("\n</code>");
                self.close("pre");
            }
            Block::Table(table) => self.table(table),
            Block::Rule(_) => {
                self.open("hr");
                self.out.push('\n');
            }
        }
    }

    fn element(&mut self, tag: &str, children: &[Inline]) {
        self.open(tag);
        self.inlines(children);
        self.close(tag);
    }

    fn list(&mut self, list: &List) {
        let tag = if list.start.is_some() { "ol" } else { "ul" };
        let start = list.start.filter(|n| *n != 1).map_or_else(String::new, |n| format!(" start=\"{n}\""));
        self.open_with(tag, &start, "");
        self.out.push('\n');
        let loose = list
            .items
            .iter()
            .any(|i| i.blocks.iter().filter(|b| matches!(b, Block::Paragraph(_))).count() > 1);
        for item in &list.items {
            // A task has its box for a mark.
            let marked = item.task.is_none() || (self.style)("li").is_empty();
            self.open_with("li", "", if marked { "" } else { "list-style:none" });
            match item.task {
                Some(true) => self.out.push_str("☑ "),
                Some(false) => self.out.push_str("☐ "),
                None => {}
            }
            self.blocks(&item.blocks, !loose);
            self.close("li");
        }
        self.close(tag);
    }

    fn table(&mut self, table: &Table) {
        let boxed = !(self.style)("div").is_empty();
        if boxed {
            self.open("div");
            self.breaks = true;
        }
        self.open("table");
        self.out.push_str("\n<thead>\n");
        self.row("th", &table.head, &table.columns);
        self.out.push_str("</thead>\n<tbody>\n");
        for row in &table.rows {
            self.row("td", row, &table.columns);
        }
        self.out.push_str("</tbody>\n");
        self.close("table");
        if boxed {
            self.breaks = false;
            self.close("div");
        }
    }

    fn row(&mut self, tag: &str, cells: &[Vec<Inline>], columns: &[Align]) {
        self.out.push_str("<tr>");
        for (i, cell) in cells.iter().enumerate() {
            let align = match columns.get(i) {
                Some(Align::Left) => "text-align:left",
                Some(Align::Center) => "text-align:center",
                Some(Align::Right) => "text-align:right",
                Some(Align::None) | None => "",
            };
            self.open_with(tag, "", align);
            self.inlines(cell);
            self.out.push_str("</");
            self.out.push_str(tag);
            self.out.push('>');
        }
        self.out.push_str("</tr>\n");
    }

    fn inlines(&mut self, inlines: &[Inline]) {
        for inline in inlines {
            self.inline(inline);
        }
    }

    fn inline(&mut self, inline: &Inline) {
        match inline {
            Inline::Text(_, text) => self.text(text),
            Inline::Break => self.out.push_str("<br>\n"),
            Inline::Code(_, text) => {
                self.out.push_str("<code>");
                self.text(text);
                self.out.push_str("</code>");
            }
            Inline::Strong(children) => self.mark("strong", children),
            Inline::Emphasis(_, children) => self.mark("em", children),
            Inline::Strike(_, children) => self.mark("del", children),
            Inline::Link(link) => {
                let Some(url) = &link.url else { return self.inlines(&link.children) };
                self.out.push_str("<a href=\"");
                escape(url, &mut self.out);
                self.out.push_str("\">");
                if link.children.is_empty() {
                    self.text(url);
                }
                self.inlines(&link.children);
                self.out.push_str("</a>");
            }
            Inline::Image(link) => {
                let text = super::ast::plain(&link.children, " ");
                let Some(url) = &link.url else { return escape(&text, &mut self.out) };
                self.out.push_str("<img src=\"");
                escape(url, &mut self.out);
                self.out.push_str("\" alt=\"");
                escape(&text, &mut self.out);
                let style = (self.style)("img");
                self.out.push_str("\" style=\"");
                self.out.push_str(if style.is_empty() { "max-width:100%" } else { style });
                self.out.push_str("\">");
            }
        }
    }

    fn mark(&mut self, tag: &str, children: &[Inline]) {
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push('>');
        self.inlines(children);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }
}

fn heading(level: u8) -> &'static str {
    match level {
        0 | 1 => "h1",
        2 => "h2",
        3 => "h3",
        4 => "h4",
        5 => "h5",
        _ => "h6",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_get_places_to_break_and_short_ones_none() {
        let broken = |text: &str| {
            let mut out = String::new();
            escape_breaking(text, &mut out);
            out
        };
        assert_eq!(broken("short  words <b>"), "short  words &lt;b&gt;");
        assert_eq!(broken("a https://x.example/segment"), "a https://x.ex<wbr>ample/segmen<wbr>t");
        assert_eq!(broken("0123456789&<0123456789ab"), "0123456789&amp;&lt;0123456789ab", "24 are not long");
    }
}
