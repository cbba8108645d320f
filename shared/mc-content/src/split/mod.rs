//! Cutting a text that is too long into numbered parts.

mod atoms;

use mc_core::ports::SizeUnit;

use atoms::{Atom, atoms, clusters};

/// A line end where a dialect writes a paragraph on one line.
const BREAK: &str = "<br>";

/// Cuts a text into parts that fit, each headed by its number: `(1/3)` and a line end. A text that fits is one part
/// without a number.
///
/// # Behavior
/// - Cut between paragraphs if it can be, else between lines, also those written `<br>`, else between words, characters.
/// - A fenced block of code that is cut is closed in the one part and opened again in the next; the head of a table is
///   repeated; bold text is closed and opened again.
/// - A link, a bare address and a tag are never cut. One that fits in no part is an error with the size a part would need.
pub fn split(text: &str, allowed: usize, unit: SizeUnit) -> Result<Vec<String>, usize> {
    if measure(text, unit) <= allowed {
        return Ok(vec![text.to_owned()]);
    }
    let mut needed = 0;
    for digits in 1..=6 {
        let number = 4 + 2 * digits;
        let Some(budget) = allowed.checked_sub(number).filter(|b| *b > 0) else { break };
        let mut packer = Packer::new(budget, unit);
        match packer.pack(text) {
            Ok(()) if packer.parts.len() < 10_usize.pow(digits as u32) => {
                let count = packer.parts.len();
                let numbered = |(i, part): (usize, &String)| format!("({}/{count})\n{part}", i + 1);
                return Ok(packer.parts.iter().enumerate().map(numbered).collect());
            }
            Ok(()) => {}
            Err(size) => {
                needed = size + number;
                break;
            }
        }
    }
    Err(needed.max(allowed + 1))
}

fn measure(text: &str, unit: SizeUnit) -> usize {
    match unit {
        SizeUnit::Bytes => text.len(),
        SizeUnit::Characters => text.chars().count(),
    }
}

/// What has to be closed when a part ends within it, and opened again in the next.
#[derive(Clone, Debug, Default)]
struct Open {
    /// Lines the next part begins with.
    again: String,
    /// The line this part ends with.
    close: String,
}

/// Fills one part after the other.
struct Packer {
    budget: usize,
    unit: SizeUnit,
    parts: Vec<String>,
    current: String,
    used: usize,
    /// How much of the current part only repeats what was open.
    repeated: usize,
    block: Open,
    /// The mark of bold text that is open.
    mark: &'static str,
}

impl Packer {
    fn new(budget: usize, unit: SizeUnit) -> Self {
        Self {
            budget,
            unit,
            parts: Vec::new(),
            current: String::new(),
            used: 0,
            repeated: 0,
            block: Open::default(),
            mark: "",
        }
    }

    fn size(&self, text: &str) -> usize {
        measure(text, self.unit)
    }

    fn pack(&mut self, text: &str) -> Result<(), usize> {
        for paragraph in paragraphs(text) {
            let whole = self.size(paragraph.text);
            let fits_here = self.used + self.size(paragraph.before) + whole <= self.budget;
            if !fits_here && whole <= self.budget {
                self.end_part();
            }
            let mut before = paragraph.before;
            let mut lines = paragraph.text.split('\n').peekable();
            while let Some(line) = lines.next() {
                self.line(line, before, lines.peek().copied())?;
                before = "\n";
            }
            self.block = Open::default();
        }
        self.end_part();
        Ok(())
    }

    /// Adds a line, in a new part if it must be.
    fn line(&mut self, line: &str, before: &str, next: Option<&str>) -> Result<(), usize> {
        let in_code = !self.block.close.is_empty();
        let closes = in_code && line.trim() == self.block.close;
        if closes {
            // Its room was kept.
            self.block = Open::default();
            self.append_line(line, before);
            return Ok(());
        }
        let opens = if in_code { None } else { opened_by(line, next) };
        // The opening line must not be left alone at the end of a part.
        let room = match (&opens, next) {
            (Some(open), Some(next)) => self.size(&open.close) + 2 + self.size(next),
            _ => 0,
        };
        let line_size = self.size(line);
        if !self.fits(line_size + self.size(before) + room) && self.has_own_text() {
            self.end_part();
        }
        let before = if self.has_own_text() { before } else { "" };
        if self.fits(line_size + self.size(before)) {
            self.append_line(line, before);
        } else {
            self.long_line(line, before, in_code)?;
        }
        if let Some(open) = opens {
            self.block = open;
        } else if !in_code && !line.starts_with('|') {
            self.block = Open::default();
        }
        Ok(())
    }

    /// A line that fits in no part goes atom by atom.
    fn long_line(&mut self, line: &str, before: &str, in_code: bool) -> Result<(), usize> {
        let quote = &line[..line.len() - line.trim_start_matches(['>', ' ']).len()];
        self.append(before);
        self.append(quote);
        let rest = &line[quote.len()..];
        let pieces = if in_code { clusters(rest).map(Atom::Soft).collect() } else { atoms(rest) };
        let mut rest = pieces.as_slice();
        while !rest.is_empty() {
            let end = rest.iter().position(|piece| piece.text() == BREAK).map_or(rest.len(), |at| at + 1);
            let (row, others) = rest.split_at(end);
            let marks = |piece: &Atom<'_>| if matches!(piece, Atom::Bold(_)) { 4 } else { 0 };
            let size = row.iter().map(|piece| self.size(piece.text()) + marks(piece)).sum::<usize>();
            if size <= self.whole_part(quote) && !self.fits(size) && self.has_own_text() {
                self.drop_break();
                self.next_part(quote);
            }
            for piece in row {
                self.atom(*piece, quote)?;
            }
            rest = others;
        }
        Ok(())
    }

