//! Numbers, lists and objects as Jinja2's filters treat them.

use minijinja::value::{Kwargs, StringInput, Value, ValueKind};
use minijinja::{Error, State, filters};

use super::super::arguments::{Arguments, Given, invalid};
use super::super::print::{Print, weigh};
use super::is_map;

/// `default(default_value="", boolean=false)`.
pub(super) fn default(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["default_value", "boolean"], given)?;
    let is_missing = value.is_undefined() || (arguments.flag(1, false) && !value.is_true());
    let other = || arguments.value(0).unwrap_or_else(|| Value::from(""));
    Ok(if is_missing { other() } else { value.clone() })
}

/// `int(default=0, base=10)`: what is no number becomes the default.
pub(super) fn int(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    StringInput::new(state, value)?;
    let arguments = Arguments::bind(state, &["default", "base"], given)?;
    let base = arguments.count(1, 10)?;
    let read = match value.kind() {
        ValueKind::Number if value.is_integer() => Some(value.clone()),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(whole),
        ValueKind::Bool => Some(Value::from(i64::from(value.is_true()))),
        ValueKind::String => value.as_str().and_then(|text| int_of(text.trim(), base)),
        _ => None,
    };
    Ok(read.or_else(|| arguments.value(0)).unwrap_or_else(|| Value::from(0)))
}

fn int_of(text: &str, base: usize) -> Option<Value> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let bare = digits.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
    let digits = bare.map_or(digits, |start| &digits[start.len()..]);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let is_signed = digits.starts_with(['-', '+']);
    match i128::from_str_radix(digits, base) {
        Ok(number) if !is_signed => Some(Value::from(if negative { -number } else { number })),
        _ => text.parse::<f64>().ok().and_then(whole),
    }
}

fn whole(number: f64) -> Option<Value> {
    // Everything within these bounds has a whole number of its own.
    (number.is_finite() && number.abs() < 1e38).then(|| Value::from(number as i128))
}

/// `float(default=0.0)`.
pub(super) fn float(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    StringInput::new(state, value)?;
    let arguments = Arguments::bind(state, &["default"], given)?;
    let read = match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::Bool => Some(f64::from(u8::from(value.is_true()))),
        ValueKind::String => value.as_str().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    Ok(read.map(Value::from).or_else(|| arguments.value(0)).unwrap_or_else(|| Value::from(0.0)))
}

/// `filesizeformat(binary=false)`.
pub(super) fn file_size(state: &State<'_, '_>, value: &Value, given: Given) -> Result<String, Error> {
    const UNITS: [(&str, &str); 8] = [
        ("kB", "KiB"),
        ("MB", "MiB"),
        ("GB", "GiB"),
        ("TB", "TiB"),
        ("PB", "PiB"),
        ("EB", "EiB"),
        ("ZB", "ZiB"),
        ("YB", "YiB"),
    ];
    let text = StringInput::new(state, value)?;
    let arguments = Arguments::bind(state, &["binary"], given)?;
    let binary = arguments.flag(0, false);
    let bytes: f64 = text.as_str().trim().parse().map_err(|_| invalid("filesizeformat takes a number"))?;
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok("1 Byte".to_owned());
    }
    if bytes < base {
        return Ok(format!("{} Bytes", bytes.trunc()));
    }
    let mut unit = base * base;
    for (i, (decimal, two)) in UNITS.iter().enumerate() {
        if bytes < unit || i == UNITS.len() - 1 {
            return Ok(format!("{:.1} {}", base * bytes / unit, if binary { two } else { decimal }));
        }
        unit *= base;
    }
    Ok(String::new())
}

/// `sort(reverse=false, case_sensitive=false, attribute=none)`.
pub(super) fn sort(state: &State<'_, '_>, value: Value, given: Given) -> Result<Value, Error> {
    const NAMES: [&str; 3] = ["reverse", "case_sensitive", "attribute"];
    let named = Arguments::bind(state, &NAMES, given)?.named();
    filters::sort(state, value, named)
}

/// `dictsort(case_sensitive=false, by="key", reverse=false)`.
pub(super) fn dict_sort(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    const NAMES: [&str; 3] = ["case_sensitive", "by", "reverse"];
    StringInput::new(state, value)?;
    let named = Arguments::bind(state, &NAMES, given)?.named();
    let length = value.len().unwrap_or(0) as u64;
    state.consume_fuel(length * u64::from(u64::BITS - length.leading_zeros()))?;
    filters::dictsort(value, named)
}

/// `tojson(indent=none)`: keys in order and, but in a JSON text, ASCII alone, as Jinja2 has it.
///
/// The engine calls the result safe, which it is in HTML but not in Markdown.
pub(super) fn to_json(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["indent"], given)?;
    weigh(value)?;
    let place = Print::of(state);
    let value = if place == Print::Json { value.clone() } else { ordered(value)? };
    let json = filters::tojson(&value, arguments.value(0), Kwargs::from_iter::<[(String, Value); 0]>([]))?;
    state.consume_fuel(json.as_str().map_or(0, str::len) as u64 / 4)?;
    match (place, json.as_str()) {
        (Print::Json, _) | (_, None) => Ok(json),
        (Print::Markdown, Some(text)) => Ok(Value::from(ascii(text))),
        (Print::Text | Print::Html | Print::Url, Some(text)) => Ok(Value::from_safe_string(ascii(text))),
    }
}

fn ordered(value: &Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                pairs.push((key.clone(), ordered(&value.get_item(&key)?)?));
            }
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            Ok(Value::from_pairs(pairs))
        }
        ValueKind::Seq => {
            value.try_iter()?.map(|item| ordered(&item)).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        _ => Ok(value.clone()),
    }
}

/// JSON with everything that is not ASCII as `\uXXXX`.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Whether a value has a length and members: texts and objects have.
pub(super) fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::String) || is_map(value)
}

/// Whether a value is a function or a macro.
pub(super) fn is_callable(value: &Value) -> bool {
    value.kind() == ValueKind::Plain
}
