//! From a JSON Schema to rules.

use std::collections::HashMap;

use regex_lite::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::format::Format;
use super::{Check, Id, Limit, Rule, Size, Type, under};
use crate::FieldError;

/// Keywords that say something to people or to tools, and nothing about values.
const REMARKS: [&str; 14] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
];

/// A schema may have so many parts.
const MOST_RULES: usize = 2_000;

/// A compiled pattern may be so large.
const MOST_PATTERN: usize = 1 << 18;

pub(super) fn compile(schema: &Value) -> Result<Vec<Rule>, Vec<FieldError>> {
    let mut compiler =
        Compiler { root: schema, rules: Vec::new(), known: HashMap::new(), errors: Vec::new() };
    compiler.rule(schema, "");
    compiler.definitions(schema);
    if compiler.errors.is_empty()
        && let Some(circle) = circle(&compiler.rules)
    {
        let places = compiler.known.iter();
        let at = places.filter(|(_, id)| **id == circle).map(|(at, _)| at.clone()).min().unwrap_or_default();
        compiler.errors.push(FieldError::new(at, "this refers to itself without going into the value"));
    }
    if compiler.errors.is_empty() { Ok(compiler.rules) } else { Err(compiler.errors) }
}

struct Compiler<'a> {
    root: &'a Value,
    rules: Vec<Rule>,
    /// Rules by their place in the schema, so that what is referred to is compiled once.
    known: HashMap<String, Id>,
    errors: Vec<FieldError>,
}

