//! Cutting a text that is too long into numbered parts.

mod atoms;
mod cut;

use mc_core::ports::SizeUnit;

use atoms::{Atom, atoms, clusters, words};
use cut::{BREAK, Cut};

/// The most parts of one text. Each is a push to everybody, platforms take some twenty of them a minute, and nobody reads
/// more: a longer text belongs in a file or behind a link.
pub const MAX_PARTS: usize = 50;

/// Cuts a text into parts that fit, each headed by its number: `(1/3)` and an empty line, below which a list or a table
/// can begin. A text that fits is one part without a number.
///
/// # Behavior
/// - Cut between paragraphs if it can be, else between lines, also those written `<br>`, else between sentences, parts of
///   sentences, words, characters.
/// - A paragraph that must be cut anyway begins in the current part if half of that is free, so that no title stands alone.
/// - A fenced block of code that is cut is closed in the one part and opened again in the next; the head of a table is
///   repeated; bold text is closed and opened again. A fence has a line of its code with it, a head a row of its table.
/// - A link, a bare address and a tag are never cut. One that fits in no part is an error with the size a part would need.
/// - What would be more than [`MAX_PARTS`] is an error with the size of the whole.
pub fn split(text: &str, allowed: usize, unit: SizeUnit) -> Result<Vec<String>, usize> {
    split_marked(text, allowed, unit, "**")
}

/// The same for Slack's mrkdwn, in which bold text stands between two `*`.
pub fn split_mrkdwn(text: &str, allowed: usize, unit: SizeUnit) -> Result<Vec<String>, usize> {
    split_marked(text, allowed, unit, "*")
}

