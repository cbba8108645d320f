//! What the crate promises, seen from outside.

mod addresses;
mod content;
mod dialects;
mod filters;
mod hostile;
mod including;
mod jinja2;
mod snippets;
mod splitting;
mod templates;
mod variables;

use mc_content::{CompiledTemplate, Library, Target};
use mc_core::model::{Content, Format, Kind, TemplateBody};
use mc_core::ports::RenderError;
use serde_json::{Map, Value};

/// A template with nothing but a body.
fn template(format: Format, body: &str) -> TemplateBody {
    TemplateBody { body: body.to_owned(), format, ..TemplateBody::default() }
}

fn compiled(body: &TemplateBody) -> CompiledTemplate {
    CompiledTemplate::compile(body, &Library::new()).expect("a template that compiles")
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => panic!("an object"),
    }
}

fn render(body: &TemplateBody, data: Value) -> Result<Content, RenderError> {
    let target = Target { kind: Kind::WecomRobot, channel: None };
    compiled(body).render(target, &object(data), &Map::new())
}
