//! What each Markdown platform understands, as data.

use super::literal;

/// A platform's Markdown.
#[derive(Debug)]
pub(super) struct Flavor {
    /// The mark around bold text.
    pub(super) strong: &'static str,
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
    /// How far what belongs to an item of a list is moved to the right, at least.
    pub(super) indent: usize,
    /// Whether tables exist.
    pub(super) tables: bool,
    /// Whether pictures exist.
    pub(super) images: bool,
    /// Whether they may be files that travel with the text (`cid:logo.png`).
    pub(super) files: bool,
    /// Whether links open web pages only, and no mail or telephone.
    pub(super) web_links: bool,
    /// Whether links are written `<address|text>`, and not `[text](address)`.
    pub(super) angle_links: bool,
    /// Whether an address that is its own text is written `<address>`.
    pub(super) autolinks: bool,
    /// Whether headings exist; without them they are bold lines.
    pub(super) headings: bool,
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
    strong: "**",
    emphasis: None,
    strike: None,
    code_spans: true,
    fences: false,
    lists: false,
    indent: 0,
    tables: false,
    images: false,
    files: false,
    web_links: false,
    angle_links: false,
    autolinks: false,
    headings: true,
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
    strong: "**",
    emphasis: Some("*"),
    strike: None,
    code_spans: true,
    fences: true,
    lists: true,
    indent: 0,
    tables: true,
    images: true,
    files: false,
    web_links: false,
    angle_links: false,
    autolinks: false,
    headings: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "---",
    rules: true,
    line_end: "\n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::LookAlike,
};

/// What a mail can show of Markdown: as WeCom's `markdown_v2`, and files that travel with it.
pub(super) const MAIL: Flavor = Flavor { files: true, ..WECOM_V2 };

/// DingTalk: headings, quotations, bold, italics, links, pictures, lists; no tables and no code.
pub(super) const DINGTALK: Flavor = Flavor {
    strong: "**",
    emphasis: Some("*"),
    strike: None,
    code_spans: false,
    fences: false,
    lists: true,
    indent: 0,
    tables: false,
    images: true,
    files: false,
    web_links: false,
    angle_links: false,
    autolinks: false,
    headings: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "──────────",
    rules: false,
    line_end: "  \n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::LookAlike,
};

/// Feishu's card Markdown (JSON 2.0): CommonMark without blocks of HTML, pictures by their keys only. Line ends in a
/// paragraph may be swallowed, so they are written as `<br>`.
pub(super) const FEISHU: Flavor = Flavor {
    strong: "**",
    emphasis: Some("*"),
    strike: Some("~~"),
    code_spans: true,
    fences: true,
    lists: true,
    indent: 4,
    tables: true,
    images: false,
    files: false,
    web_links: true,
    angle_links: false,
    autolinks: false,
    headings: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "---",
    rules: true,
    line_end: "<br>",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::Entity,
};

/// CommonMark with tables and strikethrough, for receivers that read the standard.
pub(super) const COMMONMARK: Flavor = Flavor {
    strong: "**",
    emphasis: Some("*"),
    strike: Some("~~"),
    code_spans: true,
    fences: true,
    lists: true,
    indent: 0,
    tables: true,
    images: true,
    files: false,
    web_links: false,
    angle_links: false,
    autolinks: true,
    headings: true,
    nested_quotes: true,
    nested_headings: true,
    rule: "---",
    rules: true,
    line_end: "  \n",
    after_heading: "\n\n",
    flanking: true,
    literal: literal::Rules::Backslash,
};

/// Slack's mrkdwn: bold, italics, struck out text, code, quotations and links. Marks count between words only.
pub(super) const SLACK: Flavor = Flavor {
    strong: "*",
    emphasis: Some("_"),
    strike: Some("~"),
    code_spans: true,
    fences: true,
    lists: false,
    indent: 0,
    tables: false,
    images: false,
    files: false,
    web_links: false,
    angle_links: true,
    autolinks: true,
    headings: false,
    nested_quotes: false,
    nested_headings: false,
    rule: "──────────",
    rules: false,
    line_end: "\n",
    after_heading: "\n",
    flanking: false,
    literal: literal::Rules::Slack,
};
