//! Named JSON documents of one sort, in the partition of their owner; those that are listed have a row each beside it, by the
//! time they were made.

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
    /// When a document was made, if they are listed.
    made_at: Option<fn(&T) -> Timestamp>,
}

/// Where a document stands in a listing; also the cursor of the page after it.
pub(crate) fn place(name: &str, made_at: Timestamp) -> String {
    format!("{:013}.{name}", made_at.millis())
}

/// The name in a place.
pub(crate) fn name_of(place: &str) -> &str {
    place.split_once('.').map_or("", |(_, name)| name)
}

/// Whether a cursor is one that a listing of named things gives.
pub fn is_place(cursor: &str) -> bool {
    cursor.split_once('.').is_some_and(|(at, name)| {
        at.len() == 13 && at.bytes().all(|b| b.is_ascii_digit()) && !name.is_empty()
    })
}

impl<T: Serialize + DeserializeOwned> Docs<T> {
    /// The documents whose partitions begin with `sort`.
    pub fn new(store: Arc<dyn Store>, sort: &'static str) -> Self {
        Self { store, sort, made_at: None }
    }

    /// The same, listed by when they were made.
    pub fn listed(store: Arc<dyn Store>, sort: &'static str, made_at: fn(&T) -> Timestamp) -> Self {
        Self { store, sort, made_at: Some(made_at) }
    }

    fn key(&self, owner: &str, name: &str) -> Key {
        Key::new(format!("{}#{owner}", self.sort), name)
    }

    fn rows(&self, owner: &str) -> String {
        format!("{}@{owner}", self.sort)
    }

    /// The key of a document's row.
    fn row(&self, owner: &str, name: &str, doc: &T) -> Option<Key> {
        self.made_at.map(|made_at| Key::new(self.rows(owner), place(name, made_at(doc))))
    }

    /// What puts a document's row. It is written before the document: a row that leads nowhere is passed over, but nothing
    /// leads to a document without one.
    pub(super) fn put_row(&self, owner: &str, name: &str, doc: &T) -> Option<Op> {
        self.row(owner, name, doc).map(|key| Op::put(Item::new(key, Attrs::new())))
    }

