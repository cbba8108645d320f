//! What every request shares.

use std::sync::Arc;

use mc_pipeline::Center;

use crate::auth::opened::OpenedKeys;
use crate::auth::password::Passwords;
use crate::auth::sigv4::SigningKeys;
use crate::auth::source::Networks;
use crate::auth::throttle::LoginThrottle;
use crate::noting::Noting;

/// Renders the metrics as Prometheus reads them.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What differs between the places an API runs in.
#[derive(Clone)]
pub struct ApiOptions {
    /// Whether the session cookie is only sent over HTTPS. False only where the console is reached by plain HTTP.
    pub cookie_secure: bool,
    /// Where `GET /metrics` gets its text; without it the route answers 404.
    pub metrics: Option<RenderMetrics>,
    /// The proxies whose word about where a request came from counts.
    pub trusted_proxies: Networks,
    /// The program's version, as `/healthz` tells it.
    pub version: &'static str,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            cookie_secure: true,
            metrics: None,
            trusted_proxies: Networks::default(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The API: one per process, shared by all requests.
pub struct Api {
    /// The use-cases and what they run on.
    pub center: Arc<Center>,
    /// Signing keys of callers that come back.
    pub signing_keys: SigningKeys,
    /// Secrets of access keys, opened.
    pub opened_keys: OpenedKeys,
    /// Hashes and checks operators' passwords.
    pub passwords: Passwords,
    /// Slows down guessing of passwords.
    pub throttle: LoginThrottle,
    /// Notes what strangers cause without letting them fill the log.
    pub noting: Noting,
    /// What differs between places.
    pub options: ApiOptions,
}

impl Api {
    /// An API over a message center.
    pub fn new(center: Arc<Center>, options: ApiOptions) -> Self {
        Self {
            center,
            signing_keys: SigningKeys::default(),
            opened_keys: OpenedKeys::default(),
            passwords: Passwords::new(2),
            throttle: LoginThrottle::default(),
            noting: Noting::default(),
            options,
        }
    }
}
