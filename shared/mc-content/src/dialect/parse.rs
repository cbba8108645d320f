//! From Markdown source, values shielded, to blocks.

use std::borrow::Cow;

use pulldown_cmark::{Alignment, CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::ast::{Align, Block, Code, Inline, Item, Link, List, Table};
use super::autolink;
use super::link::{picture_url, safe_url};
use crate::shield::{BESIDE, LESS_THAN, LINE_END, NOTHING, unshield};

/// Nesting beyond this is read as if it were not there: the writers call themselves for each level.
const MAX_DEPTH: usize = 40;

/// Parses a body.
pub(super) fn parse(source: &str) -> Vec<Block> {
    parse_clean(&prepared(source))
}

/// Parses what [`prepared`] made of a body. Offsets in the blocks are offsets in it.
pub(super) fn parse_clean(source: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder { frames: vec![Frame::new(Open::Document, 0)], ignored: 0 };
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        builder.event(event, range.start);
    }
    builder.finish()
}

/// What the parser gets to see.
///
/// Raw HTML is off. The parser has no switch for that, so every `<` that opens neither an autolink nor a link's address
/// is shielded, and then it is a letter like those of a value.
///
/// The standard only lets `**` close before a letter if no punctuation stands before it, which is right between English
/// words and wrong in `**注意：**请检查`. Where the punctuation is not ASCII, a letter of no width is put beside it.
///
/// The standard knows no bare addresses either, so the marks in them are shielded.
pub(super) fn prepared(source: &str) -> Cow<'_, str> {
    let source = autolink::protected(source);
    let mut out = String::new();
    let mut copied = 0;
    for (at, mark) in source.bytes().enumerate().filter(|(_, b)| matches!(b, b'<' | b'*')) {
        let (before, after) = (&source[..at], &source[at + 1..]);
        let put = match mark {
            b'<' if is_html(before, after) => LESS_THAN,
            b'*' if misleads(before.chars().next_back(), || after.chars().find(|c| *c != '*')) => NOTHING,
            b'*' if misleads(after.chars().next(), || before.chars().rfind(|c| *c != '*')) => {
                out.push_str(&source[copied..=at]);
                out.push(NOTHING);
                copied = at + 1;
                continue;
            }
            _ => continue,
        };
        out.push_str(&source[copied..at]);
        out.push(put);
        copied = if put == LESS_THAN { at + 1 } else { at };
    }
    if out.is_empty() {
        return source;
    }
    out.push_str(&source[copied..]);
    Cow::Owned(out)
}

fn is_html(before: &str, after: &str) -> bool {
    let escapes = before.bytes().rev().take_while(|b| *b == b'\\').count();
    let opener = before.trim_end_matches([' ', '\n']);
    escapes % 2 == 0 && !opener.ends_with("](") && !opener.ends_with("]:") && !is_autolink(after)
}

/// Whether a mark between these two is not taken for one.
fn misleads(punctuation: Option<char>, other: impl FnOnce() -> Option<char>) -> bool {
    let is_mark = |c: char| !c.is_ascii() && !c.is_alphanumeric() && !c.is_whitespace();
    punctuation.is_some_and(|c| is_mark(c) && !matches!(c, NOTHING | BESIDE))
        && other().is_some_and(char::is_alphanumeric)
}

fn is_autolink(after: &str) -> bool {
    let Some(end) = after.find(|c: char| c == '>' || c == '<' || c.is_whitespace()) else { return false };
    let inside = &after[..end];
    after[end..].starts_with('>')
        && inside.starts_with(|c: char| c.is_ascii_alphanumeric())
        && inside.contains([':', '@'])
}

/// What is open.
#[derive(Debug)]
enum Open {
    Document,
    Quote,
    List(Option<u64>),
    Item,
    Paragraph,
    Heading(u8),
    Strong,
    Emphasis,
    Strike,
    Link(String),
    Image(String),
    Code(String),
    Table(Vec<Align>),
    Row,
    Cell,
}

/// Something open, and what it holds so far.
#[derive(Debug)]
struct Frame {
    open: Open,
    at: usize,
    /// Whether it stands in a link or a picture, where no address is a link of its own.
    in_link: bool,
    blocks: Vec<Block>,
    /// Inlines. In a block that holds blocks they are a paragraph without its tags, as tight lists have them.
    inlines: Vec<Inline>,
    items: Vec<Item>,
    cells: Vec<Vec<Inline>>,
    rows: Vec<Vec<Vec<Inline>>>,
    task: Option<bool>,
    /// Code, or text that is no inline yet, because the parser gives it in pieces.
    text: String,
    /// Where that text begins.
    text_at: usize,
}

