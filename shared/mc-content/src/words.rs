//! What is wrong with a value, in words for people: the reader's own words name types of a programming language.

use std::borrow::Cow;

use serde_json::Value;

use crate::{FieldError, escape_member};

/// Longer texts of a caller are told by their beginning.
const SHOWN: usize = 40;

/// What the reader's words mean, and the field they are about if that is one inside of the place where it stopped.
///
/// Words that are not the reader's own stay as they are.
pub fn plain(words: &str) -> (Option<&str>, String) {
    let between = |before: &str| words.strip_prefix(before)?.strip_suffix('`');
    if let Some(field) = between("missing field `") {
        return (Some(field), "is required".to_owned());
    }
    if let Some(field) = between("duplicate field `") {
        return (Some(field), "is given twice".to_owned());
    }
    (None, of_value(words).unwrap_or_else(|| words.to_owned()))
}

/// What is wrong with the value at this place, or with a field of it.
pub fn unreadable(at: impl Into<String>, value: &Value, error: &serde_json::Error) -> FieldError {
    let (at, text) = (at.into(), error.to_string());
    match plain(&text) {
        (Some(field), detail) if value.is_object() => {
            FieldError::new(format!("{at}/{}", escape_member(field)), detail)
        }
        // Which entry of a list it is, the reader does not say.
        (Some(field), detail) => FieldError::new(at, format!("{field} {detail}")),
        (None, detail) => FieldError::new(at, detail),
    }
}

fn of_value(words: &str) -> Option<String> {
    if let Some(rest) = words.strip_prefix("expected ") {
        return Some(format!("must be {rest}"));
    }
    if words.starts_with("unknown field `") {
        // The names stand between backticks.
        let known: Vec<&str> = match words.rsplit_once("`, expected ") {
            Some((_, names)) => names.split('`').skip(1).step_by(2).collect(),
            None => return Some("is unknown; there are no fields here".to_owned()),
        };
        return Some(format!("is unknown; the fields here are {}", known.join(", ")));
    }
    if let Some(rest) = words.strip_prefix("unknown variant `") {
        let (given, names) = rest.rsplit_once("`, expected ")?;
        return Some(format!("must be {}, not {:?}", names.replace('`', ""), shortened(given)));
    }
    if words.ends_with(", expected unit") {
        // An object in the place of a word that stands for a choice is read as that word and something besides.
        return Some("must be a text".to_owned());
    }
    // What is expected stands last, because a caller's own text may say the same.
    let (given, expected) = words.rsplit_once(", expected ")?;
    let given = match given.split_once(": ") {
        Some(("invalid type" | "invalid value", given)) => of_given(given)?,
        _ if given.starts_with("invalid length ") => "a list",
        _ => return None,
    };
    Some(format!("is {given}, but must be {}", of_expected(expected)))
}

/// A value as it was given. Texts are not repeated: one may be a secret in the wrong place.
fn of_given(words: &str) -> Option<&str> {
    Some(match words {
        "null" | "unit value" => "null",
        "sequence" => "a list",
        "map" => "an object",
        text if text.starts_with("string ") => "a text",
        // A number, true or false.
        other => other.split('`').nth(1)?,
    })
}

fn of_expected(words: &str) -> Cow<'_, str> {
    match words {
        "a boolean" => "true or false".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "a JSON number" | "f32" | "f64" => "a number".into(),
        // The last two are what a word that stands for a choice may be.
        "a string" | "a borrowed string" | "string or map" | "map with a single key" => "a text".into(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".into(),
        "u64" | "usize" => "a whole number from 0".into(),
        _ if words.starts_with("struct ") => "an object".into(),
        _ => match words.strip_prefix("a nonzero ") {
            Some(kind) => whole_number(1, kind),
            None => whole_number(0, words),
        }
        .map_or(words.into(), Cow::from),
    }
}

fn whole_number(least: u8, kind: &str) -> Option<String> {
    let most: u32 = match kind {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX,
        _ => return None,
    };
    Some(format!("a whole number from {least} to {most}"))
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// What is wrong with a text that is JSON, but holds more than can be read.
pub fn of_unreadable(words: &str) -> &'static str {
    match words {
        "recursion limit exceeded" => "is nested too deeply",
        "number out of range" => "is a number that is too large",
        // All that is left is another value in the place of a word that stands for a choice.
        "expected value" | "key must be a string" => "must be a text",
        _ => "is a text with an escape (\\u…) that stands for no character",
    }
}

