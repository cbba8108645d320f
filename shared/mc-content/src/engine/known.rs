//! Filters, tests and functions that a template names and the engine does not have, and what it would quietly do otherwise
//! than Jinja2.
//!
//! The engine looks for one when it comes by, so a name that stands in a branch which is seldom taken would be stored, and
//! refuse a message on the day that it is needed. Only what is put is judged by it: what is stored is sent as long as it
//! renders.

use std::collections::BTreeSet;
use std::fmt;

use minijinja::{Environment, ErrorKind};

use super::code::codes;

/// Words of the language that may stand before a bracket.
const KEYWORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];
/// What the language itself calls by a name.
const GIVEN: [&str; 4] = ["caller", "loop", "self", "super"];

/// What a name is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Filter,
    Test,
    Function,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Use::Filter => "filter",
            Use::Test => "test",
            Use::Function => "function",
        })
    }
}

/// What is wrong with the first name in a source that the engine does not have, or with the first thing that it would do
/// otherwise, with its line. The source compiles.
///
/// A function may be the text's own: a macro, what it imports, a variable that it sets. No value of a message is one. A text
/// that extends another one has that one's functions too, which are not known here, so none of its own is judged.
pub(crate) fn first_unknown(env: &Environment<'_>, source: &str) -> Option<String> {
    let own = own_names(source);
    let extends = codes(source).any(|code| code.statement == Some("extends"));
    for code in codes(source) {
        let tokens = Tokens(tokens(code.text));
        if let Some((at, fault)) = done_otherwise(&tokens, code.statement) {
            return Some(format!("line {}: {fault}", code.line(source, at)));
        }
        for (at, used_as, name) in names(&tokens, code.statement) {
            let is_own =
                used_as == Use::Function && (extends || own.contains(&*name) || GIVEN.contains(&&*name));
            if !is_own && !is_known(env, used_as, &name) {
                return Some(format!("line {}: there is no {used_as} {name:?}", code.line(source, at)));
            }
        }
    }
    None
}

/// The engine is asked by a call without arguments: what it has then lacks its value.
fn is_known(env: &Environment<'_>, used_as: Use, name: &str) -> bool {
    let mut state = env.empty_state();
    let (error, unknown) = match used_as {
        Use::Filter => (state.apply_filter(name, &[]).err(), ErrorKind::UnknownFilter),
        Use::Test => (state.perform_test(name, &[]).err(), ErrorKind::UnknownTest),
        Use::Function => return env.globals().any(|(global, _)| global == name),
    };
    error.is_none_or(|error| error.kind() != unknown)
}

/// What the engine takes from a statement and does otherwise than Jinja2, with its offset.
fn done_otherwise(tokens: &Tokens<'_>, statement: Option<&str>) -> Option<(usize, String)> {
    match statement? {
        "include" | "import" | "from" => tokens.without_context(),
        "macro" => tokens.borrowing_default(1),
        "call" => tokens.borrowing_default(0),
        _ => None,
    }
}

/// The names in a piece of code that something is called by, with their offsets.
fn names(tokens: &Tokens<'_>, statement: Option<&str>) -> Vec<(usize, Use, String)> {
    let mut found = Vec::new();
    for (at, (offset, token)) in tokens.0.iter().enumerate() {
        let Token::Word(word) = *token else { continue };
        let Some(used_as) = tokens.used_as(at, statement) else { continue };
        let mut name = word.to_owned();
        if used_as != Use::Function {
            // The dots of a filter's name and a test's belong to it.
            let mut next = at + 1;
            while let (Some('.'), Some(word)) = (tokens.sign(next), tokens.word(next + 1)) {
                name.push('.');
                name.push_str(word);
                next += 2;
            }
        }
        if used_as == Use::Filter {
            found.extend(tokens.named_in_arguments(at, word));
        }
        found.push((*offset, used_as, name));
    }
    found
}

