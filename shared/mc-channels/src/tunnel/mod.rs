//! A way to the server through the channel's proxy.
//!
//! The handshakes are our own: an SMTP server speaks first, and hyper-util's connectors lose what arrives in one piece
//! with the proxy's answer (hyperium/hyper#4095). Ours read no byte beyond that answer.

mod connect;
mod secure;
mod socks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncTokioStream;
use mc_core::ports::{Http, HttpError, HttpErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::http::{Proxy, Scheme, describe};

pub(crate) use secure::secure;

/// What lettre can speak SMTP over.
pub(crate) type Stream = Box<dyn AsyncTokioStream>;

/// Why a proxy opens no way.
enum Denied {
    /// The stream broke.
    Lost(io::Error),
    /// The rest of a sentence that begins with the proxy.
    Because(Cow<'static, str>),
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

/// Connects to the proxy and has it connect to the server.
///
/// # Behavior
/// - Both are checked like the proxy and the target of an HTTP call, before anything is connected.
/// - A proxy that does not answer or refuses is told as [`HttpErrorKind::Proxy`], named without its credentials.
/// - Each address of the proxy gets `limit` to answer, and then the proxy gets it to open the way.
pub(crate) async fn open(
    proxy: &Proxy,
    tls: &TlsConnector,
    http: &dyn Http,
    (host, port): (&str, u16),
    limit: Duration,
) -> Result<Stream, HttpError> {
    let target = proxy.destination(http, host, port).await?;
    let addresses = http.resolve(proxy.host(), proxy.port()).await?;
    let name = proxy.name();
    let mut stream = reach(&addresses, limit)
        .await
        .map_err(|error| refused(format!("no connection to {name}: {}", describe(&error))))?;
    let opening = async {
        if proxy.scheme() == Scheme::Https {
            stream = secure(stream, proxy.host(), &name, tls).await?;
        }
        match ask(&mut stream, proxy, &target, port).await {
            Ok(()) => Ok(stream),
            Err(Denied::Lost(error)) => {
                Err(refused(format!("{name} broke off before it opened the way: {}", describe(&error))))
            }
            Err(Denied::Because(reason)) => Err(refused(format!("{name} {reason}"))),
        }
    };
    match tokio::time::timeout(limit, opening).await {
        Ok(result) => result,
        Err(_) => Err(refused(format!("{name} did not open the way within {} s", limit.as_secs_f32()))),
    }
}

/// Connects to the first of the addresses that answers.
pub(crate) async fn reach(addresses: &[SocketAddr], limit: Duration) -> io::Result<Stream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match tokio::time::timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // A mail ends with a short write of its own, which would wait for the answer to the one before.
                stream.set_nodelay(true)?;
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    proxy: &Proxy,
    target: &Host,
    port: u16,
) -> Result<(), Denied> {
    let credentials = proxy.credentials();
    match proxy.scheme() {
        Scheme::Http | Scheme::Https => connect::ask(stream, target, port, credentials).await,
        Scheme::Socks5 | Scheme::Socks5h => socks::ask(stream, target, port, credentials).await,
    }
}

fn refused(text: String) -> HttpError {
    HttpError { kind: HttpErrorKind::Proxy, text }
}
