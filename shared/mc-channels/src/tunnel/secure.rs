//! TLS over a stream that is up already, in the form that lettre takes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use mc_core::ports::{HttpError, HttpErrorKind};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::Stream;
use crate::http::{of_handshake, read_host};

/// Sets up TLS with `host`, which errors call `name`.
pub(crate) async fn secure(
    stream: Stream,
    host: &str,
    name: &str,
    tls: &TlsConnector,
) -> Result<Stream, HttpError> {
    let certified = server_name(host).ok_or_else(|| HttpError {
        kind: HttpErrorKind::BadUrl,
        text: format!("{name} has no name that a certificate could hold"),
    })?;
    let stream = tls.connect(certified, stream).await.map_err(|error| of_handshake(&error, name))?;
    Ok(Box::new(Secured(stream)))
}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    match read_host(host).ok()? {
        Host::Domain(name) => ServerName::try_from(name).ok(),
        Host::Ipv4(ip) => Some(ServerName::IpAddress(ip.into())),
        Host::Ipv6(ip) => Some(ServerName::IpAddress(ip.into())),
    }
}

/// lettre's trait cannot be implemented for a foreign type.
#[derive(Debug)]
struct Secured(TlsStream<Stream>);

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
