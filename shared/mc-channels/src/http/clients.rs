//! One connection pool per route, built when first used.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use mc_core::ports::{HttpError, HttpErrorKind, Route};

use super::proxy::Proxy;
use super::resolve::{Gate, GatedDns};
use super::target::bad_url;
use super::tls;

/// Connections that wait longer for work are closed, before most servers close them under a request.
const IDLE: Duration = Duration::from_secs(25);

/// A connection that is not up by then will not come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// Idle connections kept to one host; more than any channel pushes at a time.
const IDLE_PER_HOST: usize = 1024;

/// How many routes with a proxy or own trust keep a pool.
const ROUTES: usize = 64;

pub(super) struct Clients {
    gate: Arc<Gate>,
    direct: OnceLock<reqwest::Client>,
    /// The route used last is at the end; the one at the front goes when there are too many.
    special: Mutex<Vec<(Route, reqwest::Client)>>,
}

impl Clients {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate, direct: OnceLock::new(), special: Mutex::new(Vec::new()) }
    }

    /// The client of a route.
    pub(super) fn get(&self, route: &Route) -> Result<reqwest::Client, HttpError> {
        if route.proxy.is_none() && route.tls_ca.is_none() {
            if let Some(client) = self.direct.get() {
                return Ok(client.clone());
            }
            let client = self.build(route)?;
            return Ok(self.direct.get_or_init(|| client).clone());
        }
        let mut special = self.special.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = special.iter().rposition(|(known, _)| known == route) {
            let last = special.len() - 1;
            if at != last {
                special[at..].rotate_left(1);
            }
            return Ok(special[last].1.clone());
        }
        let client = self.build(route)?;
        if special.len() >= ROUTES {
            special.remove(0);
        }
        special.push((route.clone(), client.clone()));
        Ok(client)
    }

    fn build(&self, route: &Route) -> Result<reqwest::Client, HttpError> {
        let tls = tls::config(route.tls_ca.as_deref())
            .map_err(|text| HttpError { kind: HttpErrorKind::Tls, text: format!("tls_ca {text}") })?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(GatedDns(Arc::clone(&self.gate)))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .no_proxy()
            .user_agent(concat!("message-center/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST);
        if let Some(proxy) = &route.proxy {
            let proxy = Proxy::parse(proxy.expose()).map_err(|text| bad_url(format!("the proxy {text}")))?;
            // An address is connected to without a lookup, so it is checked here; a name passes through the gate.
            self.gate.check_literal(proxy.host(), false)?;
            let proxy = reqwest::Proxy::all(proxy.url().clone())
                .map_err(|_| bad_url("the proxy cannot be used".to_owned()))?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|_| bad_url("the HTTP client cannot be set up".to_owned()))
    }
}

/// Whether a route can be used, for settings: the pointer of what is wrong and what to do.
pub(crate) fn check_route(route: &Route) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    if let Some(proxy) = &route.proxy
        && let Err(text) = Proxy::parse(proxy.expose())
    {
        problems.push(("/proxy", text.to_owned()));
    }
    if let Some(pem) = &route.tls_ca
        && let Err(text) = tls::config(Some(pem))
    {
        problems.push(("/tls_ca", text));
    }
    problems
}
