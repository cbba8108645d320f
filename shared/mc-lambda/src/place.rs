//! Where a function runs: its ports, built when they are first needed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mc_ambient::{AscendingIds, OsRandom, SystemClock};
use mc_aws::{Aws, Secrets, Service};
use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::ports::{Blobs, Clock, Family, Http, Ids, Outgoing, Queue, QueueDepth, Random};
use mc_core::{Error, ErrorKind, Result, Secret};
use mc_pipeline::center::Tuning;
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::{Center, Parts};

use crate::ending::Pace;
use crate::role::{Port, Role};
use crate::settings::Settings;

/// A warm-up that takes longer is left where it is.
const WARM_UP: Duration = Duration::from_secs(3);

/// What was counted is written within this time, or is lost.
const COUNTS: Duration = Duration::from_secs(2);

/// Everything one function has.
pub(crate) struct Place {
    pub(crate) role: Role,
    pub(crate) settings: Settings,
    pub(crate) aws: Aws,
    pub(crate) secrets: Secrets,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ids: Arc<dyn Ids>,
    http: Arc<dyn Http>,
    /// The message center, and the key ring it was built with.
    built: Mutex<Option<(Secret, Arc<Center>)>>,
    /// When counts are written.
    pub(crate) counts: Pace,
}

impl Place {
    /// Reads the environment. Builds no client and opens no connection.
    pub(crate) fn new(role: Role) -> Result<Self> {
        let settings = Settings::from_env()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(OsRandom::new());
        let aws = Aws::from_env(clock.clone(), random.clone())?;
        let policy = EgressPolicy::parse(Some(&settings.egress_allow), false).map_err(|error| {
            Error::new(ErrorKind::Internal, "the networks that may be reached cannot be read; correct them")
                .with("variable", crate::settings::names::EGRESS_ALLOW)
                .because(error)
        })?;
        Ok(Self {
            role,
            secrets: aws.secrets(),
            http: Arc::new(GuardedHttp::new(policy, clock.clone())),
            ids: Arc::new(AscendingIds::new()),
            built: Mutex::default(),
            counts: Pace::default(),
            settings,
            aws,
            clock,
            random,
        })
    }

    /// Opens the connections that every event of this function needs. Whatever fails is left to the first event.
    pub(crate) async fn warm_up(&self) {
        let services: &[Service] = match self.role {
            Role::Console | Role::Callback | Role::Quota => &[Service::Table],
            Role::Ingest | Role::Send(_) | Role::Schedule => &[Service::Table, Service::Queues],
        };
        let work = async { tokio::join!(self.aws.warm(services), self.center()).1 };
        match tokio::time::timeout(WARM_UP, work).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "the warm-up was not completed"),
            Err(_) => tracing::warn!("the warm-up took too long"),
        }
    }

    /// The message center. It is built anew when the key ring has changed.
    pub(crate) async fn center(&self) -> Result<Arc<Center>> {
        let ring = self.secrets.get(&self.settings.key_ring).await?;
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, center)) = &*built
            && *of == ring
        {
            return Ok(center.clone());
        }
        let center = Arc::new(self.build(&ring)?);
        *built = Some((ring, center.clone()));
        Ok(center)
    }

    /// Writes what was counted, if there is anything. The store keeps the rest of us waiting no longer than this.
    pub(crate) async fn write_counts(&self) {
        let center = {
            let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
            built.as_ref().map(|(_, center)| center.clone())
        };
        if let Some(center) = center {
            let written = tokio::time::timeout(COUNTS, center.stats.flush(&*center.store)).await;
            if written.is_err() {
                tracing::warn!("the counters took too long to write and are lost");
            }
        }
    }

    fn build(&self, ring: &Secret) -> Result<Center> {
        let wrong = |error: mc_pipeline::seal::KeyRingError| {
            Error::new(ErrorKind::Sealed, "the key ring cannot be used; put a good one into its secret")
                .with("secret", &self.settings.key_ring)
                .because(error)
        };
        let ring = KeyRing::parse(ring.expose()).map_err(wrong)?;
        let sealer = Sealer::new(&ring, self.random.clone()).map_err(wrong)?;
        let role = self.role;
        let mut center = Center::new(Parts {
            store: Arc::new(self.aws.store()?),
            queue: Arc::new(Allowed { role, port: self.aws.queue()? }),
            blobs: Arc::new(Allowed { role, port: self.aws.blobs()? }),
            http: self.http.clone(),
            mail: Some(Arc::new(self.aws.mail())),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            random: self.random.clone(),
            sealer: Arc::new(sealer),
            tuning: Tuning { retention: self.settings.retention, ..Tuning::default() },
        });
        center.public_url.clone_from(&self.settings.public_url);
        Ok(center)
    }
}

/// A port as far as the function may use it. The template's rights end at the same place, so what is refused here would
/// be refused by AWS.
struct Allowed<P> {
    role: Role,
    port: P,
}

impl<P> Allowed<P> {
    fn check(&self, port: Port) -> Result<()> {
        if self.role.may(port) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Internal, "this function is not given this port; see role.rs")
            .with("function", self.role.as_str())
            .with("port", format!("{port:?}")))
    }
}

#[async_trait]
impl<P: Queue> Queue for Allowed<P> {
    async fn send(&self, tasks: Vec<Outgoing>) -> Result<()> {
        self.check(Port::Queue)?;
        self.port.send(tasks).await
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>> {
        self.check(Port::Depths)?;
        self.port.depths().await
    }

    async fn redrive(&self, family: Family) -> Result<u64> {
        self.check(Port::Redrive)?;
        self.port.redrive(family).await
    }
}

#[async_trait]
impl<P: Blobs> Blobs for Allowed<P> {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.check(Port::WriteFiles)?;
        self.port.put(name, bytes).await
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        self.check(Port::ReadFiles)?;
        self.port.get(name).await
    }

    async fn forget_before(&self, day: &str) -> Result<()> {
        self.check(Port::ForgetFiles)?;
        self.port.forget_before(day).await
    }
}
