//! The Jinja engine with its bounds: strict about undefined names, limited in work, output and depth.

use std::borrow::Cow;
use std::io;
use std::sync::OnceLock;

use mc_core::ports::RenderError;
use minijinja::value::{Kwargs, StringInput, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters};

use crate::{FieldError, shield};

/// Work all texts of one content may take together: about an instruction or 64 bytes each.
const FUEL: u64 = 1_000_000;
/// Nesting of blocks and macro calls.
const RECURSION: usize = 100;
/// Bytes all texts of one content may have together.
const MAX_OUTPUT: usize = 4 << 20;

/// What the texts of one content may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    fuel: u64,
}

impl Budget {
    /// All of it.
    pub(crate) const fn new() -> Self {
        Self { bytes: MAX_OUTPUT, fuel: FUEL }
    }
}

/// How the values printed by a text are treated. It is the extension of the text's name in the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl Print {
    const fn extension(self) -> &'static str {
        match self {
            Print::Text => ".txt",
            Print::Markdown => ".md",
            Print::Html => ".html",
            Print::Url => ".url",
            Print::Json => ".json",
        }
    }
}

const MARKDOWN: AutoEscape = AutoEscape::Custom(Cow::Borrowed("markdown"));
const URL: AutoEscape = AutoEscape::Custom(Cow::Borrowed("url"));
const JSON: AutoEscape = AutoEscape::Custom(Cow::Borrowed("json"));

fn auto_escape(name: &str) -> AutoEscape {
    match name.rsplit('.').next() {
        Some("md") => MARKDOWN,
        Some("html") => AutoEscape::Html,
        Some("url") => URL,
        Some("json") => JSON,
        _ => AutoEscape::None,
    }
}

/// An engine of its own for one template. The rules are set up once and shared.
pub(crate) fn environment() -> Environment<'static> {
    static BASE: OnceLock<Environment<'static>> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_fuel(Some(FUEL));
        env.set_recursion_limit(RECURSION);
        // Without it an error does not know which name was undefined.
        env.set_debug(true);
        env.set_auto_escape_callback(auto_escape);
        env.set_formatter(print);
        env.add_filter("safe", as_written);
        env.add_filter("markdown", as_written);
        env.add_filter("tojson", tojson);
        // It would print the whole context.
        env.remove_global("debug");
        env
    })
    .clone()
}

/// `| markdown` and `| safe`: what is printed is the author's business. What was shielded before stays shielded.
fn as_written(value: StringInput<'_>) -> Value {
    if value.is_safe() {
        return Value::from_safe_string(value.as_str().to_owned());
    }
    Value::from_safe_string(shield::strip(value.as_str()).into_owned())
}

/// The engine's own filter calls its result safe, which it is in HTML but not in Markdown.
fn tojson(state: &State<'_, '_>, value: &Value, indent: Option<Value>, args: Kwargs) -> Result<Value, Error> {
    let json = filters::tojson(value, indent, args)?;
    match (state.auto_escape(), json.as_str()) {
        (AutoEscape::Custom(mode), Some(text)) if mode == "markdown" => Ok(Value::from(text)),
        _ => Ok(json),
    }
}

fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let mode = match state.auto_escape() {
        AutoEscape::Custom(mode) if !value.is_safe() => mode,
        _ => return minijinja::escape_formatter(out, state, value),
    };
    let printed = match value.as_str() {
        Some(text) => Cow::Borrowed(text),
        None if mode == "json" => Cow::Owned(json_word(value)),
        None => Cow::Owned(value.to_string()),
    };
    let is_text = value.as_str().is_some();
    match &**mode {
        "markdown" if is_text && shield::needs_no_shield(&printed) => out.write_str(&printed)?,
        // The author who writes `{{ loop.index }}.` wants a list.
        "markdown" if value.kind() == ValueKind::Number && printed.bytes().all(|b| b.is_ascii_digit()) => {
            out.write_str(&printed)?;
        }
        "markdown" => out.write_str(&shield::shield(&printed))?,
        "url" => out.write_str(&percent_encoded(&printed))?,
        _ if is_text || matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) => {
            out.write_str(&json_string_content(&printed))?;
        }
        _ => out.write_str(&printed)?,
    }
    Ok(())
}

