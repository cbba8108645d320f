//! Small templates for the parts of an HTTP request.

use mc_core::ports::RenderError;
use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use crate::FieldError;
use crate::engine::{self, Budget, Print, Text};
use crate::names_in_body;

/// How a printed value is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Printed as it is.
    None,
    /// Percent-encoded, but for the unreserved characters of RFC 3986.
    Url,
    /// Escaped as the content of a JSON string, for `"{{ title }}"`. Numbers, `true`, `false` and `null` are printed as
    /// JSON writes them; `{{ data | tojson }}`, without quotes around it, gives a whole JSON value.
    Json,
}

/// One small template: a webhook's body, a header, the path of its URL. Compile once and keep it.
#[derive(Debug)]
pub struct Snippet {
    env: Environment<'static>,
    text: Text,
}

impl Snippet {
    /// Compiles a text. The pointer of an error is empty: the caller knows where the text stands.
    pub fn compile(source: &str, escape: Escape) -> Result<Self, FieldError> {
        let print = match escape {
            Escape::None => Print::Text,
            Escape::Url => Print::Url,
            Escape::Json => Print::Json,
        };
        let mut env = engine::environment();
        let text = Text::compile(&mut env, "", print, source)?;
        if !names_in_body(source).is_empty() {
            return Err(FieldError::new("", "only templates include other templates"));
        }
        Ok(Self { env, text })
    }

    /// What is wrong with the first filter, test or function that a text names and that there is not, or with the first
    /// thing that the engine would do otherwise than Jinja2, with its line.
    ///
    /// A text that is stored may have such a name where it is never read, so [`Self::compile`] takes it: ask before one is
    /// stored.
    pub fn first_unknown(source: &str) -> Option<String> {
        engine::first_unknown(&engine::environment(), source)
    }

    /// Renders it with a context; its fields are the variables.
    pub fn render(&self, context: &impl Serialize) -> Result<String, RenderError> {
        let context = match self.text {
            Text::Literal(_) => Value::UNDEFINED,
            Text::Jinja(..) => Value::from(Serde(context)),
        };
        self.text.render(&self.env, &context, &mut Budget::new())
    }
}
