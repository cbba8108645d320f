//! Names to addresses, each of them checked.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use mc_core::ports::{HttpError, HttpErrorKind};
use url::Host;

use super::policy::EgressPolicy;

/// Where names are looked up.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All addresses of a name, best first.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The one place where an address is let pass or refused.
pub(super) struct Gate {
    policy: EgressPolicy,
    lookup: Arc<dyn Lookup>,
}

impl Gate {
    pub(super) fn new(policy: EgressPolicy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }

    /// Checks a host that is an address already; names are checked when they are looked up.
    ///
    /// Behind a proxy the proxy looks names up, so a name that means this machine is refused by its text.
    pub(super) fn check_literal(&self, host: &str, behind_proxy: bool) -> Result<(), HttpError> {
        let ip = if behind_proxy { told_by_text(host) } else { literal(host) };
        match ip {
            Some(ip) if !self.policy.allows(ip) => Err(forbidden(host)),
            _ => Ok(()),
        }
    }

    /// The allowed addresses of a host, which may be a name or an address in any form.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, HttpError> {
        let found = match literal(host) {
            Some(ip) => vec![ip],
            None => self.lookup.lookup(host).await.unwrap_or_default(),
        };
        if found.is_empty() {
            return Err(HttpError {
                kind: HttpErrorKind::NotResolved,
                text: format!("the name {host} does not resolve; check its spelling and the DNS"),
            });
        }
        let allowed: Vec<IpAddr> = found.into_iter().filter(|ip| self.policy.allows(*ip)).collect();
        if allowed.is_empty() { Err(forbidden(host)) } else { Ok(allowed) }
    }
}

/// The address of a host that a proxy looks up, as far as its text tells.
pub(super) fn told_by_text(host: &str) -> Option<IpAddr> {
    literal(host).or_else(|| is_localhost(host).then_some(IpAddr::from([127, 0, 0, 1])))
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

fn literal(host: &str) -> Option<IpAddr> {
    match read_host(host).ok()? {
        Host::Ipv4(ip) => Some(ip.into()),
        Host::Ipv6(ip) => Some(ip.into()),
        Host::Domain(_) => None,
    }
}

/// Reads a host with or without the brackets of an URL; an odd spelling of an address is the address.
pub(crate) fn read_host(text: &str) -> Result<Host, url::ParseError> {
    match text.parse() {
        Ok(ip) => Ok(of_address(ip)),
        Err(_) => Host::parse(text),
    }
}

pub(super) fn of_address(ip: IpAddr) -> Host {
    match ip {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    }
}

fn forbidden(host: &str) -> HttpError {
    HttpError {
        kind: HttpErrorKind::Forbidden,
        text: format!(
            "{host} is a private, loopback, link-local or otherwise special address; an operator can allow it in \
             MESSAGE_CENTER_EGRESS_ALLOW"
        ),
    }
}

/// A refusal of the gate on its way up through the connector.
#[derive(Debug)]
pub(super) struct Refused(pub(super) HttpError);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refused {}

/// The gate as reqwest's connector sees it.
pub(super) struct GatedDns(pub(super) Arc<Gate>);

impl reqwest::dns::Resolve for GatedDns {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = gate.addresses(name.as_str()).await.map_err(Refused)?;
            // The connector puts the port of the URL in place of 0.
            Ok(Box::new(addresses.into_iter().map(|ip| (ip, 0_u16).into())) as reqwest::dns::Addrs)
        })
    }
}