/// A value that is no string, as JSON writes it.
fn json_word(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// Everything but the unreserved characters of RFC 3986 becomes `%XX`.
fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
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

/// One text of a template: most of them have nothing to fill in and need no engine.
#[derive(Debug)]
pub(crate) enum Text {
    /// Always the same.
    Literal(Box<str>),
    /// The name of a template in the environment.
    Jinja(Box<str>),
}

impl Text {
    /// Compiles a text into an environment. `pointer` says where it stands in the document.
    pub(crate) fn compile(
        env: &mut Environment<'static>,
        pointer: &str,
        print: Print,
        source: &str,
    ) -> Result<Self, FieldError> {
        if !["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            // Jinja takes one line end from the end of a text, so a text without variables loses it as well.
            let text = source.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(source);
            return Ok(Self::Literal(text.into()));
        }
        let name = format!("{pointer}{}", print.extension());
        match env.add_template_owned(name.clone(), source.to_owned()) {
            Ok(()) => Ok(Self::Jinja(name.into())),
            Err(error) => Err(FieldError::new(pointer, describe(&error))),
        }
    }

    /// Renders it, and takes what it needed from the budget.
    pub(crate) fn render(
        &self,
        env: &Environment<'static>,
        context: &Value,
        budget: &mut Budget,
    ) -> Result<String, RenderError> {
        let name = match self {
            Self::Literal(text) => return Ok(text.to_string()),
            Self::Jinja(name) => name,
        };
        let mut bounded = Bounded { bytes: Vec::with_capacity(256), left: budget.bytes };
        let template = env.get_template(name).map_err(|e| refusal(&e))?;
        let done = template.render_captured_to(context.clone(), &mut bounded).map_err(|e| refusal(&e))?;
        // The engine counts each text from the start, so the sum is kept here.
        let used = done.state().fuel_levels().map_or(0, |(used, _)| used);
        budget.fuel = budget.fuel.checked_sub(used).ok_or_else(|| runaway(&place(name)))?;
        budget.bytes = bounded.left;
        String::from_utf8(bounded.bytes)
            .map_err(|_| RenderError::new("template_error", "the template wrote broken UTF-8"))
    }
}

/// A writer that refuses more than it may take.
struct Bounded {
    bytes: Vec<u8>,
    left: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all(buf).map(|()| buf.len())
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(buf.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend_from_slice(buf);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An engine's error in words: where, what, and the engine's own detail.
fn describe(error: &Error) -> String {
    let mut text = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    text.push_str(&error.kind().to_string());
    if let Some(detail) = error.detail() {
        text.push_str(": ");
        text.push_str(detail);
    }
    text
}

/// What a failed rendering means for the message. The innermost error counts: the others only say what it was part of.
fn refusal(error: &Error) -> RenderError {
    let mut innermost = error;
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<Error>() {
            innermost = cause;
        }
        source = cause.source();
    }
    let place = innermost.name().or(error.name()).map(place).unwrap_or_default();
    match innermost.kind() {
        ErrorKind::UndefinedError => {
            RenderError::new("missing_variable", format!("{place}{}", describe(innermost)))
        }
        ErrorKind::OutOfFuel => runaway(&place),
        ErrorKind::WriteFailure => RenderError::new(
            "too_large",
            format!("{place}writes more than the {MAX_OUTPUT} bytes that a content may have"),
        ),
        _ => RenderError::new("template_error", format!("{place}{}", describe(innermost))),
    }
}

fn runaway(place: &str) -> RenderError {
    let detail = format!("{place}takes more work than a template may: is there a loop that is too long?");
    RenderError::new("template_runaway", detail)
}

/// Where a text stands in its document, to begin a sentence with. Snippets have no place of their own.
fn place(name: &str) -> String {
    let pointer = name.rsplit_once('.').map_or(name, |(pointer, _)| pointer);
    if pointer.is_empty() { String::new() } else { format!("{pointer} ") }
}
