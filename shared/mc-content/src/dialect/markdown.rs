//! Writes blocks in a platform's Markdown.

use mc_core::ports::Warning;

use super::ast::{Align, Block, Code, Inline, Link, List, Table, plain};
use super::flavor::Flavor;
use super::literal::{Place, Rules, ZERO_WIDTH};
use super::notes::Notes;
use super::parse::{parse_clean, prepared};

/// Parses a body and writes it in a platform's Markdown.
pub(super) fn write(source: &str, flavor: &Flavor, warnings: &mut Vec<Warning>) -> String {
    let mut writer = Writer { flavor, notes: Notes::default() };
    let source = prepared(source);
    let out = writer.blocks(&parse_clean(&source), Inside::default());
    writer.notes.finish(&source, warnings);
    out
}

/// What surrounds a block.
#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    quote: bool,
    list: bool,
    /// Blocks follow each other without an empty line.
    tight: bool,
}

/// What surrounds a piece of text.
#[derive(Clone, Copy, Debug)]
struct Around {
    place: Place,
    strong: bool,
    emphasis: bool,
    one_line: bool,
    /// After a mark no text is at the start of a line.
    marked: bool,
}

impl Around {
    const TEXT: Self =
        Self { place: Place::Text, strong: false, emphasis: false, one_line: false, marked: false };
    const LINE: Self = Self { one_line: true, ..Self::TEXT };
    const HEADING: Self = Self { marked: true, ..Self::LINE };
    const CELL: Self = Self { place: Place::Cell, ..Self::HEADING };
}

struct Writer<'f> {
    flavor: &'f Flavor,
    notes: Notes,
}

