//! What comes back from a platform after a push: receipts, clicks, and what can still be done about a message.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::channel::SendError;
use crate::model::Recipient;
use crate::state::State;
use crate::time::Timestamp;

/// A request that came to a channel's callback address.
#[derive(Clone, Copy, Debug)]
pub struct CallbackRequest<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// What follows `?`, as it was sent.
    pub query: &'a str,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// The body.
    pub body: &'a [u8],
}

impl CallbackRequest<'_> {
    /// The first header of this name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What the platform is answered, and what it told.
#[derive(Clone, Debug, PartialEq)]
pub struct CallbackAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// What the platform told. The answer leaves after all of it is stored.
    pub news: Vec<News>,
    /// What the channel has still to do on the platform, in its own words: see [`Callbacks::follow`].
    pub then: Option<Value>,
}

impl CallbackAnswer {
    /// 200 with a plain text, as WeCom and WeChat want it.
    pub fn text(body: impl Into<String>, news: Vec<News>) -> Self {
        Self { status: 200, content_type: "text/plain; charset=utf-8", body: body.into(), news, then: None }
    }

    /// 200 with a JSON document, as DingTalk and Feishu want it.
    pub fn json(body: &Value, news: Vec<News>) -> Self {
        Self { status: 200, content_type: "application/json", body: body.to_string(), news, then: None }
    }
}

/// A callback that is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallbackError {
    /// It is not the platform's: 401, and a note in the system log.
    Signature,
    /// It is of somebody else than the setting with this name says: 401 like any stranger's, and the note in the system
    /// log names the setting.
    Stranger(&'static str),
    /// It cannot be read: 400 with these words, which hold no secret.
    Malformed(String),
    /// The channel lacks what the check needs: 409, naming the setting to fill in (`/secrets/token`).
    NotConfigured(&'static str),
}

/// What a platform tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What became of a push, or of one recipient of it.
    Receipt {
        /// The platform's id of the push, as [`Receipt::platform_id`](super::Receipt::platform_id) gave it.
        platform_id: String,
        /// The address as the platform names it; all recipients of the push if `None`.
        to: Option<String>,
        /// What became of it: delivered, read, failed or recalled (sent confirms a push whose outcome was lost).
        state: State,
        /// The platform's code of a failure.
        code: Option<String>,
        /// The platform's words.
        text: Option<String>,
        /// When it happened, if the platform says.
        at: Option<Timestamp>,
    },
    /// Somebody pressed a button.
    Action {
        /// The platform's id of the push that the button came with, if it is told.
        platform_id: Option<String>,
        /// Who, as the platform names people.
        user: Option<String>,
        /// Which button: the key it was given.
        action: String,
        /// Everything else that was told.
        data: Value,
    },
    /// An address that must not be written to any more.
    Suppress {
        /// The address.
        address: String,
        /// Why, in one word: `bounce`, `complaint`, `unsubscribe`.
        reason: &'static str,
        /// The platform's words.
        text: String,
    },
    /// Anything else worth telling: it goes into the system log.
    Other {
        /// What happened (`enter_agent`, `subscribe`).
        what: String,
        /// The details, without secrets.
        data: Value,
    },
}

/// A channel whose platform calls us.
#[async_trait]
pub trait Callbacks: Send + Sync {
    /// Checks and reads what came.
    ///
    /// # Behavior
    /// - The platform's own signature is the only authentication: nothing is read before it holds.
    /// - Never panics, whatever the bytes are.
    /// - Calls nobody but for keys that the check needs (certificates, tokens).
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError>;

    /// Does on the platform what an answer's [`then`](CallbackAnswer::then) asks for: a card whose button was pressed
    /// shows that.
    ///
    /// # Behavior
    /// - Called once the news is stored and before the platform is answered, which waits for a few seconds only.
    /// - A platform that repeats its call has it done again, and that is no failure. A failure changes nothing else.
    async fn follow(&self, _then: &Value) -> Result<(), SendError> {
        Ok(())
    }
}

/// A channel that can take a message back.
#[async_trait]
pub trait Recalls: Send + Sync {
    /// Takes one push back.
    ///
    /// # Behavior
    /// - Ok also when it was taken back before.
    async fn recall(&self, platform_id: &str) -> Result<(), SendError>;
}

/// What asking came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// What became of the push so far; what was told before may be told again.
    pub news: Vec<News>,
    /// Nothing more will come.
    pub done: bool,
}

/// A channel whose platform must be asked what became of a push.
#[async_trait]
pub trait Polls: Send + Sync {
    /// When to ask, counted from the push, ascending.
    fn after(&self) -> &'static [Duration];

    /// Asks what became of a push to these recipients.
    async fn poll(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError>;

    /// Whether a failure with this code says that the recipient has the very same content already. After a try whose
    /// outcome was lost it means that the try arrived.
    fn has_it_already(&self, _code: &str) -> bool {
        false
    }
}
