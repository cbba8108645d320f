//! Work notifications (工作通知) of DingTalk's apps: the old family of calls, `oapi.dingtalk.com`.

mod account;
mod callback;
mod content;
mod control;
mod later;
mod login;
mod media;
mod people;
mod quota;
mod send;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, post, put};
use bytes::Bytes;
use http::Method;
use serde_json::Value;

pub use self::account::{DingtalkApp, DingtalkCallback};
pub use self::callback::{DingtalkEvent, DingtalkPost};
use self::login::Tokens;
use self::media::Media;
use self::quota::Quota;
use self::send::Task;
use crate::answer::Refusal;
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::request;
use crate::sandbox::Sandbox;

const DAY_MS: u64 = 86_400_000;
/// The standard edition's calls of each API in a second.
const SECOND: RateLimit = RateLimit { window: Duration::from_secs(1), messages: 20 };

/// All apps by app key.
pub(crate) struct Apps {
    known: Mutex<HashMap<String, State>>,
    /// Whether the platform's own limits are kept.
    limited: bool,
}

/// An app and what it remembers.
struct State {
    app_key: String,
    app: DingtalkApp,
    tokens: Tokens,
    second: Limiter,
    quota: Quota,
    media: Media,
    tasks: HashMap<u64, Task>,
    count: u64,
}

/// A call as it came.
struct Call<'a> {
    method: &'a Method,
    query: Option<&'a str>,
    /// The API, whose pace is counted by itself.
    api: &'static str,
    now: u64,
}

/// The platform's own paths and the control paths.
pub(crate) fn routes() -> Router<Sandbox> {
    const CONVERSATION: &str = "/topapi/message/corpconversation";
    Router::new()
        .route("/gettoken", any(login::token))
        .route(&format!("{CONVERSATION}/asyncsend_v2"), any(send::send))
        .route(&format!("{CONVERSATION}/getsendprogress"), any(later::progress))
        .route(&format!("{CONVERSATION}/getsendresult"), any(later::result))
        .route(&format!("{CONVERSATION}/recall"), any(later::recall))
        .route("/topapi/v2/user/getbymobile", any(people::by_mobile))
        .route("/media/upload", any(media::upload))
        .route("/_dingtalk/apps/{app_key}", put(control::put))
        .route("/_dingtalk/apps/{app_key}/expire", post(control::expire))
        .route("/_dingtalk/apps/{app_key}/read", post(control::read))
        .route("/_dingtalk/apps/{app_key}/events", post(control::tell))
}

impl Apps {
    pub(crate) fn new(limited: bool) -> Apps {
        Apps { known: Mutex::default(), limited }
    }

    fn put(&self, app_key: String, app: DingtalkApp) {
        let state = State {
            app_key: app_key.clone(),
            app,
            tokens: Tokens::default(),
            second: Limiter::new(self.limited.then_some(SECOND), 0),
            quota: Quota::new(self.limited),
            media: Media::default(),
            tasks: HashMap::new(),
            count: 0,
        };
        self.lock().insert(app_key, state);
    }

    /// Does something with one app; `None` if there is no such app.
    fn with<T>(&self, app_key: &str, act: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.lock().get_mut(app_key).map(act)
    }

    /// Does something with the app that a call's token belongs to, if the token is good, the caller's address allowed
    /// and the pace kept.
    fn by_token<T>(
        &self,
        call: &Call<'_>,
        act: impl FnOnce(&mut State) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if call.method != Method::POST {
            return Err(Refusal::new(22, "invalid method"));
        }
        let token = request::query(call.query, "access_token").filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Refusal::new(40_000, "不合法的access_token"))?;
        for state in self.lock().values_mut() {
            if let Some(judged) = state.tokens.judge(&token, call.now) {
                judged?;
                state.check_address()?;
                if !state.second.allows(call.api, call.now) {
                    return Err(Refusal::new(
                        90_018,
                        "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
                    ));
                }
                return act(state);
            }
        }
        Err(Refusal::new(40_014, "不合法的access_token"))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Everything calls from this machine. The words name the address, as the platform's do.
    fn check_address(&self) -> Result<(), Refusal> {
        if self.app.ips.is_empty() || self.app.ips.iter().any(|ip| ip == "127.0.0.1") {
            return Ok(());
        }
        let words = format!("访问ip不在白名单之中,request ip=127.0.0.1 appKey({})", self.app_key);
        Err(Refusal::new(60_020, words))
    }

    /// The app that a body names must be the token's.
    fn check_agent(&self, body: &Value) -> Result<(), Refusal> {
        match body.get("agent_id") {
            None | Some(Value::Null) => Err(Refusal::new(40_035, "缺少参数 agent_id")),
            Some(agent) if agent.as_u64() == Some(self.app.agent_id) => Ok(()),
            Some(agent) if agent.is_u64() => Err(Refusal::new(40_056, "不合法的agentid")),
            // It is a Long; a text may well be read as one, but nothing says so.
            Some(_) => Err(Refusal::wrong_type(40_056, "agent_id")),
        }
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// A JSON object.
fn object(body: &Bytes) -> Result<Value, Refusal> {
    let value: Option<Value> = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Refusal::new(40_035, "不合法的参数: a JSON object is expected"))
}

impl Sandbox {
    /// Registers a DingTalk app, forgetting what was registered under this app key before.
    pub fn dingtalk_app(&self, app_key: impl Into<String>, app: DingtalkApp) {
        self.dingtalk_apps().put(app_key.into(), app);
    }

    /// Ends all tokens of an app now. They are expired (42001), or unknown (88 around 40014) if the platform `forgets`
    /// them.
    pub fn dingtalk_end_tokens(&self, app_key: &str, forgets: bool) {
        let now = self.now();
        self.dingtalk_apps().with(app_key, |state| state.tokens.end(forgets, now));
    }

    /// How many different tokens an app was given so far.
    pub fn dingtalk_tokens_made(&self, app_key: &str) -> u64 {
        self.dingtalk_apps().with(app_key, |state| state.tokens.made()).unwrap_or_default()
    }

    /// Has somebody read a message; `false` if they did not get it.
    pub fn dingtalk_read(&self, app_key: &str, task_id: u64, user: &str) -> bool {
        let read = |state: &mut State| state.tasks.get_mut(&task_id).is_some_and(|task| task.read(user));
        self.dingtalk_apps().with(app_key, read).unwrap_or_default()
    }
}
