//! The code in a template's source: what stands in `{{ … }}` and `{% … %}`, without comments and what is raw.

/// One piece of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code<'t> {
    /// Where its text begins in the source, in bytes.
    pub(crate) at: usize,
    /// The first word of a statement (`for`, `set`); an expression has none.
    pub(crate) statement: Option<&'t str>,
    /// The expression, or what follows the statement's first word.
    pub(crate) text: &'t str,
}

impl Code<'_> {
    /// The line of an offset in its text, from 1.
    pub(crate) fn line(&self, source: &str, at: usize) -> usize {
        1 + source[..self.at + at].matches('\n').count()
    }
}

/// All code of a source, in order.
pub(crate) fn codes(source: &str) -> Codes<'_> {
    Codes { source, at: 0 }
}

/// An iterator over code.
pub(crate) struct Codes<'t> {
    source: &'t str,
    at: usize,
}

impl<'t> Iterator for Codes<'t> {
    type Item = Code<'t>;

    fn next(&mut self) -> Option<Code<'t>> {
        loop {
            let start = self.at + self.source[self.at..].find('{')?;
            let inside = &self.source[start + 1..];
            let (code, rest) = match inside.as_bytes().first() {
                Some(b'#') => (None, after(inside, "#}")),
                Some(b'{') => {
                    let (text, rest) = split(&inside[1..], "}}");
                    (Some(Code { at: start + 2, statement: None, text }), rest)
                }
                Some(b'%') => {
                    let (tag, rest) = split(&inside[1..], "%}");
                    let from = tag.trim_start_matches(['-', '+']).trim_start();
                    let is_end = |c: char| !c.is_ascii_alphanumeric() && c != '_';
                    let (word, text) = from.split_at(from.find(is_end).unwrap_or(from.len()));
                    let at = start + 2 + tag.len() - text.len();
                    let rest = if word == "raw" { after_raw(rest) } else { rest };
                    (Some(Code { at, statement: Some(word), text }), rest)
                }
                _ => (None, inside),
            };
            self.at = self.source.len() - rest.len();
            if code.is_some() {
                return code;
            }
        }
    }
}

fn after<'t>(text: &'t str, end: &str) -> &'t str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// The code up to its end, which does not count within quotes and brackets, and what follows.
fn split<'t>(text: &'t str, end: &str) -> (&'t str, &'t str) {
    let mut quote = None;
    let mut escaped = false;
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(sign) if sign == c => quote = None,
            Some(_) => {}
            None if open == 0 && text[at..].starts_with(end) => {
                return (&text[..at], &text[at + end.len()..]);
            }
            None => match c {
                '"' | '\'' => quote = Some(c),
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open = open.saturating_sub(1),
                _ => {}
            },
        }
    }
    (text, "")
}

/// What follows `{% endraw %}`.
fn after_raw(text: &str) -> &str {
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let tag = rest[start + 2..].trim_start_matches(['-', '+']).trim_start();
        rest = &rest[start + 2..];
        if tag.starts_with("endraw") {
            return after(rest, "%}");
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        for (source, wanted) in [
            ("plain { % } text", vec![]),
            (
                "a {{ b }} c {% if d %}e{% endif %}",
                vec![(None, " b ", 1), (Some("if"), " d ", 1), (Some("endif"), " ", 1)],
            ),
            ("{# {{ a }} #}\n{%- set x = '%}' -%}", vec![(Some("set"), " x = '%}' -", 2)]),
            ("{% raw %}{{ a }}{%- endraw %}\n{{ b }}", vec![(Some("raw"), " ", 1), (None, " b ", 2)]),
            (
                "{{ {'a': {'b': 1}} | tojson }}{{ c }}",
                vec![(None, " {'a': {'b': 1}} | tojson ", 1), (None, " c ", 1)],
            ),
            ("{{ 'it\\'s }}' }}", vec![(None, " 'it\\'s }}' ", 1)]),
            ("{%\n  call(x) m() %}", vec![(Some("call"), "(x) m() ", 2)]),
            ("{{ a", vec![(None, " a", 1)]),
        ] {
            let found: Vec<_> =
                codes(source).map(|code| (code.statement, code.text, code.line(source, 0))).collect();
            assert_eq!(found, wanted, "{source}");
        }
    }
}
