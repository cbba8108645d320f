//! Amazon SES: version 2 of its API as far as mails are sent with it, and the SNS topic that tells what became of them.

mod account;
mod control;
mod fate;
mod quota;
mod send;
mod sns;

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::Response;
use axum::routing::{get, post, put};
use http::{HeaderValue, header};
use serde_json::Value;

pub use self::account::{SesAccount, SesTopic};
use self::quota::Quota;
pub use self::sns::SesPost;
use crate::answer::Refusal;
use crate::sandbox::Sandbox;
use crate::sigv4::{Arrived, Sigv4Rule};

/// How SES calls itself in a signature's scope.
const SERVICE: &str = "ses";
/// Room for a mail that is too large by far, so that SES's own words can refuse it.
const LARGEST_REQUEST: usize = 64 << 20;

/// All accounts, each by the access key that its calls are signed with.
pub(crate) struct Ses {
    known: Mutex<HashMap<String, State>>,
    /// Whether rate and quota are kept.
    limited: bool,
}

/// An account and what it remembers.
struct State {
    account: SesAccount,
    quota: Quota,
    /// Events that the topic has not passed on yet.
    waiting: VecDeque<Value>,
    count: u64,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/v2/email/outbound-emails", post(send::send).layer(DefaultBodyLimit::max(LARGEST_REQUEST)))
        .route("/v2/email/account", get(account::get))
        .route("/", get(sns::confirm))
        .route(sns::CERTIFICATE, get(sns::certificate))
        .route("/_ses/{access_key_id}", put(control::put))
        .route("/_ses/{access_key_id}/subscribe", post(control::subscribe))
}

/// An error as SES writes it: the exception's name goes into a header, its words into the body.
fn error(status: i64, exception: &str, words: impl Display) -> Refusal {
    Refusal::new(status, format!("{exception}: {words}"))
}

/// Dates an answer by the sandbox's clock: clients correct their own by it before they sign again.
fn dated(mut response: Response, now: u64) -> Response {
    let date = fate::instant(now).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

impl Ses {
    pub(crate) fn new(limited: bool) -> Ses {
        Ses { known: Mutex::default(), limited }
    }

    /// Does something with one account; `None` if there is no such account.
    fn with<T>(&self, access_key_id: &str, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().get_mut(access_key_id).map(act)
    }

    /// Does something with the account that signed a request, if it did.
    fn by_signature<T>(
        &self,
        request: &Arrived<'_>,
        now: u64,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let missing = || error(403, "MissingAuthenticationTokenException", "Missing Authentication Token");
        let id = request.access_key_id().ok_or_else(missing)?;
        let unknown =
            || error(403, "InvalidClientTokenId", "The security token included in the request is invalid.");
        let mut known = self.lock();
        let state = known.get_mut(id).ok_or_else(unknown)?;
        let rule = Sigv4Rule {
            access_key_id: id.to_owned(),
            secret_access_key: state.account.secret_access_key.clone(),
            region: state.account.region.clone(),
            service: SERVICE.to_owned(),
        };
        rule.check(request, now).map_err(|words| error(403, "SignatureDoesNotMatch", words))?;
        act(state)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

impl Sandbox {
    /// Registers an account of SES under the access key that its calls are signed with, forgetting what was registered
    /// under this key before.
    pub fn ses_account(&self, access_key_id: impl Into<String>, account: SesAccount) {
        let quota = Quota::new(self.ses().limited);
        let state = State { account, quota, waiting: VecDeque::new(), count: 0 };
        self.ses().lock().insert(access_key_id.into(), state);
    }
}
