//! What each Markdown platform understands, as data.

use super::literal;

/// A platform's Markdown.
#[derive(Debug)]
pub(super) struct Flavor {
    /// The mark around italics; without one they are plain.
    pub(super) emphasis: Option<&'static str>,
    /// The mark around struck out text; without one it is plain.
    pub(super) strike: Option<&'static str>,
    /// Whether code spans exist.
    pub(super) code_spans: bool,
    /// Whether fenced code exists.
    pub(super) fences: bool,
    /// Whether lists exist.
    pub(super) lists: bool,
    /// Whether tables exist.
    pub(super) tables: bool,
    /// Whether pictures exist.
    pub(super) images: bool,
    /// Whether quotations nest and hold paragraphs of their own.
    pub(super) nested_quotes: bool,
    /// Whether headings may stand in quotations and lists.
    pub(super) nested_headings: bool,
    /// What a thematic break is written as.
    pub(super) rule: &'static str,
    /// Whether it is a thematic break there.
    pub(super) rules: bool,
    /// A line end inside a paragraph.
    pub(super) line_end: &'static str,
    /// What separates a heading from what follows.
    pub(super) after_heading: &'static str,
    /// Whether `**` only counts beside the right neighbours, as CommonMark has it.
    pub(super) flanking: bool,
    /// How literal text is kept from being formatting.
    pub(super) literal: literal::Rules,
}

/// WeCom `markdown`, version 1: headings, bold, links, code spans on one line, quotations.
pub(super) const WECOM: Flavor = Flavor {
    emphasis: None,
    strike: None,
    code_spans: true,
    fences: false,
    lists: false,
    tables: false,
    images: false,
    nested_quotes: false,
    nested_headings: false,
    rule: "──────────",
    rules: false,
    line_end: "\n",
    after_heading: "\n",
    flanking: false,
    literal: literal::Rules::Wecom,
};

/// WeCom robot `markdown_v2`: all of Markdown but struck out text. It has no colours and no mentions.
pub(super) const WECOM_V2: Flavor = Flavor {
    emphasis: Some("*"),
    strike: None,
    code_spans: true,
    fences: true,
    lists: true,
    tables: true,
    images: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "---",
    rules: true,
    line_end: "\n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::LookAlike,
};

/// DingTalk: headings, quotations, bold, italics, links, pictures, lists; no tables and no code.
pub(super) const DINGTALK: Flavor = Flavor {
    emphasis: Some("*"),
    strike: None,
    code_spans: false,
    fences: false,
    lists: true,
    tables: false,
    images: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "──────────",
    rules: false,
    line_end: "  \n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::LookAlike,
};

/// CommonMark with tables and strikethrough, for receivers that read the standard.
pub(super) const COMMONMARK: Flavor = Flavor {
    emphasis: Some("*"),
    strike: Some("~~"),
    code_spans: true,
    fences: true,
    lists: true,
    tables: true,
    images: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "---",
    rules: true,
    line_end: "  \n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::Backslash,
};
