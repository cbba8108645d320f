//! Errors that say what happens next.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// What a port answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was, for people and for the HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backing service is not there, is slow, or is full. The same call may succeed later.
    Unavailable,
    /// The backing service asks for a slower pace.
    Throttled,
    /// What was read is not what we wrote: a damaged row, an unknown version.
    Corrupt,
    /// A secret cannot be opened: its key is not in the key ring.
    Sealed,
    /// A fault of this program.
    Internal,
}

/// Whether, and when, the same call is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Repeating it cannot help.
    Never,
    /// Worth repeating, with the caller's own backoff.
    Backoff,
    /// Worth repeating, not sooner than this.
    After(Duration),
}

/// A failure of a port.
///
/// The text is for the log; it never holds a secret, and an HTTP answer never shows it.
pub struct Error {
    /// For people and the HTTP answer.
    pub kind: ErrorKind,
    /// For the machine.
    pub retry: Retry,
    message: Cow<'static, str>,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of a kind, with that kind's usual retry decision.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let retry = match kind {
            ErrorKind::Unavailable | ErrorKind::Throttled => Retry::Backoff,
            ErrorKind::Corrupt | ErrorKind::Sealed | ErrorKind::Internal => Retry::Never,
        };
        Self { kind, retry, message: message.into(), context: Vec::new(), source: None }
    }

    /// Adds a key and a value that help to find the cause.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.context.push((key, value.to_string()));
        self
    }

    /// Keeps the failure underneath.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The text without the context.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (key, value) in &self.context {
            write!(f, " {key}={value}")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::new(ErrorKind::Corrupt, "a stored document cannot be read").because(error)
    }
}
