//! Contacts and groups.

use std::collections::HashMap;
use std::sync::Arc;

use mc_core::Result;
use mc_core::model::{ContactDoc, GroupDoc};
use mc_core::ports::{Clock, Op, Store};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put, place};

/// The contacts, with a cache.
pub struct Contacts {
    docs: Docs<ContactDoc>,
    cache: Cache<String, ContactDoc>,
    clock: Arc<dyn Clock>,
}

fn cache_key(project: &str, name: &str) -> String {
    format!("{project}#{name}")
}

impl Contacts {
    /// Contacts in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { docs: Docs::listed(store, "contacts", |doc| doc.created_at), cache: Cache::default(), clock }
    }

    /// The contact as the store has it now.
    pub async fn get(&self, project: &str, id: &str) -> Result<Option<ContactDoc>> {
        self.docs.get(project, id).await
    }

    /// Those of the contacts that there are, by id, at most a minute old.
    pub async fn find(&self, project: &str, ids: &[&str]) -> Result<HashMap<String, Arc<ContactDoc>>> {
        let now = self.clock.now();
        let mut found = HashMap::with_capacity(ids.len());
        let mut missing = Vec::new();
        for id in ids {
            match self.cache.fresh(cache_key(project, id).as_str(), now) {
                Some(contact) => drop(found.insert((*id).to_owned(), contact)),
                None => missing.push(*id),
            }
        }
        for (id, doc) in missing.iter().zip(self.docs.get_many(project, &missing).await?) {
            if let Some(doc) = doc.map(Arc::new) {
                self.cache.keep(cache_key(project, id), doc.clone(), now);
                found.insert((*id).to_owned(), doc);
            }
        }
        Ok(found)
    }

    /// The contacts as the store has them now, in the ids' order.
    pub async fn stored(&self, project: &str, ids: &[&str]) -> Result<Vec<Option<ContactDoc>>> {
        self.docs.get_many(project, ids).await
    }

    /// Makes or replaces a contact.
    pub async fn put(&self, project: &str, id: &str, mut doc: ContactDoc) -> Result<(Put, ContactDoc)> {
        let before = self.docs.get(project, id).await?;
        doc.created_at = before.as_ref().map_or(self.clock.now(), |b| b.created_at);
        doc.updated_at = self.clock.now();
        self.docs.put(project, id, &doc, before.as_ref()).await?;
        self.cache.forget(cache_key(project, id).as_str());
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Puts several contacts as they are given, in one commit with a note of it.
    pub async fn put_many(&self, project: &str, docs: &[(&str, ContactDoc)], note: Op) -> Result<()> {
        self.docs.put_many(project, docs, note).await?;
        for (id, _) in docs {
            self.cache.forget(cache_key(project, id).as_str());
        }
        Ok(())
    }

    /// Deletes a contact; answers whether there was one.
    pub async fn delete(&self, project: &str, id: &str) -> Result<bool> {
        self.cache.forget(cache_key(project, id).as_str());
        self.docs.delete(project, id).await
    }

    /// A page of contacts.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<ContactDoc>> {
        self.docs.list(project, limit, cursor).await
    }

    /// A page of the contacts whose id begins with a text, or whose name, mail address or mobile number has it in it.
    /// Capitals and small letters are the same.
    ///
    /// All of them are looked at in turn, but not endlessly for one page: it may be short, and have a cursor.
    pub async fn search(
        &self,
        project: &str,
        text: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<ContactDoc>> {
        let text = text.to_lowercase();
        let mut next_cursor = cursor.map(str::to_owned);
        let (mut items, mut looked_at) = (Vec::new(), 0);
        loop {
            let page = self.docs.list(project, CHUNK, next_cursor.as_deref()).await?;
            looked_at += CHUNK;
            for (id, doc) in page.items.into_iter().filter(|(id, doc)| has(id, doc, &text)) {
                let at = place(&id, doc.created_at);
                items.push((id, doc));
                if items.len() == limit {
                    return Ok(Listed { items, next_cursor: Some(at) });
                }
            }
            next_cursor = page.next_cursor;
            let enough = if items.is_empty() { LOOKED_AT_FOR_NONE } else { LOOKED_AT };
            if next_cursor.is_none() || looked_at >= enough {
                return Ok(Listed { items, next_cursor });
            }
        }
    }
}

/// So many contacts are read at a time by a search.
const CHUNK: usize = 200;

/// At most about this many contacts are looked at for one page of a search.
const LOOKED_AT: usize = 2000;

/// The same as long as none is found: scripts take an empty page for the last one.
const LOOKED_AT_FOR_NONE: usize = 20_000;

/// Whether a contact is one that is searched for, by a text in small letters.
fn has(id: &str, doc: &ContactDoc, text: &str) -> bool {
    let within = [&doc.name, &doc.addresses.email, &doc.addresses.mobile];
    id.to_lowercase().starts_with(text)
        || within.into_iter().flatten().any(|value| value.to_lowercase().contains(text))
}

/// The groups, with a cache.
pub struct Groups {
    docs: Docs<GroupDoc>,
    cache: Cache<String, GroupDoc>,
    clock: Arc<dyn Clock>,
}

impl Groups {
    /// Groups in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { docs: Docs::listed(store, "groups", |doc| doc.created_at), cache: Cache::default(), clock }
    }

    /// The group as the store has it now.
    pub async fn get(&self, project: &str, name: &str) -> Result<Option<GroupDoc>> {
        self.docs.get(project, name).await
    }

    /// The group, at most a minute old.
    pub async fn find(&self, project: &str, name: &str) -> Result<Option<Arc<GroupDoc>>> {
        let now = self.clock.now();
        let key = cache_key(project, name);
        if let Some(found) = self.cache.fresh(key.as_str(), now) {
            return Ok(Some(found));
        }
        let Some(doc) = self.docs.get(project, name).await?.map(Arc::new) else { return Ok(None) };
        self.cache.keep(key, doc.clone(), now);
        Ok(Some(doc))
    }

    /// Makes or replaces a group.
    pub async fn put(&self, project: &str, name: &str, mut doc: GroupDoc) -> Result<(Put, GroupDoc)> {
        let before = self.docs.get(project, name).await?;
        doc.created_at = before.as_ref().map_or(self.clock.now(), |b| b.created_at);
        doc.updated_at = self.clock.now();
        self.docs.put(project, name, &doc, before.as_ref()).await?;
        self.cache.forget(cache_key(project, name).as_str());
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Deletes a group; answers whether there was one.
    pub async fn delete(&self, project: &str, name: &str) -> Result<bool> {
        self.cache.forget(cache_key(project, name).as_str());
        self.docs.delete(project, name).await
    }

    /// A page of groups.
    pub async fn list(&self, project: &str, limit: usize, cursor: Option<&str>) -> Result<Listed<GroupDoc>> {
        self.docs.list(project, limit, cursor).await
    }

    /// All groups of a project.
    pub async fn all(&self, project: &str) -> Result<Vec<(String, GroupDoc)>> {
        self.docs.all(project).await
    }
}
