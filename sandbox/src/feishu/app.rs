//! Apps: who they are, their tokens, and what they have sent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::item::Platform;
use crate::options::RateLimit;
use crate::rate::Limiter;
use crate::request::shown;
use crate::sandbox::Sandbox;

const LIFE_MS: u64 = 7_200_000;
/// Asked for with less than this left, a token is a new one; with more, it is the one there is.
const EARLY_MS: u64 = 1_800_000;
const SECOND: RateLimit = RateLimit { window: Duration::from_secs(1), messages: 50 };
const MINUTE: RateLimit = RateLimit { window: Duration::from_secs(60), messages: 1_000 };
/// To one person, or into one group.
const NEAR: RateLimit = RateLimit { window: Duration::from_secs(1), messages: 5 };

/// An app that the sandbox knows. What somebody is like is said by their id: one with `unknown` in it does not exist,
/// with `resigned` has left, with `hidden` is outside of the app's range, with `stopped` wants nothing from the bot; a
/// group's with `outside` is one that the bot is not in.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeishuApp {
    /// The App Secret.
    pub app_secret: String,
    /// The Verification Token, told inside of every event.
    pub verification_token: String,
    /// With it events are encrypted and signed.
    pub encrypt_key: Option<String>,
    /// Where events go, `http://` only.
    pub callback: Option<String>,
    /// Whether the app is a bot, too.
    pub bot: bool,
    /// The permissions it was granted.
    pub scopes: Vec<String>,
    /// Whose mobile number is whose: open ids by number, those of the mainland without its code.
    pub mobiles: BTreeMap<String, String>,
    /// Every other number is somebody's, too, unless it ends with 0000.
    pub knows_numbers: bool,
    /// Addresses that may call; with an empty list any may. Calls come from 127.0.0.1 here.
    pub ips: Vec<String>,
}

impl Default for FeishuApp {
    fn default() -> FeishuApp {
        FeishuApp {
            app_secret: String::new(),
            verification_token: String::new(),
            encrypt_key: None,
            callback: None,
            bot: true,
            scopes: [
                "im:message",
                "im:message:send_multi_users",
                "im:message:send_multi_depts",
                "contact:user.id:readonly",
                "im:resource",
            ]
            .map(str::to_owned)
            .into(),
            mobiles: BTreeMap::new(),
            knows_numbers: false,
            ips: Vec::new(),
        }
    }
}

impl FeishuApp {
    /// Whose number it is.
    pub(super) fn of_mobile(&self, mobile: &str) -> Option<String> {
        let any = || (self.knows_numbers && !mobile.ends_with("0000")).then(|| format!("ou_{mobile}"));
        self.mobiles.get(mobile).cloned().or_else(any)
    }
}

/// All apps by app id.
pub(super) struct Apps {
    known: Mutex<HashMap<String, AppState>>,
    limited: bool,
}

/// An app and what it remembers.
pub(super) struct AppState {
    pub(super) app_id: String,
    pub(super) app: FeishuApp,
    tokens: Vec<Token>,
    issued: u64,
    second: Limiter,
    minute: Limiter,
    near: Limiter,
    pub(super) sent: u64,
    /// Keys of what it uploaded.
    pub(super) uploaded: HashSet<String>,
    /// Messages by id.
    pub(super) messages: HashMap<String, Sent>,
    /// When a uuid was taken, and as which message.
    pub(super) seen: HashMap<String, (u64, String)>,
}

struct Token {
    text: String,
    expires: u64,
}

/// A message that was sent.
pub(super) struct Sent {
    pub(super) at: u64,
    /// The people (or the one group) it went to.
    pub(super) to: Vec<String>,
    pub(super) chat: String,
    /// Who has read it, and when.
    pub(super) read: Vec<(String, u64)>,
    pub(super) recalled: bool,
}

impl Apps {
    pub(super) fn new(limited: bool) -> Apps {
        Apps { known: Mutex::default(), limited }
    }

    pub(super) fn register(&self, app_id: String, app: FeishuApp) {
        let limiter = |limit| Limiter::new(self.limited.then_some(limit), 0);
        let state = AppState {
            app_id: app_id.clone(),
            app,
            tokens: Vec::new(),
            issued: 0,
            second: limiter(SECOND),
            minute: limiter(MINUTE),
            near: limiter(NEAR),
            sent: 0,
            uploaded: HashSet::new(),
            messages: HashMap::new(),
            seen: HashMap::new(),
        };
        self.lock().insert(app_id, state);
    }

    /// Does something with one app; `None` if there is no such app.
    pub(super) fn with<T>(&self, app_id: &str, act: impl FnOnce(&mut AppState) -> T) -> Option<T> {
        self.lock().get_mut(app_id).map(act)
    }

