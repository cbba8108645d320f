//! Stored templates, compiled.

mod includes;
mod layer;
mod library;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mc_core::model::{Body, Button, Content, Fact, Format, Kind, TemplateBody};
use mc_core::ports::RenderError;
use minijinja::Environment;
use minijinja::value::Value;
use serde_json::{Map, Value as Json};

use crate::FieldError;
use crate::engine::{self, Budget, Text};
use crate::schema::Schema;
use crate::value::Context;
pub use includes::{included_names, names_in_body};
use layer::{Compilation, Layer, LayerSource};
pub use library::Library;

/// The variable that says who a message is for: `id`, `name`, `locale` and `timezone` of a contact, each of them null where
/// it is not known.
pub const RECIPIENT: &str = "recipient";

/// For whom a template is rendered: overrides may differ per kind and per channel.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The channel's kind.
    pub kind: Kind,
    /// The channel's name, unless it is a preview of a kind.
    pub channel: Option<&'a str>,
}

/// A template that is ready to render. Compile once and keep it; it can be shared between threads.
#[derive(Debug)]
pub struct CompiledTemplate {
    env: Environment<'static>,
    base: Layer,
    overrides: BTreeMap<String, Layer>,
    schema: Option<Schema>,
    names: Arc<[Box<str>]>,
    recipient: bool,
}

impl CompiledTemplate {
    /// Compiles a template with those it may include, or says everything that is wrong with it: the syntax of each text
    /// with its line, templates that it includes and cannot, the schema of the variables, a sample that does not fit it,
    /// and overrides of fields that cannot be overridden.
    ///
    /// This is for one that is stored: it may name filters, tests and functions that there are not, as it may never come by
    /// them, and may use what the engine does otherwise than Jinja2.
    pub fn compile(body: &TemplateBody, library: &Library) -> Result<Self, Vec<FieldError>> {
        Self::compile_as(false, body, library)
    }

    /// The same for one that is not stored yet: those are faults as well.
    pub fn compile_new(body: &TemplateBody, library: &Library) -> Result<Self, Vec<FieldError>> {
        Self::compile_as(true, body, library)
    }

    fn compile_as(is_new: bool, body: &TemplateBody, library: &Library) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let schema = body.variables.as_ref();
        let schema = schema.and_then(|v| Schema::compile(v, "/variables").map_err(|e| errors.extend(e)).ok());
        if body.category.as_deref().is_some_and(|category| !mc_core::id::is_name(category)) {
            errors.push(FieldError::new("/category", "a category is 1 to 64 letters, digits and . _ ~ -"));
        }
        let base = LayerSource::of_template(body);
        let overrides: BTreeMap<&String, LayerSource> = body
            .channels
            .iter()
            .map(|(key, value)| (key, LayerSource::of_override(key, value, &mut errors)))
            .collect();

        // An override may change the format and leave the body, or the other way round, so every body is compiled for
        // every format in use. Mostly that is one.
        let formats: Vec<Format> = [Format::Text, Format::Markdown, Format::Html]
            .into_iter()
            .filter(|f| *f == body.format || overrides.values().any(|o| o.format == Some(*f)))
            .collect();

        let mut into = Compilation {
            env: engine::environment(),
            is_new,
            names: BTreeSet::new(),
            library,
            linked: BTreeSet::new(),
            recipient: false,
        };
        let base = base.compile(&mut into, &formats, &mut errors);
        let overrides = overrides
            .into_iter()
            .map(|(key, source)| (key.clone(), source.compile(&mut into, &formats, &mut errors)))
            .collect();
        if let (Some(schema), Some(sample)) = (&schema, &body.sample) {
            let faults = schema.check(sample).into_iter();
            errors.extend(faults.map(|f| FieldError::new(format!("/sample{}", f.pointer), f.detail)));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let Compilation { env, names, recipient, .. } = into;
        let declared = body.variables.as_ref().is_some_and(|v| v["properties"].get(RECIPIENT).is_some());
        let recipient = recipient && !declared;
        Ok(Self { env, base, overrides, schema, names: names.into_iter().collect(), recipient })
    }

    /// Whether it says something about [`RECIPIENT`]. A template that declares a variable of this name means its own.
    pub fn knows_recipient(&self) -> bool {
        self.recipient
    }

