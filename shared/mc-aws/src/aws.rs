//! One account in one region: the clients, each built when it is first used.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SharedTimeSource, TimeSource};
use futures_util::future::join_all;
use mc_core::Result;
use mc_core::ports::{Clock, Random};

use crate::call::Calls;
use crate::connector::{Connector, Pool};
use crate::lazy::Lazy;
use crate::meter::Meter;
use crate::settings::Settings;

/// One attempt of a call that answers in milliseconds.
const QUICK: Duration = Duration::from_secs(5);

/// One attempt of a call that carries megabytes.
const SLOW: Duration = Duration::from_secs(30);

/// A connection that is not open by then is left to the first call.
const WARM: Duration = Duration::from_secs(2);

/// A service to connect to ahead of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB.
    Table,
    /// SQS.
    Queues,
    /// SES.
    Mail,
    /// Secrets Manager.
    Secrets,
    /// S3.
    Bucket,
}

impl Service {
    const fn host(self) -> &'static str {
        match self {
            Service::Table => "dynamodb",
            Service::Queues => "sqs",
            Service::Mail => "email",
            Service::Secrets => "secretsmanager",
            Service::Bucket => "s3",
        }
    }
}

/// The clients of one account in one region.
#[derive(Clone)]
pub struct Aws {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    calls: Calls,
    pool: Pool,
    #[cfg(feature = "dynamodb")]
    dynamodb: Lazy<aws_sdk_dynamodb::Client>,
    #[cfg(feature = "sqs")]
    sqs: Lazy<aws_sdk_sqs::Client>,
    #[cfg(feature = "ses")]
    ses: Lazy<aws_sdk_sesv2::Client>,
    #[cfg(feature = "secrets")]
    secrets: Lazy<aws_sdk_secretsmanager::Client>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Aws {
    /// Reads region, credentials and names from the environment; see [`Settings::from_env`].
    ///
    /// Builds no client and opens no connection.
    pub fn from_env(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self> {
        Ok(Self::new(Settings::from_env()?, clock, random))
    }

    /// The same with settings from elsewhere.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let (settings, pool) = (Arc::new(settings), Pool::default());
        let sdk = Sdk { settings: Arc::clone(&settings), pool: pool.clone(), clock: Arc::clone(&clock) };
        Self {
            #[cfg(feature = "dynamodb")]
            dynamodb: sdk.lazy(QUICK, |config| {
                let cache = aws_sdk_dynamodb::config::IdentityCache::no_cache();
                let config = aws_sdk_dynamodb::config::Builder::from(config).identity_cache(cache);
                aws_sdk_dynamodb::Client::from_conf(config.build())
            }),
            #[cfg(feature = "sqs")]
            sqs: sdk.lazy(QUICK, |config| {
                let cache = aws_sdk_sqs::config::IdentityCache::no_cache();
                let config = aws_sdk_sqs::config::Builder::from(config).identity_cache(cache);
                aws_sdk_sqs::Client::from_conf(config.build())
            }),
            #[cfg(feature = "ses")]
            ses: sdk.lazy(SLOW, |config| {
                let cache = aws_sdk_sesv2::config::IdentityCache::no_cache();
                let config = aws_sdk_sesv2::config::Builder::from(config).identity_cache(cache);
                aws_sdk_sesv2::Client::from_conf(config.build())
            }),
            #[cfg(feature = "secrets")]
            secrets: sdk.lazy(QUICK, |config| {
                let cache = aws_sdk_secretsmanager::config::IdentityCache::no_cache();
                let config = aws_sdk_secretsmanager::config::Builder::from(config).identity_cache(cache);
                aws_sdk_secretsmanager::Client::from_conf(config.build())
            }),
            calls: Calls { random, meter: Meter::default() },
            settings,
            clock,
            pool,
        }
    }

    /// What was called so far, by everything that this made.
    pub fn meter(&self) -> &Meter {
        &self.calls.meter
    }

    /// Opens connections and builds clients ahead of the first call, side by side. Whatever fails is left to that call.
    pub async fn warm(&self, services: &[Service]) {
        join_all(services.iter().map(|service| self.warm_one(*service))).await;
    }

    async fn warm_one(&self, service: Service) {
        match service {
            #[cfg(feature = "dynamodb")]
            Service::Table => drop(self.dynamodb.get().clone()),
            #[cfg(feature = "sqs")]
            Service::Queues => drop(self.sqs.get().clone()),
            #[cfg(feature = "ses")]
            Service::Mail => drop(self.ses.get().clone()),
            #[cfg(feature = "secrets")]
            Service::Secrets => drop(self.secrets.get().clone()),
            _ => {}
        }
        let Ok(client) = self.pool.client() else { return };
        // Any answer will do: it is the connection that is wanted.
        let url = host_url(&self.settings, service);
        if let Ok(answer) = client.get(url).timeout(WARM).send().await {
            // The connection goes back into the pool when the answer was read.
            drop(answer.bytes().await);
        }
    }

    /// The store, with the queues behind its commits. Needs the table and the queues; without a bucket, an item that is
    /// too large for the table is refused.
    #[cfg(feature = "dynamodb")]
    pub fn store(&self) -> Result<crate::DynamoStore> {
        use crate::settings::{missing, names};
        let table = self.settings.table.as_ref().ok_or_else(|| missing(names::TABLE))?;
        let queue = Arc::new(self.queue()?);
        #[cfg(feature = "s3")]
        let blobs = self.settings.bucket.is_some().then(|| self.blobs()).transpose()?;
        #[cfg(feature = "s3")]
        let blobs = blobs.map(|blobs| Arc::new(blobs) as Arc<dyn mc_core::ports::Blobs>);
        #[cfg(not(feature = "s3"))]
        let blobs = None;
        let (client, clock) = (self.dynamodb.clone(), Arc::clone(&self.clock));
        Ok(crate::DynamoStore::new(client, table, clock, self.calls.clone(), queue, blobs))
    }

    /// The queues. Needs their URL; without that of the crash loops these are neither counted nor redriven.
    #[cfg(feature = "sqs")]
    pub fn queue(&self) -> Result<crate::SqsQueue> {
        use crate::settings::{PerFamily, names};
        let urls = PerFamily::parse(self.settings.queue_url.as_ref(), names::QUEUE_URL)?;
        let dead = self.settings.dead_queue_url.as_ref();
        let dead = dead.map(|url| PerFamily::parse(Some(url), names::DEAD_QUEUE_URL)).transpose()?;
        Ok(crate::SqsQueue::new(self.sqs.clone(), urls, dead, self.calls.clone()))
    }

    /// SQS itself, for tests that play the part of an event source.
    #[cfg(feature = "sqs")]
    #[doc(hidden)]
    pub fn sqs(&self) -> &aws_sdk_sqs::Client {
        self.sqs.get()
    }

    /// DynamoDB itself, for tests that make a table.
    #[cfg(feature = "dynamodb")]
    #[doc(hidden)]
    pub fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get()
    }