    /// Does something with the app that the call's token belongs to, if the token is good and the pace is kept.
    pub(super) fn by_token<T>(
        &self,
        headers: &HeaderMap,
        now: u64,
        act: impl FnOnce(&mut AppState) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).filter(|token| !token.is_empty());
        let token =
            token.ok_or_else(|| Refusal::new(99_991_661, "Missing access token for authorization."))?;
        if !token.starts_with("t-") && !token.starts_with("u-") {
            return Err(Refusal::new(99_991_671, "Invalid token: must start with t-/u-"));
        }
        let mut apps = self.lock();
        let state = apps.values_mut().find(|state| state.holds(token, now));
        let state = state.ok_or_else(|| {
            let msg = "Invalid access token for authorization. Please make a request with token attached.";
            Refusal::new(99_991_663, msg)
        })?;
        state.check_address()?;
        let (second, minute) = (state.second.allows("", now), state.minute.allows("", now));
        if !(second && minute) {
            return Err(Refusal::new(99_991_400, "request trigger frequency limit"));
        }
        act(state)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, AppState>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppState {
    fn token(&mut self, now: u64) -> (String, u64) {
        self.tokens.retain(|token| now < token.expires);
        if let Some(token) = self.tokens.last().filter(|token| now + EARLY_MS <= token.expires) {
            return (token.text.clone(), (token.expires - now) / 1_000);
        }
        self.issued += 1;
        let text = format!("t-sandbox{:0>33}", self.issued);
        self.tokens.push(Token { text: text.clone(), expires: now + LIFE_MS });
        (text, LIFE_MS / 1_000)
    }

    fn holds(&self, text: &str, now: u64) -> bool {
        self.tokens.iter().any(|token| token.text == text && now < token.expires)
    }

    fn check_address(&self) -> Result<(), Refusal> {
        if self.app.ips.is_empty() || self.app.ips.iter().any(|ip| ip == "127.0.0.1") {
            return Ok(());
        }
        Err(Refusal::new(99_991_401, "ip 127.0.0.1 is denied by app setting"))
    }

    /// Whether somebody may be written to right now.
    pub(super) fn check_near(&self, id: &str, now: u64) -> Result<(), Refusal> {
        if self.near.allows(id, now) {
            return Ok(());
        }
        Err(Refusal::new(230_020, "This operation triggers the frequency limit."))
    }

    pub(super) fn check_bot(&self) -> Result<(), Refusal> {
        if self.app.bot { Ok(()) } else { Err(Refusal::new(230_006, "Bot ability is not activated.")) }
    }

    /// Any one of the scopes will do.
    pub(super) fn check_scope(&self, any: &[&str]) -> Result<(), Refusal> {
        if any.iter().any(|scope| self.app.scopes.iter().any(|granted| granted == scope)) {
            return Ok(());
        }
        let list = any.join(", ");
        let msg = format!("Access denied. One of the following scopes is required: [{list}]");
        Err(Refusal::new(99_991_672, msg))
    }

    /// An id of the platform's length: a prefix and 32 hexadecimal digits.
    pub(super) fn next_id(&mut self, prefix: &str) -> String {
        self.sent += 1;
        format!("{prefix}{:0>32x}", self.sent)
    }
}

/// `POST /open-apis/auth/v3/tenant_access_token/internal`
pub(super) async fn token(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    let now = sandbox.now();
    let judge = || {
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (app_id, secret) = (shown(&asked, "app_id"), shown(&asked, "app_secret"));
        let (Some(app_id), Some(secret)) = (app_id, secret) else {
            return Err(Refusal::new(10_003, "invalid param"));
        };
        let token = sandbox.feishu().apps.with(&app_id, |state| {
            if state.app.app_secret != secret {
                return Err(Refusal::new(10_015, "wrong app secret"));
            }
            state.check_address()?;
            Ok(state.token(now))
        });
        let (token, expire) = token.unwrap_or_else(|| Err(Refusal::new(10_003, "invalid param")))?;
        Ok(json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": expire}))
    };
    sandbox.aside(Platform::FeishuApp, "token", judge).await
}

/// `GET /open-apis/bot/v3/info`
pub(super) async fn bot(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.feishu().apps.by_token(&headers, now, |state| {
            if !state.app.bot {
                return Err(Refusal::new(11_205, "app do not have bot"));
            }
            let bot = json!({"activate_status": 2, "app_name": state.app_id, "avatar_url": "",
                "ip_white_list": state.app.ips, "open_id": "ou_sandbox_bot"});
            Ok(json!({"code": 0, "msg": "ok", "bot": bot}))
        })
    };
    sandbox.aside(Platform::FeishuApp, "bot", judge).await
}

impl Sandbox {
    /// Registers a Feishu app, forgetting what was registered under this app id before.
    pub fn feishu_app(&self, app_id: impl Into<String>, app: FeishuApp) {
        self.feishu().apps.register(app_id.into(), app);
    }

    /// Ends all tokens of an app now.
    pub fn feishu_expire_tokens(&self, app_id: &str) {
        self.feishu().apps.with(app_id, |state| state.tokens.clear());
    }

    /// How many tokens an app was given so far.
    pub fn feishu_tokens_issued(&self, app_id: &str) -> u64 {
        self.feishu().apps.with(app_id, |state| state.issued).unwrap_or_default()
    }
}
