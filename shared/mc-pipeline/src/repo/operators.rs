//! Operators and their sessions.

use std::sync::Arc;
use std::time::Duration;

use mc_core::model::Operator;
use mc_core::ports::{Clock, Store};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};

const OWNER: &str = "all";

/// How long somebody stays signed in.
pub const SESSION_LIFE: Duration = Duration::from_secs(12 * 3600);

/// A signed-in operator. Found by the hash of its token, never by the token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Who.
    pub username: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The operators, with a cache.
pub struct Operators {
    docs: Docs<Operator>,
    sessions: Docs<Session>,
    sign_ins: Docs<SignIn>,
    cache: Cache<String, Operator>,
    session_cache: Cache<String, Session>,
    clock: Arc<dyn Clock>,
}

impl Session {
    /// When somebody signed in.
    pub fn opened_at(&self) -> Timestamp {
        self.expires_at.before(SESSION_LIFE)
    }
}

/// When somebody signed in last, written apart from the account so that signing in changes nothing of it.
#[derive(Serialize, Deserialize)]
struct SignIn {
    at: Timestamp,
}

impl Operators {
    /// Operators in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            docs: Docs::listed(store.clone(), "operators", |doc| doc.created_at),
            sessions: Docs::new(store.clone(), "session"),
            sign_ins: Docs::new(store, "signin"),
            cache: Cache::default(),
            session_cache: Cache::default(),
            clock,
        }
    }

    /// The operator, at most a minute old.
    pub async fn get(&self, username: &str) -> Result<Option<Arc<Operator>>> {
        let now = self.clock.now();
        if let Some(found) = self.cache.fresh(username, now) {
            return Ok(Some(found));
        }
        let Some(doc) = self.docs.get(OWNER, username).await? else { return Ok(None) };
        let doc = Arc::new(doc);
        self.cache.keep(username.to_owned(), doc.clone(), now);
        Ok(Some(doc))
    }

    /// The operator as the store has it now, for those who will change it or check a password.
    pub async fn stored(&self, username: &str) -> Result<Option<Operator>> {
        self.docs.get(OWNER, username).await
    }

    /// Makes or replaces an operator.
    pub async fn put(&self, username: &str, mut doc: Operator) -> Result<(Put, Operator)> {
        let before = self.docs.get(OWNER, username).await?;
        doc.created_at = before.as_ref().map_or(self.clock.now(), |b| b.created_at);
        doc.updated_at = self.clock.now();
        self.docs.put(OWNER, username, &doc, before.as_ref()).await?;
        self.cache.forget(username);
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Deletes an operator; answers whether there was one.
    pub async fn delete(&self, username: &str) -> Result<bool> {
        self.cache.forget(username);
        self.docs.delete(OWNER, username).await
    }

    /// A page of operators.
    pub async fn list(&self, limit: usize, cursor: Option<&str>) -> Result<Listed<Operator>> {
        self.docs.list(OWNER, limit, cursor).await
    }

    /// Whether there is any operator at all, so that a first start can make one.
    pub async fn any(&self) -> Result<bool> {
        Ok(!self.docs.all(OWNER).await?.is_empty())
    }

    /// Remembers a session under the hash of its token.
    pub async fn open_session(&self, token_hash: &str, username: &str) -> Result<Session> {
        let session =
            Session { username: username.to_owned(), expires_at: self.clock.now().after(SESSION_LIFE) };
        self.sessions.put_until(token_hash, "s", &session, session.expires_at).await?;
        self.sign_ins.put(OWNER, username, &SignIn { at: session.opened_at() }, None).await?;
        Ok(session)
    }

    /// When these signed in last, in the names' order.
    pub async fn last_sign_ins(&self, usernames: &[&str]) -> Result<Vec<Option<Timestamp>>> {
        let sign_ins = self.sign_ins.get_many(OWNER, usernames).await?;
        Ok(sign_ins.into_iter().map(|sign_in| sign_in.map(|sign_in| sign_in.at)).collect())
    }

    /// The session of a token's hash, if it is open.
    pub async fn session(&self, token_hash: &str) -> Result<Option<Arc<Session>>> {
        let now = self.clock.now();
        if let Some(found) = self.session_cache.fresh(token_hash, now).filter(|s| s.expires_at > now) {
            return Ok(Some(found));
        }
        let Some(session) = self.sessions.get(token_hash, "s").await? else { return Ok(None) };
        let session = Arc::new(session);
        self.session_cache.keep(token_hash.to_owned(), session.clone(), now);
        Ok(Some(session))
    }

    /// Signs out.
    pub async fn close_session(&self, token_hash: &str) -> Result<()> {
        self.session_cache.forget(token_hash);
        self.sessions.delete(token_hash, "s").await?;
        Ok(())
    }
}
