//! A configuration per kind that is good enough to render with, for previews without a channel.

use std::collections::BTreeMap;

use mc_core::Secret;
use mc_core::model::Kind;
use serde_json::{Map, Value};

use crate::registry::entry;

/// Settings and secrets of a channel that stands for its kind. Its addresses can never be reached.
pub fn configuration(kind: Kind) -> (Map<String, Value>, BTreeMap<String, Secret>) {
    let (settings, secrets) = (entry(kind).neutral)();
    let settings = match settings {
        Value::Object(settings) => settings,
        _ => Map::new(),
    };
    (settings, secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect())
}