impl Writer<'_> {
    fn blocks(&mut self, blocks: &[Block], inside: Inside) -> String {
        let mut out = String::new();
        let mut previous: Option<&Block> = None;
        for block in blocks {
            let text = self.block(block, inside);
            if text.is_empty() {
                continue;
            }
            if let Some(previous) = previous {
                out.push_str(self.between(previous, block, inside));
            }
            out.push_str(&text);
            previous = Some(block);
        }
        out
    }

    /// What parts two blocks. Without an empty line some would run into each other.
    fn between(&self, previous: &Block, block: &Block, inside: Inside) -> &'static str {
        let can_touch = matches!(previous, Block::Paragraph(_) | Block::Code(_))
            && matches!(block, Block::List(_) | Block::Code(_) | Block::Quote(_));
        let is_flat = !self.flavor.nested_quotes;
        if inside.tight && (is_flat || can_touch) {
            self.flavor.line_end
        } else if matches!(previous, Block::Heading(..)) {
            self.flavor.after_heading
        } else {
            "\n\n"
        }
    }

    fn block(&mut self, block: &Block, inside: Inside) -> String {
        match block {
            Block::Heading(level, children) => self.heading(*level, children, inside),
            Block::Paragraph(children) => self.inlines(children, Around::TEXT),
            Block::Quote(blocks) => self.quote(blocks, inside),
            Block::List(list) => self.list(list, inside),
            Block::Code(code) => self.code(code, inside),
            Block::Table(table) => self.table(table),
            Block::Rule(at) => {
                if !self.flavor.rules {
                    self.notes.add(
                        "rule_flattened",
                        "a thematic break is drawn as a line of characters",
                        *at,
                    );
                }
                self.flavor.rule.to_owned()
            }
        }
    }

    fn heading(&mut self, level: u8, children: &[Inline], inside: Inside) -> String {
        if !self.flavor.nested_headings && (inside.quote || inside.list) {
            return wrap(&self.inlines(children, Around { strong: true, ..Around::HEADING }), "**");
        }
        let mut text = self.inlines(children, Around::HEADING);
        if text.trim().is_empty() {
            return String::new();
        }
        // Number signs at the end of a heading are not shown.
        if self.flavor.literal == Rules::LookAlike && text.ends_with('#') {
            text.push(ZERO_WIDTH);
        }
        format!("{} {text}", "#".repeat(usize::from(level)))
    }

    fn quote(&mut self, blocks: &[Block], inside: Inside) -> String {
        let flat = !self.flavor.nested_quotes;
        let inner = self.blocks(blocks, Inside { quote: true, tight: flat, ..inside });
        if flat && inside.quote { inner } else { quoted(&inner) }
    }

    fn list(&mut self, list: &List, inside: Inside) -> String {
        if !self.flavor.lists {
            self.notes.add("list_flattened", "a list is written as lines of text", list.at);
        }
        let loose = list
            .items
            .iter()
            .any(|i| i.blocks.iter().filter(|b| matches!(b, Block::Paragraph(_))).count() > 1);
        let mut out = String::new();
        for (i, item) in list.items.iter().enumerate() {
            let number = list.start.map(|start| start.saturating_add(i as u64));
            let marker = match (number, self.flavor.lists) {
                (Some(n), _) => format!("{n}. "),
                (None, true) => "- ".to_owned(),
                (None, false) if item.task.is_some() => String::new(),
                (None, false) => "• ".to_owned(),
            };
            let task = item.task.map_or("", |done| if done { "☑ " } else { "☐ " });
            let inner = self.blocks(&item.blocks, Inside { list: true, tight: !loose, ..inside });
            let indent = if self.flavor.lists { " ".repeat(marker.len()) } else { "\u{3000}".to_owned() };
            if i > 0 {
                out.push('\n');
            }
            out.push_str(&marker);
            out.push_str(task);
            for (n, line) in inner.split('\n').enumerate() {
                if n > 0 {
                    out.push('\n');
                    out.push_str(if line.is_empty() { "" } else { &indent });
                }
                out.push_str(line);
            }
        }
        out
    }

    fn code(&mut self, code: &Code, inside: Inside) -> String {
        if !self.flavor.fences {
            self.notes.add("code_flattened", "a block of code is written as a quotation", code.at);
            let mut out = String::new();
            for (i, line) in code.text.split('\n').enumerate() {
                if i > 0 {
                    out.push_str(self.flavor.line_end);
                }
                let mut text = String::new();
                self.flavor.literal.push_line(line, Place::Text, &mut text);
                out.push_str(&text);
            }
            let is_quoted = inside.quote && !self.flavor.nested_quotes;
            return if is_quoted { out } else { quoted(&out) };
        }
        let fence = "`".repeat(longest_run(&code.text, '`').max(2) + 1);
        let language: String =
            code.language.chars().filter(|c| c.is_alphanumeric() || "+-#._".contains(*c)).collect();
        format!("{fence}{language}\n{}\n{fence}", code.text)
    }

    fn table(&mut self, table: &Table) -> String {
        if !self.flavor.tables {
            self.notes.add("table_flattened", "a table is written as lines of text", table.at);
            return self.flat_table(table);
        }
        let mut out = String::new();
        self.row(&table.head, &mut out);
        out.push_str("\n|");
        for column in &table.columns {
            out.push_str(match column {
                Align::None => " --- |",
                Align::Left => " :-- |",
                Align::Center => " :-: |",
                Align::Right => " --: |",
            });
        }
        for row in &table.rows {
            out.push('\n');
            self.row(row, &mut out);
        }
        out
    }

    fn row(&mut self, cells: &[Vec<Inline>], out: &mut String) {
        out.push('|');
        for cell in cells {
            out.push(' ');
            out.push_str(&self.inlines(cell, Around::CELL));
            out.push_str(" |");
        }
    }

    /// Two columns are names and values, a line each. More are a line per cell, with an empty line between rows.
    fn flat_table(&mut self, table: &Table) -> String {
        let heads: Vec<String> = table.head.iter().map(|cell| self.inlines(cell, Around::LINE)).collect();
        let wide = heads.len() > 2;
        let mut blocks = Vec::new();
        if !wide {
            let bold: Vec<String> =
                table.head.iter().map(|c| self.inlines(c, Around { strong: true, ..Around::LINE })).collect();
            let head = bold.into_iter().filter(|h| !h.is_empty()).collect::<Vec<_>>().join(": ");
            blocks.push(wrap(&head, "**"));
        }
        for row in &table.rows {
            let cells: Vec<String> = row.iter().map(|cell| self.inlines(cell, Around::LINE)).collect();
            if !wide {
                blocks.push(cells.into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join(": "));
                continue;
            }
            let lines: Vec<String> = heads
                .iter()
                .zip(&cells)
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(head, cell)| if head.is_empty() { cell.clone() } else { format!("{head}: {cell}") })
                .collect();
            blocks.push(lines.join(self.flavor.line_end));
        }
        blocks.retain(|b| !b.is_empty());
        blocks.join(if wide { "\n\n" } else { self.flavor.line_end })
    }

    fn inlines(&mut self, inlines: &[Inline], around: Around) -> String {
        let mut out = String::new();
        for inline in inlines {
            self.inline(inline, around, &mut out);
        }
        out
    }

    fn inline(&mut self, inline: &Inline, around: Around, out: &mut String) {
        match inline {
            Inline::Text(text) => {
                self.gap_after_mark(text, out);
                self.push_text(text, around, out);
            }
            Inline::Break if around.one_line => out.push(' '),
            Inline::Break => out.push_str(self.flavor.line_end),
            Inline::Code(at, text) => self.code_span(*at, text, around, out),
            Inline::Strong(children) if around.strong => self.nested(children, around, out),
            Inline::Strong(children) => self.marked(children, Around { strong: true, ..around }, "**", out),
            Inline::Emphasis(at, children) => match self.flavor.emphasis {
                Some(_) if around.emphasis => self.nested(children, around, out),
                Some(mark) => self.marked(children, Around { emphasis: true, ..around }, mark, out),
                None => {
                    self.notes.add("emphasis_dropped", "italics are written plain", *at);
                    self.nested(children, around, out);
                }
            },
            Inline::Strike(at, children) => match self.flavor.strike {
                Some(mark) => self.marked(children, around, mark, out),
                None => {
                    self.notes.add("strikethrough_dropped", "struck out text is written plain", *at);
                    self.nested(children, around, out);
                }
            },
            Inline::Link(link) => self.link(link, around, out),
            Inline::Image(link) => self.image(link, out),
        }
    }

    fn nested(&mut self, children: &[Inline], around: Around, out: &mut String) {
        for child in children {
            self.inline(child, around, out);
        }
    }

    /// Puts marks around text, line by line: no platform takes bold text over a line end.
    fn marked(&mut self, children: &[Inline], around: Around, mark: &str, out: &mut String) {
        let inner = self.inlines(children, Around { marked: true, ..around });
        let text = wrap(&inner, mark);
        // Beside a letter, a mark that encloses punctuation does not count; a space makes it count.
        let opens_badly = inner.starts_with(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
        if self.flavor.flanking && opens_badly && out.ends_with(char::is_alphanumeric) {
            out.push(' ');
        }
        // Two runs of marks side by side would be one longer run.
        if text.starts_with(mark) && out.ends_with(['*', '~']) {
            out.push(ZERO_WIDTH);
        }
        out.push_str(&text);
    }

    /// The space that a closing mark after punctuation needs before a letter.
    fn gap_after_mark(&self, text: &str, out: &mut String) {
        let Some(rest) = out.strip_suffix(['*', '~']).filter(|_| self.flavor.flanking) else { return };
        let closes_badly =
            rest.trim_end_matches(['*', '~']).ends_with(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
        let is_literal = self.flavor.literal == Rules::Backslash && rest.ends_with('\\');
        if closes_badly && !is_literal && text.starts_with(char::is_alphanumeric) {
            out.push(' ');
        }
    }

    fn code_span(&mut self, at: usize, text: &str, around: Around, out: &mut String) {
        if text.trim().is_empty() {
            out.push_str(text);
            return;
        }
        if !self.flavor.code_spans {
            self.notes.add("code_flattened", "code is written as plain text", at);
            return self.push_text(text, around, out);
        }
        // Two code spans side by side would join their marks.
        if out.ends_with('`') {
            out.push(ZERO_WIDTH);
        }
        let text = if around.place == Place::Cell && self.flavor.literal == Rules::Backslash {
            text.replace('|', "\\|")
        } else if around.place == Place::Cell {
            text.replace('|', "∣")
        } else {
            text.to_owned()
        };
        if self.flavor.literal == Rules::Backslash {
            let fence = "`".repeat(longest_run(&text, '`') + 1);
            let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
            out.push_str(&format!("{fence}{pad}{text}{pad}{fence}"));
        } else {
            out.push('`');
            out.push_str(&text.replace('`', "ˋ"));
            out.push('`');
        }
    }

    fn link(&mut self, link: &Link, around: Around, out: &mut String) {
        let Some(url) = &link.url else {
            self.notes.add(
                "link_dropped",
                "a link whose address has no scheme that may be opened is written as text",
                link.at,
            );
            return self.nested(&link.children, around, out);
        };
        let inner = Around { place: Place::Link, one_line: true, marked: true, ..around };
        let mut text = String::new();
        // Pictures cannot stand in a link everywhere, so there they are their descriptions.
        for child in &link.children {
            match child {
                Inline::Image(image) => {
                    self.flavor.literal.push(&plain(&image.children, " "), Place::Link, &mut text);
                }
                child => self.inline(child, inner, &mut text),
            }
        }
        self.push_link(text, url, "", out);
    }

    fn image(&mut self, image: &Link, out: &mut String) {
        let mut text = String::new();
        self.flavor.literal.push(&plain(&image.children, " "), Place::Link, &mut text);
        match &image.url {
            Some(url) if self.flavor.images => self.push_link(text, url, "!", out),
            Some(url) => {
                self.notes.add("image_linked", "a picture is written as a link to it", image.at);
                self.push_link(text, url, "", out);
            }
            None => {
                self.notes.add(
                    "image_dropped",
                    "a picture without an address that may be opened is left away",
                    image.at,
                );
                out.push_str(&text);
            }
        }
    }

    fn push_text(&self, text: &str, around: Around, out: &mut String) {
        if around.marked {
            self.flavor.literal.push(text, around.place, out);
        } else {
            self.flavor.literal.push_line(text, around.place, out);
        }
    }

    fn push_link(&self, text: String, url: &str, kind: &str, out: &mut String) {
        let mut text = text.trim().to_owned();
        if text.is_empty() && kind.is_empty() {
            self.flavor.literal.push(url, Place::Link, &mut text);
        }
        // After `!` a link would be a picture, and after `]` the text of another one.
        if self.flavor.literal != Rules::Backslash && out.ends_with(['!', ']']) {
            out.push(ZERO_WIDTH);
        }
        out.push_str(&format!("{kind}[{text}]({url})"));
    }
}

/// A mark around each line of a text, spaces left outside. Nothing is marked in an empty line.
fn wrap(text: &str, mark: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2 * mark.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let core = line.trim();
        if core.is_empty() {
            out.push_str(line);
            continue;
        }
        let start = line.len() - line.trim_start().len();
        out.push_str(&line[..start]);
        out.push_str(mark);
        out.push_str(core);
        out.push_str(mark);
        out.push_str(&line[start + core.len()..]);
    }
    out
}

/// Every line as a quotation.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| if line.is_empty() { ">".to_owned() } else { format!("> {line}") })
        .collect();
    lines.join("\n")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}
