//! Projects.

use std::sync::Arc;

use mc_core::model::{ProjectDoc, ProjectLimits, ProjectSettings};
use mc_core::ports::{Clock, Store};
use mc_core::{Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};

/// All projects belong to nobody.
const OWNER: &str = "all";

/// A name whose project is deleted, and whose messages are not.
#[derive(Serialize, Deserialize)]
struct Retired {
    until: Timestamp,
}

/// The projects, with a cache.
pub struct Projects {
    docs: Docs<ProjectDoc>,
    retired: Docs<Retired>,
    cache: Cache<String, ProjectDoc>,
    clock: Arc<dyn Clock>,
}

impl Projects {
    /// Projects in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            docs: Docs::listed(store.clone(), "projects", |doc| doc.created_at),
            retired: Docs::new(store, "retired-projects"),
            cache: Cache::default(),
            clock,
        }
    }

    /// The project, at most a minute old.
    pub async fn get(&self, name: &str) -> Result<Option<Arc<ProjectDoc>>> {
        let now = self.clock.now();
        if let Some(found) = self.cache.fresh(name, now) {
            return Ok(Some(found));
        }
        let Some(doc) = self.docs.get(OWNER, name).await? else { return Ok(None) };
        let doc = Arc::new(doc);
        self.cache.keep(name.to_owned(), doc.clone(), now);
        Ok(Some(doc))
    }

    /// The project as it is stored, for whoever decides by it what may be changed.
    pub async fn stored(&self, name: &str) -> Result<Option<ProjectDoc>> {
        self.docs.get(OWNER, name).await
    }

    /// Makes or replaces a project.
    pub async fn put(&self, name: &str, mut doc: ProjectDoc) -> Result<(Put, ProjectDoc)> {
        let before = self.stored(name).await?;
        doc.created_at = before.as_ref().map_or(self.clock.now(), |b| b.created_at);
        doc.updated_at = self.clock.now();
        self.docs.put(OWNER, name, &doc, before.as_ref()).await?;
        self.cache.forget(name);
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Replaces a project for somebody who has no say over what is for admins of all projects: its limits, and an end of the
    /// approval of templates, stay as they are stored, whoever changes them at this moment. Answers nothing if there is no such
    /// project.
    pub async fn replace_by_its_admin(&self, name: &str, doc: &ProjectDoc) -> Result<Option<ProjectDoc>> {
        let now = self.clock.now();
        let replace = |stored: &mut ProjectDoc| {
            let approval = stored.settings.template_approval || doc.settings.template_approval;
            let settings = ProjectSettings { template_approval: approval };
            let (limits, created_at) = (stored.limits, stored.created_at);
            *stored = ProjectDoc { limits, settings, created_at, updated_at: now, ..doc.clone() };
            true
        };
        self.docs.change(OWNER, name, replace).await?;
        self.cache.forget(name);
        self.stored(name).await
    }

    /// Makes a project unless it is there.
    pub async fn ensure(&self, name: &str) -> Result<()> {
        let now = self.clock.now();
        let doc = ProjectDoc {
            display_name: String::new(),
            params: serde_json::Map::new(),
            limits: ProjectLimits::default(),
            settings: ProjectSettings::default(),
            created_at: now,
            updated_at: now,
        };
        self.docs.put_new(OWNER, name, &doc).await?;
        Ok(())
    }

    /// Deletes a project's document; answers whether there was one.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        self.cache.forget(name);
        self.docs.delete(OWNER, name).await
    }

    /// Keeps a name from being given to another project: under it lies what the one that is deleted sent.
    pub async fn retire(&self, name: &str, until: Timestamp) -> Result<()> {
        self.retired.put_until(OWNER, name, &Retired { until }, until).await
    }

    /// Until when nobody may have this name, if that is so.
    pub async fn retired_until(&self, name: &str) -> Result<Option<Timestamp>> {
        let until = self.retired.get(OWNER, name).await?.map(|retired| retired.until);
        Ok(until.filter(|until| *until > self.clock.now()))
    }

    /// The names of all projects, for what has to look after every one of them.
    pub async fn names(&self) -> Result<Vec<String>> {
        Ok(self.docs.all(OWNER).await?.into_iter().map(|(name, _)| name).collect())
    }

    /// A page of projects.
    pub async fn list(&self, limit: usize, cursor: Option<&str>) -> Result<Listed<ProjectDoc>> {
        self.docs.list(OWNER, limit, cursor).await
    }
}
