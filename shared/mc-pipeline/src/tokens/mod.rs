//! Access tokens of platforms: one of each for all processes, fetched under a lease.
//!
//! A token lies sealed in the store. Within a process one caller at a time looks after a token and the others wait for
//! it; between processes a lease on the item does the same. While a token is fetched anew before its end, everybody
//! else goes on with the old one.

mod stored;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mc_core::ports::{Clock, Fetch, Ids, SendError, SendFailure, Store, Token, Tokens};
use mc_core::{Result, Secret, Timestamp};

use crate::seal::Sealer;
use crate::stats::{self, Cell, Count, Stats};
use stored::{Stored, Take};

/// How long a process may take to fetch before another one does it in its place.
pub const LEASE: Duration = Duration::from_secs(20);

/// A failed fetch is not repeated sooner.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a waiting process looks, and how long it waits before it gives up.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;

/// More names than this and those whose tokens are over are forgotten.
const CAPACITY: usize = 10_000;

/// A token as this process knows it.
#[derive(Clone)]
pub(crate) struct Held {
    value: Secret,
    /// From here on it is fetched anew by whoever comes first.
    refresh: Timestamp,
    end: Timestamp,
}

impl Held {
    fn new(token: Token, now: Timestamp) -> Self {
        let early = (token.lives / 10).min(Duration::from_secs(300));
        let end = now.after(token.lives);
        Self { value: token.value, refresh: end.before(early), end }
    }

    /// Whether it may be used at all.
    fn usable(&self, rejected: Option<&Secret>, now: Timestamp) -> bool {
        now < self.end && Some(&self.value) != rejected
    }
}

/// A fetch that failed just now, or that brought what was rejected.
#[derive(Clone)]
struct Trouble {
    at: Timestamp,
    error: SendError,
}

/// What this process knows of one name.
#[derive(Default)]
struct Known {
    held: Option<Held>,
    trouble: Option<Trouble>,
}

/// One name: what is known of it, and whose turn it is to look after it.
#[derive(Default)]
struct Slot {
    known: Mutex<Known>,
    turn: tokio::sync::Mutex<()>,
}

impl Slot {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be answered without asking anybody, and whether it should be fetched anew by the way.
    fn answer(&self, rejected: Option<&Secret>, now: Timestamp) -> Option<(Result<Secret, SendError>, bool)> {
        let known = self.known();
        let trouble = known.trouble.as_ref().filter(|t| now.since(t.at) < PAUSE);
        match (known.held.as_ref().filter(|held| held.usable(rejected, now)), trouble) {
            (Some(held), trouble) => Some((Ok(held.value.clone()), held.refresh <= now && trouble.is_none())),
            (None, Some(trouble)) => Some((Err(trouble.error.clone()), false)),
            (None, None) => None,
        }
    }
}

/// The tokens of all processes that share a store.
pub struct StoreTokens {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    stats: Arc<Stats>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

impl StoreTokens {
    /// Tokens in this store.
    pub fn new(
        store: Arc<dyn Store>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        stats: Arc<Stats>,
    ) -> Self {
        Self { store, sealer, clock, ids, stats, slots: Mutex::default() }
    }

    fn slot(&self, key: String) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= CAPACITY && !slots.contains_key(&key) {
            let now = self.clock.now();
            slots.retain(|_, slot| {
                Arc::strong_count(slot) > 1 || slot.known().held.as_ref().is_some_and(|held| now < held.end)
            });
        }
        slots.entry(key).or_default().clone()
    }

    /// Looks into the store, and fetches if it is our turn among the processes.
    async fn look(
        &self,
        slot: &Slot,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError> {
        for _ in 0..LOOKS {
            let stored = Stored::read(&*self.store, &self.sealer, project, name).await.map_err(unstored)?;
            let now = self.clock.now();
            if stored.held.is_some() {
                slot.known().held.clone_from(&stored.held);
            }
            if let Some(held) = stored.held.as_ref().filter(|held| held.usable(rejected, now)) {
                if now < held.refresh || stored.is_leased(now) || stored.trouble_since(now, PAUSE).is_some() {
                    return Ok(held.value.clone());
                }
            } else if let Some(error) = stored.trouble_since(now, PAUSE) {
                slot.known().trouble = Some(Trouble { at: now, error: error.clone() });
                return Err(error);
            }
            if stored.is_leased(now) {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let owner = self.ids.ulid(now).to_string();
            match stored
                .take(&*self.store, project, name, &owner, now.after(LEASE))
                .await
                .map_err(unstored)?
            {
                Take::Ours => return self.fetch(slot, project, name, rejected, &owner, fetch).await,
                // Another process was faster: see what it does.
                Take::Theirs => {}
            }
        }
        Err(transient("token_busy", "another process is fetching the platform's token and does not finish"))
    }

    /// Fetches under our lease and shares what came of it.
    async fn fetch(
        &self,
        slot: &Slot,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        owner: &str,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError> {
        let began = self.clock.now();
        let result = fetch().await;
        let now = self.clock.now();
        let count = if result.is_ok() { Count::Fetched } else { Count::NotFetched };
        if !stats::is_own() {
            self.stats.note(now, project, Cell::token(name), count);
        }
        match result {
            Ok(token) => {
                let value = token.value.clone();
                // Counted from before the call: the platform began to count at some time in between.
                let held = Held::new(token, began);
                let same = rejected == Some(&value);
                let trouble = same.then(|| {
                    transient("token_refused", "the platform gives out the very token that it refuses")
                });
                {
                    let mut known = slot.known();
                    known.held = Some(held.clone());
                    known.trouble = trouble.clone().map(|error| Trouble { at: now, error });
                }
                let shared =
                    stored::share(&*self.store, &self.sealer, (project, name), owner, &held, trouble, now);
                if let Err(error) = shared.await {
                    tracing::warn!(error = %error, "a platform's token could not be stored and is ours alone");
                }
                Ok(value)
            }
            Err(error) => {
                let usable = {
                    let mut known = slot.known();
                    known.trouble = Some(Trouble { at: now, error: error.clone() });
                    known.held.clone().filter(|held| held.usable(rejected, now))
                };
                if let Err(error) = stored::release(&*self.store, (project, name), owner, &error, now).await {
                    tracing::warn!(error = %error, "a failed fetch of a token could not be noted");
                }
                // It was fetched before its time: the old one still does.
                usable.map_or(Err(error), |held| Ok(held.value))
            }
        }
    }
}

#[async_trait]
impl Tokens for StoreTokens {
    async fn get(
        &self,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError> {
        let slot = self.slot(format!("{project}#{name}"));
        let _turn = match slot.answer(rejected, self.clock.now()) {
            Some((answer, false)) => return answer,
            // The old one does while somebody else fetches.
            Some((answer, true)) => match slot.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return answer,
            },
            None => slot.turn.lock().await,
        };
        // Somebody may have fetched it while we waited for our turn.
        if let Some((answer, false)) = slot.answer(rejected, self.clock.now()) {
            return answer;
        }
        self.look(&slot, project, name, rejected, fetch).await
    }
}

fn transient(code: &str, text: &str) -> SendError {
    SendError {
        failure: SendFailure::Transient { after: None },
        code: code.to_owned(),
        text: text.to_owned(),
    }
}

/// A store that does not answer: nothing was sent, so it may be tried again.
fn unstored(error: mc_core::Error) -> SendError {
    tracing::warn!(error = %error, "the shared tokens cannot be read");
    transient("token_store", "the shared tokens cannot be read now")
}
