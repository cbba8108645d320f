//! Templates: a current version, and every version there ever was.

use std::collections::BTreeMap;
use std::sync::Arc;

use mc_content::{CompiledTemplate, FieldError, Library, included_names, names_in_body};
use mc_core::model::{Approval, ApprovalState, TemplateBody, TemplateDoc, TemplateRef};
use mc_core::ports::{Attrs, Clock, Commit, Item, Key, Op, Query, Store, WriteError};
use mc_core::{Error, Result};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};

/// The number of the current version, or 0 while it may not be sent.
pub(super) const SENT: &str = "v";

/// More templates than this are not included by one.
const MAX_INCLUDED: usize = 100;

/// A version of a template with certain versions of those that it includes.
pub struct TemplateEntry {
    /// As it is stored.
    pub doc: Arc<TemplateDoc>,
    /// The versions of what it includes, and of what that includes.
    pub includes: BTreeMap<String, u32>,
    compiled: std::result::Result<CompiledTemplate, Vec<FieldError>>,
}

impl TemplateEntry {
    /// The template, compiled once; or why it cannot be rendered any more: something that it includes was changed.
    pub fn compiled(&self) -> std::result::Result<&CompiledTemplate, &[FieldError]> {
        self.compiled.as_ref().map_err(Vec::as_slice)
    }

    /// What a message keeps of it.
    pub fn reference(&self, name: &str) -> TemplateRef {
        TemplateRef { name: name.to_owned(), version: self.doc.version, includes: self.includes.clone() }
    }
}

/// What a template may include, and the versions that it is.
struct Included {
    library: Library,
    versions: BTreeMap<String, u32>,
}

