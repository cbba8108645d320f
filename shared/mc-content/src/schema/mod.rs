//! The declared variables of a template: a JSON Schema of the values, as far as values need one.
//!
//! A validator of the whole standard is larger than everything else in a function together, so this is one of the part
//! that people declare variables with (`docs/TEMPLATES.md` lists it). A keyword that is not known is refused when the
//! template is put: what is declared is checked, or it cannot be declared.
//!
//! It means what draft 2020-12 means; a test holds it to a validator of the whole standard. `format` is checked. A schema
//! never refers out of itself, and its work is bounded.

mod check;
mod compile;
mod format;

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

use crate::{FieldError, escape_member};
use format::Format;

/// A schema that is ready to check values.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The first one is the whole; the others are its parts.
    rules: Vec<Rule>,
}

/// The place of a rule among all.
type Id = usize;

/// Everything that one value has to be.
type Rule = Vec<Check>;

/// One thing that a value has to be. Most say nothing about values of other types.
#[derive(Debug)]
enum Check {
    Never,
    Type(Vec<Type>),
    /// Equal to one of these.
    OneOfValues(Vec<Value>),
    Limit(Limit, Number),
    MultipleOf(Number),
    Length(Size, u64),
    Pattern(Regex),
    Format(Format),
    Items {
        first: Vec<Id>,
        others: Option<Id>,
    },
    Count(Size, u64),
    Unique,
    Members {
        named: Vec<(String, Id)>,
        patterns: Vec<(Regex, Id)>,
        others: Option<Id>,
    },
    Required(Vec<String>),
    MemberCount(Size, u64),
    Names(Id),
    All(Vec<Id>),
    Any(Vec<Id>),
    ExactlyOne(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    Least,
    Above,
    Most,
    Below,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    AtLeast,
    AtMost,
}

impl Schema {
    /// Compiles a schema, or says everything that is wrong with it. Pointers begin with `at`.
    pub(crate) fn compile(schema: &Value, at: &str) -> Result<Self, Vec<FieldError>> {
        if !schema.is_object() {
            return Err(vec![FieldError::new(at, "must be a JSON Schema: an object")]);
        }
        compile::compile(schema).map(|rules| Self { rules }).map_err(|errors| {
            errors.into_iter().map(|e| FieldError::new(format!("{at}{}", e.pointer), e.detail)).collect()
        })
    }

    /// Checks values. The details name no value: values may be secrets, and errors are logged.
    pub(crate) fn check(&self, data: &Map<String, Value>) -> Vec<FieldError> {
        check::check(&self.rules, data)
    }
}

/// A JSON pointer to a member.
fn under(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", escape_member(name))
}
