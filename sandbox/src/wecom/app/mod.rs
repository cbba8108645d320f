//! Messages of WeCom apps (pages 90236, 91039, 90253, 94867, 94888, 90240).

mod account;
mod callback;
mod card;
mod contact;
mod content;
mod control;
mod later;
mod login;
mod media;
mod people;
mod quota;
mod send;
mod tokens;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::{any, post, put};

pub use self::account::{WecomApp, WecomCallback};
pub use self::callback::{WecomEvent, WecomPost};
use self::media::Media;
use self::quota::Quota;
use self::tokens::Tokens;
use crate::answer::Refusal;
use crate::request;
use crate::sandbox::Sandbox;

const DAY_MS: u64 = 86_400_000;

/// Corporation and agent.
type Id = (String, u64);

/// All apps, and what their corporations share.
pub(crate) struct Apps {
    known: Mutex<HashMap<Id, State>>,
    /// Uploads are good for every app of the corporation.
    media: Media,
    /// Whether members have their limits.
    limited: bool,
}

/// An app and what it remembers.
pub(super) struct State {
    corp: String,
    agent: u64,
    app: WecomApp,
    tokens: Tokens,
    quota: Quota,
    /// When bodies with `enable_duplicate_check` came, and until when they are remembered.
    seen: HashMap<Vec<u8>, u64>,
    /// When messages were sent, by id.
    sent: HashMap<String, u64>,
    /// Until when codes for changing cards are good.
    response_codes: HashMap<String, u64>,
    task_ids: HashSet<String>,
    count: u64,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/cgi-bin/gettoken", any(login::token))
        .route("/cgi-bin/getcallbackip", any(login::callback_ip))
        .route("/cgi-bin/message/send", any(send::send))
        .route("/cgi-bin/message/recall", any(later::recall))
        .route("/cgi-bin/message/get_statistics", any(quota::statistics))
        .route("/cgi-bin/message/update_template_card", any(later::update))
        .route("/cgi-bin/user/getuserid", any(contact::by_mobile))
        .route("/cgi-bin/media/upload", post(media::upload))
        .route("/_wecom/{corp}/{agent}", put(control::put))
        .route("/_wecom/{corp}/{agent}/expire", post(control::expire))
        .route("/_wecom/{corp}/{agent}/events", post(control::tell))
        .route("/_wecom/{corp}/{agent}/verify", post(control::verify))
}

impl Apps {
    pub(crate) fn new(limited: bool) -> Apps {
        Apps { known: Mutex::default(), media: Media::default(), limited }
    }

    fn put(&self, corp: String, agent: u64, app: WecomApp) {
        let state = State {
            corp: corp.clone(),
            agent,
            app,
            tokens: Tokens::default(),
            quota: Quota::default(),
            seen: HashMap::new(),
            sent: HashMap::new(),
            response_codes: HashMap::new(),
            task_ids: HashSet::new(),
            count: 0,
        };
        self.lock().insert((corp, agent), state);
    }

    /// Does something with one app; `None` if there is no such app.
    fn with<T>(&self, corp: &str, agent: u64, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().get_mut(&(corp.to_owned(), agent)).map(act)
    }

    /// Does something with the app that a token belongs to, if the token is good and the caller's address trusted.
    fn by_token<T>(
        &self,
        query: Option<&str>,
        now: u64,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let token = request::query(query, "access_token").filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Refusal::new(41001, "access_token missing"))?;
        for state in self.lock().values_mut() {
            if let Some(judged) = state.tokens.judge(&token, now) {
                judged?;
                state.check_address()?;
                return act(state);
            }
        }
        Err(Refusal::new(40014, "invalid access_token"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Id, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything calls from this machine. The words with the address are the platform's.
    fn check_address(&self) -> Result<(), Refusal> {
        let trusted = &self.app.trusted_ips;
        if trusted.is_empty() || trusted.iter().any(|address| address == "127.0.0.1") {
            return Ok(());
        }
        let hint =
            "not allow to access from your ip, hint: [1700000000], from ip: 127.0.0.1, more info at the page";
        Err(Refusal::new(60020, hint))
    }

    /// How the inbox names the app.
    fn name(&self) -> String {
        format!("{}/{}", self.corp, self.agent)
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A code with which a card may be changed once, within 72 hours.
    fn response_code(&mut self, now: u64) -> String {
        let nth = self.next();
        let code = format!("sandbox-response-code-{}-{nth}", self.agent);
        self.response_codes.insert(code.clone(), now + 3 * DAY_MS);
        code
    }
}

impl Sandbox {
    /// Registers an app of a corporation, forgetting what was registered under these ids before.
    pub fn wecom_app(&self, corp_id: impl Into<String>, agent_id: u64, app: WecomApp) {
        self.wecom_apps().put(corp_id.into(), agent_id, app);
    }

    /// Ends all tokens of an app now, as WeCom may at any time. They are expired (42001), or unknown (40014) if the
    /// platform `forgets` them.
    pub fn wecom_end_tokens(&self, corp_id: &str, agent_id: u64, forgets: bool) {
        let now = self.now();
        self.wecom_apps().with(corp_id, agent_id, |state| state.tokens.end(forgets, now));
    }

    /// How often an app was given a token.
    pub fn wecom_tokens_given(&self, corp_id: &str, agent_id: u64) -> u64 {
        self.wecom_apps().with(corp_id, agent_id, |state| state.tokens.given()).unwrap_or_default()
    }
}
