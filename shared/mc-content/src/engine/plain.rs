//! Texts that only put values in: `{{ name }}` and nothing else of Jinja, as most are.
//!
//! They are on the way of every message, twice, and filling them in needs no engine: a third of the time. Whatever is
//! unusual about the values is left to the engine, so its rules and its words for what is wrong stay the only ones.

use serde_json::{Map, Value as Json};

use super::print::{Print, put_text, put_word};

/// Names that mean something else than a value of the caller's.
const OTHER_NAMES: [&str; 10] =
    ["params", "loop", "self", "super", "true", "false", "none", "True", "False", "None"];

/// About as long as a value is.
const VALUE_SIZE: usize = 32;

/// A text's pieces, in order.
#[derive(Debug)]
pub(crate) struct Plain {
    pieces: Box<[Piece]>,
    print: Print,
    /// How long the text is likely to become.
    size: usize,
}

#[derive(Debug)]
enum Piece {
    Literal(Box<str>),
    Name(Box<str>),
}

impl Plain {
    /// The pieces of a text that the engine compiles, unless there is more in it than names.
    pub(super) fn of(source: &str, print: Print) -> Option<Self> {
        if source.contains("{%") || source.contains("{#") {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = without_line_end(source);
        while let Some((literal, opened)) = rest.split_once("{{") {
            let (name, behind) = opened.split_once("}}")?;
            let name = name.trim_matches([' ', '\t']);
            if !is_name(name) || OTHER_NAMES.contains(&name) {
                return None;
            }
            pieces.push(Piece::Literal(literal.into()));
            pieces.push(Piece::Name(name.into()));
            rest = behind;
        }
        pieces.push(Piece::Literal(rest.into()));
        let size = |piece: &Piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Name(_) => VALUE_SIZE,
        };
        let size = pieces.iter().map(size).sum();
        Some(Self { pieces: pieces.into(), print, size })
    }

    /// Fills it in, if every name has a text or a whole number and all of it is at most `most` bytes.
    pub(super) fn fill(&self, data: &Map<String, Json>, most: usize) -> Option<String> {
        let mut out = String::with_capacity(self.size);
        for piece in &self.pieces {
            let put = match piece {
                Piece::Literal(text) => {
                    out.push_str(text);
                    Ok(())
                }
                Piece::Name(name) => match data.get(&**name)? {
                    Json::String(text) => put_text(self.print, text, &mut out),
                    Json::Number(number) if number.is_i64() || number.is_u64() => {
                        put_word(self.print, &number.to_string(), &mut out)
                    }
                    _ => return None,
                },
            };
            put.ok()?;
            if out.len() > most {
                return None;
            }
        }
        Some(out)
    }
}

/// Jinja takes one line end from the end of a text.
pub(super) fn without_line_end(source: &str) -> &str {
    source.strip_suffix('\n').map_or(source, |text| text.strip_suffix('\r').unwrap_or(text))
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::engine;
    use crate::value::{Context, names_in};

    const PRINTS: [Print; 5] = [Print::Text, Print::Markdown, Print::Html, Print::Url, Print::Json];

    /// What the engine makes of a text, without this short way.
    fn by_the_engine(source: &str, print: Print, data: &Map<String, Json>) -> Result<String, String> {
        let mut env = engine::environment();
        let name = format!("/body{}", print.extension());
        env.add_template_owned(name.clone(), source.to_owned()).map_err(|e| e.to_string())?;
        let mut names = BTreeSet::new();
        names_in(source, &mut names);
        let context = Context::value(&Arc::from_iter(names), data, &Map::new(), None);
        env.get_template(&name).unwrap().render(context).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_filled_in_is_what_the_engine_writes() {
        let sources = [
            "{{ a }}",
            "{{a}}{{ b }}",
            "{{\ta }}\n",
            "x {{ a }}\r\n",
            "{{ a }}\n\n",
            "  {{ a }} }} { {{ b }}  ",
            "{ {a} }{{ a_1 }}{{ _x }}",
            "**{{ a }}**, `{{ b }}`: [{{ a }}](https://e.example/{{ b }})\n",
        ];
        let texts =
            ["", "plain", "7", "a*b_c `d` <e>&\"' [f](g) | h\r\ni\tj", "完成。", "🎉 \u{10F72A}", "{{ b }}"];
        let numbers = [json!(0), json!(-5), json!(42), json!(u64::MAX), json!(i64::MIN)];
        let values = texts.iter().map(|text| json!(text)).chain(numbers);
        for value in values {
            let data = json!({"a": value, "b": value, "a_1": "one", "_x": value, "unused": [1]});
            let Json::Object(data) = data else { unreachable!() };
            for (source, print) in sources.iter().flat_map(|s| PRINTS.map(|p| (s, p))) {
                let plain = Plain::of(source, print).unwrap().fill(&data, usize::MAX).unwrap();
                assert_eq!(Ok(plain), by_the_engine(source, print, &data), "{source:?} {print:?} {value}");
            }
        }
    }

    #[test]
    fn everything_else_is_left_to_the_engine() {
        for source in [
            "{% if a %}{{ a }}{% endif %}",
            "{{ a }}{# no word #}",
            "{{ a.b }}",
            "{{ a | upper }}",
            "{{- a -}}",
            "{{ 'a' }}",
            "{{ a }} {{ params }}",
            "{{ loop }}",
            "{{ true }}",
            "{{ None }}",
            "{{ 1 }}",
            "{{ a",
            "{{ a\n}}",
        ] {
            assert!(Plain::of(source, Print::Text).is_none(), "{source}");
        }
        let plain = Plain::of("{{ a }}", Print::Text).unwrap();
        for value in [json!(null), json!(true), json!(1.5), json!([]), json!({})] {
            let Json::Object(data) = json!({"a": value}) else { unreachable!() };
            assert_eq!(plain.fill(&data, 100), None, "{value}");
        }
        assert_eq!(plain.fill(&Map::new(), 100), None);
    }

    #[test]
    fn what_is_too_long_is_left_to_the_engine() {
        let Json::Object(data) = json!({"a": "1234567890"}) else { unreachable!() };
        let plain = Plain::of("{{ a }}!", Print::Text).unwrap();
        assert_eq!(plain.fill(&data, 10), None);
        assert_eq!(plain.fill(&data, 11).as_deref(), Some("1234567890!"));
    }
}
