//! One request whose caller is known, as handlers see it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::RawPathParams;
use bytes::Bytes;
use http::header;
use http::request::Parts;
use mc_core::id::{MessageId, is_name};
use mc_pipeline::Center;
use mc_pipeline::accept::{Caller, request};
use mc_pipeline::syslog;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::caller::{Identity, Who};
use crate::auth::source;
use crate::problem::ApiError;
use crate::query::Query;
use crate::routes::Route;
use crate::state::Api;

/// Longer names of programs are noted by their beginning.
const MAX_USER_AGENT: usize = 120;

/// A request on its way into a handler. Its route's need is satisfied.
pub struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) route: &'static Route,
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
        let channels = match &self.identity.who {
            Who::Key(key) => key.channels.clone(),
            Who::Nobody | Who::Operator(_) => Arc::default(),
        };
        let (project, sender) = (self.identity.project.clone(), self.identity.actor.clone());
        Caller { project, sender, request_id: self.request_id.clone(), channels, limited: true }
    }

    /// Where the request came from, if that is known.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        source::of(&self.parts, &self.api.options.trusted_proxies)
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

    /// Writes down who did what. The details hold names, never secrets.
    pub(crate) async fn audit(&self, kind: &str, data: Value) {
        self.note(self.project(), self.entry(kind, data)).await;
    }

    /// Writes down who changed what, with the fields that differ between what the API showed before and shows now.
    pub(crate) async fn audit_change<T: Serialize>(
        &self,
        kind: &str,
        data: Value,
        before: Option<&T>,
        after: Option<&T>,
    ) {
        self.audit_change_in(self.project(), kind, data, before, after).await;
    }

    /// The same in a project that the request is not about by its credentials.
    pub(crate) async fn audit_change_in<T: Serialize>(
        &self,
        project: &str,
        kind: &str,
        data: Value,
        before: Option<&T>,
        after: Option<&T>,
    ) {
        let seen = |shown: Option<&T>| shown.and_then(|shown| serde_json::to_value(shown).ok());
        let (before, after) = syslog::changes(seen(before).as_ref(), seen(after).as_ref());
        self.note(project, syslog::Entry { before, after, ..self.entry(kind, data) }).await;
    }

    /// An entry for the log: who, from where, about what.
    pub(crate) fn entry(&self, kind: &str, data: Value) -> syslog::Entry {
        let agent = self.parts.headers.get(header::USER_AGENT);
        let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
        syslog::Entry {
            kind: kind.to_owned(),
            actor: Some(self.identity.actor.to_string()),
            resource: self.resource().or_else(|| syslog::resource_of(&data)),
            address: self.source().map(|address| address.to_string()),
            user_agent: agent.map(|agent| agent.chars().take(MAX_USER_AGENT).collect()),
            request_id: Some(self.request_id.to_string()),
            data,
            ..syslog::Entry::default()
        }
    }

    /// Writes an entry.
    ///
    /// What it tells of has happened already, so a log that cannot be written does not turn it into a failure.
    pub(crate) async fn note(&self, project: &str, entry: syslog::Entry) {
        let kind = entry.kind.clone();
        if let Err(error) = syslog::write(self.center(), project, entry).await {
            tracing::error!(error = %error, audit.kind = kind, request.id = &*self.request_id, "no audit entry");
        }
    }

    /// What the route is about, like `channels/ops-robot`; nothing if it names no single thing.
    fn resource(&self) -> Option<String> {
        let mut parts = self.route.path.trim_start_matches("/v1/").split('/');
        let (collection, part) = (parts.next()?, parts.next()?);
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(format!("{collection}/{}", self.segment(name)))
    }
}

/// Whether a resource may have this name.
pub(crate) fn is_resource_name(name: &str) -> bool {
    is_name(name) && name != "." && name != ".."
}
