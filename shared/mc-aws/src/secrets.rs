//! Values from Secrets Manager, kept for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mc_core::ports::Clock;
use mc_core::{Error, ErrorKind, Result, Secret, Timestamp};

use crate::call::{Calls, Patience, failure};
use crate::lazy::Lazy;
use crate::meter::Operation;

/// A value is asked for again after this, so that a rotation arrives without a new deployment.
const FRESH: Duration = Duration::from_secs(300);

/// Whoever suspects that a value is old is believed this often.
const SUSPICION: Duration = Duration::from_secs(10);

/// Values of Secrets Manager. Clones share what they keep.
#[derive(Clone)]
pub struct Secrets {
    client: Lazy<aws_sdk_secretsmanager::Client>,
    clock: Arc<dyn Clock>,
    calls: Calls,
    kept: Arc<Mutex<HashMap<String, (Timestamp, Secret)>>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    pub(crate) fn new(
        client: Lazy<aws_sdk_secretsmanager::Client>,
        clock: Arc<dyn Clock>,
        calls: Calls,
    ) -> Self {
        Self { client, clock, calls, kept: Arc::default() }
    }

    /// The current value of the secret of this name or ARN, at most five minutes old.
    ///
    /// # Behavior
    /// - When Secrets Manager does not answer, a value that is kept is answered however old it is.
    pub async fn get(&self, id: &str) -> Result<Secret> {
        self.get_within(id, FRESH).await
    }

    /// The same, at most ten seconds old: for whoever met something that the kept value does not explain.
    pub async fn get_fresh(&self, id: &str) -> Result<Secret> {
        self.get_within(id, SUSPICION).await
    }

    async fn get_within(&self, id: &str, age: Duration) -> Result<Secret> {
        let now = self.clock.now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some((since, value)) = &kept
            && now.since(*since) < age
        {
            return Ok(value.clone());
        }
        match (self.fetch(id).await, kept) {
            (Ok(value), _) => {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(id.to_owned(), (now, value.clone()));
                Ok(value)
            }
            (Err(error), Some((_, value))) => {
                tracing::warn!(error = %error, "a secret could not be read again; the value from before is used");
                Ok(value)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn fetch(&self, id: &str) -> Result<Secret> {
        const WHAT: &str = "a secret cannot be read";
        let request = self.client.get().get_secret_value().secret_id(id);
        let called =
            self.calls.call(Operation::GetSecretValue, Patience::Usual, || request.clone().send()).await;
        self.calls.meter.used(Operation::GetSecretValue, 1);
        let answer = called.result.map_err(|error| failure(WHAT, error).with("secret", id))?;
        let value = answer.secret_string.filter(|value| !value.is_empty());
        value.map(Secret::new).ok_or_else(|| {
            Error::new(ErrorKind::Internal, "a secret holds no text; put its value in as text")
                .with("secret", id)
        })
    }
}
