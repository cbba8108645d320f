//! `schedule`: every minute, what has become due goes into the queues, and alarms are looked at.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use mc_api::first_start::{Chosen, first_start};
use mc_core::{Error, ErrorKind, Result, Secret};
use mc_pipeline::{Center, alarms, due, sweep};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::Place;
use crate::runtime::{Done, Handler, Invocation};

/// Crash loops are counted and lost tasks looked for every so many minutes. That nobody counts any more shows that this
/// function has stopped.
const COUNT_EVERY: i64 = 5;

/// The handler.
#[derive(Default)]
pub(super) struct Schedule {
    /// Whether this process has seen that there is an operator.
    started: AtomicBool,
}

impl Handler for Schedule {
    type Answer = Value;

    async fn handle(&self, place: &Place, _: &str, _: &Invocation) -> Result<Done<Value>, Error> {
        let center = place.center().await?;
        if !self.started.load(Relaxed) {
            start(place, &center).await?;
            self.started.store(true, Relaxed);
        }
        let promoted = due::promote(&center).await?;
        // What is due does not wait for the alarms, and their trouble is not its own.
        if let Err(error) = alarms::watch(&center).await {
            tracing::warn!(error = %error, "alarms could not be looked at and will be in a minute");
        }
        if place.clock.now().seconds() / 60 % COUNT_EVERY == 0 {
            sweep::sweep(&center).await?;
            for depth in center.queue.depths().await? {
                metrics::gauge!("message_center_queue_crash_loops", "family" => depth.family.as_str())
                    .set(depth.crash_loops as f64);
            }
        }
        Ok(Done { answer: json!({"promoted": promoted}), fields: vec![("promoted", Value::from(promoted))] })
    }
}

#[derive(Deserialize)]
struct OperatorSecret {
    password: Secret,
}

#[derive(Deserialize)]
struct AccessKeySecret {
    access_key_id: String,
    secret_access_key: Secret,
}

/// The first start: the operator and the access key that the stack's secrets hold.
async fn start(place: &Place, center: &Center) -> Result<()> {
    let (Some(operator), Some(key)) = (&place.settings.operator_secret, &place.settings.access_key_secret)
    else {
        return Ok(());
    };
    if center.operators.any().await? {
        return Ok(());
    }
    let operator: OperatorSecret = read(place, operator).await?;
    let key: AccessKeySecret = read(place, key).await?;
    let chosen = Chosen {
        password: Some(operator.password),
        access_key_id: Some(key.access_key_id),
        secret_access_key: Some(key.secret_access_key),
    };
    if first_start(center, chosen).await?.is_some() {
        tracing::info!("the first operator and the first access key were made");
    }
    Ok(())
}

async fn read<T: for<'de> Deserialize<'de>>(place: &Place, id: &str) -> Result<T> {
    let secret = place.secrets.get(id).await?;
    // The parser's own words may quote what it stumbled over.
    serde_json::from_str(secret.expose()).map_err(|_| {
        Error::new(ErrorKind::Internal, "a secret of the first start does not hold what it should")
            .with("secret", id)
    })
}
