//! The fields of a template, and those that a channel or a kind puts over them.

use std::collections::BTreeSet;

use mc_core::model::{ButtonTemplate, FactTemplate, Format, Level, TemplateBody};
use minijinja::Environment;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::RECIPIENT;
use super::includes::uses;
use super::library::{Library, Linked};
use crate::engine::{Print, Text, first_unknown};
use crate::value::names_in;
use crate::{FieldError, escape_member, words};

/// More facts or buttons than any platform shows, and still few enough that rendering them is bounded.
const MAX_ROWS: usize = 100;

/// Fields before they are compiled. What is `None` is left to the layer below.
#[derive(Debug, Default)]
pub(super) struct LayerSource {
    /// Where the fields stand in the document: nothing, or `/channels/ops`.
    pointer: String,
    title: Option<String>,
    body: Option<String>,
    pub(super) format: Option<Format>,
    url: Option<Option<String>>,
    url_label: Option<Option<String>>,
    facts: Option<Vec<FactTemplate>>,
    buttons: Option<Vec<ButtonTemplate>>,
    image: Option<Option<String>>,
    level: Option<Option<Level>>,
}

/// Compiled fields.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) title: Option<Text>,
    pub(super) body: Option<Bodies>,
    pub(super) format: Option<Format>,
    pub(super) url: Option<Option<Text>>,
    pub(super) url_label: Option<Option<Text>>,
    /// Label and value.
    pub(super) facts: Option<Vec<[Text; 2]>>,
    /// Text, link and action.
    pub(super) buttons: Option<Vec<[Text; 3]>>,
    pub(super) image: Option<Option<Text>>,
    pub(super) level: Option<Option<Level>>,
}

/// One body, compiled for each format it may be written in.
#[derive(Debug)]
pub(super) struct Bodies(Vec<(Format, Text)>);

impl Bodies {
    pub(super) fn get(&self, format: Format) -> Option<&Text> {
        self.0.iter().find(|(f, _)| *f == format).map(|(_, text)| text)
    }
}

impl LayerSource {
    pub(super) fn of_template(body: &TemplateBody) -> Self {
        Self {
            pointer: String::new(),
            title: Some(body.title.clone()),
            body: Some(body.body.clone()),
            format: Some(body.format),
            url: Some(body.url.clone()),
            url_label: Some(body.url_label.clone()),
            facts: Some(body.facts.clone()),
            buttons: Some(body.buttons.clone()),
            image: Some(body.image.clone()),
            level: Some(body.level),
        }
    }

    /// Reads one entry of `channels`. `null` takes a link, its label, a picture or a level away.
    pub(super) fn of_override(key: &str, value: &Value, errors: &mut Vec<FieldError>) -> Self {
        let pointer = format!("/channels/{}", escape_member(key));
        let mut layer = Self { pointer, ..Self::default() };
        let is_name = (1..=64).contains(&key.len())
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
        if !is_name {
            errors.push(FieldError::new(&layer.pointer, "must be the name of a channel or a kind"));
        }
        let Value::Object(fields) = value else {
            errors.push(FieldError::new(&layer.pointer, "must be an object of the fields that differ"));
            return layer;
        };
        for (field, value) in fields {
            let at = format!("{}/{}", layer.pointer, escape_member(field));
            match field.as_str() {
                "title" => layer.title = read(&at, value, errors),
                "body" => layer.body = read(&at, value, errors),
                "format" => layer.format = read(&at, value, errors),
                "url" => layer.url = read(&at, value, errors),
                "url_label" => layer.url_label = read(&at, value, errors),
                "facts" => layer.facts = read(&at, value, errors),
                "buttons" => layer.buttons = read(&at, value, errors),
                "image" => layer.image = read(&at, value, errors),
                "level" => layer.level = read(&at, value, errors),
                _ => errors.push(FieldError::new(
                    at,
                    "cannot be overridden; title, body, format, url, url_label, facts, buttons, image and level can",
                )),
            }
        }
        layer
    }

