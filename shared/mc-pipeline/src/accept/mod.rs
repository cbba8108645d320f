//! From a request to a message that can no longer be lost.
//!
//! Parse ([`request`]), check against templates, channels and addresses and lay out the shares ([`plan`]), show
//! ([`preview`]) or write everything at once ([`commit`]).

pub mod address;
pub mod commit;
pub(crate) mod earlier;
mod entering;
mod files;
mod once;
pub mod part;
pub mod plan;
pub mod preview;
pub mod request;

use std::sync::Arc;
use std::time::Duration;

use mc_content::{FieldError, words};
use mc_core::Error;
use mc_core::model::MessageDoc;
use serde_json::{Map, Value};

use crate::limits::Standing;

pub use commit::{Accepted, AcceptedDelivery, accept};
pub use earlier::{Idempotency, RefusedAs, RefusedBefore};
pub use once::accept_once;
pub use preview::{DryRun, Preview, QuotaUse, dry_run};
pub use request::SendRequest;

/// Whether a message's body, kept for later, names this channel.
pub fn goes_through(message: &Map<String, Value>, channel: &str) -> bool {
    let named = message.get("routing").and_then(|routing| routing["channels"].as_array());
    named.is_some_and(|channels| channels.iter().any(|one| one == channel))
}

/// Whether a message's body, kept for later, names this template.
pub fn is_made_of(message: &Map<String, Value>, template: &str) -> bool {
    message.get("template").is_some_and(|one| one == template)
}

/// Whether a message's body, kept for later, names this contact, or this group with its `@`, as a recipient.
pub fn goes_to(message: &Map<String, Value>, member: &str) -> bool {
    let named = message.get("to").and_then(Value::as_array);
    named.is_some_and(|to| to.iter().any(|one| one == member || one["contact"] == member))
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The project everything happens in.
    pub project: Arc<str>,
    /// The access key or operator.
    pub sender: Arc<str>,
    /// The id of the request.
    pub request_id: Arc<str>,
    /// The only channels it may send through; all if there are none.
    pub channels: Arc<[String]>,
    /// Whether the project's limits hold for it. They are for callers from outside.
    pub limited: bool,
}

impl Caller {
    /// A caller from inside: through every channel, without limits.
    pub fn new(
        project: impl Into<Arc<str>>,
        sender: impl Into<Arc<str>>,
        request_id: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            project: project.into(),
            sender: sender.into(),
            request_id: request_id.into(),
            channels: Arc::default(),
            limited: false,
        }
    }

    /// Refuses a channel that the caller may not send through.
    pub fn check_channel(&self, channel: &str, pointer: &str) -> Result<(), Refusal> {
        if self.channels.is_empty() || self.channels.iter().any(|allowed| allowed == channel) {
            return Ok(());
        }
        let detail = format!("this access key may not send through the channel {channel:?}");
        let errors = vec![FieldError::new(pointer, detail.clone())];
        Err(Refusal::Forbidden { code: "channel_not_allowed", detail, errors })
    }

    /// Refuses an accepted message that goes through such a channel: who may not send it does not say when it goes, whether it
    /// goes, or that it is taken back.
    pub fn check_message(&self, message: &MessageDoc) -> Result<(), Refusal> {
        message.deliveries.iter().try_for_each(|plan| self.check_channel(&plan.channel, ""))
    }
}

/// Why a request is not carried out. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// The request itself is wrong: 422, or 400 when it cannot even be read.
    Invalid {
        /// Stable, snake_case.
        code: &'static str,
        /// For people.
        detail: String,
        /// The fields, by JSON pointer.
        errors: Vec<FieldError>,
    },
    /// There is no such thing: 404.
    NotFound(&'static str),
    /// It cannot be done any more, or not that way: 409.
    Conflict {
        /// Stable, snake_case.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The caller may not do this: 403.
    Forbidden {
        /// Stable, snake_case.
        code: &'static str,
        /// For people.
        detail: String,
        /// The fields, by JSON pointer.
        errors: Vec<FieldError>,
    },
    /// A limit of the project is reached: 429.
    Limited {
        /// Stable, snake_case.
        code: &'static str,
        /// For people.
        detail: String,
        /// When to come again.
        wait: Duration,
        /// All limits, as they stand.
        standing: Vec<Standing>,
    },
    /// A port failed.
    Failed(Error),
}

impl Refusal {
    /// One field is wrong.
    pub fn field(code: &'static str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(code, vec![FieldError::new(pointer, detail)])
    }

    /// Several fields are wrong; the text for people is about the first.
    pub fn fields(code: &'static str, errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map(words::standalone).unwrap_or_default();
        Refusal::Invalid { code, detail, errors }
    }

    /// Puts every pointer under a prefix, for a document inside of another.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if let Refusal::Invalid { detail, errors, .. } | Refusal::Forbidden { detail, errors, .. } = &mut self
            && let Some(moved) = words::put_under(prefix, detail, errors)
        {
            *detail = moved;
        }
        self
    }

    /// Code, detail and pointers, for a log that people read. Says nothing of a port's failure.
    pub fn told(&self) -> (&str, &str, Vec<&str>) {
        match self {
            Refusal::Invalid { code, detail, errors } | Refusal::Forbidden { code, detail, errors } => {
                (code, detail, errors.iter().map(|error| error.pointer.as_str()).collect())
            }
            Refusal::NotFound(what) => ("not_found", what, Vec::new()),
            Refusal::Conflict { code, detail } | Refusal::Limited { code, detail, .. } => {
                (code, detail, Vec::new())
            }
            Refusal::Failed(_) => ("internal", "something is wrong on our side; see the log", Vec::new()),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Failed(error)
    }
}
