//! Writes the pieces of a paragraph.

use super::Writer;
use crate::dialect::ast::{Inline, Link, plain};
use crate::dialect::link::{is_in_mail, safe_url};
use crate::dialect::literal::{Place, Rules, ZERO_WIDTH};
use crate::dialect::marks::Marks;

/// What becomes of code where there is none at all, in lines and as blocks.
pub(super) const CODE_AS_TEXT: &str = "code is written as plain text, a block of it as a quotation";

/// What becomes of a text that would be formatting, where a platform has no escape.
const LOOK_ALIKE: &str = "a character that would be formatting is replaced by one that looks like it";

/// What surrounds a piece of text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around {
    place: Place,
    /// Whether it is a table's cell, also in a link there.
    in_cell: bool,
    strong: bool,
    emphasis: bool,
    one_line: bool,
    /// After a mark no text is at the start of a line.
    marked: bool,
    /// Whether what is written is all of a paragraph.
    whole: bool,
    marks: Marks,
}

impl Around {
    pub(super) const TEXT: Self = Self {
        place: Place::Text,
        in_cell: false,
        strong: false,
        emphasis: false,
        one_line: false,
        marked: false,
        whole: true,
        marks: Marks::ANY,
    };
    /// A line among others of the same paragraph.
    pub(super) const LINE: Self = Self { one_line: true, whole: false, ..Self::TEXT };
    pub(super) const HEADING: Self = Self { one_line: true, marked: true, ..Self::TEXT };
    /// Bold already, for what gets its marks around all of it.
    pub(super) const BOLD: Self = Self { strong: true, whole: false, ..Self::HEADING };
    pub(super) const CELL: Self = Self { place: Place::Cell, in_cell: true, ..Self::HEADING };
}