/// A keyword's value is of another kind than it should be.
struct Wrong(&'static str);

impl<'a> Compiler<'a> {
    /// What nobody refers to is looked at too, so that a mistake in it is found when it is put.
    fn definitions(&mut self, schema: &'a Value) {
        for keyword in ["$defs", "definitions"] {
            match schema.get(keyword) {
                None => {}
                Some(Value::Object(all)) => {
                    for (name, part) in all {
                        self.rule(part, &under(&format!("/{keyword}"), name));
                    }
                }
                Some(_) => self.error(&format!("/{keyword}"), "must be an object"),
            }
        }
    }

    fn error(&mut self, at: &str, detail: impl Into<String>) {
        self.errors.push(FieldError::new(at, detail));
    }

    /// Compiles the schema at a place. The rule has its number before its parts have theirs, so parts may refer to it.
    fn rule(&mut self, schema: &'a Value, at: &str) -> Id {
        if let Some(id) = self.known.get(at) {
            return *id;
        }
        let id = self.rules.len();
        self.rules.push(Rule::new());
        self.known.insert(at.to_owned(), id);
        if id == MOST_RULES {
            self.error(at, format!("a schema has at most {MOST_RULES} parts"));
        }
        if id >= MOST_RULES {
            return id;
        }
        self.rules[id] = match schema {
            Value::Bool(true) => Rule::new(),
            Value::Bool(false) => vec![Check::Never],
            Value::Object(members) => self.checks(members, at),
            _ => {
                self.error(at, "must be a schema: an object, true or false");
                Rule::new()
            }
        };
        id
    }

    fn checks(&mut self, schema: &'a Map<String, Value>, at: &str) -> Rule {
        let mut rule = Rule::new();
        for (keyword, value) in schema {
            let place = under(at, keyword);
            match self.keyword(schema, keyword, value, at, &place) {
                Ok(checks) => rule.extend(checks),
                Err(Wrong(wanted)) => self.error(&place, wanted),
            }
        }
        // What a value is goes before what is in it.
        rule.sort_by_key(|check| !matches!(check, Check::Type(_) | Check::Required(_)));
        rule
    }

    fn keyword(
        &mut self,
        schema: &'a Map<String, Value>,
        keyword: &str,
        value: &'a Value,
        at: &str,
        place: &str,
    ) -> Result<Option<Check>, Wrong> {
        let check = match keyword {
            "type" => Check::Type(types(value)?),
            "enum" => match value {
                Value::Array(values) if !values.is_empty() => Check::OneOfValues(values.clone()),
                _ => return Err(Wrong("must be a list of values")),
            },
            "const" => Check::OneOfValues(vec![value.clone()]),
            "minimum" => Check::Limit(Limit::Least, number(value)?),
            "exclusiveMinimum" => Check::Limit(Limit::Above, number(value)?),
            "maximum" => Check::Limit(Limit::Most, number(value)?),
            "exclusiveMaximum" => Check::Limit(Limit::Below, number(value)?),
            "multipleOf" => match number(value)? {
                step if step.as_f64().is_some_and(|n| n > 0.0) => Check::MultipleOf(step),
                _ => return Err(Wrong("must be a number above 0")),
            },
            "minLength" => Check::Length(Size::AtLeast, count(value)?),
            "maxLength" => Check::Length(Size::AtMost, count(value)?),
            "pattern" => Check::Pattern(self.pattern(value.as_str().ok_or(Wrong("must be a text"))?, place)),
            "format" => {
                let named = |format: &Format| value == format.as_str();
                Check::Format(Format::ALL.into_iter().find(named).ok_or(Wrong(
                    "must be date, time, date-time, email, uri, uuid, ipv4 or ipv6; leave others away",
                ))?)
            }
            // Both are read together.
            "prefixItems" if schema.contains_key("items") => {
                self.list(value, place)?;
                return Ok(None);
            }
            "prefixItems" => Check::Items { first: self.list(value, place)?, others: None },
            "items" => {
                let first = schema.get("prefixItems").and_then(Value::as_array);
                let first = first.map(|list| self.parts(list, &under(at, "prefixItems"))).unwrap_or_default();
                Check::Items { first, others: Some(self.rule(value, place)) }
            }
            "minItems" => Check::Count(Size::AtLeast, count(value)?),
            "maxItems" => Check::Count(Size::AtMost, count(value)?),
            "uniqueItems" => match value {
                Value::Bool(true) => Check::Unique,
                Value::Bool(false) => return Ok(None),
                _ => return Err(Wrong("must be true or false")),
            },
            // All three are read together, by the first of them that is there.
            "properties" => self.members(schema, at)?,
            "patternProperties" if !schema.contains_key("properties") => self.members(schema, at)?,
            "additionalProperties"
                if !schema.contains_key("properties") && !schema.contains_key("patternProperties") =>
            {
                self.members(schema, at)?
            }
            "patternProperties" | "additionalProperties" => return Ok(None),
            "required" => Check::Required(names(value)?),
            "minProperties" => Check::MemberCount(Size::AtLeast, count(value)?),
            "maxProperties" => Check::MemberCount(Size::AtMost, count(value)?),
            "propertyNames" => Check::Names(self.rule(value, place)),
            "allOf" => Check::All(self.list(value, place)?),
            "anyOf" => Check::Any(self.list(value, place)?),
            "oneOf" => Check::ExactlyOne(self.list(value, place)?),
            "not" => Check::Not(self.rule(value, place)),
            "if" => Check::If {
                condition: self.rule(value, place),
                then: schema.get("then").map(|part| self.rule(part, &under(at, "then"))),
                otherwise: schema.get("else").map(|part| self.rule(part, &under(at, "else"))),
            },
            "then" | "else" => {
                self.rule(value, place);
                return Ok(None);
            }
            "$ref" => Check::All(vec![self.reference(value, place)?]),
            "$defs" | "definitions" if !at.is_empty() => {
                return Err(Wrong("definitions stand at the top of the schema"));
            }
            remark if REMARKS.contains(&remark) => return Ok(None),
            _ => return Err(Wrong("this keyword is not known; docs/TEMPLATES.md lists those that are")),
        };
        Ok(Some(check))
    }

    fn members(&mut self, schema: &'a Map<String, Value>, at: &str) -> Result<Check, Wrong> {
        let (mut named, mut patterns) = (Vec::new(), Vec::new());
        if let Some(properties) = schema.get("properties") {
            let place = under(at, "properties");
            for (name, part) in properties.as_object().ok_or(Wrong("must be an object"))? {
                named.push((name.clone(), self.rule(part, &under(&place, name))));
            }
        }
        match schema.get("patternProperties") {
            None => {}
            Some(Value::Object(all)) => {
                let place = under(at, "patternProperties");
                for (pattern, part) in all {
                    let place = under(&place, pattern);
                    patterns.push((self.pattern(pattern, &place), self.rule(part, &place)));
                }
            }
            Some(_) => self.error(&under(at, "patternProperties"), "must be an object"),
        }
        let others = schema.get("additionalProperties");
        let others = others.map(|part| self.rule(part, &under(at, "additionalProperties")));
        Ok(Check::Members { named, patterns, others })
    }

    fn list(&mut self, value: &'a Value, place: &str) -> Result<Vec<Id>, Wrong> {
        match value {
            Value::Array(list) if !list.is_empty() => Ok(self.parts(list, place)),
            _ => Err(Wrong("must be a list of schemas")),
        }
    }

    fn parts(&mut self, list: &'a [Value], place: &str) -> Vec<Id> {
        list.iter().enumerate().map(|(n, part)| self.rule(part, &format!("{place}/{n}"))).collect()
    }

    fn reference(&mut self, value: &'a Value, place: &str) -> Result<Id, Wrong> {
        const LOCAL: Wrong = Wrong("must point into this schema, like #/$defs/name; nothing is fetched");
        let pointer = value.as_str().and_then(|text| text.strip_prefix('#')).ok_or(LOCAL)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(LOCAL);
        }
        match self.root.pointer(pointer) {
            Some(part) => Ok(self.rule(part, pointer)),
            None => {
                self.error(place, "points at nothing");
                Ok(0)
            }
        }
    }

    /// The engine's time is linear in the text, whatever the pattern.
    fn pattern(&mut self, pattern: &str, place: &str) -> Regex {
        RegexBuilder::new(pattern).size_limit(MOST_PATTERN).build().unwrap_or_else(|error| {
            self.error(place, format!("this pattern cannot be used: {error}"));
            nothing()
        })
    }
}

