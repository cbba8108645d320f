//! Calls that need an access token, which may turn out to be over before its time.

use std::future::Future;

use mc_core::Secret;
use mc_core::ports::{Fetch, SendError, Tokens};

/// Which shared value a call needs, and how it is got.
pub(crate) struct TokenOf<'a> {
    pub(crate) tokens: &'a dyn Tokens,
    pub(crate) project: &'a str,
    /// Contains the account: `wecom:{corp_id}:{agent_id}`.
    pub(crate) name: &'a str,
    pub(crate) fetch: &'a Fetch<'a>,
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