/// Names that a text gives to something itself: more than there are, never fewer.
fn own_names(source: &str) -> BTreeSet<&str> {
    let mut own = BTreeSet::new();
    for code in codes(source) {
        let text = match code.statement {
            Some("macro" | "import" | "from" | "with") => code.text,
            Some("set") => code.text.split('=').next().unwrap_or_default(),
            Some("for") => code.text.split(" in ").next().unwrap_or_default(),
            Some("call") => {
                code.text.split(')').next().filter(|t| t.trim_start().starts_with('(')).unwrap_or_default()
            }
            _ => continue,
        };
        own.extend(tokens(text).into_iter().filter_map(|(_, token)| match token {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Sign(_) => None,
        }));
    }
    own
}

/// The least that code is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'t> {
    /// A name, a keyword or a number.
    Word(&'t str),
    /// What stands in quotes, as it is written.
    Text(&'t str),
    Sign(char),
}

fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match c {
            '"' | '\'' => {
                let length = quoted_length(rest, c);
                (Some(Token::Text(rest.get(1..length - 1).unwrap_or_default())), length)
            }
            c if is_word(c) => {
                let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
                (Some(Token::Word(&rest[..length])), length)
            }
            c => (Some(Token::Sign(c)).filter(|_| !c.is_whitespace()), c.len_utf8()),
        };
        found.extend(token.map(|token| (at, token)));
        at += length;
    }
    found
}

/// How long a text in quotes is, with them.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

struct Tokens<'t>(Vec<(usize, Token<'t>)>);

