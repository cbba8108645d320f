//! The loop of a function: an event, its handler, its line of log.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use mc_core::{Error, Timestamp};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ending;
use crate::log::{Fields, Log};
use crate::place::Place;
use crate::role::Role;

/// What a handler knows of its invocation besides the event.
pub(crate) struct Invocation {
    /// When Lambda ends it.
    pub(crate) deadline: Timestamp,
}

impl Invocation {
    /// The time that is left before the last `reserve` begins.
    pub(crate) fn left(&self, now: Timestamp, reserve: Duration) -> Duration {
        self.deadline.before(reserve).since(now)
    }
}

/// What a handler answers: to Lambda, and to the log.
pub(crate) struct Done<A> {
    pub(crate) answer: A,
    pub(crate) fields: Fields,
}

/// What a function does with an event.
pub(crate) trait Handler {
    /// What it answers.
    type Answer: Serialize;

    /// Takes one event. An error makes Lambda try it again where it does that: asynchronous calls and queues.
    async fn handle(
        &self,
        place: &Place,
        event: &str,
        invocation: &Invocation,
    ) -> Result<Done<Self::Answer>, Error>;
}

/// Runs a function until its process is ended.
pub(crate) fn run(role: Role, handler: impl Handler) -> ExitCode {
    match start(role, handler) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = serde_json::json!({"level": "ERROR", "function": role.as_str(), "message": error.to_string()});
            println!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn start(role: Role, handler: impl Handler) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let place = Place::new(role)?;
    let log = Log::new(role, &place.settings, Arc::clone(&place.clock));
    log.install();
    runtime.block_on(async {
        if place.settings.warm_up {
            place.warm_up().await;
        }
        let (place, log, handler) = (&place, &log, &handler);
        let service = service_fn(|event: LambdaEvent<Box<RawValue>>| one(place, log, handler, event));
        let end = ending::listen().await;
        if end.is_some() {
            place.counts.may_wait();
        }
        tokio::select! {
            ended = lambda_runtime::Runtime::new(service).run() => ended,
            () = ending::heard(end) => {
                // The line first: the store may not answer before the process is killed.
                log.last();
                place.write_counts().await;
                Ok(())
            }
        }
    })
}

/// One invocation.
async fn one<H: Handler>(
    place: &Place,
    log: &Log,
    handler: &H,
    event: LambdaEvent<Box<RawValue>>,
) -> Result<H::Answer, Diagnostic> {
    log.begin();
    let began = place.clock.now();
    let deadline = Timestamp::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
    let invocation = Invocation { deadline };
    let work = handler.handle(place, event.payload.get(), &invocation);
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    let (result, mut fields) = match ended {
        Ok(Ok(done)) => (Ok(done.answer), done.fields),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "the event was not taken");
            (Err(diagnostic("failed", error.message())), Fields::new())
        }
        // The hook has told of the panic.
        Err(_) => (Err(diagnostic("panicked", "a fault of this program")), Fields::new()),
    };
    let counts = place.counts.is_due(place.clock.now(), log.is_pressing());
    if counts {
        place.write_counts().await;
    }
    let ms = place.clock.now().since(began).as_millis();
    fields.push(("ms", Value::from(u64::try_from(ms).unwrap_or(u64::MAX))));
    log.finish(&event.context.request_id, fields, counts);
    result
}

fn diagnostic(kind: &str, message: &str) -> Diagnostic {
    Diagnostic { error_type: kind.to_owned(), error_message: message.to_owned() }
}