    /// A written line end at the end of a part would only be an empty line.
    fn drop_break(&mut self) {
        if self.current.ends_with(BREAK) {
            self.current.truncate(self.current.len() - BREAK.len());
            self.used -= self.size(BREAK);
        }
    }

    /// Goes on in a new part, in the quotation and the bold text that are open.
    fn next_part(&mut self, quote: &str) {
        self.end_part();
        self.append(quote);
        self.append(self.mark);
        self.repeated = self.used;
    }

    fn atom(&mut self, atom: Atom<'_>, quote: &str) -> Result<(), usize> {
        match atom {
            Atom::Bold(inner) if self.size(inner) + 4 > self.whole_part(quote) => {
                let pieces = atoms(inner);
                // The opening mark must not be left alone at the end of a part.
                let first = pieces.first().map_or(0, |piece| self.size(piece.text()));
                if !self.fits(first + 4) && self.has_own_text() {
                    self.next_part(quote);
                }
                self.unbroken("**", quote)?;
                self.mark = "**";
                for piece in pieces {
                    self.atom(piece, quote)?;
                }
                self.mark = "";
                self.append("**");
                Ok(())
            }
            Atom::Bold(inner) => self.unbroken(&format!("**{inner}**"), quote),
            Atom::Soft(text) if self.size(text) > self.whole_part(quote) => {
                clusters(text).try_for_each(|cluster| self.unbroken(cluster, quote))
            }
            Atom::Soft(text) | Atom::Hard(text) => self.unbroken(text, quote),
        }
    }

    /// How much a part can hold beside what has to be repeated in it.
    fn whole_part(&self, quote: &str) -> usize {
        let again = if self.block.again.is_empty() { 0 } else { self.size(&self.block.again) + 1 };
        self.budget.saturating_sub(again + self.size(quote) + self.reserve() + self.mark.len())
    }

    fn unbroken(&mut self, text: &str, quote: &str) -> Result<(), usize> {
        // Spaces at the end of a part are taken away.
        let size = self.size(text.trim_end());
        if !self.fits(size) {
            if self.has_own_text() {
                self.next_part(quote);
                if text.trim().is_empty() {
                    return Ok(());
                }
            }
            if !self.fits(size) {
                return Err(self.used + size + self.reserve());
            }
        }
        self.append(text);
        Ok(())
    }

    /// Room kept for closing what is open.
    fn reserve(&self) -> usize {
        let close = if self.block.close.is_empty() { 0 } else { self.size(&self.block.close) + 1 };
        close + self.mark.len()
    }

    fn fits(&self, more: usize) -> bool {
        self.used + more + self.reserve() <= self.budget
    }

    fn has_own_text(&self) -> bool {
        self.used > self.repeated
    }

    fn append_line(&mut self, line: &str, before: &str) {
        if self.has_own_text() {
            self.append(before);
        }
        self.append(line);
    }

    fn append(&mut self, text: &str) {
        self.used += self.size(text);
        self.current.push_str(text);
    }

    fn end_part(&mut self) {
        if self.has_own_text() {
            let mut part = std::mem::take(&mut self.current);
            part.truncate(part.trim_end().len());
            part.push_str(self.mark);
            if !self.block.close.is_empty() {
                part.push('\n');
                part.push_str(&self.block.close);
            }
            if !part.is_empty() {
                self.parts.push(part);
            }
        }
        self.current.clear();
        self.used = 0;
        let again = self.block.again.clone();
        self.append(&again);
        if !again.is_empty() {
            self.append("\n");
        }
        self.repeated = self.used;
    }
}

/// What a line opens: a fence, or with the line after it a table.
fn opened_by(line: &str, next: Option<&str>) -> Option<Open> {
    let mark = line.trim_start();
    let length = mark.bytes().take_while(|b| *b == b'`').count();
    if length >= 3 && !mark[length..].contains('`') {
        return Some(Open { again: line.to_owned(), close: "`".repeat(length) });
    }
    let is_rule = |l: &str| l.starts_with('|') && l.contains("--") && l.bytes().all(|b| b"|-: ".contains(&b));
    match next {
        Some(rule) if line.starts_with('|') && is_rule(rule) => {
            Some(Open { again: format!("{line}\n{rule}"), close: String::new() })
        }
        _ => None,
    }
}

/// A paragraph, and the line ends before it.
struct Paragraph<'t> {
    before: &'t str,
    text: &'t str,
}

/// Cuts at empty lines outside of code.
fn paragraphs(text: &str) -> Vec<Paragraph<'_>> {
    let mut found = Vec::new();
    let (mut at, mut fence) = (0, String::new());
    // Where the current paragraph and the line ends before it begin, and where its last line ended.
    let (mut before, mut start, mut end) = (0, None, 0);
    for line in text.split('\n') {
        let stop = at + line.len();
        if fence.is_empty() {
            if line.trim().is_empty() {
                if let Some(begin) = start.take() {
                    found.push(Paragraph { before: &text[before..begin], text: &text[begin..end] });
                    before = end;
                }
                at = stop + 1;
                continue;
            }
            fence = opened_by(line, None).map(|open| open.close).unwrap_or_default();
        } else if line.trim() == fence {
            fence.clear();
        }
        start.get_or_insert(at);
        end = stop;
        at = stop + 1;
    }
    if let Some(begin) = start {
        found.push(Paragraph { before: &text[before..begin], text: &text[begin..end] });
    }
    found
}
