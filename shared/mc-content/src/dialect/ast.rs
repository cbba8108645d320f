//! What the author's Markdown says, independent of any platform.
//!
//! Texts are unshielded here: whatever stands in a [`Inline::Text`], [`Inline::Code`] or [`Block::Code`] is literal, and
//! each writer escapes it for its platform.

/// A block.
#[derive(Debug, PartialEq)]
pub(super) enum Block {
    /// A heading of a level from 1 to 6.
    Heading(u8, Vec<Inline>),
    /// A paragraph.
    Paragraph(Vec<Inline>),
    /// A quotation. The number is a byte of the source.
    Quote(usize, Vec<Block>),
    /// A list.
    List(List),
    /// Code, fenced or indented.
    Code(Code),
    /// A table.
    Table(Table),
    /// A thematic break.
    Rule(usize),
}

/// A list. Offsets (`at`) are bytes of the source.
#[derive(Debug, PartialEq)]
pub(super) struct List {
    pub(super) at: usize,
    /// The first number of an ordered list.
    pub(super) start: Option<u64>,
    pub(super) items: Vec<Item>,
}

/// An item of a list.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// Whether the task is done, in a task list.
    pub(super) task: Option<bool>,
    pub(super) blocks: Vec<Block>,
}

/// A block of code.
#[derive(Debug, PartialEq)]
pub(super) struct Code {
    pub(super) at: usize,
    pub(super) language: String,
    /// Without the last line end.
    pub(super) text: String,
}

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Align {
    None,
    Left,
    Center,
    Right,
}

/// A table. Every row has as many cells as the head.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    pub(super) at: usize,
    pub(super) columns: Vec<Align>,
    pub(super) head: Vec<Vec<Inline>>,
    pub(super) rows: Vec<Vec<Vec<Inline>>>,
}

/// A piece of a paragraph. Numbers are bytes of the source.
#[derive(Debug, PartialEq)]
pub(super) enum Inline {
    /// Literal text, without line ends.
    Text(usize, String),
    /// Literal text in a code span.
    Code(usize, String),
    /// A line end. Chat platforms show the author's line ends, so all dialects do.
    Break,
    /// Bold.
    Strong(Vec<Inline>),
    /// Italic.
    Emphasis(usize, Vec<Inline>),
    /// Struck out.
    Strike(usize, Vec<Inline>),
    /// A link.
    Link(Link),
    /// A picture.
    Image(Link),
}

/// A link or a picture.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    pub(super) at: usize,
    /// Where it leads, if it may lead there.
    pub(super) url: Option<String>,
    pub(super) children: Vec<Inline>,
    /// Whether the author wrote the address alone, without any marks around it.
    pub(super) bare: bool,
}

/// The text of inlines without any formatting; line ends become `line_end`.
pub(super) fn plain(inlines: &[Inline], line_end: &str) -> String {
    let mut out = String::new();
    plain_into(inlines, line_end, &mut out);
    out
}

fn plain_into(inlines: &[Inline], line_end: &str, out: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text(_, text) | Inline::Code(_, text) => out.push_str(text),
            Inline::Break => out.push_str(line_end),
            Inline::Strong(c) | Inline::Emphasis(_, c) | Inline::Strike(_, c) => plain_into(c, line_end, out),
            Inline::Link(link) | Inline::Image(link) => plain_into(&link.children, line_end, out),
        }
    }
}
