//! Texts as Jinja2's filters treat them.

use minijinja::value::{Kwargs, Rest, StringInput, Value, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Error, State, filters};

use super::super::arguments::{Arguments, Given, invalid};
use super::super::methods::padded;
use super::super::print::{auto_escape, escape_html, percent_encoded, python_text, weigh};
use super::is_map;
use crate::dialect::decode_entities;

/// `escape`: for the place it is printed in, and for HTML where nothing is escaped.
pub(super) fn escape(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    let mode = match state.auto_escape() {
        AutoEscape::None => auto_escape(state.name()),
        mode => mode.clone(),
    };
    match mode {
        AutoEscape::Custom(_) => filters::escape(state, value),
        _ => force_escape(state, value),
    }
}

/// `forceescape`: for HTML, even if it is escaped already.
pub(super) fn force_escape(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    StringInput::new(state, value)?;
    let mut out = String::new();
    let text = value.as_str().map_or_else(|| python_text(value), |text| Ok(text.to_owned()))?;
    escape_html(&text, &mut out)?;
    Ok(Value::from_safe_string(out))
}

/// `truncate(length=255, killwords=false, end="...", leeway=5)`, counted in characters.
pub(super) fn truncate(state: &State<'_, '_>, text: StringInput<'_>, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["length", "killwords", "end", "leeway"], given)?;
    let length = arguments.count(0, 255)?;
    let end = arguments.text(2, "...")?;
    let leeway = arguments.count(3, 5)?;
    let kept = length
        .checked_sub(end.chars().count())
        .ok_or_else(|| arguments.wrong(0, "at least as much as the characters of its end"))?;
    let whole = text.as_str();
    if whole.chars().nth(length + leeway).is_none() {
        return Ok(text.preserve_safety(whole.to_owned()));
    }
    let mut cut: String = whole.chars().take(kept).collect();
    if !arguments.flag(1, false)
        && let Some(space) = cut.rfind(' ')
    {
        cut.truncate(space);
    }
    cut.push_str(end);
    Ok(text.preserve_safety(cut))
}

/// `wordcount`: runs of letters, digits and underscores.
pub(super) fn word_count(text: StringInput<'_>) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.as_str().split(|c| !is_word(c)).filter(|word| !word.is_empty()).count()
}

/// `indent(width=4, first=false, blank=false)`; the width may be a text.
pub(super) fn indent(state: &State<'_, '_>, text: StringInput<'_>, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["width", "first", "blank"], given)?;
    let indention = match arguments.get(0).and_then(Value::as_str) {
        Some(prefix) => prefix.to_owned(),
        None => " ".repeat(arguments.count(0, 4)?),
    };
    let (first, blank) = (arguments.flag(1, false), arguments.flag(2, false));
    let lines = text.as_str().split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    // It is known beforehand how much this makes.
    state.consume_fuel((lines.clone().count() * indention.len()) as u64 / 64)?;
    let mut out = String::new();
    for (i, line) in lines.enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&indention);
        }
        out.push_str(line);
    }
    Ok(text.preserve_safety(out))
}

/// `center(width=80)`.
pub(super) fn center(state: &State<'_, '_>, text: StringInput<'_>, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["width"], given)?;
    let width = arguments.count(0, 80)?;
    Ok(text.preserve_safety(padded(text.as_str(), "center", width, " ")))
}

/// `format`: what is put into a text that is safe is escaped.
pub(super) fn format(state: &mut State<'_, '_>, text: Value, given: Given) -> Result<Value, Error> {
    let mut given = given.into_values();
    given.iter().filter(|value| !value.is_kwargs()).try_for_each(weigh)?;
    if text.is_safe() {
        let mut escaped = |value: &Value| match value.as_str() {
            Some(_) => escape(state, value),
            None => Ok(value.clone()),
        };
        for value in &mut given {
            *value = if value.is_kwargs() {
                let named = value.try_iter()?.map(|name| {
                    let content = value.get_item(&name)?;
                    Ok((name.to_string(), escaped(&content)?))
                });
                Value::from(named.collect::<Result<Kwargs, Error>>()?)
            } else {
                escaped(value)?
            };
        }
    }
    filters::format(state, &text, Rest(given.into_iter().map(ValueOrKwargs::from).collect()))
}