impl Frame {
    fn new(open: Open, at: usize) -> Self {
        Self {
            open,
            at,
            in_link: false,
            blocks: Vec::new(),
            inlines: Vec::new(),
            items: Vec::new(),
            cells: Vec::new(),
            rows: Vec::new(),
            task: None,
            text: String::new(),
            text_at: at,
        }
    }

    /// An inline in it.
    fn push(&mut self, inline: Inline) {
        self.settle();
        self.inlines.push(inline);
    }

    /// A block in it. A paragraph of nothing (an empty value on a line of its own) leaves nothing.
    fn block(&mut self, block: Block) {
        self.flush();
        let is_empty = match &block {
            Block::Paragraph(inlines) => inlines.is_empty(),
            _ => false,
        };
        if !is_empty {
            self.blocks.push(block);
        }
    }

    /// Makes inlines of the text that was read, with links for the addresses in it.
    fn settle(&mut self) {
        if self.text.is_empty() || matches!(self.open, Open::Code(_)) {
            return;
        }
        let text = std::mem::take(&mut self.text);
        let mut rest = text.as_str();
        let mut at = self.text_at;
        while !self.in_link
            && let Some((start, end)) = autolink::find(rest)
        {
            let address = &rest[start..end];
            push_literal(&rest[..start], at, &mut self.inlines);
            let mut children = Vec::new();
            push_literal(address, at + start, &mut children);
            let url = safe_url(&unshield(address));
            self.inlines.push(Inline::Link(Link { at: at + start, url, children, bare: true }));
            rest = &rest[end..];
            at += end;
        }
        push_literal(rest, at, &mut self.inlines);
    }

    /// Closes a paragraph without tags before the next block.
    fn flush(&mut self) {
        self.settle();
        if !self.inlines.is_empty() {
            self.blocks.push(Block::Paragraph(std::mem::take(&mut self.inlines)));
        }
    }

    /// Nothing more comes into it.
    fn close(&mut self) {
        self.settle();
        if matches!(self.open, Open::Document | Open::Quote | Open::Item) {
            self.flush();
        }
    }
}

/// Literal text that begins at an offset. Neighbours are joined, so that a writer sees what stands next to what.
fn push_literal(text: &str, at: usize, inlines: &mut Vec<Inline>) {
    let shown = unshield(text);
    if !shown.contains('\n') {
        return push_line(&shown, at, inlines);
    }
    let mut at = at;
    for (i, line) in text.split(['\n', LINE_END]).enumerate() {
        if i > 0 {
            inlines.push(Inline::Break);
        }
        push_line(&unshield(line), at, inlines);
        at += line.len() + LINE_END.len_utf8();
    }
}

fn push_line(line: &str, at: usize, inlines: &mut Vec<Inline>) {
    match inlines.last_mut() {
        _ if line.is_empty() => {}
        Some(Inline::Text(_, last)) => last.push_str(line),
        _ => inlines.push(Inline::Text(at, line.to_owned())),
    }
}

