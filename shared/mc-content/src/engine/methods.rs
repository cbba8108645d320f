//! Methods of texts and lists that authors know from Python.

use minijinja::value::{Tuple, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::arguments::invalid;
use super::print::weigh;

/// No line of a text is wider than this on purpose.
const WIDEST: usize = 4096;

/// What the engine calls for a method that a value does not have itself.
pub(super) fn call(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    std::iter::once(value).chain(args).filter(|v| !v.is_kwargs()).try_for_each(weigh)?;
    let done = match (value.as_str(), value.kind()) {
        (Some(text), _) => of_text(text, method, args)?,
        (None, ValueKind::Seq) if method == "index" => {
            let (wanted,): (&Value,) = from_args(args)?;
            let at = value.try_iter()?.position(|item| item == *wanted);
            Some(at.map(Value::from).ok_or_else(|| invalid("the list has no such item"))?)
        }
        (None, _) => None,
    };
    done.map_or_else(|| pycompat::unknown_method_callback(state, value, method, args), Ok)
}

/// What a method of a text gives, if it is one of those.
fn of_text(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let value = match method {
        "format" => return check_widths(text).map(|()| None),
        "center" | "ljust" | "rjust" => {
            let (width, fill): (usize, Option<&str>) = from_args(args)?;
            Value::from(padded(text, method, bounded(width)?, fill.unwrap_or(" ")))
        }
        "zfill" => {
            let (width,): (usize,) = from_args(args)?;
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            Value::from(format!("{sign}{}", padded(digits, "rjust", bounded(width)? - sign.len(), "0")))
        }
        "removeprefix" => {
            let (prefix,): (&str,) = from_args(args)?;
            Value::from(text.strip_prefix(prefix).unwrap_or(text))
        }
        "removesuffix" => {
            let (suffix,): (&str,) = from_args(args)?;
            Value::from(text.strip_suffix(suffix).unwrap_or(text))
        }
        "partition" => {
            let (mark,): (&str,) = from_args(args)?;
            let (before, after) = text.split_once(mark).unwrap_or((text, ""));
            parts(text, before, mark, after)
        }
        "rpartition" => {
            let (mark,): (&str,) = from_args(args)?;
            let (before, after) = text.rsplit_once(mark).unwrap_or(("", text));
            parts(text, before, mark, after)
        }
        "rsplit" => {
            let (mark, most): (&str, Option<usize>) = from_args(args)?;
            let pieces = most.map_or(usize::MAX, |most| most.saturating_add(1));
            let mut found: Vec<Value> = text.rsplitn(pieces, mark).map(Value::from).collect();
            found.reverse();
            Value::from(found)
        }
        "index" => {
            let (wanted,): (&str,) = from_args(args)?;
            let at = text.find(wanted).ok_or_else(|| invalid("the text has no such part"))?;
            Value::from(text[..at].chars().count())
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn parts(text: &str, before: &str, mark: &str, after: &str) -> Value {
    let found = if text.contains(mark) { mark } else { "" };
    Value::from(Tuple::from([Value::from(before), Value::from(found), Value::from(after)]))
}

/// A text with characters around it, the odd one where Python puts it.
pub(super) fn padded(text: &str, method: &str, width: usize, fill: &str) -> String {
    let room = width.saturating_sub(text.chars().count());
    let left = match method {
        "ljust" => 0,
        "rjust" => room,
        _ => room / 2 + (room & width & 1),
    };
    format!("{}{text}{}", fill.repeat(left), fill.repeat(room - left))
}

fn bounded(width: usize) -> Result<usize, Error> {
    if (1..=WIDEST).contains(&width) { Ok(width) } else { Err(invalid("a width is 1 to 4096")) }
}

/// `"{:>999999999}".format(…)` would take all memory there is.
fn check_widths(format: &str) -> Result<(), Error> {
    let widest = format.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    if widest > 4 { Err(Error::new(ErrorKind::OutOfFuel, "a format has a very large width")) } else { Ok(()) }
}
