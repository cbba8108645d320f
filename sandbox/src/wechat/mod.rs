//! WeChat: template messages of official accounts, subscribe messages of mini programs.

mod account;
mod callback;
mod control;
mod data;
mod login;
mod message;
mod quota;
mod subscribe;
mod template;
mod tokens;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::routing::{any, get, post, put};
use serde_json::Value;

pub use self::account::{WechatAccount, WechatCallback, WechatStanding, WechatTemplate};
pub use self::callback::{WechatEvent, WechatPopup, WechatPost};
use self::quota::Quotas;
use self::tokens::Tokens;
use crate::answer::Refusal;
use crate::rate::Limiter;
use crate::request;
use crate::sandbox::Sandbox;

/// Ids of messages begin here, so that a client that reads them as anything but 64-bit integers is found out.
const FIRST_MSGID: u64 = 3_148_265_190_541_344_768;

/// All accounts by app id.
#[derive(Default)]
pub(crate) struct Wechat(Mutex<HashMap<String, State>>);

/// An account and what it remembers.
pub(crate) struct State {
    app_id: String,
    account: WechatAccount,
    tokens: Tokens,
    quotas: Quotas,
    minute: Option<Limiter>,
    /// When a person got a `client_msg_id`, and as which message.
    seen: HashMap<(String, String), (u64, u64)>,
    sent: u64,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/cgi-bin/token", any(login::token))
        .route("/cgi-bin/stable_token", any(login::stable_token))
        .route("/cgi-bin/message/template/send", post(template::send))
        .route("/cgi-bin/template/get_all_private_template", get(template::list))
        .route("/cgi-bin/message/subscribe/send", post(subscribe::send))
        .route("/wxaapi/newtmpl/gettemplate", get(subscribe::list))
        .route("/cgi-bin/openapi/quota/get", post(quota::read))
        .route("/cgi-bin/clear_quota", post(quota::clear))
        .route("/cgi-bin/clear_quota/v2", post(quota::clear_by_secret))
        .route("/cgi-bin/openapi/quota/clear", post(quota::clear_one))
        .route("/_wechat/{app_id}", put(control::put))
        .route("/_wechat/{app_id}/expire", post(control::expire))
        .route("/_wechat/{app_id}/events", post(control::tell))
}

impl Wechat {
    fn put(&self, app_id: String, account: WechatAccount) {
        let minute = account.per_minute.map(quota::minute);
        let state = State {
            minute,
            account,
            tokens: Tokens::of(&app_id),
            app_id: app_id.clone(),
            quotas: Quotas::default(),
            seen: HashMap::new(),
            sent: 0,
        };
        self.lock().insert(app_id, state);
    }

    /// Does something with one account; `None` if there is no such account.
    fn with<T>(&self, app_id: &str, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().get_mut(app_id).map(act)
    }

    /// Does something with the account that a token belongs to, if the token is good.
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

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything calls from this machine.
    fn check_address(&self) -> Result<(), Refusal> {
        let list = &self.account.ip_whitelist;
        if list.is_empty() || list.iter().any(|address| address == "127.0.0.1") {
            return Ok(());
        }
        Err(Refusal::new(40164, "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"))
    }

    fn next_msgid(&mut self) -> u64 {
        self.sent += 1;
        FIRST_MSGID + self.sent
    }
}

impl Sandbox {
    /// Registers a WeChat official account or mini program, forgetting what was registered under this app id before.
    pub fn wechat_account(&self, app_id: impl Into<String>, account: WechatAccount) {
        self.wechat().put(app_id.into(), account);
    }

    /// Ends all tokens of an account now, as WeChat may at any time. They are expired (42001), or unknown (40014) if
    /// the platform `forgets` them.
    pub fn wechat_expire_tokens(&self, app_id: &str, forgets: bool) {
        let now = self.now();
        self.wechat().with(app_id, |state| state.tokens.expire(forgets, now));
    }

    /// How many tokens an account has given out so far.
    pub fn wechat_tokens_issued(&self, app_id: &str) -> u64 {
        self.wechat().with(app_id, |state| state.tokens.issued()).unwrap_or_default()
    }
}

/// A request's body, which all business calls want as a JSON object.
fn json_body(body: &[u8]) -> Result<Value, Refusal> {
    let malformed = || Refusal::new(47001, "data format error");
    let value: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
    if value.is_object() { Ok(value) } else { Err(malformed()) }
}
