//! Writes blocks in a platform's Markdown.

mod inline;

use mc_core::ports::Warning;

use crate::dialect::ast::{Align, Block, Code, Inline, List, Table};
use crate::dialect::flavor::Flavor;
use crate::dialect::literal::{Place, Rules, ZERO_WIDTH};
use crate::dialect::marks::Marks;
use crate::dialect::notes::Notes;
use crate::dialect::parse::{parse_clean, prepared};
use inline::{Around, CODE_AS_TEXT, longest_run, wrap};

/// Parses a body and writes it in a platform's Markdown.
pub(super) fn write(source: &str, flavor: &Flavor, warnings: &mut Vec<Warning>) -> String {
    write_with(source, flavor, warnings, |_| ()).0
}

/// As [`write`], and what another writer makes of the same blocks.
pub(super) fn write_with<T>(
    source: &str,
    flavor: &Flavor,
    warnings: &mut Vec<Warning>,
    other: impl FnOnce(&[Block]) -> T,
) -> (String, T) {
    let mut writer = Writer { flavor, notes: Notes::default() };
    let source = prepared(source);
    let blocks = parse_clean(&source);
    let out = writer.blocks(&blocks, Inside::default());
    writer.notes.finish(&source, warnings);
    (out, other(&blocks))
}

/// What surrounds a block.
#[derive(Clone, Copy, Debug, Default)]
struct Inside {
    quote: bool,
    list: bool,
    /// Blocks follow each other without an empty line.
    tight: bool,
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
            && matches!(block, Block::List(_) | Block::Code(_) | Block::Quote(..));
        let is_flat = !self.flavor.nested_quotes;
        if inside.tight && (is_flat || can_touch) {
            // Blocks begin on lines of their own, whatever ends a line inside of one.
            if self.flavor.line_end.ends_with('\n') { self.flavor.line_end } else { "\n" }
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
            Block::Quote(at, blocks) => self.quote(*at, blocks, inside),
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
        if !self.flavor.headings || (!self.flavor.nested_headings && (inside.quote || inside.list)) {
            return wrap(&self.inlines(children, Around::BOLD), self.flavor.strong, true);
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

    fn quote(&mut self, at: usize, blocks: &[Block], inside: Inside) -> String {
        let flat = !self.flavor.nested_quotes;
        if flat && inside.quote {
            self.notes.add("quote_flattened", "a quotation in a quotation is written as a part of it", at);
        }
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
            let indent = if self.flavor.lists {
                " ".repeat(marker.len().max(self.flavor.indent))
            } else {
                "\u{3000}".to_owned()
            };
            if i > 0 {
                out.push('\n');
            }
            out.push_str(&marker);
            out.push_str(task);
            let mut in_code = false;
            for (n, line) in inner.split('\n').enumerate() {
                if n > 0 {
                    out.push('\n');
                    out.push_str(if line.is_empty() || in_code { "" } else { &indent });
                }
                // Where lists are lines, what moves them to the right would be a part of the code.
                in_code ^= !self.flavor.lists && self.flavor.fences && is_fence(line);
                out.push_str(line);
            }
        }
        out
    }

    fn code(&mut self, code: &Code, inside: Inside) -> String {
        // A quotation that holds no blocks of its own holds no fences either.
        if !self.flavor.fences || (inside.quote && !self.flavor.nested_quotes) {
            let detail = if self.flavor.code_spans {
                "a block of code is written as a quotation"
            } else {
                CODE_AS_TEXT
            };
            self.notes.add("code_flattened", detail, code.at);
            let marks = Marks::of(&code.text);
            let (mut out, mut is_replaced) = (String::new(), false);
            for (i, line) in code.text.split('\n').enumerate() {
                if i > 0 {
                    out.push_str(self.flavor.line_end);
                }
                let mut text = String::new();
                is_replaced |= self.flavor.literal.push_line(line, Place::Text, marks, &mut text);
                out.push_str(&text);
            }
            if is_replaced {
                self.note_look_alike(code.at);
            }
            let is_quoted = inside.quote && !self.flavor.nested_quotes;
            return if is_quoted { out } else { quoted(&out) };
        }
        if self.flavor.literal == Rules::Slack && code.text.contains("```") {
            self.note_look_alike(code.at);
        }
        let text = self.flavor.literal.code(&code.text);
        let fence = "`".repeat(longest_run(&text, '`').max(2) + 1);
        let mut language: String =
            code.language.chars().filter(|c| c.is_alphanumeric() || "+-#._".contains(*c)).collect();
        // Slack would show it as the first line.
        if self.flavor.literal == Rules::Slack {
            language.clear();
        }
        format!("{fence}{language}\n{text}\n{fence}")
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
        let wide = table.head.len() > 2;
        let mut heads = Vec::new();
        let mut blocks = Vec::new();
        if wide {
            heads.extend(table.head.iter().map(|cell| self.inlines(cell, Around::LINE)));
        } else {
            let bold: Vec<String> = table.head.iter().map(|c| self.inlines(c, Around::BOLD)).collect();
            let head = bold.into_iter().filter(|h| !h.is_empty()).collect::<Vec<_>>().join(": ");
            blocks.push(wrap(&head, self.flavor.strong, true));
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
}

/// Whether a line begins or ends code. No text begins with a backtick where this is asked.
fn is_fence(line: &str) -> bool {
    let is_mark = |c: char| c.is_ascii_digit() || "\u{3000}•☑☐. ".contains(c);
    line.trim_start_matches(is_mark).starts_with("```")
}

/// Every line as a quotation.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| if line.is_empty() { ">".to_owned() } else { format!("> {line}") })
        .collect();
    lines.join("\n")
}
