//! Which templates a text names, read from its source.
//!
//! A message keeps the version of everything it was accepted with, so all that a text may include has to be known before
//! it is rendered: names stand in quotes.

use std::collections::BTreeSet;

use mc_core::model::TemplateBody;
use serde_json::Value;

use crate::engine::codes;
use crate::value::names_in;

/// A template that a text includes, extends or imports from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Its name.
    pub(super) name: String,
    /// Whether the text can do without it: `ignore missing`, or one of a list.
    pub(super) optional: bool,
}

/// A name that cannot be known before it is rendered, with the line it is on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknowable {
    pub(super) line: usize,
}

/// The names of all templates that any text of this one includes, extends or imports from.
pub fn included_names(template: &TemplateBody) -> BTreeSet<String> {
    let mut names = names_in_body(&template.body);
    let optional = [&template.url, &template.url_label, &template.image];
    for text in optional.into_iter().flatten().chain([&template.title]) {
        names.extend(names_in_body(text));
    }
    for fact in &template.facts {
        names.extend(names_in_body(&fact.label));
        names.extend(names_in_body(&fact.value));
    }
    for button in &template.buttons {
        names.extend(names_in_body(&button.text));
        names.extend(names_in_body(&button.url));
        names.extend(names_in_body(&button.action));
    }
    template.channels.values().for_each(|layer| names_in_value(layer, &mut names));
    names
}

/// The same for one text: of an included template only the body is included.
pub fn names_in_body(text: &str) -> BTreeSet<String> {
    names(text).unwrap_or_default().into_iter().map(|named| named.name).collect()
}

fn names_in_value(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => into.extend(names_in_body(text)),
        Value::Array(items) => items.iter().for_each(|item| names_in_value(item, into)),
        Value::Object(members) => members.values().for_each(|member| names_in_value(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a text names, in order.
pub(super) fn names(source: &str) -> Result<Vec<Named>, Unknowable> {
    let mut found = Vec::new();
    for code in codes(source) {
        if matches!(code.statement, Some("include" | "extends" | "import" | "from")) {
            named(code.text, &mut found).ok_or_else(|| Unknowable { line: code.line(source, 0) })?;
        }
    }
    Ok(found)
}

/// Whether an expression or a statement of a text may mean a variable of this name. What stands between those is prose, and a
/// text that gives the name to something of its own means that.
pub(super) fn uses(source: &str, name: &str) -> bool {
    let (mut used, mut own) = (BTreeSet::new(), BTreeSet::new());
    for code in codes(source) {
        names_in(code.text, &mut used);
        match code.statement {
            Some("for") => names_in(code.text.split(" in ").next().unwrap_or_default(), &mut own),
            Some("set") => names_in(code.text.split('=').next().unwrap_or_default(), &mut own),
            _ => {}
        }
    }
    used.contains(name) && !own.contains(name)
}

/// `"a"`, `"a" if x else "b"` or `["a", "b"]`; what follows is of no matter, but for `ignore missing`.
fn named(argument: &str, found: &mut Vec<Named>) -> Option<()> {
    let argument = argument.trim();
    if let Some(list) = argument.strip_prefix(['[', '(']) {
        let (list, _) = list.split_once([']', ')'])?;
        for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, rest) = quoted(item)?;
            rest.trim().is_empty().then_some(())?;
            found.push(Named { name: name.to_owned(), optional: true });
        }
        return Some(());
    }
    let (name, rest) = quoted(argument)?;
    let rest = rest.trim_start();
    let optional = rest.split_whitespace().collect::<Vec<_>>().join(" ").contains("ignore missing");
    found.push(Named { name: name.to_owned(), optional });
    match rest.strip_prefix("if ") {
        Some(condition) => match after_word(condition, "else") {
            Some(other) => named(other, found),
            // Without it nothing is included when the condition does not hold.
            None => Some(()),
        },
        None => Some(()),
    }
}

/// A text in quotes at the start, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split_once(quote)
}

/// What follows a word that stands outside of quotes.
fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if text[at..].starts_with(word) && text[..at].ends_with(char::is_whitespace) => {
                return Some(&text[at + word.len()..]);
            }
            None => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_used_in_code_and_not_in_prose() {
        for (source, used) in [
            ("Dear {{ recipient.name }}", true),
            ("{% if recipient.locale == 'zh-CN' %}你好{% endif %}", true),
            ("{{ '}}' ~ recipient.id }}", true),
            ("Dear recipient, {{ body }}", false),
            ("{# recipient #}{% raw %}{{ recipient }}{% endraw %}", false),
            ("{{ order.recipient }}", false),
            ("{% for recipient in people %}{{ recipient.name }}{% endfor %}", false),
            ("{% set recipient = order.to %}{{ recipient }}", false),
        ] {
            assert_eq!(uses(source, "recipient"), used, "{source}");
        }
    }

    fn list(source: &str) -> Vec<String> {
        let show = |n: Named| if n.optional { format!("{}?", n.name) } else { n.name };
        names(source).expect("names").into_iter().map(show).collect()
    }

    #[test]
    fn names_are_found_where_they_count() {
        let table: [(&str, &[&str]); 14] = [
            ("plain", &[]),
            ("{% include 'a' %}", &["a"]),
            ("{%- extends \"a.b-c_d~e\" -%}x", &["a.b-c_d~e"]),
            ("{% import 'm' as m %}{% from \"n\" import x, y as z with context %}", &["m", "n"]),
            ("{% include 'a' ignore   missing with context %}", &["a?"]),
            ("{% include ['a', \"b\"] %}", &["a?", "b?"]),
            ("{% include 'a' if kind == 'x else' else 'b' if c else 'd' %}", &["a", "b", "d"]),
            ("{% include 'a' if c %}", &["a"]),
            ("{# {% include 'a' %} #}{{ \"{% include 'b' %}\" }}", &[]),
            ("{% raw %}{% include 'a' %}{% endraw %}{% include 'b' %}", &["b"]),
            ("{%- raw -%} {% x %} {%- endraw -%}{% include 'b' %}", &["b"]),
            ("{% set x = '%}' %}{% include 'b' %}", &["b"]),
            ("{% set x = 'it\\'s %}' %}{% include 'b' %}", &["b"]),
            ("{ {{ {% include 'a'", &[]),
        ];
        for (source, wanted) in table {
            assert_eq!(list(source), wanted, "{source}");
        }
    }

    #[test]
    fn a_name_that_is_not_written_down_is_told_with_its_line() {
        for source in
            ["a\n{% include name %}", "{{ x }}\n{% extends 'a' if x else y %}", "\n{% include [a] %}"]
        {
            assert_eq!(names(source), Err(Unknowable { line: 2 }), "{source}");
        }
    }
}
