//! Channels: stored documents, and the live channels built from them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mc_channels::registry;
use mc_content::FieldError;
use mc_core::model::{ChannelDoc, Kind};
use mc_core::ports::{Clock, RateLimit, Route, SharedChannel, Store};
use mc_core::{Error, ErrorKind, Result, Secret};
use serde_json::{Map, Value};

use super::cache::Cache;
use super::docs::{Docs, Listed, Put};
use super::gate::Gate;
use crate::quota::{Allowance, allowances};
use crate::seal::Sealer;

/// A channel ready to push.
pub struct ChannelEntry {
    /// Its name.
    pub name: Arc<str>,
    /// As it is stored.
    pub doc: ChannelDoc,
    /// Built from it.
    pub channel: SharedChannel,
    /// What must be kept to per lane: the platform's limit and the operator's, together.
    pub limits: Vec<RateLimit>,
    /// How many people may be written to in a window, where the platform counts them.
    pub people: Option<RateLimit>,
    /// Its quotas of days and months.
    pub allowances: Arc<[Allowance]>,
    /// Pushes that may run at a time.
    pub gate: Gate,
}

/// What there is of a channel.
#[derive(Clone)]
pub enum Stored {
    /// It can be pushed through.
    Live(Arc<ChannelEntry>),
    /// It is there, and cannot be built of what is stored.
    Broken(Arc<Broken>),
    /// There is none of this name.
    Missing,
}

impl Stored {
    /// The channel, if it can be pushed through.
    pub fn live(self) -> Option<Arc<ChannelEntry>> {
        match self {
            Stored::Live(entry) => Some(entry),
            Stored::Broken(_) | Stored::Missing => None,
        }
    }
}

/// A stored channel whose configuration is refused: a newer version asks for more, or what stored it asked for less. Only
/// a `PUT` mends it.
pub struct Broken {
    name: Arc<str>,
    errors: Vec<FieldError>,
}

impl Broken {
    /// The code of a message, a recipient or an attempt that is refused because of it; a `PUT` of it has the same.
    pub const CODE: &'static str = "invalid_channel";

    /// What is wrong with it, each with its pointer into the body of a `PUT`. No secret is in it.
    pub fn why(&self) -> String {
        let each = self.errors.iter().map(|e| format!("{} {}", e.pointer, e.detail));
        each.collect::<Vec<_>>().join("; ")
    }

    /// The same for people, with what to do first: records keep only the beginning of a text.
    pub fn text(&self) -> String {
        let name = &self.name;
        format!(
            "the channel {name:?} has to be put anew, as its stored configuration is refused: {}",
            self.why()
        )
    }
}

impl From<&Broken> for Error {
    fn from(broken: &Broken) -> Self {
        Error::new(ErrorKind::Corrupt, "a stored channel is no longer valid")
            .with("channel", &broken.name)
            .with("detail", broken.why())
    }
}

/// The channels, with a cache of live ones.
pub struct Channels {
    docs: Docs<ChannelDoc>,
    cache: Cache<String, ChannelEntry>,
    clock: Arc<dyn Clock>,
    sealer: Arc<Sealer>,
    ports: registry::Ports,
    build: Build,
}

