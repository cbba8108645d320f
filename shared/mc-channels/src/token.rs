//! Calls that need an access token, which may turn out to be over before its time.

use std::future::Future;

use mc_core::Secret;
use mc_core::ports::{Fetch, SendError, Tokens};
use ring::digest::{SHA256, digest};

/// Which shared value a call needs, and how it is got.
pub(crate) struct TokenOf<'a> {
    pub(crate) tokens: &'a dyn Tokens,
    pub(crate) project: &'a str,
    /// Made by [`name`].
    pub(crate) name: &'a str,
    pub(crate) fetch: &'a Fetch<'a>,
}

/// The name under which an app's token is shared: the account, like `wecom:{corp_id}:{agent_id}`, and a short hash of
/// the secret that the token is got with.
///
/// A failed fetch is told to everybody who asks for the same name, so a channel with a wrong secret may not share its
/// name with those of the same app whose secret is right.
pub(crate) fn name(account: &str, secret: &Secret) -> String {
    let hash = digest(&SHA256, format!("{account}\n{}", secret.expose()).as_bytes());
    let short: String = hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("{account}#{short}")
}

/// Makes a call with a shared token. If the platform says that the token is over, it is fetched anew and the call is
/// made once more; what that comes to stands.
///
/// `is_over` tells the errors by which the platform refuses a token (and nothing else). A platform that refuses a
/// token has not carried out the call, so repeating it is safe.
pub(crate) async fn with_token<T, F>(
    of: &TokenOf<'_>,
    is_over: impl Fn(&SendError) -> bool + Send,
    call: impl Fn(Secret) -> F + Send,
) -> Result<T, SendError>
where
    F: Future<Output = Result<T, SendError>> + Send,
{
    let first = of.tokens.get(of.project, of.name, None, of.fetch).await?;
    match call(first.clone()).await {
        Err(error) if is_over(&error) => {
            let second = of.tokens.get(of.project, of.name, Some(&first), of.fetch).await?;
            call(second).await
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;
    use std::time::Duration;

    use mc_core::ports::{SendFailure, Token};
    use mc_testkit::{MemoryTokens, MockClock};

    use super::*;

    fn error(code: &str) -> SendError {
        SendError { failure: SendFailure::Channel, code: code.to_owned(), text: String::new() }
    }

    /// Which tokens the calls were made with, and what the last one came to.
    async fn calls(refused: &[&str], code: &str) -> (Vec<String>, Result<(), SendError>) {
        let tokens = MemoryTokens::new(Arc::new(MockClock::default()));
        let fetched = Mutex::new(0);
        let fetch = || -> mc_core::ports::Fetching<'_> {
            let mut fetched = fetched.lock().unwrap();
            *fetched += 1;
            let value = Secret::new(format!("t{fetched}"));
            Box::pin(async { Ok(Token { value, lives: Duration::from_secs(7200) }) })
        };
        let used = Mutex::new(Vec::new());
        let of = TokenOf { tokens: &tokens, project: "default", name: "test:1", fetch: &fetch };
        let result = with_token(
            &of,
            |error| error.code == "over",
            |token| {
                used.lock().unwrap().push(token.expose().to_owned());
                let refused = refused.contains(&token.expose());
                async move { if refused { Err(error(code)) } else { Ok(()) } }
            },
        )
        .await;
        (used.into_inner().unwrap(), result)
    }

    #[test]
    fn a_token_is_shared_by_those_with_the_same_account_and_the_same_secret() {
        let name = |account: &str, secret: &str| super::name(account, &Secret::new(secret));
        assert_eq!(name("test:1", "hunter2"), name("test:1", "hunter2"));
        assert_ne!(name("test:1", "hunter2"), name("test:1", "hunter3"));
        assert_ne!(name("test:1", "hunter2"), name("test:2", "hunter2"));
        assert!(
            name("test:1", "hunter2").starts_with("test:1#"),
            "whoever looks at the store sees whose it is"
        );
        assert!(!name("test:1", "hunter2").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_refused_token_is_fetched_anew_once() {
        assert_eq!(calls(&[], "over").await, (vec!["t1".to_owned()], Ok(())));
        assert_eq!(calls(&["t1"], "over").await, (vec!["t1".to_owned(), "t2".to_owned()], Ok(())));
        let (used, result) = calls(&["t1", "t2"], "over").await;
        assert_eq!((used.len(), result), (2, Err(error("over"))));
        let (used, result) = calls(&["t1"], "other").await;
        assert_eq!((used.len(), result), (1, Err(error("other"))), "another error says nothing of the token");
    }
}