    pub(super) fn compile(
        self,
        into: &mut Compilation<'_>,
        formats: &[Format],
        errors: &mut Vec<FieldError>,
    ) -> Layer {
        let mut compiler = Compiler { into, errors, pointer: self.pointer };
        Layer {
            title: self.title.and_then(|t| compiler.text("title", Print::Text, &t)),
            body: self.body.map(|b| compiler.bodies(formats, &b)),
            format: self.format,
            url: self.url.map(|url| url.and_then(|t| compiler.text("url", Print::Text, &t))),
            url_label: self
                .url_label
                .map(|label| label.and_then(|t| compiler.text("url_label", Print::Text, &t))),
            facts: self.facts.map(|facts| {
                compiler.rows("facts", ["label", "value"], facts.into_iter().map(|f| [f.label, f.value]))
            }),
            buttons: self.buttons.map(|buttons| {
                let rows = buttons.into_iter().map(|b| [b.text, b.url, b.action]);
                compiler.rows("buttons", ["text", "url", "action"], rows)
            }),
            image: self.image.map(|url| url.and_then(|t| compiler.text("image", Print::Text, &t))),
            level: self.level,
        }
    }
}

fn read<T: DeserializeOwned>(at: &str, value: &Value, errors: &mut Vec<FieldError>) -> Option<T> {
    T::deserialize(value).map_err(|error| errors.push(words::unreadable(at, value, &error))).ok()
}

/// What all texts of a template are compiled into, and with what.
pub(super) struct Compilation<'l> {
    pub(super) env: Environment<'static>,
    /// Whether names of filters, tests and functions that there are not are faults.
    pub(super) is_new: bool,
    /// The names that may be variables.
    pub(super) names: BTreeSet<Box<str>>,
    /// What can be included.
    pub(super) library: &'l Library,
    /// What is included already, by the place it is read for.
    pub(super) linked: BTreeSet<(String, Print)>,
    /// Whether any of them means [`RECIPIENT`].
    pub(super) recipient: bool,
}

/// Compiles the texts of one layer and collects what is wrong with them.
struct Compiler<'c, 'l> {
    into: &'c mut Compilation<'l>,
    errors: &'c mut Vec<FieldError>,
    pointer: String,
}

impl Compiler<'_, '_> {
    fn text(&mut self, field: &str, print: Print, source: &str) -> Option<Text> {
        let pointer = format!("{}/{field}", self.pointer);
        let Compilation { env, is_new, names, library, linked, recipient } = &mut *self.into;
        let text = Text::compile(env, &pointer, print, source).map_err(|e| self.errors.push(e)).ok()?;
        // Without the engine a text only puts values in, and has no names to judge.
        if *is_new
            && matches!(text, Text::Jinja(_, None))
            && let Some(unknown) = first_unknown(env, source)
        {
            self.errors.push(FieldError::new(&pointer, unknown));
            return None;
        }
        if matches!(text, Text::Jinja(..)) {
            names_in(source, names);
            *recipient |= uses(source, RECIPIENT);
            let mut linked = Linked { env, names, done: linked, recipient };
            let done = library.link(&mut linked, source, print);
            done.map_err(|detail| self.errors.push(FieldError::new(&pointer, detail))).ok()?;
        }
        Some(text)
    }

    fn bodies(&mut self, formats: &[Format], source: &str) -> Bodies {
        let mut bodies = Vec::with_capacity(formats.len());
        for format in formats {
            let print = match format {
                Format::Text => Print::Text,
                Format::Markdown => Print::Markdown,
                Format::Html => Print::Html,
            };
            // A fault of the syntax is the same in every format, and once is enough.
            let Some(text) = self.text("body", print, source) else { break };
            bodies.push((*format, text));
        }
        Bodies(bodies)
    }

    /// Compiles a list of which every entry has the same texts.
    fn rows<const N: usize>(
        &mut self,
        field: &str,
        names: [&str; N],
        rows: impl ExactSizeIterator<Item = [String; N]>,
    ) -> Vec<[Text; N]> {
        if rows.len() > MAX_ROWS {
            let pointer = format!("{}/{field}", self.pointer);
            self.errors.push(FieldError::new(pointer, format!("must not have more than {MAX_ROWS} entries")));
            return Vec::new();
        }
        let mut compiled = Vec::with_capacity(rows.len());
        for (i, row) in rows.enumerate() {
            let texts: Vec<Text> = row
                .iter()
                .zip(names)
                .filter_map(|(source, name)| self.text(&format!("{field}/{i}/{name}"), Print::Text, source))
                .collect();
            // A text with a fault is noted, and its row is not needed any more.
            compiled.extend(<[Text; N]>::try_from(texts).ok());
        }
        compiled
    }
}
