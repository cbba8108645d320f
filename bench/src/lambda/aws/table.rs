//! The table: DynamoDB's calls on items in memory, and the units they cost.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::expression::{Attributes, Expression};
use crate::Result;

/// Every item, by partition and sort key.
#[derive(Default)]
pub(super) struct Table {
    partitions: BTreeMap<String, BTreeMap<String, Attributes>>,
}

/// An answer, and what the call cost.
pub(super) struct Done {
    pub(super) answer: Value,
    /// The conditions of a write did not hold.
    pub(super) refused: bool,
    pub(super) writes: u64,
    pub(super) half_reads: u64,
}

impl Done {
    fn read(answer: Value, half_reads: u64) -> Self {
        Self { answer, refused: false, writes: 0, half_reads }
    }

    fn write(answer: Value, writes: u64) -> Self {
        Self { answer, refused: false, writes, half_reads: 0 }
    }
}

impl Table {
    /// Carries out a call.
    pub(super) fn call(&mut self, operation: &str, request: &Value) -> Result<Done> {
        match operation {
            "GetItem" => {
                let item = self.find(&request["Key"])?;
                let units = read_units(item.map_or(0, size), request);
                Ok(Done::read(item.map_or_else(|| json!({}), |item| json!({"Item": item})), units))
            }
            "BatchGetItem" => self.batch_get(request),
            "Query" => self.query(request),
            "PutItem" => self.put(request),
            "UpdateItem" => self.update(request),
            "DeleteItem" => self.delete(request),
            "BatchWriteItem" => self.batch_write(request),
            other => Err(format!("the table does not know {other}").into()),
        }
    }

    fn find(&self, key: &Value) -> Result<Option<&Attributes>> {
        let (pk, sk) = key_of(key)?;
        Ok(self.partitions.get(pk).and_then(|partition| partition.get(sk)))
    }

    fn keep(&mut self, item: Attributes) -> Result<()> {
        let (pk, sk) = text_key(&item)?;
        self.partitions.entry(pk).or_default().insert(sk, item);
        Ok(())
    }

    fn batch_get(&self, request: &Value) -> Result<Done> {
        let (mut answers, mut units) = (serde_json::Map::new(), 0);
        for (table, asked) in members(&request["RequestItems"])? {
            let mut found = Vec::new();
            for key in list(&asked["Keys"])? {
                let item = self.find(key)?;
                units += read_units(item.map_or(0, size), asked);
                found.extend(item.cloned().map(Value::Object));
            }
            answers.insert(table.clone(), Value::Array(found));
        }
        Ok(Done::read(json!({"Responses": answers, "UnprocessedKeys": {}}), units))
    }

