//! Shared tokens in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mc_core::ports::{Clock, Fetch, SendError, Tokens};
use mc_core::{Secret, Timestamp};

/// One name's value, and whose turn it is to fetch it.
type Slot = Arc<tokio::sync::Mutex<Option<(Secret, Timestamp)>>>;

/// One process's tokens, which are forgotten with it.
pub struct MemoryTokens {
    clock: Arc<dyn Clock>,
    held: Mutex<HashMap<String, Slot>>,
    fetches: Mutex<Vec<String>>,
}

impl MemoryTokens {
    /// No tokens yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, held: Mutex::default(), fetches: Mutex::default() }
    }

    /// The names that were fetched, in order.
    pub fn fetches(&self) -> Vec<String> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn slot(&self, key: String) -> Slot {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone()
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
        let slot = self.slot(format!("{project}#{name}"));
        // Held during the fetch, so that whoever asks at the same time shares it; a fetch may ask for other names.
        let mut held = slot.lock().await;
        if let Some((value, end)) = &*held
            && Some(value) != rejected
            && self.clock.now() < *end
        {
            return Ok(value.clone());
        }
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        let token = fetch().await?;
        *held = Some((token.value.clone(), self.clock.now().after(token.lives)));
        Ok(token.value)
    }
}
