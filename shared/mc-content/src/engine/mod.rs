//! The Jinja engine with its bounds: strict about undefined names, limited in work, output and depth.

mod arguments;
mod code;
mod failure;
mod filters;
mod hanging;
mod known;
mod methods;
mod plain;
mod print;
mod python;

use std::borrow::Cow;
use std::io;
use std::sync::OnceLock;

use mc_core::ports::RenderError;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use crate::FieldError;
pub(crate) use code::codes;
use failure::{describe, place, refusal, runaway, too_large};
pub(crate) use known::first_unknown;
use plain::{Plain, without_line_end};
pub(crate) use print::Print;

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
        env.set_auto_escape_callback(print::auto_escape);
        env.set_formatter(print::print);
        env.set_unknown_method_callback(methods::call);
        env.set_path_join_callback(included_name);
        python::add_to(&mut env);
        filters::add_to(&mut env);
        // It would print the whole context.
        env.remove_global("debug");
        env
    })
    .clone()
}

/// The name under which an included template is found: that of its version for the place of the text that includes it.
fn included_name<'n>(name: &'n str, parent: &'n str) -> Cow<'n, str> {
    let extension = parent.rsplit_once('.').map_or("", |(_, extension)| extension);
    Cow::Owned(format!("{name}.{extension}"))
}

/// One text of a template: most of them have nothing to fill in and need no engine.
#[derive(Debug)]
pub(crate) enum Text {
    /// Always the same.
    Literal(Box<str>),
    /// The name of a template in the environment, and its pieces if it only puts values in.
    Jinja(Box<str>, Option<Plain>),
}

impl Text {
    /// Compiles a text into an environment. `pointer` says where it stands in the document.
    pub(crate) fn compile(
        env: &mut Environment<'static>,
        pointer: &str,
        print: Print,
        source: &str,
    ) -> Result<Self, FieldError> {
        if !has_jinja(source) {
            // Jinja takes one line end from the end of a text, so a text without variables loses it as well.
            return Ok(Self::Literal(without_line_end(source).into()));
        }
        let name = format!("{pointer}{}", print.extension());
        env.add_template_owned(name.clone(), source.to_owned())
            .map_err(|error| FieldError::new(pointer, describe(&error)))?;
        let plain = Plain::of(source, print);
        Ok(Self::Jinja(name.into(), plain))
    }

    /// Fills it in without the engine where that is enough, and takes what it needed from the budget.
    pub(crate) fn fill(&self, data: &Map<String, Json>, budget: &mut Budget) -> Option<String> {
        let text = match self {
            Self::Literal(text) => text.to_string(),
            Self::Jinja(_, plain) => plain.as_ref()?.fill(data, budget.bytes)?,
        };
        budget.bytes = budget.bytes.saturating_sub(text.len());
        Some(text)
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
            Self::Jinja(name, _) => name,
        };
        let mut bounded = Bounded { bytes: Vec::with_capacity(256), left: budget.bytes };
        let template = env.get_template(name).map_err(|e| refusal(&e))?;
        let done = template.render_captured_to(context.clone(), &mut bounded).map_err(|e| refusal(&e))?;
        // The engine counts each text from the start, so the sum is kept here.
        let used = done.state().fuel_levels().map_or(0, |(used, _)| used);
        budget.fuel = budget.fuel.checked_sub(used).ok_or_else(|| runaway(&place(name)))?;
        let mut text = String::from_utf8(bounded.bytes)
            .map_err(|_| RenderError::new("template_error", "the template wrote broken UTF-8"))?;
        if name.ends_with(Print::Markdown.extension()) {
            text = hanging::settle(text, budget.bytes).ok_or_else(|| too_large(&place(name)))?;
        }
        budget.bytes = budget.bytes.saturating_sub(text.len());
        Ok(text)
    }
}

/// Whether there is anything to fill in.
fn has_jinja(source: &str) -> bool {
    source.contains("{{") || source.contains("{%") || source.contains("{#")
}

/// Adds a template that others include, for one place of printing.
pub(crate) fn add_included(
    env: &mut Environment<'static>,
    name: &str,
    print: Print,
    source: &str,
) -> Result<(), String> {
    env.add_template_owned(format!("{name}{}", print.extension()), source.to_owned())
        .map_err(|error| describe(&error))
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
