//! `quota`: every five minutes, what the platforms still allow.

use mc_core::Error;
use serde_json::{Value, json};

use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// The handler.
pub(super) struct Quota;

impl Handler for Quota {
    type Answer = Value;

    async fn handle(&self, place: &Place, _: &str, _: &Invocation) -> Result<Done<Value>, Error> {
        let _center = place.center().await?;
        Ok(Done { answer: json!({}), fields: Vec::new() })
    }
}