    /// Removes the row of what was replaced, if that was made at another time.
    pub(super) async fn forget_row(&self, owner: &str, name: &str, before: &T, doc: &T) -> Result<()> {
        let (was, is) = (self.row(owner, name, before), self.row(owner, name, doc));
        if let Some(was) = was.filter(|was| Some(was) != is.as_ref()) {
            self.store.write(Op::Delete(was, Vec::new())).await?;
        }
        Ok(())
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

    /// Puts several documents whatever is there, in one commit with `note`, which is there before them.
    pub async fn put_many(&self, owner: &str, docs: &[(&str, T)], note: Op) -> Result<()> {
        let rows = docs.iter().filter_map(|(name, doc)| self.put_row(owner, name, doc));
        let ops = rows.chain([note]).collect();
        let items = docs.iter().map(|(name, doc)| self.item(owner, name, doc).map(Op::put));
        let then = items.collect::<Result<Vec<_>>>()?;
        self.store.commit(Commit { ops, then, ..Commit::default() }).await?;
        Ok(())
    }

    /// Puts the document in the place of what was there before.
    pub async fn put(&self, owner: &str, name: &str, doc: &T, before: Option<&T>) -> Result<()> {
        let ops: Vec<Op> = self.put_row(owner, name, doc).into_iter().collect();
        let then = vec![Op::put(self.item(owner, name, doc)?)];
        self.store.commit(Commit { ops, then, ..Commit::default() }).await?;
        match before {
            Some(before) => self.forget_row(owner, name, before, doc).await,
            None => Ok(()),
        }
    }

    /// Changes what is stored, again if somebody else does at the same time. `change` answers whether there is a change, and so
    /// does this.
    pub async fn change(
        &self,
        owner: &str,
        name: &str,
        change: impl Fn(&mut T) -> bool + Send,
    ) -> Result<bool> {
        loop {
            let Some(mut item) = self.store.get(&self.key(owner, name)).await? else { return Ok(false) };
            let unchanged = match item.attrs.get("doc") {
                Some(doc) => Cond::Eq("doc".into(), doc.clone()),
                None => Cond::Absent("doc".into()),
            };
            let mut doc = Self::read(&item)?;
            if !change(&mut doc) {
                return Ok(false);
            }
            item.attrs.set("doc", serde_json::to_vec(&doc)?);
            match self.store.write(Op::Put(item, vec![unchanged])).await {
                Ok(_) => return Ok(true),
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
    }

    /// Puts the document if there is none; answers whether it did.
    pub async fn put_new(&self, owner: &str, name: &str, doc: &T) -> Result<bool> {
        if let Some(row) = self.put_row(owner, name, doc) {
            self.store.write(row).await?;
        }
        match self.store.write(Op::put_new(self.item(owner, name, doc)?)).await {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict(_)) => {
                if let Some(stands) = self.get(owner, name).await? {
                    self.forget_row(owner, name, doc, &stands).await?;
                }
                Ok(false)
            }
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
        let row = match self.made_at {
            Some(_) => self.get(owner, name).await?.and_then(|doc| self.row(owner, name, &doc)),
            None => None,
        };
        match self.store.write(Op::Delete(self.key(owner, name), vec![Cond::Exists])).await {
            Ok(_) => {
                if let Some(row) = row {
                    self.store.write(Op::Delete(row, Vec::new())).await?;
                }
                Ok(true)
            }
            Err(WriteError::Conflict(_)) => Ok(false),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// A page of the owner's documents, those first that were made last, beginning behind `cursor`.
    pub async fn list(&self, owner: &str, limit: usize, cursor: Option<&str>) -> Result<Listed<T>> {
        let (places, next_cursor) = places(&*self.store, self.rows(owner), limit, cursor).await?;
        let names: Vec<&str> = places.iter().map(|place| name_of(place)).collect();
        let docs = self.get_many(owner, &names).await?;
        let mut items = Vec::with_capacity(docs.len());
        for (at, doc) in places.iter().zip(docs) {
            // A row whose document is gone, or was made at another time, leads nowhere.
            if let (Some(doc), Some(made_at)) = (doc, self.made_at)
                && place(name_of(at), made_at(&doc)) == *at
            {
                items.push((name_of(at).to_owned(), doc));
            }
        }
        Ok(Listed { items, next_cursor })
    }

    /// All of the owner's documents, smallest name first, for sorts of which an owner has few.
    pub async fn all(&self, owner: &str) -> Result<Vec<(String, T)>> {
        let items = whole(&*self.store, format!("{}#{owner}", self.sort)).await?;
        items.iter().map(|item| Ok((item.key.sk.clone(), Self::read(item)?))).collect()
    }
}

/// Everything in a partition, smallest sort key first.
pub(crate) async fn whole(store: &dyn Store, partition: String) -> Result<Vec<Item>> {
    let mut all = Vec::new();
    let mut query = Query::prefix(partition, "", 1000);
    loop {
        let page = store.query(&query).await?;
        all.extend(page.items);
        match all.last() {
            Some(last) if page.more => query.from = format!("{}\0", last.key.sk),
            _ => return Ok(all),
        }
    }
}

/// A page of the rows of a listing, the newest first, beginning behind `cursor`; and the cursor of the next page.
pub(crate) async fn places(
    store: &dyn Store,
    rows: String,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<String>, Option<String>)> {
    let mut query = Query::prefix(rows, "", limit);
    query.newest_first = true;
    if let Some(cursor) = cursor {
        query.to = cursor.to_owned();
    }
    let page = store.query(&query).await?;
    let places: Vec<String> = page.items.into_iter().map(|row| row.key.sk).collect();
    let next_cursor = places.last().filter(|_| page.more).cloned();
    Ok((places, next_cursor))
}