/// The templates, with a cache of compiled ones.
pub struct Templates {
    pub(super) store: Arc<dyn Store>,
    pub(super) current: Docs<TemplateDoc>,
    docs: Cache<String, TemplateDoc>,
    cache: Cache<String, TemplateEntry>,
    versions: Cache<String, TemplateEntry>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What became of a delete.
#[derive(Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Done,
    /// There was none.
    NotThere,
    /// These templates include it; nothing was changed.
    InUse(Vec<String>),
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
            current: Docs::listed(store.clone(), "templates", |doc| doc.created_at),
            store,
            docs: Cache::default(),
            cache: Cache::default(),
            versions: Cache::default(),
            clock,
        }
    }

    pub(super) fn version_key(project: &str, name: &str, version: u32) -> Key {
        Key::new(format!("tv#{project}#{name}"), format!("{version:08}"))
    }

    pub(super) fn version_item(project: &str, name: &str, doc: &TemplateDoc) -> Result<Item> {
        let attrs = Attrs::new().with("doc", serde_json::to_vec(doc)?);
        Ok(Item::new(Self::version_key(project, name, doc.version), attrs))
    }

    pub(super) fn current_key(project: &str, name: &str) -> Key {
        Key::new(format!("templates#{project}"), name)
    }

    /// The current version, with its number in sight if it may be sent, so that an older one cannot take its place.
    pub(super) fn current_item(project: &str, name: &str, doc: &TemplateDoc) -> Result<Item> {
        let sent = if doc.may_be_sent() { i64::from(doc.version) } else { 0 };
        let attrs = Attrs::new().with("doc", serde_json::to_vec(doc)?).with(SENT, sent);
        Ok(Item::new(Self::current_key(project, name), attrs))
    }

    fn compile(doc: Arc<TemplateDoc>, included: Included) -> TemplateEntry {
        let compiled = CompiledTemplate::compile(&doc.body, &included.library);
        TemplateEntry { doc, includes: included.versions, compiled }
    }

    /// The current document, at most a minute old.
    async fn current_doc(&self, project: &str, name: &str) -> Result<Option<Arc<TemplateDoc>>> {
        let (key, now) = (format!("{project}#{name}"), self.clock.now());
        if let Some(found) = self.docs.fresh(key.as_str(), now) {
            return Ok(Some(found));
        }
        let Some(doc) = self.current.get(project, name).await? else { return Ok(None) };
        let doc = Arc::new(doc);
        self.docs.keep(key, doc.clone(), now);
        Ok(Some(doc))
    }

    /// What a template includes as it is now. What is not there is left out: the compiler says so, with the place.
    async fn included(&self, project: &str, body: &TemplateBody, own: Option<&str>) -> Result<Included> {
        let mut included = Included { library: Library::new(), versions: BTreeMap::new() };
        let mut waiting: Vec<String> = included_names(body).into_iter().collect();
        while let Some(name) = waiting.pop() {
            if included.versions.contains_key(&name) || included.versions.len() >= MAX_INCLUDED {
                continue;
            }
            if own == Some(name.as_str()) {
                // A circle; as the template will be, not as it is stored.
                included.library.add(&name, body);
                included.versions.insert(name, 0);
                waiting.extend(names_in_body(&body.body));
                continue;
            }
            let Some(doc) = self.current_doc(project, &name).await?.filter(|doc| doc.may_be_sent()) else {
                continue;
            };
            included.library.add(&name, &doc.body);
            included.versions.insert(name, doc.version);
            waiting.extend(names_in_body(&doc.body.body));
        }
        Ok(included)
    }

    /// Whether everything that an entry includes is still the current version.
    async fn is_current(&self, project: &str, entry: &TemplateEntry) -> Result<bool> {
        if entry.compiled.is_err() {
            return Ok(false);
        }
        for (name, version) in &entry.includes {
            if self.current_doc(project, name).await?.is_none_or(|doc| doc.version != *version) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compiles a template that is not stored, with what it includes as it is now. It is judged as one that is put.
    pub async fn compile_draft(
        &self,
        project: &str,
        body: &TemplateBody,
    ) -> Result<std::result::Result<CompiledTemplate, Vec<FieldError>>> {
        let included = self.included(project, body, None).await?;
        Ok(CompiledTemplate::compile_new(body, &included.library))
    }

    /// Compiles a version that is stored, with what it includes as it is now.
    pub async fn compile_stored(
        &self,
        project: &str,
        body: &TemplateBody,
    ) -> Result<std::result::Result<CompiledTemplate, Vec<FieldError>>> {
        let included = self.included(project, body, None).await?;
        Ok(CompiledTemplate::compile(body, &included.library))
    }

    /// The current version, at most a minute old, with what it includes.
    pub async fn current(&self, project: &str, name: &str) -> Result<Option<Arc<TemplateEntry>>> {
        let (key, now) = (format!("{project}#{name}"), self.clock.now());
        if let Some(found) = self.cache.fresh(key.as_str(), now)
            && self.is_current(project, &found).await?
        {
            return Ok(Some(found));
        }
        let Some(doc) = self.current_doc(project, name).await? else { return Ok(None) };
        let known = self.cache.any(key.as_str()).filter(|old| old.doc == doc);
        let entry = match known {
            Some(same) if self.is_current(project, &same).await? => same,
            _ => {
                let included = self.included(project, &doc.body, None).await?;
                Arc::new(Self::compile(doc, included))
            }
        };
        let reference = entry.reference(name);
        self.versions.keep(version_key(project, &reference), entry.clone(), now);
        self.cache.keep(key, entry.clone(), now);
        Ok(Some(entry))
    }

    /// What a message was accepted with. Versions never change, so one that was read is kept.
    pub async fn version(
        &self,
        project: &str,
        reference: &TemplateRef,
    ) -> Result<Option<Arc<TemplateEntry>>> {
        let key = version_key(project, reference);
        if let Some(found) = self.versions.any(key.as_str()) {
            return Ok(Some(found));
        }
        let Some(doc) = self.version_doc(project, &reference.name, reference.version).await? else {
            return Ok(None);
        };
        let mut included = Included { library: Library::new(), versions: reference.includes.clone() };
        for (name, version) in &reference.includes {
            let Some(doc) = self.version_doc(project, name, *version).await? else { return Ok(None) };
            included.library.add(name, &doc.body);
        }
        let entry = Arc::new(Self::compile(Arc::new(doc), included));
        self.versions.keep(key, entry.clone(), self.clock.now());
        Ok(Some(entry))
    }

    /// A certain version, as it is stored.
    pub async fn version_doc(&self, project: &str, name: &str, version: u32) -> Result<Option<TemplateDoc>> {
        let item = self.store.get(&Self::version_key(project, name, version)).await?;
        item.map(|item| Ok(serde_json::from_slice(item.attrs.bytes("doc").map_or(&[][..], |b| b))?))
            .transpose()
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
        self.put_version(project, name, body, None).await
    }

    /// The same with a word on who has to approve it.
    ///
    /// One that waits for its approval becomes the current one when it has it, or at once if nothing else could be sent
    /// anyway.
    pub async fn put_version(
        &self,
        project: &str,
        name: &str,
        body: TemplateBody,
        approval: Option<Approval>,
    ) -> std::result::Result<(Put, TemplateDoc), PutError> {
        let included = self.included(project, &body, Some(name)).await?;
        if let Err(errors) = CompiledTemplate::compile_new(&body, &included.library) {
            return Err(PutError::Refused(errors));
        }
        loop {
            let current = self.current.get(project, name).await?;
            if let Some(same) = current.as_ref().filter(|c| c.body == body && c.may_be_sent()) {
                return Ok((Put::Replaced, same.clone()));
            }
            let latest = self.list_versions(project, name, 1, None).await?.items.pop().map(|(_, doc)| doc);
            let waits = |doc: &&TemplateDoc| {
                doc.approval.as_ref().is_some_and(|approval| approval.state == ApprovalState::Pending)
            };
            if let Some(same) = latest.as_ref().filter(waits).filter(|l| l.body == body)
                && approval.is_some()
                && current.is_some()
            {
                return Ok((Put::Replaced, same.clone()));
            }
            let version = latest.map_or(1, |doc| doc.version + 1);
            let (approval, created_at) = (approval.clone(), self.clock.now());
            let doc = TemplateDoc { version, body: body.clone(), approval, created_at };
            let becomes_current =
                doc.may_be_sent() || !current.as_ref().is_some_and(TemplateDoc::may_be_sent);
            let (ops, then) = match becomes_current {
                true => {
                    let item = Self::current_item(project, name, &doc)?;
                    (self.current.put_row(project, name, &doc).into_iter().collect(), vec![Op::put(item)])
                }
                false => (Vec::new(), Vec::new()),
            };
            let guard = Some(Op::put_new(Self::version_item(project, name, &doc)?));
            let commit = Commit { guard, ops, then, ..Commit::default() };
            match self.store.commit(commit).await {
                Ok(_) => {
                    if let Some(before) = current.as_ref().filter(|_| becomes_current) {
                        self.current.forget_row(project, name, before, &doc).await?;
                    }
                    self.forget(project, name);
                    return Ok((if current.is_some() { Put::Replaced } else { Put::Created }, doc));
                }
                // Somebody else made this version at the same time: ours comes after it.
                Err(WriteError::Conflict(_)) => {}
                Err(WriteError::Failed(error)) => return Err(error.into()),
            }
        }
    }

    /// Deletes the template, unless another one includes it. Its versions stay for messages that were accepted with
    /// them.
    pub async fn delete(&self, project: &str, name: &str) -> Result<Deleted> {
        let includes_it = |(other, doc): (String, TemplateDoc)| {
            (other != name && included_names(&doc.body).contains(name)).then_some(other)
        };
        let using: Vec<String> =
            self.current.all(project).await?.into_iter().filter_map(includes_it).collect();
        if !using.is_empty() {
            return Ok(Deleted::InUse(using));
        }
        self.forget(project, name);
        Ok(if self.current.delete(project, name).await? { Deleted::Done } else { Deleted::NotThere })
    }

    /// Forgets what was changed here.
    pub(super) fn forget(&self, project: &str, name: &str) {
        let key = format!("{project}#{name}");
        self.docs.forget(key.as_str());
        self.cache.forget(key.as_str());
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

/// Under what a compiled version is kept.
fn version_key(project: &str, reference: &TemplateRef) -> String {
    let mut key = format!("{project}#{}#{}", reference.name, reference.version);
    for (name, version) in &reference.includes {
        key.push_str(&format!("#{name}#{version}"));
    }
    key
}
