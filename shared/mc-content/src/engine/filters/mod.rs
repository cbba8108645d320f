//! The filters that Jinja2 does not have and authors of messages need.

mod date;
mod number;
mod table;

use mc_core::model::{Body, Format};
use minijinja::value::{StringInput, Value};
use minijinja::{Environment, Error, State};

use super::arguments::{Arguments, Given};
use super::print::Print;
use crate::{dialect, shield};

/// Adds them.
pub(super) fn add_to(env: &mut Environment<'static>) {
    env.add_filter("safe", as_written);
    env.add_filter("markdown", markdown);
    env.add_filter("date", date::date);
    env.add_filter("number", number::number);
    env.add_filter("currency", number::currency);
    env.add_filter("truncate_bytes", truncate_bytes);
    env.add_filter("table", table::table);
}

/// `| safe`: what is printed is the author's business. What was shielded before stays shielded.
fn as_written(value: StringInput<'_>) -> Value {
    if value.is_safe() {
        return Value::from_safe_string(value.as_str().to_owned());
    }
    Value::from_safe_string(shield::strip(value.as_str()).into_owned())
}

/// `| markdown`: the value is Markdown. In a Markdown text it is taken as written, and in HTML it becomes HTML.
fn markdown(state: &State<'_, '_>, value: StringInput<'_>) -> Value {
    if Print::of(state) != Print::Html {
        return as_written(value);
    }
    let body = Body { format: Format::Markdown, text: shield::strip(value.as_str()).into_owned() };
    Value::from_safe_string(dialect::html(&body))
}

/// `truncate_bytes(length, end="…")`: not more than so many bytes of UTF-8 with the end, cut between characters.
fn truncate_bytes(state: &State<'_, '_>, text: StringInput<'_>, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["length", "end"], given)?;
    let length = arguments.count(0, 255)?;
    let end = arguments.text(1, "…")?;
    let whole = text.as_str();
    if whole.len() <= length {
        return Ok(text.preserve_safety(whole.to_owned()));
    }
    let kept =
        length.checked_sub(end.len()).ok_or_else(|| arguments.wrong(0, "at least the bytes of its end"))?;
    Ok(text.preserve_safety(format!("{}{end}", &whole[..whole.floor_char_boundary(kept)])))
}
