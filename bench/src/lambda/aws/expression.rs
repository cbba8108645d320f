//! As much of DynamoDB's expressions as the store writes.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::Result;

/// An item, or the names and values of an expression, in DynamoDB's JSON.
pub(super) type Attributes = Map<String, Value>;

/// The words of an expression, and what its placeholders stand for.
pub(super) struct Expression<'a> {
    words: Vec<&'a str>,
    at: usize,
    names: Option<&'a Attributes>,
    values: Option<&'a Attributes>,
}

impl<'a> Expression<'a> {
    /// Reads an expression of a request.
    pub(super) fn of(text: &'a str, request: &'a Value) -> Self {
        let names = request["ExpressionAttributeNames"].as_object();
        let values = request["ExpressionAttributeValues"].as_object();
        Self { words: words(text), at: 0, names, values }
    }

    /// Whether a condition holds for an item.
    pub(super) fn holds(mut self, item: &Attributes) -> Result<bool> {
        let holds = self.either(item)?;
        if self.at < self.words.len() {
            return Err(self.unknown());
        }
        Ok(holds)
    }

    fn either(&mut self, item: &Attributes) -> Result<bool> {
        let mut holds = self.both(item)?;
        while self.take("OR") {
            holds |= self.both(item)?;
        }
        Ok(holds)
    }

    fn both(&mut self, item: &Attributes) -> Result<bool> {
        let mut holds = self.one(item)?;
        while self.take("AND") {
            holds &= self.one(item)?;
        }
        Ok(holds)
    }

    fn one(&mut self, item: &Attributes) -> Result<bool> {
        if self.take("(") {
            let holds = self.either(item)?;
            self.expect(")")?;
            return Ok(holds);
        }
        for (function, wanted) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if self.take(function) {
                self.expect("(")?;
                let name = self.name()?;
                self.expect(")")?;
                return Ok(item.contains_key(name) == wanted);
            }
        }
        let name = self.name()?;
        let found = item.get(name);
        let word = self.next()?;
        match word {
            "IN" => {
                self.expect("(")?;
                let mut holds = false;
                loop {
                    holds |= found == Some(self.value()?);
                    if !self.take(",") {
                        break;
                    }
                }
                self.expect(")")?;
                Ok(holds)
            }
            "BETWEEN" => {
                let least = self.value()?;
                self.expect("AND")?;
                let most = self.value()?;
                Ok(found.is_some_and(|v| {
                    order(v, least) != Ordering::Less && order(v, most) != Ordering::Greater
                }))
            }
            "=" | "<" | "<=" | ">" | ">=" => {
                let value = self.value()?;
                let order = found.map(|found| order(found, value));
                Ok(order.is_some_and(|order| match word {
                    "=" => order == Ordering::Equal,
                    "<" => order == Ordering::Less,
                    "<=" => order != Ordering::Greater,
                    ">" => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }))
            }
            _ => Err(self.unknown()),
        }
    }

    /// Makes the changes of an update.
    pub(super) fn apply(mut self, item: &mut Attributes) -> Result<()> {
        let mut how = "";
        while self.at < self.words.len() {
            if ["SET", "ADD", "REMOVE"].contains(&self.words[self.at]) {
                how = self.next()?;
            } else {
                self.expect(",")?;
            }
            let name = self.name()?.to_owned();
            match how {
                "SET" => {
                    self.expect("=")?;
                    let value = self.value()?.clone();
                    item.insert(name, value);
                }
                "ADD" => {
                    let sum = number(item.get(&name)) + number(Some(self.value()?));
                    item.insert(name, serde_json::json!({"N": sum.to_string()}));
                }
                "REMOVE" => {
                    item.shift_remove(&name);
                }
                _ => return Err(self.unknown()),
            }
        }
        Ok(())
    }

    fn name(&mut self) -> Result<&'a str> {
        let word = self.next()?;
        if !word.starts_with('#') {
            return Ok(word);
        }
        let name = self.names.and_then(|names| names.get(word)).and_then(Value::as_str);
        name.ok_or_else(|| self.unknown())
    }

    fn value(&mut self) -> Result<&'a Value> {
        let word = self.next()?;
        self.values.and_then(|values| values.get(word)).ok_or_else(|| self.unknown())
    }

    fn next(&mut self) -> Result<&'a str> {
        let word = self.words.get(self.at).copied().ok_or_else(|| self.unknown())?;
        self.at += 1;
        Ok(word)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.unknown()) }
    }

    fn unknown(&self) -> Box<dyn std::error::Error + Send + Sync> {
        format!("an expression cannot be read at word {}: {}", self.at, self.words.join(" ")).into()
    }
}

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let plain = rest.find(|c: char| c.is_whitespace() || "(),=<>".contains(c)).unwrap_or(rest.len());
        let length = match plain {
            0 if rest.starts_with("<=") || rest.starts_with(">=") => 2,
            0 => 1,
            some => some,
        };
        words.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    words
}

fn order(one: &Value, other: &Value) -> Ordering {
    match (one["S"].as_str(), other["S"].as_str()) {
        (Some(one), Some(other)) => one.as_bytes().cmp(other.as_bytes()),
        _ if one.get("N").is_some() => number(Some(one)).cmp(&number(Some(other))),
        _ if one == other => Ordering::Equal,
        _ => Ordering::Less,
    }
}

fn number(value: Option<&Value>) -> i128 {
    value.and_then(|value| value["N"].as_str()).and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(text: &str) -> bool {
        let request = json!({
            "ExpressionAttributeNames": {"#0": "st", "#1": "n", "#2": "gone"},
            "ExpressionAttributeValues": {":0": {"S": "q"}, ":1": {"N": "10"}, ":2": {"S": "a"}, ":3": {"S": "z"}},
        });
        let item = json!({"st": {"S": "q"}, "n": {"N": "9"}, "pk": {"S": "p"}});
        let item = item.as_object().unwrap();
        Expression::of(text, &request).holds(item).unwrap()
    }

    #[test]
    fn conditions_hold_as_dynamodb_says() {
        for text in [
            "attribute_exists(pk) AND attribute_not_exists(#2)",
            "#0 = :0",
            "#0 IN (:2, :0)",
            "#1 < :1 AND #1 <= :1",
            "(attribute_not_exists(#2) OR #2 > :1) AND #0 IN (:0)",
            "(#1 > :1) OR #0 = :0",
            "#0 BETWEEN :2 AND :3",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in ["attribute_not_exists(pk)", "#0 = :2", "#2 <= :1", "#1 > :1", "#0 = :0 AND #1 = :1"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn changes_are_made() {
        let request = json!({
            "ExpressionAttributeNames": {"#0": "a", "#1": "b", "#2": "c", "#3": "d"},
            "ExpressionAttributeValues": {":0": {"S": "x"}, ":1": {"N": "2"}, ":2": {"N": "-5"}},
        });
        let mut item = json!({"b": {"N": "3"}, "d": {"S": "old"}}).as_object().unwrap().clone();
        let text = "SET #0 = :0, #2 = :1 ADD #1 :2 REMOVE #3";
        Expression::of(text, &request).apply(&mut item).unwrap();
        assert_eq!(Value::Object(item), json!({"a": {"S": "x"}, "b": {"N": "-2"}, "c": {"N": "2"}}));
    }
}