/// What is wrong with a text that is not JSON.
pub fn of_syntax(words: &str) -> Cow<'_, str> {
    match words.strip_prefix("EOF while parsing ") {
        Some(what) => format!("it ends in the middle of {what}").into(),
        None if words == "expected ident" => "expected true, false or null".into(),
        None => words.into(),
    }
}

/// A fault as a text that stands by itself: what only says something of the field gets the field's place in front.
pub fn standalone(error: &FieldError) -> String {
    let FieldError { pointer, detail } = error;
    let of_field = ["is ", "must ", "has "].iter().any(|verb| detail.starts_with(verb));
    match pointer.as_str() {
        _ if !of_field => detail.clone(),
        "" => format!("the body {detail}"),
        place => format!("{place} {detail}"),
    }
}

/// Puts every pointer under a prefix, for a document inside of another. Answers what `detail`, the text for people,
/// becomes if it was that of the first field.
pub fn put_under(prefix: &str, detail: &str, errors: &mut [FieldError]) -> Option<String> {
    let of_first = errors.first().is_some_and(|first| standalone(first) == detail);
    for error in &mut *errors {
        error.pointer.insert_str(0, prefix);
    }
    errors.first().filter(|_| of_first).map(standalone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readers_words_become_plain() {
        for (words, expected) in [
            ("invalid type: null, expected struct SendRequest", "is null, but must be an object"),
            ("invalid type: sequence, expected a string", "is a list, but must be a text"),
            ("invalid type: string \"a, expected b\", expected a map", "is a text, but must be an object"),
            ("invalid type: boolean `true`, expected a sequence", "is true, but must be a list"),
            ("invalid type: map, expected a boolean", "is an object, but must be true or false"),
            (
                "invalid value: integer `70000`, expected u16",
                "is 70000, but must be a whole number from 0 to 65535",
            ),
            (
                "invalid value: integer `0`, expected a nonzero u32",
                "is 0, but must be a whole number from 1 to 4294967295",
            ),
            ("invalid type: floating point `1.5`, expected u64", "is 1.5, but must be a whole number from 0"),
            ("invalid type: integer `5`, expected string or map", "is 5, but must be a text"),
            ("invalid length 1, expected struct Fact with 2 elements", "is a list, but must be an object"),
            ("unknown variant `urgent`, expected `all` or `first`", "must be all or first, not \"urgent\""),
            ("unknown variant `x`, expected one of `a`, `b`, `c`", "must be one of a, b, c, not \"x\""),
            ("unknown field `x`, expected `a` or `b`", "is unknown; the fields here are a, b"),
            ("expected a time with an offset", "must be a time with an offset"),
            ("give one or the other", "give one or the other"),
        ] {
            assert_eq!(plain(words), (None, expected.to_owned()), "{words}");
        }
        assert_eq!(plain("missing field `url`"), (Some("url"), "is required".to_owned()));
        assert_eq!(plain("duplicate field `to`"), (Some("to"), "is given twice".to_owned()));
    }

    #[test]
    fn a_long_word_is_told_by_its_beginning() {
        let words = format!("unknown variant `{}`, expected `a` or `b`", "ä".repeat(1000));
        assert_eq!(plain(&words).1, format!("must be a or b, not \"{}…\"", "ä".repeat(40)));
    }

    #[test]
    fn a_text_that_needs_its_field_names_it() {
        let told = |pointer: &str, detail: &str| standalone(&FieldError::new(pointer, detail));
        assert_eq!(told("/data/name", "is missing"), "/data/name is missing");
        assert_eq!(told("", "must be an object"), "the body must be an object");
        assert_eq!(told("/template", "there is no template \"x\""), "there is no template \"x\"");
    }

    #[test]
    fn a_text_follows_its_field_to_another_place() {
        let mut errors = vec![FieldError::new("/name", "is missing")];
        let moved = put_under("/data", "/name is missing", &mut errors);
        assert_eq!(moved.as_deref(), Some("/data/name is missing"));
        assert_eq!(errors[0].pointer, "/data/name");
        assert_eq!(put_under("/x", "another text", &mut errors), None);
    }
}
