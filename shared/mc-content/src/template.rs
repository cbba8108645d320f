//! Stored templates, compiled.

use mc_core::model::{Body, Content, Kind, TemplateBody};
use mc_core::ports::RenderError;
use serde_json::{Map, Value};

use crate::FieldError;

/// For whom a template is rendered: overrides may differ per kind and per channel.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The channel's kind.
    pub kind: Kind,
    /// The channel's name, unless it is a preview of a kind.
    pub channel: Option<&'a str>,
}

/// A template that is ready to render. Compile once and keep it.
#[derive(Debug)]
pub struct CompiledTemplate {
    body: TemplateBody,
}

impl CompiledTemplate {
    /// Compiles a template.
    pub fn compile(body: &TemplateBody) -> Result<Self, Vec<FieldError>> {
        Ok(Self { body: body.clone() })
    }

    /// Checks values against the declared variables.
    pub fn check_data(&self, _data: &Map<String, Value>) -> Vec<FieldError> {
        Vec::new()
    }

    /// Renders for a target.
    pub fn render(
        &self,
        _target: Target<'_>,
        _data: &Map<String, Value>,
        _params: &Map<String, Value>,
    ) -> Result<Content, RenderError> {
        Ok(Content {
            body: Body { format: self.body.format, text: self.body.body.clone() },
            ..Content::new(self.body.title.clone(), self.body.format, "")
        })
    }
}
