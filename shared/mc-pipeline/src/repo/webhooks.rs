//! Webhook endpoints of a project.

use std::sync::Arc;

use mc_core::Result;
use mc_core::model::WebhookDoc;
use mc_core::ports::{Clock, Store};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};

/// The endpoints, with a cache of each project's whole list: every finished message asks for it.
pub struct Webhooks {
    docs: Docs<WebhookDoc>,
    cache: Cache<String, Vec<(String, WebhookDoc)>>,
    clock: Arc<dyn Clock>,
}

impl Webhooks {
    /// Endpoints in this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { docs: Docs::listed(store, "webhooks", |doc| doc.created_at), cache: Cache::default(), clock }
    }

    /// All endpoints of a project, at most a minute old.
    pub async fn of(&self, project: &str) -> Result<Arc<Vec<(String, WebhookDoc)>>> {
        let now = self.clock.now();
        if let Some(found) = self.cache.fresh(project, now) {
            return Ok(found);
        }
        let all = Arc::new(self.docs.all(project).await?);
        self.cache.keep(project.to_owned(), all.clone(), now);
        Ok(all)
    }

    /// One endpoint as it is now.
    pub async fn get(&self, project: &str, name: &str) -> Result<Option<WebhookDoc>> {
        self.docs.get(project, name).await
    }

    /// Makes or replaces an endpoint.
    pub async fn put(&self, project: &str, name: &str, mut doc: WebhookDoc) -> Result<(Put, WebhookDoc)> {
        let before = self.docs.get(project, name).await?;
        doc.created_at = before.as_ref().map_or(self.clock.now(), |b| b.created_at);
        doc.updated_at = self.clock.now();
        self.docs.put(project, name, &doc, before.as_ref()).await?;
        self.cache.forget(project);
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Changes a stored endpoint; see [`Docs::change`].
    pub(crate) async fn change(
        &self,
        project: &str,
        name: &str,
        change: impl Fn(&mut WebhookDoc) -> bool + Send,
    ) -> Result<bool> {
        self.docs.change(project, name, change).await
    }

    /// Deletes an endpoint; answers whether there was one.
    pub async fn delete(&self, project: &str, name: &str) -> Result<bool> {
        self.cache.forget(project);
        self.docs.delete(project, name).await
    }

    /// A page of endpoints.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<WebhookDoc>> {
        self.docs.list(project, limit, cursor).await
    }
}
