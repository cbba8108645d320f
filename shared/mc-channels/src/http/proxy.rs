//! A channel's proxy: what its URL says, and what it may be asked for.

use mc_core::ports::{Http, HttpError, HttpErrorKind};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::resolve::{of_address, read_host, told_by_text};
use super::target::bad_url;

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP `CONNECT`.
    Http,
    /// HTTP `CONNECT`, over TLS with the proxy.
    Https,
    /// SOCKS5; names are looked up here.
    Socks5,
    /// SOCKS5; the proxy looks names up.
    Socks5h,
}

/// A proxy, which may want credentials. It has no `Debug`, as they stand in its URL.
pub(crate) struct Proxy {
    url: Url,
    scheme: Scheme,
}

/// What a proxy that does not know us says, as the rest of a sentence that begins with the proxy; `given` tells whether
/// its URL holds credentials.
pub(crate) fn unknown_to_it(given: bool) -> &'static str {
    if given {
        "does not accept the credentials in its URL"
    } else {
        "wants credentials; put them into its URL"
    }
}

impl Proxy {
    /// Reads a proxy's URL; answers what is wrong without showing it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let url =
            Url::parse(text).map_err(|_| "cannot be read; write http://host:port or socks5://host:port")?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "socks5" => Scheme::Socks5,
            "socks5h" => Scheme::Socks5h,
            _ => return Err("must be http, https, socks5 or socks5h"),
        };
        if url.host_str().is_none_or(str::is_empty) {
            return Err("has no host");
        }
        Ok(Self { url, scheme })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        // The `url` crate knows the ports of http and https alone.
        self.url.port_or_known_default().unwrap_or(1080)
    }

    /// What errors call it. Its credentials are not told.
    pub(crate) fn name(&self) -> String {
        format!("the proxy {}:{}", self.host(), self.port())
    }

    /// Whether it is shown requests for `http://` URLs themselves, instead of being asked for a way to the server.
    pub(crate) fn forwards(&self, target: &Url) -> bool {
        target.scheme() == "http" && matches!(self.scheme, Scheme::Http | Scheme::Https)
    }

    /// Name and password, if the URL holds any.
    pub(crate) fn credentials(&self) -> Option<(String, String)> {
        let password = self.url.password();
        if self.url.username().is_empty() && password.is_none() {
            return None;
        }
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Some((decode(self.url.username()), decode(password.unwrap_or_default())))
    }

    /// What the proxy is asked for to reach a host, checked like every target behind a proxy: a name by its text if the
    /// proxy looks it up, and by its addresses if we do.
    pub(crate) async fn destination(
        &self,
        http: &dyn Http,
        host: &str,
        port: u16,
    ) -> Result<Host, HttpError> {
        if self.scheme == Scheme::Socks5 {
            let addresses = http.resolve(host, port).await?;
            let first = addresses.first().ok_or_else(|| HttpError {
                kind: HttpErrorKind::NotResolved,
                text: format!("the name {host} has no address"),
            })?;
            return Ok(of_address(first.ip()));
        }
        if let Some(ip) = told_by_text(host) {
            http.resolve(&ip.to_string(), port).await?;
        }
        read_host(host).map_err(|error| bad_url(format!("the host cannot be read: {error}")))
    }
}
