//! The guarded HTTP client: the only way out to hosts that users name.
//!
//! Invariant: no connection is opened to an address that [`EgressPolicy`] has not let pass. Names are looked up by our
//! own resolver inside the connector, so the address that was checked is the address that is connected to.

mod answer;
mod clients;
mod crowd;
mod failure;
mod policy;
mod proxy;
mod redirect;
mod resolve;
mod sent;
mod target;
mod tls;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_core::ports::{Clock, Http, HttpError, HttpErrorKind, HttpRequest, HttpResponse, Route};
use tokio::time::Instant;

pub use policy::{BadEgressPolicy, EgressPolicy};
pub use resolve::{Lookup, SystemLookup};

pub(crate) use clients::check_route;
pub(crate) use failure::{describe, of_handshake};
pub(crate) use proxy::{Proxy, Scheme, unknown_to_it};
pub(crate) use resolve::read_host;
pub(crate) use target::check_url;
pub(crate) use tls::config as tls_config;

use clients::Clients;
use crowd::Crowd;
use redirect::Hops;
use resolve::Gate;
use target::Target;

/// A name that takes longer than this to look up counts as one that does not resolve, when a URL is only admitted.
const ADMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The guarded client over reqwest, with a connection pool per route.
pub struct GuardedHttp {
    gate: Arc<Gate>,
    clients: Clients,
    crowd: Crowd,
    clock: Arc<dyn Clock>,
}

impl GuardedHttp {
    /// A client that asks the system's resolver. Nothing is built before the first call.
    pub fn new(policy: EgressPolicy, clock: Arc<dyn Clock>) -> Self {
        Self::with_lookup(policy, clock, Arc::new(SystemLookup))
    }

    /// A client that looks names up elsewhere.
    pub fn with_lookup(policy: EgressPolicy, clock: Arc<dyn Clock>, lookup: Arc<dyn Lookup>) -> Self {
        let gate = Arc::new(Gate::new(policy, lookup));
        Self { clients: Clients::new(Arc::clone(&gate)), crowd: Crowd::new(), gate, clock }
    }

    async fn follow(
        &self,
        route: &Route,
        hops: &mut Hops,
        optional_until: Option<Instant>,
    ) -> Result<HttpResponse, HttpError> {
        let client = self.clients.get(route)?;
        loop {
            self.gate.check_literal(hops.target().host(), route.proxy.is_some())?;
            let answer = client.execute(hops.request()).await.map_err(|error| {
                failure::of_request(&error, route, hops.target().url(), hops.maybe_sent())
            })?;
            if let Some(refusal) = failure::of_proxy(answer.status(), route, hops.target().url()) {
                return Err(refusal);
            }
            if !hops.advance(&answer)? {
                let (limit, host) = (hops.max_answer(), hops.target().host());
                return answer::read(answer, limit, optional_until, host, &*self.clock).await;
            }
        }
    }
}

#[async_trait]
impl Http for GuardedHttp {
    async fn call(&self, route: &Route, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout;
        // It is over before the limit of the whole call is, so that it is the one that counts.
        let optional_until = request.body_optional.then(|| Instant::now() + limit);
        let mut hops = Hops::new(request)?;
        let request = tokio::time::timeout(limit, self.follow(route, &mut hops, optional_until));
        match self.crowd.admit(request).await {
            Ok(result) => result,
            Err(_) => Err(failure::of_timeout(limit, hops.target().host(), hops.maybe_sent())),
        }
    }

    async fn admit(&self, url: &str) -> Result<(), HttpError> {
        let target = Target::parse(url)?;
        self.gate.check_literal(target.host(), false)?;
        let Some(name) = target.name() else { return Ok(()) };
        match tokio::time::timeout(ADMIT_TIMEOUT, self.gate.addresses(name)).await {
            Ok(Err(error)) if error.kind == HttpErrorKind::Forbidden => Err(error),
            // Whatever else happened, the name is looked up and checked again when it is used.
            _ => Ok(()),
        }
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let addresses = self.gate.addresses(host).await?;
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}
