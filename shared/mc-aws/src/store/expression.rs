//! Conditions and changes in DynamoDB's own language.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use mc_core::Timestamp;
use mc_core::ports::{Attr, Change, Cond};

use super::item::{TTL, now_seconds, of_attr, seconds, stored_name};

/// The parts of an expression. Every name and value has a placeholder, as many plain names are reserved words.
#[derive(Debug, Default)]
pub(super) struct Expression {
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
    known: Vec<String>,
}

/// What an expired item that is still in the table means to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// It counts as none, and the write goes through over it if it would with none.
    Overwritten,
    /// It has to be dealt with first: an update would begin from its attributes.
    InTheWay,
}

impl Expression {
    /// The placeholder of a name.
    fn name(&mut self, name: &str) -> String {
        if let Some(at) = self.known.iter().position(|known| known == name) {
            return format!("#{at}");
        }
        let placeholder = format!("#{}", self.known.len());
        self.known.push(name.to_owned());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    /// The placeholder of a value.
    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    /// The condition of a write, or `None` where nothing can stand in its way.
    pub(super) fn condition(&mut self, conds: &[Cond], expired: Expired, now: Timestamp) -> Option<String> {
        if conds.is_empty() && expired == Expired::Overwritten {
            return None;
        }
        let ttl = self.name(TTL);
        let now = self.value(now_seconds(now));
        if conds == [Cond::NotExists] && expired == Expired::Overwritten {
            return Some(format!("attribute_not_exists(pk) OR {ttl} <= {now}"));
        }
        let mut text = format!("(attribute_not_exists({ttl}) OR {ttl} > {now})");
        for cond in conds {
            let cond = self.one(cond);
            text = format!("{text} AND {cond}");
        }
        if expired == Expired::Overwritten && conds.iter().all(|cond| cond.holds(None)) {
            text = format!("({text}) OR {ttl} <= {now}");
        }
        Some(text)
    }

    /// The condition that an expired item is still the one that was seen.
    pub(super) fn same_expiry(&mut self, seen: AttributeValue) -> String {
        let ttl = self.name(TTL);
        let seen = self.value(seen);
        format!("{ttl} = {seen}")
    }

    fn one(&mut self, cond: &Cond) -> String {
        match cond {
            Cond::Exists => "attribute_exists(pk)".to_owned(),
            Cond::NotExists => "attribute_not_exists(pk)".to_owned(),
            Cond::Absent(name) => format!("attribute_not_exists({})", self.name(&stored_name(name))),
            Cond::Eq(name, value) => self.compare(name, "=", value),
            Cond::In(name, values) if values.is_empty() => {
                // A list of nothing cannot be written; no item both has and lacks an attribute.
                let name = self.name(&stored_name(name));
                format!("(attribute_exists({name}) AND attribute_not_exists({name}))")
            }
            Cond::In(name, values) => {
                let name = self.name(&stored_name(name));
                let values: Vec<_> = values.iter().map(|value| self.value(of_attr(value))).collect();
                format!("{name} IN ({})", values.join(", "))
            }
            Cond::Lt(name, limit) => self.compare(name, "<", &Attr::Num(*limit)),
            Cond::Le(name, limit) => self.compare(name, "<=", &Attr::Num(*limit)),
        }
    }

    fn compare(&mut self, name: &str, how: &str, value: &Attr) -> String {
        let name = self.name(&stored_name(name));
        let value = self.value(of_attr(value));
        format!("{name} {how} {value}")
    }

    /// The changes of an update, or `None` where there are none.
    pub(super) fn update(&mut self, effects: Vec<(Cow<'static, str>, Effect)>) -> Option<String> {
        let (mut set, mut add, mut remove) = (Vec::new(), Vec::new(), Vec::new());
        for (name, effect) in effects {
            let name = self.name(&name);
            match effect {
                Effect::Set(value) => set.push(format!("{name} = {}", self.value(value))),
                Effect::Add(n) => {
                    add.push(format!("{name} {}", self.value(AttributeValue::N(n.to_string()))));
                }
                Effect::Remove => remove.push(name),
            }
        }
        let mut text = String::new();
        for (word, parts) in [("SET", set), ("ADD", add), ("REMOVE", remove)] {
            if !parts.is_empty() {
                let between = if text.is_empty() { "" } else { " " };
                text = format!("{text}{between}{word} {}", parts.join(", "));
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

/// What several changes of one attribute come to: DynamoDB takes one per attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Set(AttributeValue),
    Add(i64),
    Remove,
}

/// The effects of changes made one after the other.
pub(super) fn effects(changes: &[Change]) -> Vec<(Cow<'static, str>, Effect)> {
    let mut effects: Vec<(Cow<'static, str>, Effect)> = Vec::with_capacity(changes.len());
    for change in changes {
        let (name, effect): (Cow<'static, str>, _) = match change {
            Change::Set(name, value) => {
                (Cow::Owned(stored_name(name).into_owned()), Effect::Set(of_attr(value)))
            }
            Change::Add(name, n) => (Cow::Owned(stored_name(name).into_owned()), Effect::Add(*n)),
            Change::Remove(name) => (Cow::Owned(stored_name(name).into_owned()), Effect::Remove),
            Change::Expire(Some(at)) => {
                (TTL.into(), Effect::Set(AttributeValue::N(seconds(*at).to_string())))
            }
            Change::Expire(None) => (TTL.into(), Effect::Remove),
        };
        match effects.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => *before = after(before, effect),
            None => effects.push((name, effect)),
        }
    }
    effects
}

/// One effect after another on the same attribute.
fn after(before: &Effect, effect: Effect) -> Effect {
    let Effect::Add(n) = effect else { return effect };
    match before {
        Effect::Add(m) => Effect::Add(m.saturating_add(n)),
        Effect::Set(AttributeValue::N(m)) => {
            let sum = m.parse::<i64>().unwrap_or(0).saturating_add(n);
            Effect::Set(AttributeValue::N(sum.to_string()))
        }
        Effect::Set(_) | Effect::Remove => Effect::Set(AttributeValue::N(n.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(conds: &[Cond], expired: Expired) -> Option<String> {
        Expression::default().condition(conds, expired, Timestamp::from_millis(5000))
    }

    #[test]
    fn an_expired_item_counts_as_none() {
        let new = condition(&[Cond::NotExists], Expired::Overwritten);
        assert_eq!(new.as_deref(), Some("attribute_not_exists(pk) OR #0 <= :0"));
        let there = condition(&[Cond::Exists], Expired::Overwritten).unwrap();
        assert_eq!(there, "(attribute_not_exists(#0) OR #0 > :0) AND attribute_exists(pk)");
        let absent = condition(&[Cond::Absent("x".into())], Expired::Overwritten).unwrap();
        assert!(absent.ends_with(" OR #0 <= :0"), "{absent}");
        let update = condition(&[Cond::NotExists], Expired::InTheWay).unwrap();
        assert_eq!(update, "(attribute_not_exists(#0) OR #0 > :0) AND attribute_not_exists(pk)");
        assert_eq!(condition(&[], Expired::Overwritten), None);
        assert_eq!(condition(&[], Expired::InTheWay).unwrap(), "(attribute_not_exists(#0) OR #0 > :0)");
    }

    #[test]
    fn changes_of_one_attribute_become_one() {
        let add = |n| Change::Add("n".into(), n);
        let number = |n: &str| Effect::Set(AttributeValue::N(n.into()));
        for (changes, expected) in [
            (vec![add(1), add(2)], Effect::Add(3)),
            (vec![Change::set("n", 5), add(2)], number("7")),
            (vec![Change::Remove("n".into()), add(2)], number("2")),
            (vec![Change::set("n", "text"), add(2)], number("2")),
            (vec![add(2), Change::Remove("n".into())], Effect::Remove),
        ] {
            assert_eq!(effects(&changes), [("n".into(), expected)], "{changes:?}");
        }
        assert_eq!(effects(&[Change::Remove("pk".into())]), [("=pk".into(), Effect::Remove)]);
    }

    #[test]
    fn an_update_names_each_part_once() {
        let mut expression = Expression::default();
        let changes = [
            Change::set("a", 1),
            Change::Add("n".into(), 2),
            Change::Remove("b".into()),
            Change::set("c", "x"),
        ];
        let text = expression.update(effects(&changes)).unwrap();
        assert_eq!(text, "SET #0 = :0, #3 = :2 ADD #1 :1 REMOVE #2");
        assert_eq!(expression.names["#3"], "c");
        assert_eq!(Expression::default().update(Vec::new()), None);
    }
}
