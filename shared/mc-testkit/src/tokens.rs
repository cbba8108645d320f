//! Shared tokens in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mc_core::ports::{Clock, Fetch, SendError, Tokens};
use mc_core::{Secret, Timestamp};

/// One process's tokens, which are forgotten with it.
pub struct MemoryTokens {
    clock: Arc<dyn Clock>,
    held: tokio::sync::Mutex<HashMap<String, (Secret, Timestamp)>>,
    fetches: Mutex<Vec<String>>,
}

impl MemoryTokens {
    /// No tokens yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: tokio::sync::Mutex::default(), fetches: Mutex::default() }
    }

    /// The names that were fetched, in order.
    pub fn fetches(&self) -> Vec<String> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Tokens for MemoryTokens {
    async fn get(
        &self,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError> {
        let key = format!("{project}#{name}");
        // Held during the fetch, so that whoever asks at the same time shares it.
        let mut held = self.held.lock().await;
        if let Some((value, end)) = held.get(&key)
            && Some(value) != rejected
            && self.clock.now() < *end
        {
            return Ok(value.clone());
        }
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        let token = fetch().await?;
        held.insert(key, (token.value.clone(), self.clock.now().after(token.lives)));
        Ok(token.value)
    }
}
