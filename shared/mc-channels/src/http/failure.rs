//! What went wrong, told by kind and host and nothing else.
//!
//! reqwest's errors print whole URLs, in which platforms keep their secrets; none of their texts is passed on.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::StatusCode;
use mc_core::ports::{HttpError, HttpErrorKind, Route};
use url::Url;

use super::proxy::{Proxy, unknown_to_it};
use super::resolve::Refused;

/// What hyper-util's connectors say when a proxy opens no way. Their types are private, so that these words are all that
/// tells a proxy's failure from the target's.
const TUNNEL: &str = "tunnel error: ";
const SOCKS: &str = "SOCKS error: ";

pub(super) fn of_request(error: &reqwest::Error, route: &Route, target: &Url, maybe_sent: bool) -> HttpError {
    let host = target.host_str().unwrap_or_default();
    if let Some(Refused(inner)) = find(error) {
        return inner.clone();
    }
    if error.is_builder() {
        return HttpError { kind: HttpErrorKind::BadUrl, text: "the URL cannot be used".to_owned() };
    }
    if let Some(proxy) = proxy_of(route).filter(|_| error.is_connect())
        && let Some(text) = describe_proxy(error, &proxy, target)
    {
        return HttpError { kind: HttpErrorKind::Proxy, text };
    }
    if let Some(tls) = find::<rustls::Error>(error)
        && error.is_connect()
    {
        return of_tls(tls, host);
    }
    if error.is_connect() || !maybe_sent {
        return HttpError {
            kind: HttpErrorKind::NotConnected,
            text: format!("no connection to {host}: {}", describe_io(error)),
        };
    }
    HttpError {
        kind: HttpErrorKind::Unknown,
        text: format!("the connection to {host} broke before the answer: {}", describe_io(error)),
    }
}

/// The proxy's own answer to a request that it was to pass on: it does not know us.
pub(super) fn of_proxy(status: StatusCode, route: &Route, target: &Url) -> Option<HttpError> {
    let proxy = proxy_of(route).filter(|proxy| proxy.forwards(target))?;
    (status == StatusCode::PROXY_AUTHENTICATION_REQUIRED)
        .then(|| HttpError { kind: HttpErrorKind::Proxy, text: unknown(&proxy, " (HTTP 407)") })
}

fn proxy_of(route: &Route) -> Option<Proxy> {
    route.proxy.as_ref().and_then(|proxy| Proxy::parse(proxy.expose()).ok())
}

fn unknown(proxy: &Proxy, how: &str) -> String {
    format!("{} {}{how}", proxy.name(), unknown_to_it(proxy.credentials().is_some()))
}

/// What a proxy did if it is to blame that there is no connection.
fn describe_proxy(error: &reqwest::Error, proxy: &Proxy, target: &Url) -> Option<String> {
    let start: &(dyn StdError + 'static) = error;
    let said = std::iter::successors(Some(start), |&error| error.source())
        .map(ToString::to_string)
        .find_map(|text| text.strip_prefix(TUNNEL).or_else(|| text.strip_prefix(SOCKS)).map(str::to_owned));
    let name = proxy.name();
    let text = match said.as_deref() {
        Some("proxy authorization required") => unknown(proxy, " (HTTP 407)"),
        Some("credentials not accepted") => unknown(proxy, ""),
        // It wants another way to sign in than the one it was offered.
        Some(
            "server does not support user/pass authentication"
            | "server implements authentication incorrectly",
        ) => match proxy.credentials() {
            Some(_) => format!("{name} takes no name and password"),
            None => unknown(proxy, ""),
        },
        Some("unsuccessful") => {
            format!("{name} refuses the way to {}", target.host_str().unwrap_or_default())
        }
        None if !proxy.forwards(target) => return None,
        // Where the proxy passes requests on, it is the only one that is connected to.
        _ => match find::<rustls::Error>(error) {
            Some(tls) => {
                format!("TLS with {name} failed: {}; a private host needs tls_ca", describe_tls(tls))
            }
            None => format!("no connection through {name}: {}", describe_io(error)),
        },
    };
    Some(text)
}

/// A TLS handshake over a stream that was up failed.
pub(crate) fn of_handshake(error: &io::Error, host: &str) -> HttpError {
    match find::<rustls::Error>(error) {
        Some(tls) => of_tls(tls, host),
        None => HttpError {
            kind: HttpErrorKind::NotConnected,
            text: format!("no connection to {host}: {}", describe(error)),
        },
    }
}

fn of_tls(error: &rustls::Error, host: &str) -> HttpError {
    HttpError {
        kind: HttpErrorKind::Tls,
        text: format!("TLS with {host} failed: {}; a private host needs tls_ca", describe_tls(error)),
    }
}

pub(super) fn of_timeout(limit: Duration, host: &str, maybe_sent: bool) -> HttpError {
    let seconds = limit.as_secs_f32();
    if maybe_sent {
        HttpError { kind: HttpErrorKind::Unknown, text: format!("no answer from {host} within {seconds} s") }
    } else {
        HttpError {
            kind: HttpErrorKind::NotConnected,
            text: format!("no connection to {host} within {seconds} s"),
        }
    }
}

pub(super) fn of_body(error: &reqwest::Error, host: &str) -> HttpError {
    HttpError {
        kind: HttpErrorKind::Unknown,
        text: format!("the connection to {host} broke inside the answer: {}", describe_io(error)),
    }
}

pub(super) fn too_large(limit: usize, host: &str) -> HttpError {
    HttpError {
        kind: HttpErrorKind::TooLarge,
        text: format!("the answer of {host} is larger than {limit} bytes"),
    }
}

/// Finds an error of a type in the chain. An `io::Error` hides what it wraps from `source`, so it is opened by hand.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find::<T>(inner)
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn describe_tls(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired"
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer) => "its certificate's issuer is not trusted",
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "its certificate is for another name"
        }
        rustls::Error::InvalidCertificate(_) => "its certificate is not valid",
        rustls::Error::AlertReceived(_) => "the other side refused",
        rustls::Error::InvalidMessage(_) => "the other side does not speak TLS",
        _ => "the handshake did not succeed",
    }
}

fn describe_io(error: &reqwest::Error) -> &'static str {
    match find::<io::Error>(error).and_then(|error| describe_kind(error.kind())) {
        Some(known) => known,
        None if error.is_timeout() => "timed out",
        None if error.is_connect() => "it could not be set up",
        None => "it ended early or was not HTTP",
    }
}

/// What happened to a stream.
pub(crate) fn describe(error: &io::Error) -> &'static str {
    describe_kind(error.kind()).unwrap_or("it ended early")
}

fn describe_kind(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::ConnectionRefused => Some("refused"),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Some("reset by the other side"),
        io::ErrorKind::UnexpectedEof => Some("closed by the other side"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Some("unreachable"),
        io::ErrorKind::TimedOut => Some("timed out"),
        _ => None,
    }
}