impl<'t> Tokens<'t> {
    fn word(&self, at: usize) -> Option<&'t str> {
        match self.0.get(at)?.1 {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Sign(_) => None,
        }
    }

    fn sign(&self, at: usize) -> Option<char> {
        match self.0.get(at)?.1 {
            Token::Sign(sign) => Some(sign),
            Token::Text(_) | Token::Word(_) => None,
        }
    }

    /// What the word at a place is used as, if something is called by it.
    fn used_as(&self, at: usize, statement: Option<&str>) -> Option<Use> {
        let before = |back: usize| at.checked_sub(back);
        // `x.is` is an attribute.
        let is_keyword = |place: Option<usize>| {
            place.is_some_and(|place| {
                self.word(place) == Some("is") && place.checked_sub(1).and_then(|p| self.sign(p)) != Some('.')
            })
        };
        let name = self.word(at)?;
        let sign_before = before(1).and_then(|place| self.sign(place));
        let is_first = at == 0;
        match sign_before {
            Some('|') => return Some(Use::Filter),
            Some('.') => return None,
            _ if is_first && statement == Some("filter") => return Some(Use::Filter),
            _ if is_first && statement == Some("macro") => return None,
            _ => {}
        }
        let is_negated = before(1).and_then(|place| self.word(place)) == Some("not") && is_keyword(before(2));
        if is_negated || (is_keyword(before(1)) && name != "not") {
            return Some(Use::Test);
        }
        let is_called = self.sign(at + 1) == Some('(') && !KEYWORDS.contains(&name);
        is_called.then_some(Use::Function)
    }

    /// The filter or test that these filters take as a text.
    fn named_in_arguments(&self, at: usize, filter: &str) -> Option<(usize, Use, String)> {
        let (used_as, place) = match filter {
            "map" => (Use::Filter, at + 2),
            "select" | "reject" => (Use::Test, at + 2),
            "selectattr" | "rejectattr" if self.sign(at + 3) == Some(',') => (Use::Test, at + 4),
            _ => return None,
        };
        let (offset, token) = self.0.get(place)?;
        let Token::Text(name) = *token else { return None };
        let is_whole = matches!(self.sign(place + 1), Some(',' | ')'));
        (self.sign(at + 1) == Some('(') && is_whole).then(|| (*offset, used_as, name.to_owned()))
    }

    /// `without context`, which the engine reads and passes over: the other template would see the message's values.
    fn without_context(&self) -> Option<(usize, String)> {
        let is_there = |at: &usize| self.word(*at) == Some("without") && self.word(at + 1) == Some("context");
        let at = (0..self.0.len()).find(is_there)?;
        let fault =
            "there is no \"without context\": what is included or imported sees the values; leave it away";
        Some((self.0[at].0, fault.to_owned()))
    }

    /// The first parameter of a macro whose default uses one before it. The engine fills in the last one first, so the
    /// default would mean a value of the message that is called so, or nothing. `open` is where the bracket is.
    fn borrowing_default(&self, open: usize) -> Option<(usize, String)> {
        if self.sign(open) != Some('(') {
            return None;
        }
        let mut before = BTreeSet::new();
        let mut parameter = None;
        let mut depth = 0_usize;
        for (at, (offset, token)) in self.0.iter().enumerate().skip(open + 1) {
            match (*token, parameter) {
                (Token::Sign(')'), _) if depth == 0 => break,
                (Token::Sign(','), _) if depth == 0 => before.extend(parameter.take()),
                (Token::Sign('(' | '[' | '{'), _) => depth += 1,
                (Token::Sign(')' | ']' | '}'), _) => depth = depth.saturating_sub(1),
                (Token::Word(word), None) => parameter = Some(word),
                (Token::Word(word), Some(name)) if before.contains(word) && self.is_variable(at) => {
                    let fault = format!(
                        "the default of {name:?} cannot use {word:?}, another parameter of its macro: write none, and \
                         {{% set {name} = {name} or {word} %}} in the macro"
                    );
                    return Some((*offset, fault));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether the word at a place, in an expression, is a variable: no attribute, filter or test, and not the name of an
    /// argument.
    fn is_variable(&self, at: usize) -> bool {
        let is_attribute = at.checked_sub(1).and_then(|before| self.sign(before)) == Some('.');
        let is_argument = self.sign(at + 1) == Some('=') && self.sign(at + 2) != Some('=');
        !is_attribute && !is_argument && !matches!(self.used_as(at, None), Some(Use::Filter | Use::Test))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::environment;

    #[test]
    fn what_the_engine_does_not_have_is_found_wherever_it_stands() {
        for (source, what, line) in [
            ("a\n{{ x | nope }}", "filter \"nope\"", 2),
            ("{% if x %}\n{{ y|upper|nope(1) }}{% endif %}", "filter \"nope\"", 2),
            ("{% filter nope %}a{% endfilter %}", "filter \"nope\"", 1),
            ("{% set x | upper | nope %}a{% endset %}", "filter \"nope\"", 1),
            ("{{ {'a': {'b': 1}} | nope }}", "filter \"nope\"", 1),
            ("{{ rows | first.name }}", "filter \"first.name\"", 1),
            ("{{ rows | map('nope') | list }}", "filter \"nope\"", 1),
            ("{{ rows | select('nope') | list }}", "test \"nope\"", 1),
            ("{{ rows | rejectattr(\"n\", 'nope') | list }}", "test \"nope\"", 1),
            ("{{ 1 if x is nope else 2 }}", "test \"nope\"", 1),
            ("{% if a and x is\nnot nope(2) %}{% endif %}", "test \"nope\"", 2),
            ("{{ now() }}", "function \"now\"", 1),
            ("{% for x in rng(3) %}{% endfor %}", "function \"rng\"", 1),
            ("{% set now = now2() %}", "function \"now2\"", 1),
            ("{% call nope() %}{% endcall %}", "function \"nope\"", 1),
            ("{% macro m(a) %}{{ n(a) }}{% endmacro %}", "function \"n\"", 1),
            ("{% include 'x' %}{{ pm(1) }}", "function \"pm\"", 1),
            ("{% extends 'x' %}{% block a %}{{ pm(1) | nope }}{% endblock %}", "filter \"nope\"", 1),
        ] {
            let wanted = format!("line {line}: there is no {what}");
            assert_eq!(first_unknown(&environment(), source), Some(wanted), "{source}");
        }
    }

    #[test]
    fn what_would_be_done_otherwise_than_in_jinja2_is_found() {
        let context =
            "there is no \"without context\": what is included or imported sees the values; leave it away";
        let default = |name: &str, used: &str| {
            format!(
                "the default of {name:?} cannot use {used:?}, another parameter of its macro: write none, and \
                 {{% set {name} = {name} or {used} %}} in the macro"
            )
        };
        for (source, line, fault) in [
            ("a\n{% include 'x' without context %}", 2, context.to_owned()),
            ("{% include ['x', 'y'] ignore missing\nwithout  context %}", 2, context.to_owned()),
            ("{%- import 'x' as y without context -%}", 1, context.to_owned()),
            ("{% from 'x' import y as z without context %}", 1, context.to_owned()),
            ("{% macro m(a, b=a) %}{% endmacro %}", 1, default("b", "a")),
            (
                "{% macro m(a, b=[1, (2)],\nc={'k': f(a.b, d=1) | upper}) %}{% endmacro %}",
                2,
                default("c", "a"),
            ),
            ("{% macro m(a, b=2 if a==1 else 3) %}{% endmacro %}", 1, default("b", "a")),
            ("{% call(x, y=x) y() %}{% endcall %}", 1, default("y", "x")),
        ] {
            let wanted = format!("line {line}: {fault}");
            assert_eq!(first_unknown(&environment(), source), Some(wanted), "{source}");
        }
        for source in [
            "{% include 'without context' %}{% include 'x' with context %}{# {% include 'x' without context %} #}",
            "{% from 'x' import without, context with context %}{% set y = 'without context' %}",
            "{% macro m(a, b='a', c=x.a, d=dict(a=1), e=1) %}{{ a }}{% set b = b or a %}{% endmacro %}",
            "{% macro m(string, upper, c=x|upper, d=x is string) %}{% endmacro %}",
            "{% macro m(a, b=none) %}{% endmacro %}{% call m(a, b=a) %}{% endcall %}{{ m(a, b=a) }}",
        ] {
            assert_eq!(first_unknown(&environment(), source), None, "{source}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_there_is() {
        for source in [
            "{{ a | upper | date('%F') | table }}{{ a is not defined or b is divisibleby(3) }}{{ range(3) }}",
            "{{ 'x | nope' }}{# {{ a | nope }} #}{% raw %}{{ nope() }}{% endraw %} | nope is nope nope()",
            "{% macro m(a, b=f()) %}{{ caller() }}{{ a() }}{% endmacro %}{{ m(1) }}{% call(x) m(2) %}{{ x() }}{% endcall %}",
            "{% from 'x' import badge, unit as u %}{{ badge(1) }}{{ u() }}{% import 'x' as y %}{{ y.field(1) }}",
            "{% extends 'x' %}{% block a %}{{ pm(1) }}{% call pm(2) %}{% endcall %}{% endblock %}",
            "{% if a %}{% set j = joiner(', ') %}{% endif %}{{ j() }}{{ a.nope() }}{{ a.is.nope }}",
            "{% for a in b recursive %}{{ loop(a) }}{% endfor %}{{ super() }}{{ self.a() }}",
            "{% if not (a) and (b) or (c in (d)) %}{% elif (e) %}{% endif %}{{ x if (y) else (z) }}",
            "{{ rows | map(attribute='nope') | select('odd') | selectattr('nope') | rejectattr('n', '==', 2) | list }}",
            "{{ a is in [1] }}{{ a is sameas b }}{{ a is not none and b }}{{ dict(is=1) }}",
        ] {
            assert_eq!(first_unknown(&environment(), source), None, "{source}");
        }
    }
}