/// `striptags`: without tags and comments, entities decoded, spaces run together.
pub(super) fn strip_tags(text: StringInput<'_>) -> String {
    let mut bare = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find('<') {
        let (close, length) = if rest[start..].starts_with("<!--") { ("-->", 3) } else { (">", 1) };
        let Some(end) = rest[start..].find(close) else { break };
        bare.push_str(&rest[..start]);
        rest = &rest[start + end + length..];
    }
    bare.push_str(rest);
    decode_entities(&bare.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `urlencode`: a text keeps its slashes; pairs become a query.
pub(super) fn url_encode(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let text = StringInput::new(state, value)?;
    if !is_map(value) && value.kind() != ValueKind::Seq {
        return Ok(percent_encoded(text.as_str(), b"/"));
    }
    let quoted = |value: &Value| percent_encoded(&value.to_string(), b" ").replace(' ', "+");
    let mut query = Vec::new();
    for entry in value.try_iter()? {
        let (name, value) = if is_map(value) {
            (entry.clone(), value.get_item(&entry)?)
        } else {
            (entry.get_item_by_index(0)?, entry.get_item_by_index(1)?)
        };
        query.push(format!("{}={}", quoted(&name), quoted(&value)));
    }
    Ok(query.join("&"))
}

/// `xmlattr(autospace=true)`: an object as the attributes of a tag, without those that are none.
pub(super) fn xml_attributes(state: &State<'_, '_>, value: &Value, given: Given) -> Result<Value, Error> {
    let arguments = Arguments::bind(state, &["autospace"], given)?;
    let mut out = String::new();
    for name in value.try_iter()? {
        let content = value.get_item(&name)?;
        if content.is_none() || content.is_undefined() {
            continue;
        }
        let name = name.to_string();
        if name.contains(|c: char| c.is_whitespace() || "/>=".contains(c)) {
            return Err(invalid("xmlattr: a name of an attribute has no spaces and none of / > ="));
        }
        if !out.is_empty() || arguments.flag(0, true) {
            out.push(' ');
        }
        escape_html(&name, &mut out)?;
        out.push_str("=\"");
        escape_html(&python_text(&content)?, &mut out)?;
        out.push('"');
    }
    Ok(Value::from_safe_string(out))
}

/// `wordwrap(width=79, break_long_words=true, wrapstring="\n", break_on_hyphens=true)`.
pub(super) fn word_wrap(state: &State<'_, '_>, text: StringInput<'_>, given: Given) -> Result<Value, Error> {
    const NAMES: [&str; 4] = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let arguments = Arguments::bind(state, &NAMES, given)?;
    let width = arguments.count(0, 79)?;
    if width == 0 {
        return Err(arguments.wrong(0, "at least 1"));
    }
    let wrapper = Wrapper { width, long: arguments.flag(1, true), hyphens: arguments.flag(3, true) };
    let between = arguments.text(2, "\n")?;
    state.consume_fuel((text.as_str().len() * (1 + between.len())) as u64 / 64)?;
    let lines: Vec<String> = text.as_str().lines().map(|line| wrapper.wrap(line).join(between)).collect();
    Ok(text.preserve_safety(lines.join(between)))
}

/// Fills lines as Python's `textwrap` does, with the spaces inside a line kept.
struct Wrapper {
    width: usize,
    /// Whether words longer than a line are cut.
    long: bool,
    /// Whether a line may end after a hyphen.
    hyphens: bool,
}

impl Wrapper {
    fn wrap(&self, line: &str) -> Vec<String> {
        let characters: Vec<char> = line.chars().collect();
        let mut chunks = self.chunks(&characters).into_iter().rev().collect::<Vec<_>>();
        let mut lines: Vec<String> = Vec::new();
        while !chunks.is_empty() {
            let mut current: Vec<&[char]> = Vec::new();
            let mut used = 0;
            if !lines.is_empty() && chunks.last().is_some_and(|c| is_blank(c)) {
                chunks.pop();
            }
            while let Some(chunk) = chunks.pop_if(|chunk| used + chunk.len() <= self.width) {
                used += chunk.len();
                current.push(chunk);
            }
            if let Some(chunk) = chunks.pop_if(|chunk| chunk.len() > self.width) {
                let room = self.width - used;
                if self.long {
                    let end = self.last_hyphen(chunk, room).unwrap_or(room);
                    current.push(&chunk[..end]);
                    chunks.push(&chunk[end..]);
                } else if current.is_empty() {
                    current.push(chunk);
                } else {
                    chunks.push(chunk);
                }
            }
            current.pop_if(|chunk| is_blank(chunk));
            if !current.is_empty() {
                lines.push(current.concat().into_iter().collect());
            }
        }
        lines
    }

    /// Where a word that is cut anyway is cut after a hyphen.
    fn last_hyphen(&self, chunk: &[char], room: usize) -> Option<usize> {
        if !self.hyphens || chunk.len() <= room {
            return None;
        }
        let at = chunk[..room].iter().rposition(|c| *c == '-')?;
        (at > 0 && chunk[..at].iter().any(|c| *c != '-')).then_some(at + 1)
    }

    /// Runs of spaces, and words: parted after hyphens between letters, if they may be.
    fn chunks<'t>(&self, line: &'t [char]) -> Vec<&'t [char]> {
        let mut chunks = Vec::new();
        let mut start = 0;
        for at in 1..=line.len() {
            let is_end = at == line.len()
                || is_space(line[at]) != is_space(line[at - 1])
                || (self.hyphens && is_word_part(&line[start..at], &line[at..]));
            if is_end {
                chunks.push(&line[start..at]);
                start = at;
            }
        }
        chunks
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{B}' | '\u{C}')
}

fn is_blank(chunk: &[char]) -> bool {
    chunk.iter().all(|c| is_space(*c))
}

/// Whether a word may be parted here: after `ab-` or `a-b-`, before `cd` or `c-d`.
fn is_word_part(before: &[char], after: &[char]) -> bool {
    let letter = |c: Option<&char>| c.is_some_and(|c| c.is_alphabetic());
    let back = |n: usize| before.len().checked_sub(n).and_then(|at| before.get(at));
    let ends = back(1) == Some(&'-')
        && letter(back(2))
        && (letter(back(3)) || (back(3) == Some(&'-') && letter(back(4))));
    let follows = letter(after.first())
        && (letter(after.get(1)) || (after.get(1) == Some(&'-') && letter(after.get(2))));
    ends && follows
}