    fn query(&self, request: &Value) -> Result<Done> {
        let condition = request["KeyConditionExpression"].as_str().unwrap_or_default();
        let pk = request["ExpressionAttributeValues"][":p"]["S"].as_str().unwrap_or_default();
        let limit = request["Limit"].as_u64().map_or(usize::MAX, |limit| limit as usize);
        let mut found: Vec<&Attributes> = Vec::new();
        for item in self.partitions.get(pk).into_iter().flat_map(BTreeMap::values) {
            if Expression::of(condition, request).holds(item)? {
                found.push(item);
            }
        }
        if request["ScanIndexForward"] == false {
            found.reverse();
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let units = read_units(found.iter().map(|item| size(item)).sum(), request);
        let mut answer = json!({"Items": found, "Count": found.len(), "ScannedCount": found.len()});
        if more && let Some(last) = found.last() {
            answer["LastEvaluatedKey"] = json!({"pk": last["pk"], "sk": last["sk"]});
        }
        Ok(Done::read(answer, units))
    }

    /// What stood in the way of a write, if its condition does not hold.
    fn refusal(&self, request: &Value, key: &Value) -> Result<Option<Done>> {
        let Some(condition) = request["ConditionExpression"].as_str() else { return Ok(None) };
        let (nothing, found) = (Attributes::new(), self.find(key)?);
        if Expression::of(condition, request).holds(found.unwrap_or(&nothing))? {
            return Ok(None);
        }
        let mut answer = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            "message": "The conditional request failed",
        });
        if let Some(item) = found {
            answer["Item"] = json!(item);
        }
        let units = write_units(found.map_or(0, size));
        Ok(Some(Done { refused: true, ..Done::write(answer, units) }))
    }

    fn put(&mut self, request: &Value) -> Result<Done> {
        if let Some(refusal) = self.refusal(request, &request["Item"])? {
            return Ok(refusal);
        }
        let item = members(&request["Item"])?.clone();
        let units = write_units(size(&item).max(self.find(&request["Item"])?.map_or(0, size)));
        self.keep(item)?;
        Ok(Done::write(json!({}), units))
    }

    fn update(&mut self, request: &Value) -> Result<Done> {
        let key = &request["Key"];
        if let Some(refusal) = self.refusal(request, key)? {
            return Ok(refusal);
        }
        let before = self.find(key)?.cloned();
        let mut item = before.clone().map_or_else(|| members(key).cloned(), Ok)?;
        if let Some(changes) = request["UpdateExpression"].as_str() {
            Expression::of(changes, request).apply(&mut item)?;
        }
        let units = write_units(size(&item).max(before.as_ref().map_or(0, size)));
        let answer = match request["ReturnValues"].as_str() {
            Some("ALL_NEW") => json!({"Attributes": item}),
            _ => json!({}),
        };
        self.keep(item)?;
        Ok(Done::write(answer, units))
    }

    fn delete(&mut self, request: &Value) -> Result<Done> {
        if let Some(refusal) = self.refusal(request, &request["Key"])? {
            return Ok(refusal);
        }
        let units = self.remove(&request["Key"])?;
        Ok(Done::write(json!({}), units))
    }

    fn remove(&mut self, key: &Value) -> Result<u64> {
        let (pk, sk) = key_of(key)?;
        let gone = self.partitions.get_mut(pk).and_then(|partition| partition.remove(sk));
        Ok(write_units(gone.as_ref().map_or(0, size)))
    }

    fn batch_write(&mut self, request: &Value) -> Result<Done> {
        let mut units = 0;
        for (_, writes) in members(&request["RequestItems"])? {
            for write in list(writes)? {
                if let Some(item) = write["PutRequest"]["Item"].as_object() {
                    let before = self.find(&write["PutRequest"]["Item"])?.map_or(0, size);
                    units += write_units(size(item).max(before));
                    self.keep(item.clone())?;
                } else {
                    units += self.remove(&write["DeleteRequest"]["Key"])?;
                }
            }
        }
        Ok(Done::write(json!({"UnprocessedItems": {}}), units))
    }
}

fn members(value: &Value) -> Result<&Attributes> {
    value.as_object().ok_or_else(|| "a call of the table lacks an object".into())
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().ok_or_else(|| "a call of the table lacks a list".into())
}

fn key_of(key: &Value) -> Result<(&str, &str)> {
    let text = |name: &str| key[name]["S"].as_str();
    text("pk").zip(text("sk")).ok_or_else(|| "a call of the table lacks a key".into())
}

fn text_key(item: &Attributes) -> Result<(String, String)> {
    let text = |name: &str| item.get(name).and_then(|value| value["S"].as_str()).map(str::to_owned);
    text("pk").zip(text("sk")).ok_or_else(|| "an item lacks its key".into())
}

/// How large DynamoDB reckons an item: names and texts in bytes of UTF-8, two digits of a number per byte.
fn size(item: &Attributes) -> u64 {
    item.iter().map(|(name, value)| name.len() as u64 + value_size(value)).sum()
}

fn value_size(value: &Value) -> u64 {
    if let Some(text) = value["S"].as_str() {
        return text.len() as u64;
    }
    if let Some(number) = value["N"].as_str() {
        return 1 + number.trim_start_matches('-').len().div_ceil(2) as u64;
    }
    if let Some(bytes) = value["B"].as_str() {
        return STANDARD.decode(bytes).map_or(bytes.len(), |bytes| bytes.len()) as u64;
    }
    value["M"].as_object().map_or(1, |map| 3 + map.len() as u64 + size(map))
}

fn write_units(size: u64) -> u64 {
    size.div_ceil(1024).max(1)
}

/// In halves: that is what a read costs which need not be consistent.
fn read_units(size: u64, request: &Value) -> u64 {
    size.div_ceil(4096).max(1) * if request["ConsistentRead"] == true { 2 } else { 1 }
}
