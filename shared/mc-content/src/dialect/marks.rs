//! Which signs of a literal text would be marks.
//!
//! A mark of bold or italic text encloses something: one that opens needs one that closes. An asterisk between spaces, the
//! only one of its paragraph or an underscore inside of a word is no mark on any platform, so it may stay what it is.

use super::ast::Inline;

/// The marks that a paragraph's literal text would have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    /// Whether the text is all of its paragraph, so that what is not seen beside it is a line's edge.
    whole: bool,
    asterisk: bool,
    underscore: bool,
    tilde: bool,
    two_asterisks: bool,
}

impl Marks {
    /// Those of a text beside marks of ours: any sign may be one half of a pair.
    pub(super) const ANY: Self =
        Self { whole: false, asterisk: true, underscore: true, tilde: true, two_asterisks: true };

    /// Those of a paragraph that has nothing but these pieces.
    pub(super) fn among(inlines: &[Inline]) -> Self {
        let mut text = String::new();
        for inline in inlines {
            match inline {
                Inline::Text(_, line) => text.push_str(line),
                Inline::Break => text.push('\n'),
                Inline::Code(..)
                | Inline::Strong(_)
                | Inline::Emphasis(..)
                | Inline::Strike(..)
                | Inline::Link(_)
                | Inline::Image(_) => return Self::ANY,
            }
        }
        Self::of(&text)
    }

    /// Those of a paragraph that is this text.
    pub(super) fn of(text: &str) -> Self {
        Self {
            whole: true,
            asterisk: has_pair(text, '*'),
            underscore: has_pair(text, '_'),
            tilde: has_pair(text, '~'),
            two_asterisks: text.matches("**").nth(1).is_some(),
        }
    }

    /// Whether a run of such signs between these neighbours would be a mark.
    pub(super) fn has(self, sign: char, before: Option<char>, after: Option<char>) -> bool {
        let edge = if self.whole { Some('\n') } else { None };
        let (before, after) = (before.or(edge), after.or(edge));
        self.may_pair(sign) && (opens(sign, before, after) || closes(sign, before, after))
    }

    /// Whether any such sign has another one to enclose something with.
    pub(super) fn may_pair(self, sign: char) -> bool {
        match sign {
            '*' => self.asterisk,
            '_' => self.underscore,
            _ => self.tilde,
        }
    }

    /// Whether an asterisk between these neighbours would be a part of `**`, where that is the only mark and needs nothing
    /// around it.
    pub(super) fn has_two(self, before: Option<char>, after: Option<char>) -> bool {
        let is_beside = before == Some('*') || after == Some('*');
        let is_edge = !self.whole && (before.is_none() || after.is_none());
        is_edge || (is_beside && self.two_asterisks)
    }
}

/// Whether a text has a run that could open and a later one that could close.
fn has_pair(text: &str, sign: char) -> bool {
    let mut is_open = false;
    for (at, _) in text.match_indices(sign) {
        let before = text[..at].chars().next_back();
        if before == Some(sign) {
            continue;
        }
        let before = before.or(Some('\n'));
        let after = text[at..].chars().find(|c| *c != sign).or(Some('\n'));
        if is_open && closes(sign, before, after) {
            return true;
        }
        is_open = is_open || opens(sign, before, after);
    }
    false
}

/// The standard asks for more, but not every platform does. A neighbour that is not known may be anything.
fn opens(sign: char, before: Option<char>, after: Option<char>) -> bool {
    after.is_none_or(|c| !c.is_whitespace()) && !is_in_word(sign, before, after)
}

fn closes(sign: char, before: Option<char>, after: Option<char>) -> bool {
    before.is_none_or(|c| !c.is_whitespace()) && !is_in_word(sign, before, after)
}

/// Inside a word an underscore is one in every Markdown, and names are copied often.
fn is_in_word(sign: char, before: Option<char>, after: Option<char>) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    sign == '_' && is_word(before) && is_word(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_a_mark_with_its_like_and_beside_a_word() {
        for (text, sign, wanted) in [
            ("__init__.py", '_', true),
            ("_private", '_', false),
            ("snake_case_name", '_', false),
            ("a_ and _b", '_', false),
            ("_a and b_", '_', true),
            ("5 * 3 * 2", '*', false),
            ("*args", '*', false),
            ("*args, **kwargs", '*', false),
            ("a*b*c", '*', true),
            ("*a\nb*", '*', true),
            ("****", '*', false),
            ("~/a and ~/b", '~', false),
            ("x~~y~~", '~', true),
            ("", '*', false),
        ] {
            assert_eq!(Marks::of(text).may_pair(sign), wanted, "{text}");
        }
    }

    #[test]
    fn beside_marks_of_ours_every_sign_but_one_between_spaces_may_be_one() {
        assert!(Marks::ANY.has('*', None, Some('a')) && Marks::ANY.has('*', Some('a'), None));
        assert!(!Marks::ANY.has('*', Some(' '), Some(' ')));
        assert!(!Marks::ANY.has('_', Some('a'), Some('b')));
        assert!(!Marks::of("*a").has('*', None, Some('a')));
    }

    #[test]
    fn two_asterisks_need_two_more() {
        assert!(!Marks::of("2 ** 10").has_two(Some('*'), Some(' ')));
        assert!(Marks::of("2**a**").has_two(Some('2'), Some('*')));
        assert!(Marks::ANY.has_two(None, Some('a')));
        assert!(!Marks::ANY.has_two(Some('5'), Some('3')));
    }

    #[test]
    fn a_long_run_does_not_take_for_ever() {
        let text = "*".repeat(1_000_000);
        assert!(!Marks::of(&text).may_pair('*'));
    }
}
