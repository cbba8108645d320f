//! Plain text of blocks.

use super::ast::{Block, Inline, Item, List, Table};
use super::link::{is_in_mail, says};

/// Blocks as readable text.
pub(super) fn write(blocks: &[Block]) -> String {
    let parts: Vec<String> = blocks.iter().map(block).filter(|text| !text.is_empty()).collect();
    parts.join("\n\n")
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(_, children) | Block::Paragraph(children) => inlines(children),
        Block::Quote(_, blocks) => prefixed(&write(blocks), "> ", "> "),
        Block::List(list) => self::list(list),
        Block::Code(code) => code.text.clone(),
        Block::Table(table) => self::table(table),
        Block::Rule(_) => "----------".to_owned(),
    }
}

fn list(list: &List) -> String {
    let items: Vec<String> = list
        .items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let marker = list
                .start
                .map_or_else(|| "- ".to_owned(), |start| format!("{}. ", start.saturating_add(i as u64)));
            let task = item.task.map_or("", |done| if done { "[x] " } else { "[ ] " });
            let indent = " ".repeat(marker.len());
            prefixed(&item_text(item), &format!("{marker}{task}"), &indent)
        })
        .collect();
    items.join("\n")
}

/// An item's paragraphs are told apart by an empty line, a list in it is not.
fn item_text(item: &Item) -> String {
    let mut out = String::new();
    for inner in &item.blocks {
        let text = block(inner);
        if !out.is_empty() && !text.is_empty() {
            out.push_str(if matches!(inner, Block::List(_)) { "\n" } else { "\n\n" });
        }
        out.push_str(&text);
    }
    out
}

fn table(table: &Table) -> String {
    let row = |cells: &Vec<Vec<Inline>>| {
        cells.iter().map(|cell| inlines(cell).replace('\n', " ")).collect::<Vec<_>>().join(" | ")
    };
    let mut lines = vec![row(&table.head)];
    lines.extend(table.rows.iter().map(row));
    lines.join("\n")
}

fn inlines(inlines: &[Inline]) -> String {
    let mut out = String::new();
    push(inlines, &mut out);
    out
}

fn push(inlines: &[Inline], out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(_, text) | Inline::Code(_, text) => out.push_str(text),
            Inline::Break => out.push('\n'),
            Inline::Strong(c) | Inline::Emphasis(_, c) | Inline::Strike(_, c) => push(c, out),
            Inline::Link(link) | Inline::Image(link) => {
                let start = out.len();
                push(&link.children, out);
                let Some(url) = link.url.as_deref().filter(|url| !is_in_mail(url)) else { continue };
                let text = &out[start..];
                if text.is_empty() {
                    out.push_str(url);
                } else if link.bare && text.contains(char::is_whitespace) {
                    // Whoever makes a link of it would stop at the space, which is one of a value.
                    out.truncate(start);
                    out.push_str(url);
                } else if !says(text, url) {
                    out.push_str(&format!(" ({url})"));
                }
            }
        }
    }
}

fn prefixed(text: &str, first: &str, others: &str) -> String {
    let mut out = String::with_capacity(text.len() + first.len());
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if i == 0 {
            out.push_str(first);
        } else if !line.is_empty() {
            out.push_str(others);
        }
        out.push_str(line);
    }
    out
}
