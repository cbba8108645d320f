//! Values against rules.

use std::cell::Cell;
use std::cmp::Ordering;

use regex_lite::Regex;
use serde_json::{Map, Number, Value};

use super::{Check, Id, Limit, Rule, Size, Type, under};
use crate::FieldError;

/// One message's values are checked in so many steps; 10,000 rows of ten fields take a third of it. Alternatives that
/// refer to each other could take any number.
const MOST_STEPS: u32 = 1_000_000;

/// More faults than that help nobody.
const MOST_FAULTS: usize = 50;

pub(super) fn check(rules: &[Rule], data: &Map<String, Value>) -> Vec<FieldError> {
    let run = Run { rules, steps: Cell::new(0) };
    let mut faults = Vec::new();
    run.rule(0, Seen::Object(data), "", &mut Some(&mut faults));
    if run.steps.get() > MOST_STEPS {
        return vec![FieldError::new(
            "",
            "these values take too long to check against the template's variables",
        )];
    }
    faults
}

/// A value, without having to copy the values of a message to look at them as one.
#[derive(Clone, Copy)]
enum Seen<'a> {
    Value(&'a Value),
    Object(&'a Map<String, Value>),
}

impl<'a> Seen<'a> {
    fn object(self) -> Option<&'a Map<String, Value>> {
        match self {
            Seen::Value(value) => value.as_object(),
            Seen::Object(object) => Some(object),
        }
    }

    fn value(self) -> Option<&'a Value> {
        match self {
            Seen::Value(value) => Some(value),
            Seen::Object(_) => None,
        }
    }

    fn is(self, wanted: Type) -> bool {
        match (self, wanted) {
            (Seen::Object(_) | Seen::Value(Value::Object(_)), Type::Object)
            | (Seen::Value(Value::Null), Type::Null)
            | (Seen::Value(Value::Bool(_)), Type::Boolean)
            | (Seen::Value(Value::Number(_)), Type::Number)
            | (Seen::Value(Value::String(_)), Type::String)
            | (Seen::Value(Value::Array(_)), Type::Array) => true,
            (Seen::Value(Value::Number(number)), Type::Integer) => is_whole(number),
            _ => false,
        }
    }
}

/// Where faults go; nowhere when only whether there are any is asked.
type Faults<'f> = Option<&'f mut Vec<FieldError>>;

/// The rules of members: by name, by pattern of the name, and of all others.
type Members<'a> = (&'a [(String, Id)], &'a [(Regex, Id)], Option<Id>);

struct Run<'a> {
    rules: &'a [Rule],
    steps: Cell<u32>,
}

