//! What a sandbox can be told when it is built.

use std::sync::Arc;
use std::time::Duration;

/// Tells the time in Unix milliseconds. Tests turn it by hand; the program passes the real one.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Settings of a [`Sandbox`](crate::Sandbox); start from [`SandboxOptions::new`] and change fields.
#[derive(Clone)]
pub struct SandboxOptions {
    /// The only source of time for signatures, windows and the inbox.
    pub clock: Clock,
    /// How many items the inbox keeps before it drops the oldest.
    pub inbox_capacity: usize,
    /// How many bytes of raw bodies the inbox keeps before it drops the oldest. Without this, ten thousand
    /// images would be ten thousand times 2 MB.
    pub inbox_bytes: usize,
    /// The robots' rate limit, or `None` to switch it off for load tests.
    pub rate_limit: Option<RateLimit>,
    /// Settings of the SMTP listener.
    pub smtp: SmtpOptions,
}

/// So many messages per robot in a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How long a message counts.
    pub window: Duration,
    /// How many messages fit into the window.
    pub messages: usize,
}

/// Settings of the SMTP listener.
#[derive(Clone, Debug)]
pub struct SmtpOptions {
    /// The name in the greeting.
    pub hostname: String,
    /// The largest mail in bytes, announced as `SIZE`.
    pub max_size: usize,
    /// Refuse `MAIL` before a successful `AUTH`.
    pub require_auth: bool,
    /// Refuse a sender that is not the logged-in account, as Tencent and NetEase mailboxes do.
    pub sender_must_match: bool,
    /// How long to wait for a line before giving up with 421.
    pub line_timeout: Duration,
    /// How long a recipient with `slow` in its local part waits for its answer.
    pub slow: Duration,
}

impl SandboxOptions {
    /// The platforms' own limits, with the given clock.
    pub fn new(clock: Clock) -> SandboxOptions {
        SandboxOptions {
            clock,
            inbox_capacity: 10_000,
            inbox_bytes: 256 << 20,
            rate_limit: Some(RateLimit::default()),
            smtp: SmtpOptions::default(),
        }
    }
}

impl Default for RateLimit {
    fn default() -> RateLimit {
        RateLimit { window: Duration::from_secs(60), messages: 20 }
    }
}

impl Default for SmtpOptions {
    fn default() -> SmtpOptions {
        SmtpOptions {
            hostname: "sandbox.local".to_owned(),
            max_size: 10 << 20,
            require_auth: false,
            sender_must_match: false,
            line_timeout: Duration::from_secs(300),
            slow: Duration::from_secs(2),
        }
    }
}
