//! Looking whether a server can be reached, for checks of platforms without a harmless call.

use std::net::SocketAddr;
use std::time::Duration;

use mc_core::ports::{CheckStep, Http, HttpErrorKind, Route};
use tokio::net::TcpStream;
use url::Url;

use crate::http::Proxy;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) fn passed(name: &'static str, detail: impl Into<String>) -> CheckStep {
    CheckStep { name: name.into(), ok: true, detail: detail.into(), next_step: None }
}

pub(crate) fn failed(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> CheckStep {
    CheckStep { name: name.into(), ok: false, detail: detail.into(), next_step: Some(next.into()) }
}

/// The steps `resolve` and `connect` for the server of a URL, or for the proxy in front of it.
pub(crate) async fn reach(http: &dyn Http, route: &Route, url: &str) -> Vec<CheckStep> {
    let Some((host, port)) = first_hop(route, url) else {
        return vec![failed("resolve", "the address cannot be read", "correct the URL or the proxy")];
    };
    let mut steps = Vec::new();
    if let Some(addresses) = resolve(http, &host, port, &mut steps).await {
        steps.push(connect(&host, port, &addresses).await);
    }
    steps
}

fn first_hop(route: &Route, url: &str) -> Option<(String, u16)> {
    if let Some(proxy) = &route.proxy {
        let proxy = Proxy::parse(proxy.expose()).ok()?;
        return Some((proxy.host().to_owned(), proxy.port()));
    }
    let url = Url::parse(url).ok()?;
    Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// The step `resolve`; answers the addresses if it passed.
pub(crate) async fn resolve(
    http: &dyn Http,
    host: &str,
    port: u16,
    steps: &mut Vec<CheckStep>,
) -> Option<Vec<SocketAddr>> {
    match http.resolve(host, port).await {
        Ok(addresses) => {
            steps.push(passed("resolve", format!("{host} is known and may be called")));
            Some(addresses)
        }
        Err(error) => {
            let next = match error.kind {
                HttpErrorKind::Forbidden => {
                    "use a public address, or have an operator add this one to MESSAGE_CENTER_EGRESS_ALLOW"
                }
                _ => "check the spelling of the host and the DNS of this machine",
            };
            steps.push(failed("resolve", error.text, next));
            None
        }
    }
}

async fn connect(host: &str, port: u16, addresses: &[SocketAddr]) -> CheckStep {
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses)).await {
        Ok(Ok(_)) => passed("connect", format!("{host} answers on port {port}")),
        Ok(Err(error)) => failed(
            "connect",
            format!("{host} does not answer on port {port}: {}", error.kind()),
            "check the port and the firewall, or set a proxy",
        ),
        Err(_) => failed(
            "connect",
            format!("{host} does not answer on port {port} within {} s", CONNECT_TIMEOUT.as_secs()),
            "a firewall probably drops the connection; open it, or set a proxy",
        ),
    }
}
