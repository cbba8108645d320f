//! One request whose caller is known, as handlers see it.

use std::sync::Arc;

use axum::extract::RawPathParams;
use bytes::Bytes;
use http::request::Parts;
use mc_core::id::{MessageId, is_name};
use mc_pipeline::Center;
use mc_pipeline::accept::{Caller, request};
use mc_pipeline::syslog;
use serde::Deserialize;
use serde_json::Value;

use crate::auth::caller::Identity;
use crate::problem::ApiError;
use crate::query::Query;
use crate::state::Api;

/// A request on its way into a handler. Its route's need is satisfied.
pub struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) identity: Identity,
    pub(crate) request_id: Arc<str>,
    pub(crate) parts: Parts,
    pub(crate) path: Option<RawPathParams>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn center(&self) -> &Center {
        &self.api.center
    }

    /// The project the request is about.
    pub(crate) fn project(&self) -> &str {
        &self.identity.project
    }

    /// The caller as the use-cases know it.
    pub(crate) fn caller(&self) -> Caller {
        Caller {
            project: self.identity.project.clone(),
            sender: self.identity.actor.clone(),
            request_id: self.request_id.clone(),
        }
    }

    /// Reads the body.
    pub(crate) fn read<'de, T: Deserialize<'de>>(&'de self) -> Result<T, ApiError> {
        Ok(request::read(&self.body)?)
    }

    /// Reads the body; without one, everything is at its default.
    pub(crate) fn read_or_default<'de, T: Deserialize<'de> + Default>(&'de self) -> Result<T, ApiError> {
        if self.body.is_empty() { Ok(T::default()) } else { self.read() }
    }

    /// A part of the path, whatever it is.
    fn segment(&self, part: &str) -> &str {
        let found = self.path.iter().flat_map(RawPathParams::iter).find(|(name, _)| *name == part);
        found.map_or("", |(_, value)| value)
    }

    /// The name in the path. There can be nothing under an impossible one.
    pub(crate) fn name(&self, part: &str, what: &'static str) -> Result<&str, ApiError> {
        let name = self.segment(part);
        if is_resource_name(name) { Ok(name) } else { Err(ApiError::not_found(what)) }
    }

    /// The name in the path of a `PUT`, which must be a possible one.
    pub(crate) fn new_name(&self, part: &'static str) -> Result<&str, ApiError> {
        let name = self.segment(part);
        if is_resource_name(name) {
            return Ok(name);
        }
        let detail = "a name is 1 to 64 letters, digits and . _ ~ -, and not . or ..";
        Err(ApiError::field("invalid_name", format!("/{part}"), detail))
    }

    /// The message id in the path.
    pub(crate) fn message_id(&self) -> Result<MessageId, ApiError> {
        self.segment("id").parse().map_err(|_| ApiError::not_found("message"))
    }

    /// Writes down who changed what. The details hold names, never secrets.
    ///
    /// The change is made already, so a log that cannot be written does not turn it into a failure.
    pub(crate) async fn audit(&self, kind: &str, data: Value) {
        self.audit_in(self.project(), kind, data).await;
    }

    /// Writes down who changed what in another project.
    pub(crate) async fn audit_in(&self, project: &str, kind: &str, data: Value) {
        if let Err(error) = syslog::audit(self.center(), project, &self.identity.actor, kind, data).await {
            tracing::error!(error = %error, audit.kind = kind, request.id = &*self.request_id, "no audit entry");
        }
    }
}

/// Whether a resource may have this name.
pub(crate) fn is_resource_name(name: &str) -> bool {
    is_name(name) && name != "." && name != ".."
}
