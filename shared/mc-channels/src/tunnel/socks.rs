//! SOCKS5 (RFC 1928) with name and password (RFC 1929).

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use url::Host;

use super::Denied;
use crate::http::unknown_to_it;

const VERSION: u8 = 5;
const NO_CREDENTIALS: u8 = 0;
const NAME_AND_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

/// Asks a proxy for a way to the target; afterwards the stream is that way.
pub(super) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    target: &Host,
    port: u16,
    credentials: Option<(String, String)>,
) -> Result<(), Denied> {
    // The credentials are an offer: a proxy that knows us by our address may do without.
    let offer: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_CREDENTIALS, NAME_AND_PASSWORD],
        None => &[VERSION, 1, NO_CREDENTIALS],
    };
    write(stream, offer).await?;
    match (read(stream).await?, credentials) {
        ([VERSION, NO_CREDENTIALS], _) => {}
        ([VERSION, NAME_AND_PASSWORD], Some((name, password))) => sign_in(stream, &name, &password).await?,
        ([VERSION, NONE_ACCEPTABLE], None) => return because(unknown_to_it(false)),
        ([VERSION, NONE_ACCEPTABLE], Some(_)) => return because("takes no name and password"),
        _ => return because("does not answer like a SOCKS5 proxy"),
    }
    write(stream, &request(target, port)?).await?;
    let [version, reply, _, kind] = read(stream).await?;
    if version != VERSION {
        return because("does not answer like a SOCKS5 proxy");
    }
    if reply != 0 {
        let reason = format!("refuses the way to {target}:{port}: {}", meaning(reply));
        return Err(Denied::Because(reason.into()));
    }
    skip_address(stream, kind).await
}

async fn sign_in<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    name: &str,
    password: &str,
) -> Result<(), Denied> {
    let mut request = vec![1];
    for text in [name, password] {
        request.push(length(text, "cannot be given credentials of more than 255 bytes")?);
        request.extend_from_slice(text.as_bytes());
    }
    write(stream, &request).await?;
    let [_, refused] = read(stream).await?;
    if refused != 0 {
        return because(unknown_to_it(true));
    }
    Ok(())
}

fn request(target: &Host, port: u16) -> Result<Vec<u8>, Denied> {
    let mut request = vec![VERSION, 1, 0];
    match target {
        Host::Ipv4(ip) => {
            request.push(1);
            request.extend_from_slice(&ip.octets());
        }
        Host::Domain(name) => {
            request.push(3);
            request.push(length(name, "cannot be asked for a name of more than 255 bytes")?);
            request.extend_from_slice(name.as_bytes());
        }
        Host::Ipv6(ip) => {
            request.push(4);
            request.extend_from_slice(&ip.octets());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

/// The address that the proxy calls from ends its answer; what comes after it is the server's.
async fn skip_address<S: AsyncRead + Unpin>(stream: &mut S, kind: u8) -> Result<(), Denied> {
    let length = match kind {
        1 => 4,
        3 => usize::from(stream.read_u8().await?),
        4 => 16,
        _ => return because("does not answer like a SOCKS5 proxy"),
    };
    let mut address_and_port = vec![0; length + 2];
    stream.read_exact(&mut address_and_port).await?;
    Ok(())
}

fn meaning(reply: u8) -> &'static str {
    match reply {
        2 => "its rules do not allow it",
        3 => "the network is unreachable from there",
        4 => "the host is unreachable from there",
        5 => "the host refused the connection",
        6 => "it took too long",
        7 => "it does not know the command",
        8 => "it does not know this kind of address",
        _ => "it failed",
    }
}

fn length(text: &str, otherwise: &'static str) -> Result<u8, Denied> {
    u8::try_from(text.len()).map_err(|_| Denied::Because(otherwise.into()))
}

fn because<T>(reason: &'static str) -> Result<T, Denied> {
    Err(Denied::Because(reason.into()))
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> Result<(), Denied> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(())
}

async fn read<S: AsyncRead + Unpin, const N: usize>(stream: &mut S) -> Result<[u8; N], Denied> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