impl<'a> Run<'a> {
    /// Whether the value is what the rule says. Every fault is told, if somebody wants to know.
    fn rule(&self, id: Id, value: Seen<'_>, at: &str, faults: &mut Faults<'_>) -> bool {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return false;
        }
        let mut good = true;
        for check in &self.rules[id] {
            good &= self.one(check, value, at, faults);
            if !good && faults.as_ref().is_none_or(|faults| faults.len() >= MOST_FAULTS) {
                break;
            }
        }
        good
    }

    fn fits(&self, id: Id, value: Seen<'_>) -> bool {
        self.rule(id, value, "", &mut None)
    }

    fn one(&self, check: &Check, value: Seen<'_>, at: &str, faults: &mut Faults<'_>) -> bool {
        let mut require = |good: bool, detail: &dyn Fn() -> String| {
            if !good && let Some(faults) = faults {
                faults.push(FieldError::new(at, detail()));
            }
            good
        };
        match check {
            Check::Never => require(false, &|| "is not allowed here".to_owned()),
            Check::Type(types) => require(types.iter().any(|t| value.is(*t)), &|| expected(types)),
            Check::OneOfValues(values) => {
                require(values.iter().any(|v| equals(value, v)), &|| listed(values))
            }
            Check::All(ids) => ids.iter().fold(true, |good, id| good & self.rule(*id, value, at, faults)),
            Check::Any(ids) => require(ids.iter().any(|id| self.fits(*id, value)), &|| {
                "must be one of the alternatives that the template declares".to_owned()
            }),
            Check::ExactlyOne(ids) => {
                let mut fitting = ids.iter().filter(|id| self.fits(**id, value));
                let one = fitting.next().is_some() && fitting.next().is_none();
                require(one, &|| {
                    "must be exactly one of the alternatives that the template declares".to_owned()
                })
            }
            Check::Not(id) => {
                require(!self.fits(*id, value), &|| "must not be what the template excludes".to_owned())
            }
            Check::If { condition, then, otherwise } => {
                let next = if self.fits(*condition, value) { then } else { otherwise };
                next.is_none_or(|next| self.rule(next, value, at, faults))
            }
            Check::Required(names) => {
                let Some(object) = value.object() else { return true };
                let missing = names.iter().filter(|name| !object.contains_key(*name));
                missing.fold(true, |_, name| {
                    tell(faults, || FieldError::new(under(at, name), "is missing"));
                    false
                })
            }
            Check::Members { named, patterns, others } => {
                let Some(object) = value.object() else { return true };
                self.members(object, (named, patterns, *others), at, faults)
            }
            Check::MemberCount(size, count) => value.object().is_none_or(|object| {
                require(holds(*size, object.len() as u64, *count), &|| bounds(*size, *count, "members"))
            }),
            Check::Names(id) => {
                let names = value.object().into_iter().flat_map(Map::keys);
                names.fold(true, |good, name| {
                    let fits = self.fits(*id, Seen::Value(&Value::from(name.as_str())));
                    if !fits {
                        tell(faults, || FieldError::new(under(at, name), "has a name that is not allowed"));
                    }
                    good & fits
                })
            }
            _ => match value.value() {
                Some(Value::Number(number)) => require_number(check, number)
                    .is_none_or(|(good, detail)| require(good, &|| detail.clone())),
                Some(Value::String(text)) => {
                    require_text(check, text).is_none_or(|(good, detail)| require(good, &|| detail.clone()))
                }
                Some(Value::Array(list)) => self.list(check, list, at, faults),
                Some(Value::Null | Value::Bool(_) | Value::Object(_)) | None => true,
            },
        }
    }

    fn members(
        &self,
        object: &Map<String, Value>,
        (named, patterns, others): Members<'_>,
        at: &str,
        faults: &mut Faults<'_>,
    ) -> bool {
        let mut good = true;
        for (name, id) in named {
            if let Some(member) = object.get(name) {
                good &= self.rule(*id, Seen::Value(member), &self.path(at, name, faults), faults);
            }
        }
        if patterns.is_empty() && others.is_none() {
            return good;
        }
        for (name, member) in object {
            let (place, value) = (self.path(at, name, faults), Seen::Value(member));
            let mut known = named.iter().any(|(n, _)| n == name);
            for (_, id) in patterns.iter().filter(|(pattern, _)| pattern.is_match(name)) {
                known = true;
                good &= self.rule(*id, value, &place, faults);
            }
            if !known && let Some(others) = others {
                good &= self.rule(others, value, &place, faults);
            }
        }
        good
    }

    /// The place of a member. Where nobody is told of faults, it is not worth writing down.
    fn path(&self, at: &str, name: &str, faults: &Faults<'_>) -> String {
        if faults.is_some() { under(at, name) } else { String::new() }
    }

    fn list(&self, check: &Check, list: &[Value], at: &str, faults: &mut Faults<'_>) -> bool {
        let (good, detail) = match check {
            Check::Items { first, others } => {
                let mut good = true;
                for (n, item) in list.iter().enumerate() {
                    let Some(id) = first.get(n).copied().or(*others) else { break };
                    let place = if faults.is_some() { format!("{at}/{n}") } else { String::new() };
                    good &= self.rule(id, Seen::Value(item), &place, faults);
                    if !good && faults.as_ref().is_none_or(|faults| faults.len() >= MOST_FAULTS) {
                        break;
                    }
                }
                return good;
            }
            Check::Count(size, count) => {
                (holds(*size, list.len() as u64, *count), bounds(*size, *count, "items"))
            }
            Check::Unique => (self.are_unique(list), "must not hold the same item twice".to_owned()),
            _ => return true,
        };
        if !good {
            tell(faults, || FieldError::new(at, detail));
        }
        good
    }

    /// Compares each with each, which counts as that many steps.
    fn are_unique(&self, list: &[Value]) -> bool {
        list.iter().enumerate().all(|(n, item)| {
            let steps = u32::try_from(n).unwrap_or(u32::MAX);
            self.steps.set(self.steps.get().saturating_add(steps));
            self.steps.get() <= MOST_STEPS && !list[..n].iter().any(|other| same(item, other))
        })
    }
}

