//! Calls that are tried again, and what their failures mean.
//!
//! The SDKs' own retries are off: they hide whether an earlier attempt may have been carried out, which is what a
//! conditional write has to know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use mc_core::ports::Random;
use mc_core::{Error, ErrorKind};

use crate::connector::Broken;
use crate::meter::{Meter, Operation};

/// The first wait between two attempts is up to this long, each further one up to twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// No wait between two attempts is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Somebody waits for the answer.
    Usual,
    /// Half of it is done: the rest should follow.
    Long,
}

impl Patience {
    const fn attempts(self) -> u32 {
        match self {
            Patience::Usual => 4,
            Patience::Long => 8,
        }
    }
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Too fast. Nothing was done.
    Throttled,
    /// AWS has trouble, or the way to it.
    Unavailable {
        /// Whether it may have been carried out all the same.
        maybe_done: bool,
    },
    /// AWS understood and said no because of the account: rights, names, credentials. A person has to act.
    Account,
    /// AWS understood and said no, and will say so again.
    Refused,
}

/// Codes by which AWS says "too fast", whichever service it is.
const THROTTLED: [&str; 10] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "ThrottledException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "SlowDown",
    "LimitExceededException",
];

/// Codes that stand for something a person has to put right.
const ACCOUNT: [&str; 14] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NoSuchBucket",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AWS.SimpleQueueService.NonExistentQueue",
];

/// What an attempt's failure means, by AWS's code or the answer's status.
pub(crate) fn blame_of(code: Option<&str>, status: u16) -> Blame {
    match (code, status) {
        (Some(code), _) if THROTTLED.contains(&code) => Blame::Throttled,
        (Some(code), _) if ACCOUNT.contains(&code) => Blame::Account,
        (_, 429) => Blame::Throttled,
        (_, 401 | 403) => Blame::Account,
        (_, 500..) => Blame::Unavailable { maybe_done: true },
        _ => Blame::Refused,
    }
}

/// The same for an error of an SDK.
pub(crate) fn blame<E: ProvideErrorMetadata>(error: &SdkError<E, Response>) -> Blame {
    match error {
        SdkError::ConstructionFailure(_) => Blame::Refused,
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Blame::Unavailable { maybe_done: true },
        SdkError::DispatchFailure(failure) => {
            let source = failure.as_connector_error().and_then(std::error::Error::source);
            let broken = source.and_then(|source| source.downcast_ref::<Broken>());
            Blame::Unavailable { maybe_done: broken.is_none_or(Broken::maybe_done) }
        }
        SdkError::ServiceError(failure) => blame_of(failure.err().code(), failure.raw().status().as_u16()),
        _ => Blame::Unavailable { maybe_done: true },
    }
}

/// What all calls share.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) random: Arc<dyn Random>,
    pub(crate) meter: Meter,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls")
    }
}

/// How a call ended.
pub(crate) struct Called<T, E> {
    pub(crate) result: Result<T, E>,
    /// Whether an attempt before the last one may have been carried out without our knowing.
    pub(crate) doubtful: bool,
}

impl Calls {
    /// Makes a call, and makes it again while that may help.
    pub(crate) async fn call<T, E, F>(
        &self,
        operation: Operation,
        patience: Patience,
        attempt: impl Fn() -> F + Send,
    ) -> Called<T, SdkError<E, Response>>
    where
        F: Future<Output = Result<T, SdkError<E, Response>>> + Send,
        E: ProvideErrorMetadata,
    {
        self.call_as(operation, patience, blame, attempt).await
    }

    /// The same with failures that are read in another way.
    pub(crate) async fn call_as<T, E, F>(
        &self,
        operation: Operation,
        patience: Patience,
        blame: impl Fn(&E) -> Blame + Send,
        attempt: impl Fn() -> F + Send,
    ) -> Called<T, E>
    where
        F: Future<Output = Result<T, E>> + Send,
    {
        let mut doubtful = false;
        let mut made = 0;
        loop {
            self.meter.called(operation);
            let result = attempt().await;
            made += 1;
            let Err(error) = &result else { return Called { result, doubtful } };
            let blame = blame(error);
            let again = match blame {
                Blame::Throttled => true,
                Blame::Unavailable { maybe_done } => {
                    doubtful |= maybe_done && made < patience.attempts();
                    true
                }
                Blame::Account | Blame::Refused => false,
            };
            if blame != Blame::Refused {
                self.meter.failed(operation);
            }
            if !again || made >= patience.attempts() {
                return Called { result, doubtful };
            }
            self.pause(made).await;
        }
    }

