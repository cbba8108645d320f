//! `quota`: every five minutes, what the platforms still allow.

use mc_core::Error;
use mc_pipeline::quota;
use serde_json::{Value, json};

use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// The handler.
pub(super) struct Quota;

impl Handler for Quota {
    type Answer = Value;

    async fn handle(&self, place: &Place, _: &str, _: &Invocation) -> Result<Done<Value>, Error> {
        let center = place.center().await?;
        // Another poller at work is no failure: it does the same.
        let polled = quota::poll(&center, quota::PATIENCE).await?.unwrap_or_default();
        Ok(Done {
            answer: json!({"told": polled.told, "failed": polled.failed}),
            fields: vec![("told", Value::from(polled.told)), ("failed", Value::from(polled.failed))],
        })
    }
}