/// A pattern in place of one that could not be read; the schema is refused anyway.
fn nothing() -> Regex {
    #[expect(clippy::unwrap_used, reason = "the empty pattern is one")]
    Regex::new("").unwrap()
}

fn types(value: &Value) -> Result<Vec<Type>, Wrong> {
    const WANTED: Wrong =
        Wrong("must be null, boolean, integer, number, string, array or object, or a list of these");
    let one = |value: &Value| match value.as_str() {
        Some("null") => Ok(Type::Null),
        Some("boolean") => Ok(Type::Boolean),
        Some("integer") => Ok(Type::Integer),
        Some("number") => Ok(Type::Number),
        Some("string") => Ok(Type::String),
        Some("array") => Ok(Type::Array),
        Some("object") => Ok(Type::Object),
        Some(_) | None => Err(WANTED),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

fn number(value: &Value) -> Result<Number, Wrong> {
    value.as_number().cloned().ok_or(Wrong("must be a number"))
}

fn count(value: &Value) -> Result<u64, Wrong> {
    let whole = |n: f64| (n >= 0.0 && n.fract() == 0.0).then_some(n as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole)).ok_or(Wrong("must be a whole number from 0"))
}

fn names(value: &Value) -> Result<Vec<String>, Wrong> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let list = value.as_array().and_then(|list| list.iter().map(name).collect());
    list.ok_or(Wrong("must be a list of names"))
}

/// A rule that leads back to itself for the same value, so that checking it would never end.
fn circle(rules: &[Rule]) -> Option<Id> {
    /// Goes on from a rule; `open` are those on the way, `done` those that lead nowhere back.
    fn visit(rules: &[Rule], id: Id, open: &mut Vec<bool>, done: &mut Vec<bool>) -> Option<Id> {
        if open[id] {
            return Some(id);
        }
        if std::mem::replace(&mut done[id], true) {
            return None;
        }
        open[id] = true;
        let found = rules[id].iter().flat_map(same_value).find_map(|next| visit(rules, next, open, done));
        open[id] = false;
        found
    }
    let (mut open, mut done) = (vec![false; rules.len()], vec![false; rules.len()]);
    (0..rules.len()).find_map(|id| visit(rules, id, &mut open, &mut done))
}

/// The rules that a check asks of the same value.
fn same_value(check: &Check) -> Vec<Id> {
    match check {
        Check::All(ids) | Check::Any(ids) | Check::ExactlyOne(ids) => ids.clone(),
        Check::Not(id) => vec![*id],
        Check::If { condition, then, otherwise } => {
            [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
        }
        Check::Never
        | Check::Type(_)
        | Check::OneOfValues(_)
        | Check::Limit(..)
        | Check::MultipleOf(_)
        | Check::Length(..)
        | Check::Pattern(_)
        | Check::Format(_)
        | Check::Items { .. }
        | Check::Count(..)
        | Check::Unique
        | Check::Members { .. }
        | Check::Required(_)
        | Check::MemberCount(..)
        | Check::Names(_) => Vec::new(),
    }
}
