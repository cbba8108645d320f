//! How a printed value becomes text: as it is, shielded, or escaped for the place it is printed in.

use std::borrow::Cow;

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Error, ErrorKind, Output, State};

use super::MAX_OUTPUT;
use crate::shield;

/// How the values printed by a text are treated. It is the extension of the text's name in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Print {
    /// As they are.
    Text,
    /// Shielded.
    Markdown,
    /// Escaped for HTML.
    Html,
    /// Percent-encoded.
    Url,
    /// Escaped as the content of a JSON string.
    Json,
}

const MARKDOWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("markdown"));
const URL: AutoEscape = AutoEscape::Custom(Cow::Borrowed("url"));
const JSON: AutoEscape = AutoEscape::Custom(Cow::Borrowed("json"));

impl Print {
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Print::Text => ".txt",
            Print::Markdown => ".md",
            Print::Html => ".html",
            Print::Url => ".url",
            Print::Json => ".json",
        }
    }

    /// Where the engine is printing just now.
    pub(super) fn of(state: &State<'_, '_>) -> Self {
        match state.auto_escape() {
            AutoEscape::Html => Print::Html,
            AutoEscape::Custom(mode) => match &**mode {
                "markdown" => Print::Markdown,
                "url" => Print::Url,
                "json" => Print::Json,
                _ => Print::Text,
            },
            _ => Print::Text,
        }
    }
}

/// The treatment that belongs to a text's name.
pub(super) fn auto_escape(name: &str) -> AutoEscape {
    match name.rsplit('.').next() {
        Some("md") => MARKDOWN,
        Some("html") => AutoEscape::Html,
        Some("url") => URL,
        Some("json") => JSON,
        _ => AutoEscape::None,
    }
}

/// Prints a value as its place wants it.
pub(super) fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mode = Print::of(state);
    if let Some(text) = value.as_str() {
        if value.is_safe() {
            out.write_str(text)?;
            return Ok(());
        }
        return put_text(mode, text, out).map_err(Error::from);
    }
    let printed = if mode == Print::Json { json_word(value)? } else { python_text(value)? };
    if mode == Print::Json && is_container(value) {
        out.write_str(&json_string_content(&printed))?;
    } else {
        put_word(mode, &printed, out)?;
    }
    Ok(())
}

/// Writes a text as its place wants it.
pub(super) fn put_text(mode: Print, text: &str, out: &mut impl Write) -> std::fmt::Result {
    match mode {
        Print::Text => out.put(text),
        Print::Markdown if shield::needs_no_shield(text) => out.put(text),
        Print::Markdown => out.put(&shield::shield(text)),
        Print::Html => escape_html(text, out),
        Print::Url => out.put(&percent_encoded(text, b"")),
        Print::Json => out.put(&json_string_content(text)),
    }
}

/// Writes what was printed of a value that is no text: a number, or a word like `true`.
pub(super) fn put_word(mode: Print, word: &str, out: &mut impl Write) -> std::fmt::Result {
    match mode {
        Print::Text | Print::Json => out.put(word),
        // The author who writes `{{ loop.index }}.` wants a list.
        Print::Markdown if word.bytes().all(|b| b.is_ascii_digit()) => out.put(word),
        Print::Markdown => out.put(&shield::shield(word)),
        Print::Html => escape_html(word, out),
        Print::Url => out.put(&percent_encoded(word, b"")),
    }
}

/// A text for an element or an attribute, with the entities that Python's `markupsafe` uses.
pub(super) fn escape_html(text: &str, out: &mut impl Write) -> std::fmt::Result {
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let entity = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&#34;",
            b'\'' => "&#39;",
            _ => continue,
        };
        out.put(&text[copied..at])?;
        out.put(entity)?;
        copied = at + 1;
    }
    out.put(&text[copied..])
}

/// Where escaped text goes.
pub(super) trait Write {
    fn put(&mut self, text: &str) -> std::fmt::Result;
}

impl Write for Output<'_> {
    fn put(&mut self, text: &str) -> std::fmt::Result {
        self.write_str(text)
    }
}

impl Write for String {
    fn put(&mut self, text: &str) -> std::fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// Everything but the unreserved characters of RFC 3986, and those of `safe`, becomes `%XX`.
pub(super) fn percent_encoded(text: &str, safe: &[u8]) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || safe.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// A text as it stands between the quotes of a JSON string.
fn json_string_content(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A value that is no string, as JSON writes it.
fn json_word(value: &Value) -> Result<String, Error> {
    weigh(value)?;
    Ok(serde_json::to_string(value).unwrap_or_else(|_| value.to_string()))
}

/// A value as Python prints it.
pub(super) fn python_text(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::Number && !value.is_integer() {
        return Ok(f64::try_from(value.clone()).map_or_else(|_| value.to_string(), python_float));
    }
    weigh(value)?;
    Ok(value.to_string())
}

/// A float in the shortest form that reads back the same, with an exponent where Python uses one.
pub(super) fn python_float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan".to_owned() } else { number.to_string() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if number != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') { plain } else { format!("{plain}.0") }
}

fn is_container(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable)
}

/// Refuses lists and objects that would make more text than a content may have, before any text is made.
///
/// A few words of a template can put one long text into a list a million times, or lists into lists, at no cost until
/// they are written out.
pub(super) fn weigh(value: &Value) -> Result<(), Error> {
    const DEEPEST: usize = 200;
    if !is_container(value) {
        return Ok(());
    }
    let mut weight = 0usize;
    let mut open = vec![];
    let mut next = Some(value.clone());
    loop {
        let Some(value) = next.take() else {
            let Some(last) = open.last_mut() else { return Ok(()) };
            next = Iterator::next(last);
            if next.is_none() {
                open.pop();
            }
            continue;
        };
        weight += 1 + value.as_str().map_or(0, str::len);
        if weight > MAX_OUTPUT || open.len() > DEEPEST {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        match value.kind() {
            ValueKind::Map => {
                let keys: Vec<Value> = value.try_iter()?.collect();
                weight += keys.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
                let values: Vec<Value> = keys.iter().filter_map(|k| value.get_item(k).ok()).collect();
                open.push(Value::from(values).try_iter()?);
            }
            ValueKind::Seq | ValueKind::Iterable => open.push(value.try_iter()?),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::python_float;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let table = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.25e-7, "-1.25e-07"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ];
        for (number, text) in table {
            assert_eq!(python_float(number), text);
        }
    }
}
