//! Ids of people that were found by their mobile number, kept for a while.

use std::future::Future;
use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Fetching, SendError, SendFailure, Token, Tokens};
use ring::digest::{SHA256, digest};

/// How long somebody who was found stays found.
const FOUND: Duration = Duration::from_secs(86_400);
/// How long nobody is asked again for a number that is unknown, on most platforms: it may be entered any minute.
pub(crate) const NOT_FOUND: Duration = Duration::from_secs(600);

/// Whose numbers are looked up.
pub(crate) struct Directory<'a> {
    pub(crate) tokens: &'a dyn Tokens,
    pub(crate) project: &'a str,
    /// Contains the platform and the account, because ids may be an app's own.
    pub(crate) account: &'a str,
    /// How long a number that is unknown is not asked for again.
    pub(crate) unknown_for: Duration,
}

/// The id of whoever has a number, from what is kept or from the platform. The number is hashed: it is nobody's business
/// who looks at the store.
pub(crate) async fn by_mobile<F>(
    directory: &Directory<'_>,
    mobile: &str,
    ask: impl Fn() -> F + Send + Sync,
) -> Result<Option<String>, SendError>
where
    F: Future<Output = Result<Option<String>, SendError>> + Send,
{
    let hash = digest(&SHA256, mobile.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("id:{}:{hash}", directory.account);
    let ask = &ask;
    let fetch = || -> Fetching<'_> {
        Box::pin(async move {
            let found = ask().await.map_err(|error| match error.failure {
                SendFailure::Doubt => SendError { failure: SendFailure::Transient { after: None }, ..error },
                _ => error,
            })?;
            let lives = if found.is_some() { FOUND } else { directory.unknown_for };
            // No id is empty, so an empty one is nobody's.
            Ok(Token { value: Secret::new(found.unwrap_or_default()), lives })
        })
    };
    let id = directory.tokens.get(directory.project, &name, None, &fetch).await?;
    Ok(Some(id.expose().to_owned()).filter(|id| !id.is_empty()))
}