fn tell(faults: &mut Faults<'_>, fault: impl FnOnce() -> FieldError) {
    if let Some(faults) = faults {
        faults.push(fault());
    }
}

fn require_number(check: &Check, number: &Number) -> Option<(bool, String)> {
    Some(match check {
        Check::Limit(limit, bound) => {
            let order = compare(number, bound);
            match limit {
                Limit::Least => (order != Ordering::Less, format!("must be at least {bound}")),
                Limit::Above => (order == Ordering::Greater, format!("must be more than {bound}")),
                Limit::Most => (order != Ordering::Greater, format!("must be at most {bound}")),
                Limit::Below => (order == Ordering::Less, format!("must be less than {bound}")),
            }
        }
        Check::MultipleOf(step) => (is_multiple(number, step), format!("must be a multiple of {step}")),
        _ => return None,
    })
}

fn require_text(check: &Check, text: &str) -> Option<(bool, String)> {
    Some(match check {
        Check::Length(size, count) => {
            (holds(*size, text.chars().count() as u64, *count), bounds(*size, *count, "characters"))
        }
        Check::Pattern(pattern) => {
            (pattern.is_match(text), format!("must match the pattern {}", pattern.as_str()))
        }
        Check::Format(format) => (format.fits(text), format!("must be in the format {}", format.as_str())),
        _ => return None,
    })
}

fn holds(size: Size, count: u64, bound: u64) -> bool {
    match size {
        Size::AtLeast => count >= bound,
        Size::AtMost => count <= bound,
    }
}

fn bounds(size: Size, bound: u64, what: &str) -> String {
    match size {
        Size::AtLeast => format!("must have at least {bound} {what}"),
        Size::AtMost => format!("must have at most {bound} {what}"),
    }
}

fn expected(types: &[Type]) -> String {
    let name = |t: &Type| match t {
        Type::Null => "null",
        Type::Boolean => "true or false",
        Type::Integer => "a whole number",
        Type::Number => "a number",
        Type::String => "a text",
        Type::Array => "a list",
        Type::Object => "an object",
    };
    format!("must be {}", types.iter().map(name).collect::<Vec<_>>().join(" or "))
}

/// What the template lists is no secret.
fn listed(values: &[Value]) -> String {
    const SHOWN: usize = 10;
    let mut all: Vec<String> = values.iter().take(SHOWN).map(Value::to_string).collect();
    if values.len() > SHOWN {
        all.push("…".to_owned());
    }
    match &all[..] {
        [one] => format!("must be {one}"),
        some => format!("must be one of {}", some.join(", ")),
    }
}

fn equals(seen: Seen<'_>, value: &Value) -> bool {
    match seen {
        Seen::Value(this) => same(this, value),
        Seen::Object(object) => value.as_object().is_some_and(|other| same_members(object, other)),
    }
}

/// Equal as JSON has it: `1` and `1.0` are one number, and the order of members says nothing.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => compare(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => same_members(a, b),
        _ => one == other,
    }
}

fn same_members(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    one.len() == other.len() && one.iter().all(|(name, a)| other.get(name).is_some_and(|b| same(a, b)))
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn is_whole(number: &Number) -> bool {
    whole(number).is_some() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn compare(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal),
    }
}

fn is_multiple(number: &Number, step: &Number) -> bool {
    if let (Some(number), Some(step)) = (whole(number), whole(step)) {
        return number % step == 0;
    }
    let (Some(number), Some(step)) = (number.as_f64(), step.as_f64()) else { return false };
    if step.fract() == 0.0 {
        return number % step == 0.0;
    }
    // Decimal steps like 0.01 are not what they look like in binary.
    let times = number / step;
    (times - times.round()).abs() < 1e-9 * times.abs().max(1.0)
}