/// Builds blocks from the parser's events, without recursion.
struct Builder {
    frames: Vec<Frame>,
    ignored: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, at: usize) {
        match event {
            Event::Start(tag) => self.start(tag, at),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                let top = self.top();
                if top.text.is_empty() {
                    top.text_at = at;
                }
                top.text.push_str(&text);
            }
            Event::Code(text) => {
                let code = unshield(&text).replace('\n', " ");
                self.top().push(Inline::Code(at, code));
            }
            Event::SoftBreak | Event::HardBreak => self.top().push(Inline::Break),
            Event::Rule => {
                let top = self.top();
                top.flush();
                top.blocks.push(Block::Rule(at));
            }
            Event::TaskListMarker(done) => {
                // In a loose list the marker stands in the item's first paragraph.
                if let Some(item) = self.frames.iter_mut().rev().find(|f| matches!(f.open, Open::Item)) {
                    item.task = Some(done);
                }
            }
            Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => {}
        }
    }

    fn top(&mut self) -> &mut Frame {
        // The document's frame is never taken away, so there always is one.
        if self.frames.is_empty() {
            self.frames.push(Frame::new(Open::Document, 0));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn start(&mut self, tag: Tag<'_>, at: usize) {
        // Only some frames can hold text. A list or a table whose items would not fit is ignored as a whole.
        let needed = if matches!(tag, Tag::List(_) | Tag::Table(_)) { 3 } else { 1 };
        if self.ignored > 0 || self.frames.len() + needed > MAX_DEPTH {
            self.ignored += 1;
            return;
        }
        let open = match tag {
            Tag::Paragraph => Open::Paragraph,
            Tag::Heading { level, .. } => Open::Heading(level as u8),
            Tag::BlockQuote(_) => Open::Quote,
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => {
                let info = unshield(&info);
                Open::Code(info.split_whitespace().next().unwrap_or_default().to_owned())
            }
            Tag::CodeBlock(CodeBlockKind::Indented) => Open::Code(String::new()),
            Tag::List(start) => Open::List(start),
            Tag::Item => Open::Item,
            Tag::Table(columns) => Open::Table(columns.into_iter().map(align).collect()),
            Tag::TableHead | Tag::TableRow => Open::Row,
            Tag::TableCell => Open::Cell,
            Tag::Emphasis => Open::Emphasis,
            Tag::Strong => Open::Strong,
            Tag::Strikethrough => Open::Strike,
            Tag::Link { dest_url, link_type, .. } => {
                let mailto = if link_type == pulldown_cmark::LinkType::Email { "mailto:" } else { "" };
                Open::Link(format!("{mailto}{}", unshield(&dest_url)))
            }
            Tag::Image { dest_url, .. } => Open::Image(unshield(&dest_url).into_owned()),
            // Extensions that are not switched on.
            Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => Open::Paragraph,
        };
        let mut frame = Frame::new(open, at);
        frame.in_link = self.top().in_link || matches!(frame.open, Open::Link(_) | Open::Image(_));
        self.frames.push(frame);
    }

    fn end(&mut self, _tag: TagEnd) {
        if self.ignored > 0 {
            self.ignored -= 1;
            // What was ignored may have been a paragraph; the next one must not run on from it.
            self.top().text.push(' ');
            return;
        }
        if self.frames.len() < 2 {
            return;
        }
        let Some(mut frame) = self.frames.pop() else { return };
        frame.close();
        let Frame { open, at, blocks, inlines, items, cells, rows, task, text, .. } = frame;
        let parent = self.top();
        match open {
            Open::Document => {}
            Open::Paragraph => parent.block(Block::Paragraph(inlines)),
            Open::Heading(level) => parent.block(Block::Heading(level, inlines)),
            Open::Quote => parent.block(Block::Quote(at, blocks)),
            Open::List(start) => parent.block(Block::List(List { at, start, items })),
            Open::Item => parent.items.push(Item { task, blocks }),
            Open::Code(language) => {
                let text = unshield(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
                parent.block(Block::Code(Code { at, language, text }));
            }
            Open::Strong => parent.push(Inline::Strong(inlines)),
            Open::Emphasis => parent.push(Inline::Emphasis(at, inlines)),
            Open::Strike => parent.push(Inline::Strike(at, inlines)),
            Open::Link(url) => {
                let url = safe_url(&url);
                parent.push(Inline::Link(Link { at, url, children: inlines, bare: false }));
            }
            Open::Image(url) => {
                let url = picture_url(&url);
                parent.push(Inline::Image(Link { at, url, children: inlines, bare: false }));
            }
            Open::Cell => parent.cells.push(inlines),
            Open::Row => parent.rows.push(cells),
            Open::Table(columns) => {
                let mut rows = rows.into_iter();
                let head = rows.next().unwrap_or_default();
                parent.block(Block::Table(Table { at, columns, head, rows: rows.collect() }));
            }
        }
    }

    fn finish(mut self) -> Vec<Block> {
        self.frames.truncate(1);
        let Some(mut document) = self.frames.pop() else { return Vec::new() };
        document.flush();
        document.blocks
    }
}

fn align(column: Alignment) -> Align {
    match column {
        Alignment::None => Align::None,
        Alignment::Left => Align::Left,
        Alignment::Center => Align::Center,
        Alignment::Right => Align::Right,
    }
}
