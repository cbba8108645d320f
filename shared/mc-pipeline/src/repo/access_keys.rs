//! Access keys: found by their public half on every call, listed by project.

use std::sync::Arc;

use mc_core::model::AccessKey;
use mc_core::ports::{Clock, Store};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::docs::{Docs, Listed};

/// What a project's list holds of a key; the key itself lies under its public half.
#[derive(Serialize, Deserialize)]
struct Entry {
    created_at: Timestamp,
}

/// When a key was last used, written apart from the key so that a call never rewrites it.
#[derive(Serialize, Deserialize)]
struct Used {
    at: Timestamp,
}

/// The access keys, with a cache.
pub struct AccessKeys {
    keys: Docs<AccessKey>,
    lists: Docs<Entry>,
    used: Docs<Used>,
    cache: Cache<String, AccessKey>,
    told: Cache<String, ()>,
    clock: Arc<dyn Clock>,
}

const SORT: &str = "k";

impl AccessKeys {
    /// Access keys in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Docs::new(store.clone(), "ak"),
            lists: Docs::listed(store.clone(), "aks", |entry| entry.created_at),
            used: Docs::new(store, "aku"),
            cache: Cache::default(),
            told: Cache::default(),
            clock,
        }
    }

    /// The key of a public half, at most a minute old.
    pub async fn get(&self, access_key_id: &str) -> Result<Option<Arc<AccessKey>>> {
        let now = self.clock.now();
        if let Some(found) = self.cache.fresh(access_key_id, now) {
            return Ok(Some(found));
        }
        let Some(key) = self.keys.get(access_key_id, SORT).await? else { return Ok(None) };
        let key = Arc::new(key);
        self.cache.keep(access_key_id.to_owned(), key.clone(), now);
        Ok(Some(key))
    }

    /// The key as the store has it now, for those who will change it.
    pub async fn stored(&self, access_key_id: &str) -> Result<Option<AccessKey>> {
        self.keys.get(access_key_id, SORT).await
    }

    /// Makes or changes a key.
    pub async fn put(&self, key: &AccessKey) -> Result<()> {
        self.keys.put(&key.access_key_id, SORT, key, None).await?;
        let entry = Entry { created_at: key.created_at };
        self.lists.put(&key.project, &key.access_key_id, &entry, None).await?;
        self.cache.forget(key.access_key_id.as_str());
        Ok(())
    }

    /// What the sealed secret of a key is bound to.
    pub fn seal_context(access_key_id: &str) -> String {
        format!("access-key/{access_key_id}")
    }

    /// Changes what is stored of a key, again if somebody else does at the same time. `change` answers whether there is a
    /// change, and so does this.
    pub async fn change(
        &self,
        access_key_id: &str,
        change: impl Fn(&mut AccessKey) -> bool + Send,
    ) -> Result<bool> {
        let changed = self.keys.change(access_key_id, SORT, change).await?;
        self.cache.forget(access_key_id);
        Ok(changed)
    }

    /// Deletes a key.
    pub async fn delete(&self, key: &AccessKey) -> Result<()> {
        self.cache.forget(key.access_key_id.as_str());
        self.keys.delete(&key.access_key_id, SORT).await?;
        self.lists.delete(&key.project, &key.access_key_id).await?;
        Ok(())
    }

    /// All keys of a project, by their public halves.
    pub(crate) async fn ids(&self, project: &str) -> Result<Vec<String>> {
        Ok(self.lists.all(project).await?.into_iter().map(|(id, _)| id).collect())
    }

    /// A key of the project that is kept to some channels with this one among them, whether it works now or not, if there is
    /// one. Looks at all of the project's keys.
    pub async fn kept_to(&self, project: &str, channel: &str) -> Result<Option<AccessKey>> {
        for id in self.ids(project).await? {
            let key = self.keys.get(&id, SORT).await?;
            if let Some(key) = key.filter(|key| key.allowed_channels.iter().any(|name| name == channel)) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// A page of a project's keys, each with when it was last used.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<(AccessKey, Option<Timestamp>)>> {
        let page = self.lists.list(project, limit, cursor).await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (id, _) in page.items {
            if let Some(key) = self.keys.get(&id, SORT).await? {
                let used = self.last_used(&id).await?;
                items.push((id, (key, used)));
            }
        }
        Ok(Listed { items, next_cursor: page.next_cursor })
    }

    /// When the key was last used, to about a minute.
    pub async fn last_used(&self, access_key_id: &str) -> Result<Option<Timestamp>> {
        Ok(self.used.get(access_key_id, "u").await?.map(|u| u.at))
    }

    /// Whether this process noted a use of the key within the last minute, so that nobody need ask again.
    pub fn use_is_noted(&self, access_key_id: &str) -> bool {
        self.told.fresh(access_key_id, self.clock.now()).is_some()
    }

    /// Notes that the key was used, at most once a minute.
    pub async fn note_use(&self, access_key_id: &str) -> Result<()> {
        let now = self.clock.now();
        if self.told.fresh(access_key_id, now).is_some() {
            return Ok(());
        }
        self.told.keep(access_key_id.to_owned(), Arc::new(()), now);
        self.used.put(access_key_id, "u", &Used { at: now }, None).await
    }
}
