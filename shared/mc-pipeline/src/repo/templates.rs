//! Templates: a current version, and every version there ever was.

use std::sync::Arc;

use mc_content::{CompiledTemplate, FieldError};
use mc_core::model::{TemplateBody, TemplateDoc};
use mc_core::ports::{Attrs, Clock, Commit, Item, Key, Op, Query, Store, WriteError};
use mc_core::{Error, ErrorKind, Result};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};

/// A version of a template, ready to render.
pub struct TemplateEntry {
    /// As it is stored.
    pub doc: TemplateDoc,
    /// Compiled once.
    pub compiled: CompiledTemplate,
}

/// The templates, with a cache of compiled ones.
pub struct Templates {
    store: Arc<dyn Store>,
    current: Docs<TemplateDoc>,
    cache: Cache<String, TemplateEntry>,
    versions: Cache<String, TemplateEntry>,
    clock: Arc<dyn Clock>,
}

/// Why a template was not put.
pub enum PutError {
    /// It would not render; nothing was changed.
    Refused(Vec<FieldError>),
    /// The store failed.
    Failed(Error),
}

impl From<Error> for PutError {
    fn from(error: Error) -> Self {
        PutError::Failed(error)
    }
}

impl Templates {
    /// Templates in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            current: Docs::new(store.clone(), "templates"),
            store,
            cache: Cache::default(),
            versions: Cache::default(),
            clock,
        }
    }

    fn version_key(project: &str, name: &str, version: u32) -> Key {
        Key::new(format!("tv#{project}#{name}"), format!("{version:08}"))
    }

    fn compile(doc: TemplateDoc) -> Result<TemplateEntry> {
        let compiled = CompiledTemplate::compile(&doc.body).map_err(|errors| {
            let first = errors.first().map(|e| e.detail.clone()).unwrap_or_default();
            Error::new(ErrorKind::Corrupt, "a stored template does not compile").with("detail", first)
        })?;
        Ok(TemplateEntry { doc, compiled })
    }

    /// The current version, at most a minute old.
    pub async fn current(&self, project: &str, name: &str) -> Result<Option<Arc<TemplateEntry>>> {
        let now = self.clock.now();
        let key = format!("{project}#{name}");
        if let Some(found) = self.cache.fresh(key.as_str(), now) {
            return Ok(Some(found));
        }
        let Some(doc) = self.current.get(project, name).await? else { return Ok(None) };
        let entry = match self.cache.any(key.as_str()).filter(|old| old.doc == doc) {
            Some(same) => same,
            None => Arc::new(Self::compile(doc)?),
        };
        self.versions.keep(format!("{key}#{}", entry.doc.version), entry.clone(), now);
        self.cache.keep(key, entry.clone(), now);
        Ok(Some(entry))
    }

    /// A certain version. Versions never change, so one that was read is kept.
    pub async fn version(
        &self,
        project: &str,
        name: &str,
        version: u32,
    ) -> Result<Option<Arc<TemplateEntry>>> {
        let key = format!("{project}#{name}#{version}");
        if let Some(found) = self.versions.any(key.as_str()) {
            return Ok(Some(found));
        }
        let Some(item) = self.store.get(&Self::version_key(project, name, version)).await? else {
            return Ok(None);
        };
        let doc = serde_json::from_slice(item.attrs.bytes("doc").map_or(&[][..], |b| b))?;
        let entry = Arc::new(Self::compile(doc)?);
        self.versions.keep(key, entry.clone(), self.clock.now());
        Ok(Some(entry))
    }

    /// A page of versions, newest first.
    pub async fn list_versions(
        &self,
        project: &str,
        name: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<TemplateDoc>> {
        let mut query = Query::prefix(format!("tv#{project}#{name}"), "", limit);
        query.newest_first = true;
        if let Some(cursor) = cursor {
            query.to = cursor.to_owned();
        }
        let page = self.store.query(&query).await?;
        let next_cursor = page.more.then(|| page.items.last().map(|i| i.key.sk.clone())).flatten();
        let mut items = Vec::with_capacity(page.items.len());
        for item in &page.items {
            let doc = serde_json::from_slice(item.attrs.bytes("doc").map_or(&[][..], |b| b))?;
            items.push((item.key.sk.clone(), doc));
        }
        Ok(Listed { items, next_cursor })
    }

    /// Makes a new version the current one. The same body again changes nothing.
    pub async fn put(
        &self,
        project: &str,
        name: &str,
        body: TemplateBody,
    ) -> std::result::Result<(Put, TemplateDoc), PutError> {
        if let Err(errors) = CompiledTemplate::compile(&body) {
            return Err(PutError::Refused(errors));
        }
        loop {
            let current = self.current.get(project, name).await?;
            if let Some(same) = current.as_ref().filter(|c| c.body == body) {
                return Ok((Put::Replaced, same.clone()));
            }
            let latest = self.list_versions(project, name, 1, None).await?.items.pop();
            let version = latest.map_or(1, |(_, doc)| doc.version + 1);
            let doc = TemplateDoc { version, body: body.clone(), created_at: self.clock.now() };
            let bytes = serde_json::to_vec(&doc).map_err(Error::from)?;
            let version_item =
                Item::new(Self::version_key(project, name, version), Attrs::new().with("doc", bytes.clone()));
            let current_item =
                Item::new(Key::new(format!("templates#{project}"), name), Attrs::new().with("doc", bytes));
            let commit = Commit {
                guard: Some(Op::put_new(version_item)),
                ops: vec![Op::put(current_item)],
                ..Commit::default()
            };
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.cache.forget(format!("{project}#{name}").as_str());
                    return Ok((if current.is_some() { Put::Replaced } else { Put::Created }, doc));
                }
                // Somebody else made this version at the same time: ours comes after it.
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Failed(error)) => return Err(error.into()),
            }
        }
    }

    /// Deletes the template. Its versions stay for messages that were accepted with them.
    pub async fn delete(&self, project: &str, name: &str) -> Result<bool> {
        self.cache.forget(format!("{project}#{name}").as_str());
        self.current.delete(project, name).await
    }

    /// A page of templates.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<TemplateDoc>> {
        self.current.list(project, limit, cursor).await
    }

    /// All templates of a project.
    pub async fn all(&self, project: &str) -> Result<Vec<(String, TemplateDoc)>> {
        self.current.all(project).await
    }
}