    /// SES itself, for tests that verify a sender.
    #[cfg(feature = "ses")]
    #[doc(hidden)]
    pub fn sesv2(&self) -> &aws_sdk_sesv2::Client {
        self.ses.get()
    }

    /// Secrets Manager itself, for tests that put a value in.
    #[cfg(feature = "secrets")]
    #[doc(hidden)]
    pub fn secrets_manager(&self) -> &aws_sdk_secretsmanager::Client {
        self.secrets.get()
    }

    /// Attachments in the bucket.
    #[cfg(feature = "s3")]
    pub fn blobs(&self) -> Result<crate::S3Blobs> {
        use crate::settings::{missing, names};
        let bucket = self.settings.bucket.as_ref().ok_or_else(|| missing(names::BUCKET))?;
        let (settings, clock) = (Arc::clone(&self.settings), Arc::clone(&self.clock));
        Ok(crate::S3Blobs::new(settings, bucket, self.pool.clone(), clock, self.calls.clone(), SLOW))
    }

    /// Mails through SES.
    #[cfg(feature = "ses")]
    pub fn mail(&self) -> crate::SesMail {
        crate::SesMail::new(self.ses.clone(), self.calls.clone(), self.settings.endpoint.clone())
    }

    /// Values from Secrets Manager.
    #[cfg(feature = "secrets")]
    pub fn secrets(&self) -> crate::Secrets {
        crate::Secrets::new(self.secrets.clone(), Arc::clone(&self.clock), self.calls.clone())
    }
}

/// Scheme and host of a service.
pub(crate) fn host_url(settings: &Settings, service: Service) -> String {
    if let Some(endpoint) = &settings.endpoint {
        return endpoint.clone();
    }
    let end = if settings.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://{}.{}.{end}", service.host(), settings.region)
}

/// The credentials as the SDKs and the signer have them.
pub(crate) fn credentials(settings: &Settings) -> Credentials {
    let token = settings.session_token.as_ref().map(|token| token.expose().to_owned());
    let secret = settings.secret_access_key.expose().to_owned();
    Credentials::new(settings.access_key_id.clone(), secret, token, None, "environment")
}

/// What the SDKs' clients are built of.
struct Sdk {
    settings: Arc<Settings>,
    pool: Pool,
    clock: Arc<dyn Clock>,
}

/// Our clock as the SDKs see it: what they sign carries its time.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0))
    }
}

impl Sdk {
    /// A client by hand: no chains, no profiles, no retries, no timers; our connector, and what the environment says.
    fn lazy<T>(&self, timeout: Duration, build: impl Fn(&SdkConfig) -> T + Send + Sync + 'static) -> Lazy<T> {
        let (settings, pool, clock) = (Arc::clone(&self.settings), self.pool.clone(), self.clock.clone());
        Lazy::new(move || {
            let mut config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(settings.region.clone()))
                .credentials_provider(SharedCredentialsProvider::new(credentials(&settings)))
                .http_client(Connector::new(pool.clone(), timeout))
                .time_source(SharedTimeSource::new(Time(Arc::clone(&clock))))
                .retry_config(RetryConfig::disabled())
                .timeout_config(TimeoutConfig::disabled())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
            config.set_endpoint_url(settings.endpoint.clone());
            build(&config.build())
        })
    }
}