/// How a live channel is made of its configuration.
pub type Build = Arc<
    dyn Fn(registry::Setup<'_>, &registry::Ports) -> std::result::Result<SharedChannel, Vec<FieldError>>
        + Send
        + Sync,
>;

impl Channels {
    /// Channels in this store.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        sealer: Arc<Sealer>,
        ports: registry::Ports,
    ) -> Self {
        let build: Build = Arc::new(registry::build);
        Self {
            docs: Docs::listed(store, "channels", |doc: &ChannelDoc| doc.created_at),
            cache: Cache::default(),
            clock,
            sealer,
            ports,
            build,
        }
    }

    /// The same with live channels made in another way: with kinds of one's own, or with fakes in tests.
    #[must_use]
    pub fn built_by(mut self, build: Build) -> Self {
        self.build = build;
        self
    }

    /// What a sealed value of a channel is bound to.
    pub fn seal_context(project: &str, channel: &str, field: &str) -> String {
        format!("channel/{project}/{channel}/{field}")
    }

    /// The live channel, at most a minute old. A broken one is an error, for those who can do nothing about it.
    pub async fn get(&self, project: &str, name: &str) -> Result<Option<Arc<ChannelEntry>>> {
        match self.find(project, name).await? {
            Stored::Live(entry) => Ok(Some(entry)),
            Stored::Broken(broken) => Err(Error::from(&*broken)),
            Stored::Missing => Ok(None),
        }
    }

    /// The channel, at most a minute old if it is live.
    pub async fn find(&self, project: &str, name: &str) -> Result<Stored> {
        let now = self.clock.now();
        let key = format!("{project}#{name}");
        if let Some(found) = self.cache.fresh(key.as_str(), now) {
            return Ok(Stored::Live(found));
        }
        let Some(doc) = self.docs.get(project, name).await? else { return Ok(Stored::Missing) };
        // An unchanged channel keeps its connections and its permits.
        let same = self.cache.any(key.as_str()).filter(|old| old.doc.updated_at == doc.updated_at);
        let entry = match same {
            Some(same) => same,
            None => match self.open(project, name, doc)? {
                Ok(entry) => Arc::new(entry),
                Err(errors) => return Ok(Stored::Broken(Arc::new(Broken { name: name.into(), errors }))),
            },
        };
        self.cache.keep(key, entry.clone(), now);
        Ok(Stored::Live(entry))
    }

    /// Opens a stored channel's secrets and builds it, or says what is wrong with it.
    fn open(
        &self,
        project: &str,
        name: &str,
        doc: ChannelDoc,
    ) -> Result<std::result::Result<ChannelEntry, Vec<FieldError>>> {
        let open = |field: &str, sealed: &str| {
            self.sealer.open(&Self::seal_context(project, name, field), sealed).map_err(|e| {
                Error::new(ErrorKind::Sealed, "a channel's secret cannot be opened")
                    .with("channel", name)
                    .with("field", field)
                    .because(e)
            })
        };
        let mut secrets = BTreeMap::new();
        for (field, sealed) in &doc.secrets {
            secrets.insert(field.clone(), Secret::new(open(field, sealed)?.as_str()));
        }
        let proxy = doc.proxy.as_deref().map(|p| open("proxy", p)).transpose()?;
        let proxy = proxy.map(|p| Secret::new(p.as_str()));
        Ok(self.build(project, name, doc, &secrets, proxy))
    }

    /// Builds a channel from a document and its opened secrets, those that stand in the settings among them, or says what is
    /// wrong with them.
    pub fn build(
        &self,
        project: &str,
        name: &str,
        doc: ChannelDoc,
        secrets: &BTreeMap<String, Secret>,
        proxy: Option<Secret>,
    ) -> std::result::Result<ChannelEntry, Vec<FieldError>> {
        let (of_settings, own): (BTreeMap<String, Secret>, _) =
            secrets.clone().into_iter().partition(|(field, _)| setting_of(field).is_some());
        let values = of_settings
            .iter()
            .filter_map(|(field, value)| Some((setting_of(field)?.to_owned(), Value::from(value.expose()))));
        let settings = with_settings(doc.settings.clone(), values.collect());
        let channel = (self.build)(
            registry::Setup {
                project,
                name,
                kind: doc.kind,
                settings: &settings,
                secrets: &own,
                base_url: doc.base_url.as_deref(),
                route: Route { proxy, tls_ca: doc.tls_ca.clone() },
                limits: doc.limits,
            },
            &self.ports,
        )?;
        let limits = limits_of(&doc, channel.capability().limit);
        let people = channel.capability().people;
        let gate = Gate::new(channel.capability().concurrency);
        let allowances = allowances(&doc, channel.capability()).into();
        Ok(ChannelEntry { name: name.into(), doc, channel, limits, people, allowances, gate })
    }

    /// Opens what is sealed, for a `PUT` that keeps secrets it does not name.
    pub fn unseal(&self, project: &str, name: &str, field: &str, sealed: &str) -> Result<Secret> {
        self.sealer
            .open(&Self::seal_context(project, name, field), sealed)
            .map(|plain| Secret::new(plain.as_str()))
            .map_err(|e| Error::new(ErrorKind::Sealed, "a channel's secret cannot be opened").because(e))
    }

    /// Seals a value of a channel.
    pub fn seal(&self, project: &str, name: &str, field: &str, value: &str) -> Result<String> {
        self.sealer
            .seal(&Self::seal_context(project, name, field), value)
            .map_err(|e| Error::new(ErrorKind::Sealed, "a channel's secret cannot be sealed").because(e))
    }

    /// The stored document as it is now.
    pub async fn doc(&self, project: &str, name: &str) -> Result<Option<ChannelDoc>> {
        self.docs.get(project, name).await
    }

    /// Makes or replaces a channel.
    pub async fn put(&self, project: &str, name: &str, mut doc: ChannelDoc) -> Result<(Put, ChannelDoc)> {
        let before = self.docs.get(project, name).await?;
        let now = self.clock.now();
        doc.created_at = before.as_ref().map_or(now, |b| b.created_at);
        // A change within the same millisecond must still be seen as one.
        doc.updated_at =
            before.as_ref().map_or(now, |b| now.max(b.updated_at.after(Duration::from_millis(1))));
        self.docs.put(project, name, &doc, before.as_ref()).await?;
        self.cache.forget(format!("{project}#{name}").as_str());
        Ok((if before.is_some() { Put::Replaced } else { Put::Created }, doc))
    }

    /// Deletes a channel; answers whether there was one.
    pub async fn delete(&self, project: &str, name: &str) -> Result<bool> {
        self.cache.forget(format!("{project}#{name}").as_str());
        self.docs.delete(project, name).await
    }

    /// Changes a stored channel; see [`Docs::change`].
    pub(crate) async fn change(
        &self,
        project: &str,
        name: &str,
        change: impl Fn(&mut ChannelDoc) -> bool + Send,
    ) -> Result<bool> {
        self.docs.change(project, name, change).await
    }

    /// A page of channels.
    pub async fn list(
        &self,
        project: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Listed<ChannelDoc>> {
        self.docs.list(project, limit, cursor).await
    }

    /// All channels of a project.
    pub async fn all(&self, project: &str) -> Result<Vec<(String, ChannelDoc)>> {
        self.docs.all(project).await
    }

    /// What a kind can do, before there is a channel of it.
    pub fn capability(kind: Kind) -> mc_core::ports::Capability {
        registry::capability(kind)
    }
}

/// What a secret is called that stands in the settings, at this pointer into them.
pub fn setting_field(place: &str) -> String {
    format!("{IN_SETTINGS}{place}")
}

/// The pointer into the settings of a secret that stands there.
pub fn setting_of(field: &str) -> Option<&str> {
    field.strip_prefix(IN_SETTINGS).filter(|place| place.starts_with('/'))
}

/// No secret of any kind is called so, because of the slash that follows.
const IN_SETTINGS: &str = "settings";

/// Settings with these values at these places, as far as they have them.
pub fn with_settings(settings: Map<String, Value>, values: Vec<(String, Value)>) -> Map<String, Value> {
    let mut whole = Value::Object(settings);
    for (place, value) in values {
        if let Some(found) = whole.pointer_mut(&place) {
            *found = value;
        }
    }
    whole.as_object_mut().map(std::mem::take).unwrap_or_default()
}

/// The platform's limit and the operator's own, of which every one is kept.
fn limits_of(doc: &ChannelDoc, platform: Option<RateLimit>) -> Vec<RateLimit> {
    let own =
        [(doc.limits.per_second, Duration::from_secs(1)), (doc.limits.per_minute, Duration::from_secs(60))];
    let own = own.into_iter().filter_map(|(count, per)| count.map(|count| RateLimit { count, per }));
    // A channel may have taken the operator's limit for its own already.
    platform.into_iter().chain(own.filter(|limit| Some(*limit) != platform)).collect()
}
