//! Hearing of the process's end, to write what was counted before it.
//!
//! Lambda tells a process that it ends (`SIGTERM`, and killed half a second later) only if the process has registered as
//! an extension too, even as one that asks for no events. Where that cannot be done, as in some emulators, nobody is told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Method, Request};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{BoxError, PooledClient, build_request};
use mc_core::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// By this name Lambda knows the extension that does nothing.
const NAME: &str = "message-center-ending";

/// Registering is one call on the same machine.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the end is heard of, counts are written and told this often and at the end. A write with every invocation would
/// cost as much again as a third of a message.
const COUNTS_EVERY: Duration = Duration::from_secs(5);

/// When counts are written and told: with every invocation, or where they may wait every few seconds.
#[derive(Default)]
pub(crate) struct Pace {
    /// The last time, where counts may wait.
    last: Mutex<Option<Timestamp>>,
}

impl Pace {
    /// From now on counts may wait, because the end of the process will be heard of.
    pub(crate) fn may_wait(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Timestamp::from_millis(0));
    }

    /// Whether counts are to be written and told now. Who asks does it if so.
    pub(crate) fn is_due(&self, now: Timestamp, pressing: bool) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = *last else { return true };
        let due = pressing || now.since(before) >= COUNTS_EVERY;
        if due {
            *last = Some(now);
        }
        due
    }
}

/// Registers, and answers what tells of the end. To be called before the first event is asked for.
pub(crate) async fn listen() -> Option<Signal> {
    listen_with(PooledClient::builder().build()).await
}

async fn listen_with(runtime: PooledClient) -> Option<Signal> {
    tokio::time::timeout(PATIENCE, register(runtime)).await.ok()?.ok()?;
    signal(SignalKind::terminate()).ok()
}

/// Completes with the end, or never.
pub(crate) async fn heard(end: Option<Signal>) {
    match end {
        Some(mut end) => drop(end.recv().await),
        None => std::future::pending().await,
    }
}

async fn register(runtime: PooledClient) -> Result<(), BoxError> {
    let register = build_request()
        .method(Method::POST)
        .uri("/2020-01-01/extension/register")
        .header("lambda-extension-name", NAME)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"events":[]}"#))?;
    let answer = runtime.call(register).await?;
    let id = answer.headers().get("lambda-extension-identifier").filter(|_| answer.status().is_success());
    let next = next_event(id.ok_or("it was not registered")?)?;
    // Lambda takes the start for completed when the extension too waits for its first event, which never comes.
    tokio::spawn(async move { runtime.call(next).await });
    Ok(())
}

fn next_event(id: &HeaderValue) -> Result<Request<Body>, http::Error> {
    build_request()
        .method(Method::GET)
        .uri("/2020-01-01/extension/event/next")
        .header("lambda-extension-identifier", id)
        .body(Body::empty())
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::{get, post};

    use super::*;

    /// A Runtime API that registers extensions, or does not.
    async fn runtime(registers: bool) -> PooledClient {
        let mut routes = Router::new();
        if registers {
            let id = [("lambda-extension-identifier", "7f3c1a52")];
            routes = routes
                .route("/2020-01-01/extension/register", post(async move || (id, "{}")))
                .route("/2020-01-01/extension/event/next", get(std::future::pending::<StatusCode>));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        PooledClient::builder().with_endpoint(format!("http://{address}").parse().unwrap()).build()
    }

    #[tokio::test]
    async fn who_is_registered_hears_of_the_end() {
        let end = listen_with(runtime(true).await).await;
        assert!(end.is_some());
        let me = std::process::id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &me]).status().unwrap().success());
        heard(end).await;
    }

    #[tokio::test]
    async fn who_cannot_register_goes_on_without() {
        assert!(listen_with(runtime(false).await).await.is_none());
    }

    #[test]
    fn counts_wait_only_where_they_may_and_not_when_they_press() {
        let at = |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000);
        let pace = Pace::default();
        assert!(pace.is_due(at(0), false) && pace.is_due(at(0), false), "nobody will tell of the end");
        pace.may_wait();
        let due: Vec<bool> =
            [(0, false), (1, false), (4, false), (5, false), (6, false), (6, true), (10, false)]
                .map(|(seconds, pressing)| pace.is_due(at(seconds), pressing))
                .to_vec();
        assert_eq!(due, [true, false, false, true, false, true, false]);
    }
}