    /// Waits before the attempt that follows the `made`th: up to twice as long each time, so that those who failed
    /// together do not come back together.
    pub(crate) async fn pause(&self, made: u32) {
        let most = (FIRST_WAIT * 2_u32.saturating_pow(made.min(16).saturating_sub(1))).min(LONGEST_WAIT);
        tokio::time::sleep(most.mul_f64(self.random.unit().max(0.1))).await;
    }
}

/// A failure as the ports see it.
pub(crate) fn failure<E>(what: &'static str, error: SdkError<E, Response>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let blame = blame(&error);
    let text = text_of(&error);
    of_blame(what, blame).with("aws", text)
}

/// An error without its cause.
pub(crate) fn of_blame(what: &'static str, blame: Blame) -> Error {
    match blame {
        Blame::Throttled => Error::new(ErrorKind::Throttled, what),
        // Once somebody has put rights or names right, the same call succeeds.
        Blame::Unavailable { .. } | Blame::Account => Error::new(ErrorKind::Unavailable, what),
        Blame::Refused => Error::new(ErrorKind::Internal, what),
    }
}

/// AWS's code and words, or those of the transport. Neither holds what we sent.
fn text_of<E>(error: &SdkError<E, Response>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        SdkError::ServiceError(failure) => {
            let (code, words) = (failure.err().code().unwrap_or("error"), failure.err().message());
            format!("{code} ({}) {}", failure.raw().status().as_u16(), words.unwrap_or_default())
        }
        SdkError::DispatchFailure(failure) => {
            let source = failure.as_connector_error().and_then(std::error::Error::source);
            source.map_or_else(|| "the call could not be made".to_owned(), ToString::to_string)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use mc_testkit::SeqRandom;

    use super::*;

    fn calls() -> Calls {
        Calls { random: Arc::new(SeqRandom::default()), meter: Meter::default() }
    }

    #[test]
    fn codes_say_what_to_do() {
        for (code, status, expected) in [
            (Some("ProvisionedThroughputExceededException"), 400, Blame::Throttled),
            (Some("ThrottlingException"), 400, Blame::Throttled),
            (None, 429, Blame::Throttled),
            (Some("InternalServerError"), 500, Blame::Unavailable { maybe_done: true }),
            (None, 503, Blame::Unavailable { maybe_done: true }),
            (Some("AccessDeniedException"), 400, Blame::Account),
            (Some("ResourceNotFoundException"), 400, Blame::Account),
            (None, 403, Blame::Account),
            (Some("ValidationException"), 400, Blame::Refused),
            (Some("ConditionalCheckFailedException"), 400, Blame::Refused),
        ] {
            assert_eq!(blame_of(code, status), expected, "{code:?} {status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_remembers_lost_answers() {
        let calls = calls();
        let made = AtomicU32::new(0);
        let sequence = [Blame::Throttled, Blame::Unavailable { maybe_done: true }];
        let called: Called<u32, Blame> = calls
            .call_as(
                Operation::PutItem,
                Patience::Usual,
                |blame| *blame,
                || {
                    let n = made.fetch_add(1, Relaxed);
                    let failure = sequence.get(n as usize).copied();
                    async move { failure.map_or(Ok(n), Err) }
                },
            )
            .await;
        assert_eq!((called.result, called.doubtful), (Ok(2), true));
        let reading = calls.meter.readings()[0];
        assert_eq!((reading.calls, reading.failures), (3, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final_and_patience_ends() {
        let calls = calls();
        for (blame, expected) in [(Blame::Refused, 1), (Blame::Account, 1), (Blame::Throttled, 4)] {
            let made = AtomicU32::new(0);
            let called: Called<(), Blame> = calls
                .call_as(
                    Operation::GetItem,
                    Patience::Usual,
                    |blame| *blame,
                    || {
                        made.fetch_add(1, Relaxed);
                        async move { Err(blame) }
                    },
                )
                .await;
            assert_eq!((called.result, called.doubtful, made.into_inner()), (Err(blame), false, expected));
        }
    }
}
