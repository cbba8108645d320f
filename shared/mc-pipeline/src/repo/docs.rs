//! Named JSON documents of one sort, in the partition of their owner.

use std::marker::PhantomData;
use std::sync::Arc;

use mc_core::ports::{Attrs, Commit, Cond, Item, Key, Op, Query, Store, WriteError};
use mc_core::{Result, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether a `PUT` made something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It was not there before.
    Created,
    /// It replaced what was there.
    Replaced,
}

/// One page of a listing.
pub struct Listed<T> {
    /// Names with their documents.
    pub items: Vec<(String, T)>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// The documents of one sort.
pub struct Docs<T> {
    store: Arc<dyn Store>,
    sort: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Docs<T> {
    /// The documents whose partitions begin with `sort`.
    pub fn new(store: Arc<dyn Store>, sort: &'static str) -> Self {
        Self { store, sort, of: PhantomData }
    }

    fn key(&self, owner: &str, name: &str) -> Key {
        Key::new(format!("{}#{owner}", self.sort), name)
    }

    fn read(item: &Item) -> Result<T> {
        let doc = item.attrs.bytes("doc").map_or(&[][..], |b| b);
        Ok(serde_json::from_slice(doc)?)
    }

    fn item(&self, owner: &str, name: &str, doc: &T) -> Result<Item> {
        Ok(Item::new(self.key(owner, name), Attrs::new().with("doc", serde_json::to_vec(doc)?)))
    }

    /// The document, if there is one.
    pub async fn get(&self, owner: &str, name: &str) -> Result<Option<T>> {
        let item = self.store.get(&self.key(owner, name)).await?;
        item.as_ref().map(Self::read).transpose()
    }

    /// The documents of these names, in the names' order.
    pub async fn get_many(&self, owner: &str, names: &[&str]) -> Result<Vec<Option<T>>> {
        let keys: Vec<Key> = names.iter().map(|name| self.key(owner, name)).collect();
        let items = self.store.get_many(&keys).await?;
        items.iter().map(|item| item.as_ref().map(Self::read).transpose()).collect()
    }

    /// Puts several documents whatever is there.
    pub async fn put_many(&self, owner: &str, docs: &[(&str, T)]) -> Result<()> {
        let items = docs.iter().map(|(name, doc)| self.item(owner, name, doc).map(Op::put));
        let ops = items.collect::<Result<Vec<_>>>()?;
        self.store.commit(Commit { ops, ..Commit::default() }).await?;
        Ok(())
    }

    /// Puts the document whatever is there.
    pub async fn put(&self, owner: &str, name: &str, doc: &T) -> Result<()> {
        self.store.write(Op::put(self.item(owner, name, doc)?)).await?;
        Ok(())
    }

    /// Puts the document if there is none; answers whether it did.
    pub async fn put_new(&self, owner: &str, name: &str, doc: &T) -> Result<bool> {
        match self.store.write(Op::put_new(self.item(owner, name, doc)?)).await {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict(_)) => Ok(false),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// Puts a document that is forgotten at `at`.
    pub async fn put_until(&self, owner: &str, name: &str, doc: &T, at: Timestamp) -> Result<()> {
        self.store.write(Op::put(self.item(owner, name, doc)?.expiring(at))).await?;
        Ok(())
    }

    /// Deletes the document; answers whether there was one.
    pub async fn delete(&self, owner: &str, name: &str) -> Result<bool> {
        match self.store.write(Op::Delete(self.key(owner, name), vec![Cond::Exists])).await {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict(_)) => Ok(false),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// The owner's documents, the largest name first, beginning before `cursor`.
    pub async fn list(&self, owner: &str, limit: usize, cursor: Option<&str>) -> Result<Listed<T>> {
        let mut query = Query::prefix(format!("{}#{owner}", self.sort), "", limit);
        query.newest_first = true;
        if let Some(cursor) = cursor {
            query.to = cursor.to_owned();
        }
        let page = self.store.query(&query).await?;
        let next_cursor = page.more.then(|| page.items.last().map(|i| i.key.sk.clone())).flatten();
        let items =
            page.items.iter().map(|i| Ok((i.key.sk.clone(), Self::read(i)?))).collect::<Result<Vec<_>>>()?;
        Ok(Listed { items, next_cursor })
    }

    /// All of the owner's documents, smallest name first, for sorts of which an owner has few.
    pub async fn all(&self, owner: &str) -> Result<Vec<(String, T)>> {
        let mut all = Vec::new();
        let mut query = Query::prefix(format!("{}#{owner}", self.sort), "", 1000);
        loop {
            let page = self.store.query(&query).await?;
            for item in &page.items {
                all.push((item.key.sk.clone(), Self::read(item)?));
            }
            match page.items.last() {
                Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
                _ => return Ok(all),
            }
        }
    }
}