impl Writer<'_> {
    pub(super) fn inlines(&mut self, inlines: &[Inline], around: Around) -> String {
        let has_marks = around.whole && self.flavor.literal.has_look_alikes();
        let marks = if has_marks { Marks::among(inlines) } else { Marks::ANY };
        let around = Around { whole: false, marks, ..around };
        let mut out = String::new();
        for inline in inlines {
            self.inline(inline, around, &mut out);
        }
        out
    }

    fn inline(&mut self, inline: &Inline, around: Around, out: &mut String) {
        match inline {
            Inline::Text(at, text) => {
                self.gap_after_mark(text, out);
                self.push_text(*at, text, around, out);
            }
            Inline::Break if around.one_line => out.push(' '),
            Inline::Break => out.push_str(self.flavor.line_end),
            Inline::Code(at, text) => self.code_span(*at, text, around, out),
            Inline::Strong(children) if around.strong => self.nested(children, around, out),
            Inline::Strong(children) => {
                self.marked(children, Around { strong: true, ..around }, self.flavor.strong, out);
            }
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
        let starts_line = !around.marked && (out.is_empty() || out.ends_with('\n'));
        // Code may have in it what is a line end elsewhere.
        let is_one_line = !plain(children, "\n").contains('\n');
        let text = if is_one_line || self.flavor.line_end.contains('\n') {
            wrap(&inner, mark, starts_line)
        } else {
            let lines = inner.split(self.flavor.line_end).map(|line| wrap(line, mark, starts_line));
            lines.collect::<Vec<_>>().join(self.flavor.line_end)
        };
        // Beside a letter, a mark that encloses punctuation does not count; a space makes it count.
        let opens_badly = inner.starts_with(|c: char| !c.is_alphanumeric() && !c.is_whitespace());
        if self.flavor.flanking && opens_badly && out.ends_with(char::is_alphanumeric) {
            out.push(' ');
        }
        self.part_words(out);
        // Two runs of marks side by side would be one longer run.
        if text.starts_with(mark) && out.ends_with(['*', '~']) {
            out.push(ZERO_WIDTH);
        }
        out.push_str(&text);
    }

    /// On Slack a mark beside a word's letter or another mark is none; something that is not seen parts them.
    fn part_words(&self, out: &mut String) {
        let beside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '`');
        if self.flavor.literal == Rules::Slack && out.ends_with(beside) {
            out.push(ZERO_WIDTH);
        }
    }

    /// The space that a closing mark after punctuation needs before a letter.
    fn gap_after_mark(&self, text: &str, out: &mut String) {
        // There every one of these in what was written is a mark.
        let is_slack = self.flavor.literal == Rules::Slack;
        if is_slack && out.ends_with(['*', '_', '~', '`']) && text.starts_with(char::is_alphanumeric) {
            out.push(ZERO_WIDTH);
        }
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
            self.notes.add("code_flattened", CODE_AS_TEXT, at);
            return self.push_text(at, text, around, out);
        }
        self.part_words(out);
        // Two code spans side by side would join their marks.
        if out.ends_with('`') {
            out.push(ZERO_WIDTH);
        }
        let in_cell = around.in_cell && text.contains('|');
        let has_standard_code = self.flavor.literal.has_standard_code();
        if (in_cell && self.flavor.literal != Rules::Backslash) || (!has_standard_code && text.contains('`'))
        {
            self.note_look_alike(at);
        }
        let text = if in_cell && self.flavor.literal == Rules::Backslash {
            text.replace('|', "\\|")
        } else if in_cell {
            text.replace('|', "∣")
        } else {
            text.to_owned()
        };
        if has_standard_code {
            let text = self.flavor.literal.code(&text);
            let fence = "`".repeat(longest_run(&text, '`') + 1);
            let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
            out.push_str(&format!("{fence}{pad}{text}{pad}{fence}"));
        } else {
            out.push('`');
            self.flavor.literal.push_code(&text, out);
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
        let words = plain(&link.children, " ");
        let is_address = safe_url(&words).as_ref() == Some(url);
        let is_plain = matches!(&link.children[..], [Inline::Text(..)]);
        if self.flavor.autolinks && (link.bare || (is_address && is_plain)) {
            // Nothing is read as formatting in there, so nothing is escaped.
            return self.push_link(String::new(), url, "", out);
        }
        if link.bare {
            // As a link with a text it would stand there twice, and these platforms find addresses themselves. A space from a
            // value would end it.
            let address = if words.contains(char::is_whitespace) { url } else { &words };
            self.gap_after_mark(address, out);
            return self.flavor.literal.push_address(address, around.place, out);
        }
        if self.flavor.web_links && !is_web(url) {
            self.notes.add("link_as_text", "a link that is no web page is written as text", link.at);
            self.nested(&link.children, around, out);
            let address = url.split_once(':').map_or(url.as_str(), |(_, address)| address);
            if words != address {
                self.push_literal(link.at, &format!(" ({address})"), around.place, out);
            }
            return;
        }
        let inner = Around { place: Place::Link, one_line: true, marked: true, ..around };
        let mut text = String::new();
        if self.flavor.angle_links {
            // No marks are read in there, and an address needs no text.
            if !is_address {
                self.push_literal(link.at, &words, Place::Link, &mut text);
            }
            return self.push_link(text, url, "", out);
        }
        if is_address && is_plain {
            self.flavor.literal.push_address(&words, Place::Link, &mut text);
            return self.push_link(text, url, "", out);
        }
        // Pictures cannot stand in a link everywhere, so there they are their descriptions.
        for child in &link.children {
            match child {
                Inline::Image(image) => {
                    self.push_literal(image.at, &plain(&image.children, " "), Place::Link, &mut text);
                }
                child => self.inline(child, inner, &mut text),
            }
        }
        self.push_link(text, url, "", out);
    }

    fn image(&mut self, image: &Link, out: &mut String) {
        let mut text = String::new();
        self.push_literal(image.at, &plain(&image.children, " "), Place::Link, &mut text);
        match image.url.as_ref().filter(|url| self.flavor.files || !is_in_mail(url)) {
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

    fn push_text(&mut self, at: usize, text: &str, around: Around, out: &mut String) {
        let literal = self.flavor.literal;
        let is_replaced = if around.marked {
            literal.push(text, around.place, around.marks, out)
        } else {
            literal.push_line(text, around.place, around.marks, out)
        };
        if is_replaced {
            self.note_look_alike(at);
        }
    }

    /// A text beside marks of ours.
    fn push_literal(&mut self, at: usize, text: &str, place: Place, out: &mut String) {
        if self.flavor.literal.push(text, place, Marks::ANY, out) {
            self.note_look_alike(at);
        }
    }

    pub(super) fn note_look_alike(&mut self, at: usize) {
        self.notes.add("character_replaced", LOOK_ALIKE, at);
    }

    fn push_link(&self, text: String, url: &str, kind: &str, out: &mut String) {
        let mut text = text.trim().to_owned();
        if self.flavor.angle_links {
            let text = if text.is_empty() { text } else { format!("|{text}") };
            out.push_str(&format!("<{}{text}>", url.replace('&', "&amp;")));
            return;
        }
        if self.flavor.autolinks && text.is_empty() && kind.is_empty() {
            out.push_str(&format!("<{url}>"));
            return;
        }
        if text.is_empty() && kind.is_empty() {
            self.flavor.literal.push_address(url, Place::Link, &mut text);
        }
        // After `!` a link would be a picture, and after `]` the text of another one.
        let is_escaped = matches!(self.flavor.literal, Rules::Backslash | Rules::Entity);
        if !is_escaped && out.ends_with(['!', ']']) {
            out.push(ZERO_WIDTH);
        }
        out.push_str(&format!("{kind}[{text}]({})", self.flavor.literal.destination(url)));
    }
}

fn is_web(url: &str) -> bool {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// A mark around each line of a text, spaces left outside. Nothing is marked in an empty line. At the start of a line
/// the spaces are no-break ones, or they would make code of it.
pub(super) fn wrap(text: &str, mark: &str, starts_line: bool) -> String {
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
        let (before, rest) = line.split_at(line.len() - line.trim_start().len());
        if i > 0 || starts_line {
            out.push_str(&before.replace(' ', "\u{A0}"));
        } else {
            out.push_str(before);
        }
        out.push_str(mark);
        out.push_str(core);
        out.push_str(mark);
        out.push_str(&rest[core.len()..]);
    }
    out
}

pub(super) fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}
