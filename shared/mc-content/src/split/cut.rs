//! Where a long line is cut: after a line end, else after a sentence, else after a part of one, else between words.

use super::atoms::Atom;

/// A line end where a dialect writes a paragraph on one line.
pub(super) const BREAK: &str = "<br>";

/// What may stand between the end of a sentence and the cut.
const CLOSING: [char; 10] = ['"', '\'', ')', '”', '’', '」', '』', '）', '》', '】'];

/// A kind of place to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// After a written line end.
    Line,
    /// After a sentence.
    Sentence,
    /// After a comma or a semicolon.
    Clause,
}

impl Cut {
    /// Where to cut what is too long between two such places; nothing if only words are left.
    pub(super) fn finer(self) -> Option<Self> {
        match self {
            Self::Line => Some(Self::Sentence),
            Self::Sentence => Some(Self::Clause),
            Self::Clause => None,
        }
    }

    /// How many of these pieces come before the first such place.
    pub(super) fn first(self, pieces: &[Atom<'_>]) -> usize {
        let Some(end) = pieces.iter().position(|piece| self.is_after(*piece)) else { return pieces.len() };
        let rest = &pieces[end + 1..];
        let closing =
            if self == Self::Line { 0 } else { rest.iter().take_while(|p| is_closing(**p)).count() };
        end + 1 + closing
    }

    fn is_after(self, piece: Atom<'_>) -> bool {
        let text = match piece {
            Atom::Hard(text) => return self == Self::Line && text == BREAK,
            Atom::Soft(text) | Atom::Bold(text) => text,
        };
        let word = text.trim_end();
        let is_spaced = word.len() < text.len();
        let word = word.trim_end_matches(CLOSING);
        let end = word.chars().next_back();
        match self {
            Self::Line => false,
            // The number of a list's item belongs to the item.
            Self::Sentence | Self::Clause if word.bytes().all(|b| b.is_ascii_digit() || b == b'.') => false,
            Self::Sentence => ends_sentence(end, is_spaced),
            Self::Clause => {
                ends_sentence(end, is_spaced)
                    || matches!(end, Some('；' | '，'))
                    || (is_spaced && matches!(end, Some(';' | ',')))
            }
        }
    }
}

fn ends_sentence(end: Option<char>, is_spaced: bool) -> bool {
    matches!(end, Some('。' | '！' | '？')) || (is_spaced && matches!(end, Some('.' | '!' | '?')))
}

fn is_closing(piece: Atom<'_>) -> bool {
    let word = piece.text().trim_end();
    !word.is_empty() && word.chars().all(|c| CLOSING.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::super::atoms::atoms;
    use super::*;

    fn first(cut: Cut, line: &str) -> String {
        let pieces = atoms(line, "**");
        pieces[..cut.first(&pieces)].iter().map(|piece| piece.text()).collect()
    }

    #[test]
    fn a_line_is_cut_after_what_belongs_together() {
        for (cut, line, wanted) in [
            (Cut::Line, "One. Two<br>Three", "One. Two<br>"),
            (Cut::Line, "One. Two", "One. Two"),
            (Cut::Sentence, "One, two. Three", "One, two. "),
            (Cut::Sentence, "完成，好了。下一步", "完成，好了。"),
            (Cut::Sentence, "他说：“完成。”然后", "他说：“完成。”"),
            (Cut::Sentence, "(See \"a.\") Then", "(See \"a.\") "),
            (Cut::Sentence, "Version 1.2 of https://x.example/a. b", "Version 1.2 of https://x.example/a. b"),
            (Cut::Sentence, "12. Really! Yes", "12. Really! "),
            (Cut::Clause, "One, two. Three", "One, "),
            (Cut::Clause, "1,234 files；更多", "1,234 files；"),
        ] {
            assert_eq!(first(cut, line), wanted, "{cut:?} {line}");
        }
    }
}
