//! `quota`: every five minutes, what the platforms still allow; and what lies under an old key is sealed anew.

use mc_core::Error;
use mc_pipeline::quota;
use mc_pipeline::reseal::reseal;
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
        if let Err(error) = reseal(&center).await {
            tracing::warn!(error = %error, "secrets could not be sealed anew and will be later");
        }
        Ok(Done {
            answer: json!({"told": polled.told, "failed": polled.failed}),
            fields: vec![("told", Value::from(polled.told)), ("failed", Value::from(polled.failed))],
        })
    }
}