fn split_marked(
    text: &str,
    allowed: usize,
    unit: SizeUnit,
    bold: &'static str,
) -> Result<Vec<String>, usize> {
    let whole = measure(text, unit);
    if whole <= allowed {
        return Ok(vec![text.to_owned()]);
    }
    for (digits, most) in [(1, 9), (2, MAX_PARTS)] {
        let number = "(/)\n\n".len() + 2 * digits;
        let budget = allowed.checked_sub(number).filter(|budget| *budget > 0).ok_or(allowed + 1)?;
        let mut packer = Packer::new(budget, unit, bold);
        packer.pack(text).map_err(|size| (size + number).max(allowed + 1))?;
        let count = packer.parts.len();
        if count <= most {
            let numbered = |(i, part): (usize, &String)| format!("({}/{count})\n\n{part}", i + 1);
            return Ok(packer.parts.iter().enumerate().map(numbered).collect());
        }
    }
    Err(whole)
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

impl Open {
    /// How many lines must follow the opening one in the same part: the first one of code that is not blank, or a table's
    /// rule and its first row.
    fn bound(&self, following: &[&str]) -> usize {
        if self.close.is_empty() {
            return 2;
        }
        1 + following.iter().take_while(|line| line.trim().is_empty()).count()
    }
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
    /// How many of the next lines must not begin a part, because they would leave their opening line alone.
    bound: usize,
    /// The mark of bold text.
    bold: &'static str,
    /// The same while it is open.
    mark: &'static str,
}

impl Packer {
    fn new(budget: usize, unit: SizeUnit, bold: &'static str) -> Self {
        Self {
            budget,
            unit,
            parts: Vec::new(),
            current: String::new(),
            used: 0,
            repeated: 0,
            block: Open::default(),
            bound: 0,
            bold,
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
            let must_be_cut = whole > self.budget;
            if !fits_here && !must_be_cut {
                self.end_part();
            }
            let lines: Vec<&str> = paragraph.text.split('\n').collect();
            for (at, line) in lines.iter().enumerate() {
                let before = if at == 0 { paragraph.before } else { "\n" };
                self.line(line, before, &lines[at + 1..], must_be_cut && at == 0)?;
            }
            self.block = Open::default();
            self.bound = 0;
        }
        self.end_part();
        Ok(())
    }

    /// Adds a line, in a new part if it must be. `begins` says that it is the first one of a paragraph that must be cut.
    fn line(&mut self, line: &str, before: &str, following: &[&str], begins: bool) -> Result<(), usize> {
        let in_code = !self.block.close.is_empty();
        if in_code && bare(line) == bare(&self.block.close) {
            // The room of what closes it was kept.
            self.trim();
            let Open { close, .. } = std::mem::take(&mut self.block);
            self.bound = 0;
            self.append_line(if self.size(line) > self.size(&close) { &close } else { line }, before);
            return Ok(());
        }
        let opens = if in_code { None } else { opened_by(line, following.first().copied()) };
        let room = opens.as_ref().map_or(0, |open| self.room_below(open, following));
        let size = self.size(line);
        let is_bound = self.bound > 0;
        self.bound = self.bound.saturating_sub(1);
        if !self.fits(self.size(before) + size + room) && self.has_own_text() && !is_bound {
            let must_be_cut = size + room > self.whole_part("") || (begins && opens.is_none());
            let head = opens.as_ref().map_or(0, |open| self.size(before) + self.size(&open.again));
            if !(must_be_cut && self.is_half_free(head)) {
                self.end_part();
            }
        }
        let before = if self.has_own_text() { before } else { "" };
        if self.fits(size + self.size(before)) {
            self.append_line(line, before);
        } else {
            self.long_line(line, before, in_code)?;
        }
        if let Some(open) = opens {
            self.bound = open.bound(following);
            self.block = open;
        } else if !in_code && !bare(line).starts_with('|') {
            self.block = Open::default();
        }
        Ok(())
    }

    /// Room for the lines that an opening line must not be parted from, and for closing what it opens.
    fn room_below(&self, open: &Open, following: &[&str]) -> usize {
        let lines =
            following.iter().take(open.bound(following)).map(|line| self.size(line) + 1).sum::<usize>();
        let close = if open.close.is_empty() { 0 } else { self.size(&open.close) + 1 };
        lines + close
    }

    /// A line that does not fit goes piece by piece.
    fn long_line(&mut self, line: &str, before: &str, in_code: bool) -> Result<(), usize> {
        let quote = &line[..line.len() - line.trim_start_matches(['>', ' ']).len()];
        self.append(before);
        self.append(quote);
        let rest = &line[quote.len()..];
        if !in_code {
            return self.pieces(&atoms(rest, self.bold), Cut::Line, quote);
        }
        for word in words(rest) {
            if self.must_be_cut(self.size(word.trim_end()), quote) {
                clusters(word).try_for_each(|cluster| self.unbroken(cluster, quote))?;
            } else {
                self.unbroken(word, quote)?;
            }
        }
        Ok(())
    }

    /// Adds pieces, cut where it hurts least. What belongs together stays together, unless half of a part were left empty.
    fn pieces(&mut self, pieces: &[Atom<'_>], cut: Cut, quote: &str) -> Result<(), usize> {
        let mut rest = pieces;
        while !rest.is_empty() {
            let (group, others) = rest.split_at(cut.first(rest));
            rest = others;
            let size = self.size_of(group);
            let could_move = size <= self.whole_part(quote) && self.has_own_text();
            if !self.fits(size) && could_move && !self.is_half_free(0) {
                self.drop_break();
                self.next_part(quote);
            }
            match cut.finer() {
                Some(finer) if !self.fits(size) => self.pieces(group, finer, quote)?,
                _ => group.iter().try_for_each(|piece| self.atom(*piece, quote))?,
            }
        }
        Ok(())
    }

    /// The size of pieces with their marks, without the spaces after the last one.
    fn size_of(&self, pieces: &[Atom<'_>]) -> usize {
        let marks = |piece: &Atom<'_>| if matches!(piece, Atom::Bold(_)) { 2 * self.bold.len() } else { 0 };
        let all = pieces.iter().map(|piece| self.size(piece.text()) + marks(piece)).sum::<usize>();
        let last = pieces.last().copied().map_or("", Atom::text);
        all - (self.size(last) - self.size(last.trim_end()))
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
            Atom::Bold(inner) if self.must_be_cut(self.size(inner) + 2 * self.bold.len(), quote) => {
                self.cut_bold(inner, quote)
            }
            Atom::Bold(inner) => self.unbroken(&format!("{0}{inner}{0}", self.bold), quote),
            Atom::Soft(text) if self.size(text) > self.whole_part(quote) => {
                clusters(text).try_for_each(|cluster| self.unbroken(cluster, quote))
            }
            Atom::Soft(text) | Atom::Hard(text) => self.unbroken(text, quote),
        }
    }

    /// Whether a piece of this size is cut although it is best kept whole: no part has the room, or this one would stay half
    /// empty.
    fn must_be_cut(&self, size: usize, quote: &str) -> bool {
        size > self.whole_part(quote) || (!self.fits(size) && self.has_own_text() && self.is_half_free(0))
    }

    /// Bold text that does not fit.
    fn cut_bold(&mut self, inner: &str, quote: &str) -> Result<(), usize> {
        let mark = self.bold;
        let pieces = atoms(inner, mark);
        let Some((first, others)) = pieces.split_first() else { return Ok(()) };
        // The opening mark must not be left alone at the end of a part.
        if !self.fits(self.size(first.text()) + 2 * mark.len()) && self.has_own_text() {
            self.next_part(quote);
        }
        self.unbroken(mark, quote)?;
        self.mark = mark;
        self.atom(*first, quote)?;
        self.pieces(others, Cut::Sentence, quote)?;
        self.trim();
        self.mark = "";
        self.append(mark);
        Ok(())
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

    /// Whether half of the part is free when so much more is in it.
    fn is_half_free(&self, more: usize) -> bool {
        2 * (self.used + more) <= self.budget
    }

    /// Takes away spaces that stand over the edge of the part.
    fn trim(&mut self) {
        if !self.fits(0) {
            let kept = self.current.trim_end_matches(|c: char| c.is_whitespace() && c != '\n').len();
            self.used -= self.size(&self.current[kept..]);
            self.current.truncate(kept);
        }
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

/// What a line opens, also in a quotation or an item of a list: a fence, or with the line after it a table.
fn opened_by(line: &str, next: Option<&str>) -> Option<Open> {
    let inner = line.trim_start_matches(is_around);
    let text = without_marker(inner);
    let length = text.bytes().take_while(|b| *b == b'`').count();
    if length >= 3 && !text[length..].contains('`') {
        let around = &line[..line.len() - inner.len()];
        // The end of code in an item stands below its beginning, or it would begin other code outside of the item.
        let marker = &inner[..inner.len() - text.len()];
        let indent = if marker.starts_with('•') { 0 } else { marker.len() };
        let close = format!("{around}{}{}", " ".repeat(indent), "`".repeat(length));
        return Some(Open { again: line.to_owned(), close });
    }
    let is_rule = |l: &str| l.starts_with('|') && l.contains("--") && l.bytes().all(|b| b"|-: ".contains(&b));
    match next {
        Some(rule) if text.starts_with('|') && is_rule(bare(rule)) => {
            Some(Open { again: format!("{line}\n{rule}"), close: String::new() })
        }
        _ => None,
    }
}

/// What may stand before a line of a quotation or a list.
fn is_around(c: char) -> bool {
    c == '>' || c.is_whitespace()
}

/// A line without what may stand around it.
fn bare(line: &str) -> &str {
    line.trim_start_matches(is_around).trim_end()
}

/// The first line of an item without the item's mark.
fn without_marker(line: &str) -> &str {
    let bullet = line.strip_prefix("- ").or_else(|| line.strip_prefix("• "));
    let number = || line.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(". ");
    bullet.or_else(number).unwrap_or(line).trim_start()
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
        } else if bare(line) == bare(&fence) {
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
