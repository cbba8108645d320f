//! The declared variables of a template.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

use crate::FieldError;

/// A compiled JSON Schema of the values.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
}

impl Schema {
    /// Compiles it without looking anywhere else: a reference out of the document is an error.
    pub(super) fn compile(schema: &Value) -> Result<Self, FieldError> {
        if !schema.is_object() {
            return Err(FieldError::new("/variables", "must be a JSON Schema: an object"));
        }
        jsonschema::options()
            .offline()
            // This engine's time is linear in the value, whatever the pattern.
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(|validator| Self { validator })
            .map_err(|e| FieldError::new(format!("/variables{}", e.instance_path()), e.to_string()))
    }

    /// Checks values. The details name no value: values may be secrets, and errors are logged.
    pub(super) fn check(&self, data: &Map<String, Value>) -> Vec<FieldError> {
        let data = Value::Object(data.clone());
        if self.validator.is_valid(&data) {
            return Vec::new();
        }
        self.validator
            .iter_errors(&data)
            .map(|error| {
                let mut pointer = error.instance_path().to_string();
                let detail = match error.kind() {
                    ValidationErrorKind::Required { property } => {
                        let name = property.as_str().unwrap_or_default();
                        pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                        "is missing".to_owned()
                    }
                    _ => error.masked().to_string(),
                };
                FieldError { pointer, detail }
            })
            .collect()
    }
}
