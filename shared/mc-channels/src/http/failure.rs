//! What went wrong, told by kind and host and nothing else.
//!
//! reqwest's errors print whole URLs, in which platforms keep their secrets; none of their texts is passed on.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use mc_core::ports::{HttpError, HttpErrorKind};

use super::resolve::Refused;

pub(super) fn of_request(error: &reqwest::Error, host: &str, maybe_sent: bool) -> HttpError {
    if let Some(Refused(inner)) = find(error) {
        return inner.clone();
    }
    if error.is_builder() {
        return HttpError { kind: HttpErrorKind::BadUrl, text: "the URL cannot be used".to_owned() };
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
        None if error.is_connect() => "it could not be set up (a proxy may have refused)",
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
