//! What all processes share of an account on a platform: access tokens, ids of uploaded media.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;

use super::channel::SendError;
use crate::secret::Secret;

/// A value that a platform gave us for a while.
#[derive(Clone, Debug)]
pub struct Token {
    /// The value.
    pub value: Secret,
    /// For how long it may be used, counted from the platform's answer.
    pub lives: Duration,
}

/// A call to the platform that is under way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Token, SendError>> + Send + 'a>>;

/// How a value is got from the platform: one call, made only when it is needed.
pub type Fetch<'a> = dyn Fn() -> Fetching<'a> + Send + Sync + 'a;

/// The values platforms gave us, one of each for all processes.
///
/// A name is chosen by the kind and contains the account, so that two channels of one account share
/// (`wecom:{corp_id}:{agent_id}`, `media:{kind}:{account}:{sha256}`).
///
/// # Behavior
/// - Whoever asks at the same time, in whatever process, shares one fetch.
/// - A value is fetched anew a little before its end; while that goes on, others go on with the old one.
/// - A failed fetch is answered to all that waited for it, and is not repeated within a second.
/// - A process that dies while it fetches holds the others up for 20 s at most.
/// - A fetch may ask for another name (an upload needs the access token), as each name has a turn and a lease of its own.
///   It must not ask in a circle: what it asks for never asks back.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// The value kept under `name` in `project`, fetched if there is none or if the one there is `rejected`.
    ///
    /// # Behavior
    /// - `rejected` is compared with what is kept: a newer value is answered without a fetch.
    /// - A value that lives for no time is answered and not kept.
    async fn get(
        &self,
        project: &str,
        name: &str,
        rejected: Option<&Secret>,
        fetch: &Fetch<'_>,
    ) -> Result<Secret, SendError>;
}
