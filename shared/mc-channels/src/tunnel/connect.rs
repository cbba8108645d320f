//! HTTP `CONNECT` (RFC 9110 §9.3.6) with Basic credentials.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Host;

use super::Denied;
use crate::http::unknown_to_it;

/// A proxy that says more before the way is open is none.
const LONGEST_HEAD: usize = 8192;

/// Asks a proxy for a way to the target; afterwards the stream is that way.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &Host,
    port: u16,
    credentials: Option<(String, String)>,
) -> Result<(), Denied> {
    let known = credentials.is_some();
    stream.write_all(request(target, port, credentials).as_bytes()).await?;
    stream.flush().await?;
    let reason = match status(&head(stream).await?) {
        Some(200..=299) => return Ok(()),
        Some(407) => format!("{} (HTTP 407)", unknown_to_it(known)).into(),
        Some(code) => format!("refuses the way to {target}:{port} (HTTP {code})").into(),
        None => "does not answer like an HTTP proxy".into(),
    };
    Err(Denied::Because(reason))
}

fn request(target: &Host, port: u16, credentials: Option<(String, String)>) -> String {
    let mut request = format!("CONNECT {target}:{port} HTTP/1.1\r\nHost: {target}:{port}\r\n");
    if let Some((name, password)) = credentials {
        request.push_str("Proxy-Authorization: Basic ");
        STANDARD.encode_string(format!("{name}:{password}"), &mut request);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Reads byte by byte to the empty line: what comes after it is the server's.
async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, Denied> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(Denied::Because("does not answer like an HTTP proxy".into()));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

/// The code in a status line like `HTTP/1.1 200 Connected`.
fn status(head: &[u8]) -> Option<u16> {
    let head = String::from_utf8_lossy(head);
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next().filter(|code| code.len() == 3)?.parse().ok()
}