    /// Checks values against the declared variables. Pointers are relative to the values: `/app`; that of a missing
    /// variable is where it should be.
    pub fn check_data(&self, data: &Map<String, Json>) -> Vec<FieldError> {
        self.schema.as_ref().map(|schema| schema.check(data)).unwrap_or_default()
    }

    /// Renders for a target: the channel's override goes over the kind's, and that over the template.
    ///
    /// A link or picture whose URL comes out empty is left away, and so is a button with neither URL nor action, so that
    /// a template can make them optional.
    pub fn render(
        &self,
        target: Target<'_>,
        data: &Map<String, Json>,
        params: &Map<String, Json>,
    ) -> Result<Content, RenderError> {
        let layers = [
            target.channel.and_then(|name| self.overrides.get(name)),
            self.overrides.get(target.kind.as_str()),
            Some(&self.base),
        ];
        let mut run = Run { template: self, data, params, context: None, budget: Budget::new() };

        let format = first(&layers, |l| l.format).unwrap_or_default();
        let body = first(&layers, |l| l.body.as_ref()).and_then(|bodies| bodies.get(format));
        let title = run.text(first(&layers, |l| l.title.as_ref()))?;
        let text = run.text(body)?;
        let url = run.optional(first(&layers, |l| l.url.as_ref()))?;
        let url_label = run.optional(first(&layers, |l| l.url_label.as_ref()))?;
        let image = run.optional(first(&layers, |l| l.image.as_ref()))?;
        let facts = run.rows(first(&layers, |l| l.facts.as_ref()))?;
        let buttons = run.rows(first(&layers, |l| l.buttons.as_ref()))?;
        Ok(Content {
            title,
            body: Body { format, text },
            url,
            url_label,
            facts: facts.into_iter().map(|[label, value]| Fact { label, value }).collect(),
            buttons: buttons
                .into_iter()
                .map(|[text, url, action]| Button { text, url, action })
                .filter(|button| !(button.url.is_empty() && button.action.is_empty()))
                .collect(),
            image,
            level: first(&layers, |l| l.level).flatten(),
        })
    }
}

/// The first layer that says something counts.
fn first<'l, T>(layers: &[Option<&'l Layer>], field: impl Fn(&'l Layer) -> Option<T>) -> Option<T> {
    layers.iter().flatten().find_map(|layer| field(layer))
}

/// One rendering: all its texts share the values and the bounds on work and output.
struct Run<'t> {
    template: &'t CompiledTemplate,
    data: &'t Map<String, Json>,
    params: &'t Map<String, Json>,
    /// The values as the engine sees them, from the first text that needs it.
    context: Option<Value>,
    budget: Budget,
}

impl Run<'_> {
    fn text(&mut self, text: Option<&Text>) -> Result<String, RenderError> {
        let Some(text) = text else { return Ok(String::new()) };
        if let Some(filled) = text.fill(self.data, &mut self.budget) {
            return Ok(filled);
        }
        let CompiledTemplate { env, names, recipient, .. } = self.template;
        let nobody = recipient.then_some(RECIPIENT);
        let context =
            self.context.get_or_insert_with(|| Context::value(names, self.data, self.params, nobody));
        text.render(env, context, &mut self.budget)
    }

    /// A URL or its label: spaces around it are the template's layout, and an empty one is none.
    fn optional(&mut self, text: Option<&Option<Text>>) -> Result<Option<String>, RenderError> {
        let Some(Some(text)) = text else { return Ok(None) };
        let text = self.text(Some(text))?.trim().to_owned();
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// The first text of a row is as it comes; spaces around the others are the template's layout.
    fn rows<const N: usize>(
        &mut self,
        rows: Option<&Vec<[Text; N]>>,
    ) -> Result<Vec<[String; N]>, RenderError> {
        let mut rendered = Vec::new();
        for row in rows.into_iter().flatten() {
            let mut texts = [const { String::new() }; N];
            for (i, (text, out)) in row.iter().zip(&mut texts).enumerate() {
                let text = self.text(Some(text))?;
                *out = if i == 0 { text } else { text.trim().to_owned() };
            }
            rendered.push(texts);
        }
        Ok(rendered)
    }
}
