//! A URL that may be called, as far as its text tells.

use mc_core::ports::{HttpError, HttpErrorKind};
use url::Url;

/// A parsed http or https URL without credentials.
#[derive(Clone)]
pub(super) struct Target {
    url: Url,
}

impl Target {
    /// Reads a URL. The `url` crate turns every odd spelling of an IPv4 address into the address itself.
    pub(super) fn parse(text: &str) -> Result<Self, HttpError> {
        let url = Url::parse(text).map_err(|e| bad_url(format!("the URL cannot be read: {e}")))?;
        Self::of(url)
    }

    pub(super) fn of(url: Url) -> Result<Self, HttpError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad_url("only http and https URLs are called".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad_url("the URL holds credentials; put them into a header".to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(bad_url("the URL has no host".to_owned()));
        }
        Ok(Self { url })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host if it is a name.
    pub(super) fn name(&self) -> Option<&str> {
        self.url.domain()
    }
}

/// Whether a URL's text is one that can be called, for settings; answers what is wrong.
pub(crate) fn check_url(text: &str) -> Result<(), String> {
    Target::parse(text).map(|_| ()).map_err(|error| error.text)
}

pub(super) fn bad_url(text: String) -> HttpError {
    HttpError { kind: HttpErrorKind::BadUrl, text }
}
