//! In which direction a mail is read.

use super::super::html::Style;
use super::style;

/// Where lines begin. Mail programs that know no `text-align:start` want the side by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    LeftToRight,
    RightToLeft,
}

impl Direction {
    /// That of the first letter of the title, or of the text if the title has none. The marks of both directions, which
    /// are not seen (U+200E, U+200F), count as letters.
    pub(super) fn of(title: &str, text: &str) -> Self {
        let is_strong = |c: &char| matches!(c, '\u{200E}' | '\u{200F}') || c.is_alphabetic();
        match title.chars().chain(text.chars()).find(is_strong) {
            Some(c) if is_right_to_left(c) => Self::RightToLeft,
            _ => Self::LeftToRight,
        }
    }

    /// `left` or `right`, by where lines begin.
    pub(super) fn pick<T>(self, left: T, right: T) -> T {
        match self {
            Self::LeftToRight => left,
            Self::RightToLeft => right,
        }
    }

    /// The styles of blocks.
    pub(super) fn look(self) -> Style {
        match self {
            Self::LeftToRight => style::of,
            Self::RightToLeft => style::of_right_to_left,
        }
    }

    /// The styles of blocks in a body whose first heading is the mail's title.
    pub(super) fn look_with_title(self) -> Style {
        match self {
            Self::LeftToRight => style::with_title,
            Self::RightToLeft => style::with_title_right_to_left,
        }
    }
}

/// Whether a letter, or a mark of direction, is of a script that is read from the right: from Hebrew to the extensions of
/// Arabic, with Syriac, Thaana and NKo between them; the presentation forms; and what came later, such as Adlam. The ranges are those that Unicode keeps for such scripts (`DerivedBidiClass.txt`).
fn is_right_to_left(c: char) -> bool {
    matches!(
        c,
        '\u{200F}'
            | '\u{0590}'..='\u{08FF}'
            | '\u{FB1D}'..='\u{FDFF}'
            | '\u{FE70}'..='\u{FEFF}'
            | '\u{10800}'..='\u{10FFF}'
            | '\u{1E800}'..='\u{1EFFF}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_says_where_lines_begin() {
        for (title, text, expected) in [
            ("", "", Direction::LeftToRight),
            ("12:30 …", "42", Direction::LeftToRight),
            ("Deploy", "اكتمل النشر", Direction::LeftToRight),
            ("部署完成", "שלום", Direction::LeftToRight),
            ("اكتمل النشر", "deploy", Direction::RightToLeft),
            ("", "- 3 שלום world", Direction::RightToLeft),
            ("ܫܠܡܐ", "", Direction::RightToLeft),
            ("ދިވެހި", "", Direction::RightToLeft),
            ("ߒߞߏ", "", Direction::RightToLeft),
            ("\u{FEB3}", "", Direction::RightToLeft),
            ("𞤀𞤣𞤤𞤢𞤥", "", Direction::RightToLeft),
            ("\u{200F}PostgreSQL", "", Direction::RightToLeft),
            ("\u{200E}שלום", "", Direction::LeftToRight),
        ] {
            assert_eq!(Direction::of(title, text), expected, "{title} {text}");
        }
    }
}
