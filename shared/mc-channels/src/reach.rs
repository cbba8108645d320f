//! Looking whether a server can be reached, for checks of platforms without a harmless call.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{CheckStep, Http, HttpError, HttpErrorKind, HttpRequest, Route};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::http::{Proxy, tls_config};
use crate::tunnel;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do about a call that failed with the code `proxy`.
pub(crate) const CHECK_PROXY: &str = "check the proxy and its credentials";

pub(crate) fn passed(name: &'static str, detail: impl Into<String>) -> CheckStep {
    CheckStep { name: name.into(), ok: true, detail: detail.into(), next_step: None }
}

pub(crate) fn failed(name: &'static str, detail: impl Into<String>, next: impl Into<String>) -> CheckStep {
    CheckStep { name: name.into(), ok: false, detail: detail.into(), next_step: Some(next.into()) }
}

/// The steps `resolve` and `connect` for the server of a URL. With a proxy the name is the proxy's, and what is tried is
/// the way through it.
pub(crate) async fn reach(http: &dyn Http, route: &Route, url: &str) -> Vec<CheckStep> {
    let unreadable = || vec![failed("resolve", "the address cannot be read", "correct the URL or the proxy")];
    let Some(target) = Url::parse(url).ok() else { return unreadable() };
    let (Some(host), Some(port)) = (target.host_str(), target.port_or_known_default()) else {
        return unreadable();
    };
    let mut steps = Vec::new();
    let Some(proxy) = &route.proxy else {
        if let Some(addresses) = resolve(http, host, host, port, &mut steps).await {
            steps.push(connect(host, port, &addresses).await);
        }
        return steps;
    };
    let Ok(proxy) = Proxy::parse(proxy.expose()) else { return unreadable() };
    if resolve(http, &proxy.name(), proxy.host(), proxy.port(), &mut steps).await.is_some() {
        let tried = if proxy.forwards(&target) {
            ask(http, route, &proxy, &target).await
        } else {
            open(http, route, &proxy, (host, port)).await
        };
        steps.push(match tried {
            Ok(detail) => passed("connect", detail),
            Err(error) => {
                let next = next_step(&error);
                failed("connect", format!("{host} is not reached on port {port}: {}", error.text), next)
            }
        });
    }
    steps
}

/// Has the proxy open a way to the server, as it does for every request.
async fn open(
    http: &dyn Http,
    route: &Route,
    proxy: &Proxy,
    (host, port): (&str, u16),
) -> Result<String, HttpError> {
    let tls = tls_config(route.tls_ca.as_deref())
        .map_err(|text| HttpError { kind: HttpErrorKind::Tls, text: format!("tls_ca {text}") })?;
    let tls = TlsConnector::from(Arc::new(tls));
    tunnel::open(proxy, &tls, http, (host, port), CONNECT_TIMEOUT).await?;
    Ok(format!("{host} answers on port {port} through {}", proxy.name()))
}

/// Has the proxy pass on a question that changes nothing: it opens no ways for `http://` URLs, and may refuse to.
async fn ask(http: &dyn Http, route: &Route, proxy: &Proxy, target: &Url) -> Result<String, HttpError> {
    let request = HttpRequest {
        method: "OPTIONS",
        url: Secret::new(&target[..Position::BeforePath]),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        timeout: CONNECT_TIMEOUT,
        redirects: 0,
        max_answer: 64 << 10,
        body_optional: true,
    };
    let answer = http.call(route, request).await?;
    match answer.status {
        status @ (502..=504) => Err(HttpError {
            kind: HttpErrorKind::Proxy,
            text: format!("{} says so (HTTP {status})", proxy.name()),
        }),
        _ => Ok(format!("requests are answered through {}", proxy.name())),
    }
}

fn next_step(error: &HttpError) -> &'static str {
    match error.kind {
        HttpErrorKind::Proxy => CHECK_PROXY,
        HttpErrorKind::Forbidden => {
            "use a public address, or have an operator add this one to MESSAGE_CENTER_EGRESS_ALLOW"
        }
        HttpErrorKind::Tls => "check the certificate; a private host needs tls_ca",
        HttpErrorKind::NotConnected | HttpErrorKind::Unknown | HttpErrorKind::TooLarge => {
            "check the port, the proxy and the firewall"
        }
        HttpErrorKind::NotResolved | HttpErrorKind::BadUrl => {
            "check the spelling of the host and the DNS of this machine"
        }
    }
}

/// The step `resolve` for a host that errors call `name`; answers the addresses if it passed.
pub(crate) async fn resolve(
    http: &dyn Http,
    name: &str,
    host: &str,
    port: u16,
    steps: &mut Vec<CheckStep>,
) -> Option<Vec<SocketAddr>> {
    match http.resolve(host, port).await {
        Ok(addresses) => {
            steps.push(passed("resolve", format!("{name} is known and may be called")));
            Some(addresses)
        }
        Err(error) => {
            let next = next_step(&error);
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
