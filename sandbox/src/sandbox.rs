//! The sandbox itself: its state, its router and its methods.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get, post, put};

use crate::dingtalk::Dingtalk;
use crate::faults::{Fault, FaultQueue};
use crate::feishu::Feishu;
use crate::hook::Hooks;
use crate::im::{ImExpectation, Ims};
use crate::inbox::{Inbox, Page};
use crate::item::{Item, Platform};
use crate::options::{SandboxOptions, SmtpOptions};
use crate::ses::Ses;
use crate::slack::Slack;
use crate::smtp::Accounts;
use crate::wechat::Wechat;
use crate::wecom::Wecom;
use crate::wecom::app::Apps;
use crate::{control, dingtalk, feishu, hook, im, ses, slack, wechat, wecom};

/// Room for a 30 MB file in a multipart body, the largest thing any of the platforms takes.
const LARGEST_BODY: usize = 32 << 20;

/// A set of fake platforms with one inbox. Clones share everything.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    options: SandboxOptions,
    inbox: Inbox,
    faults: FaultQueue,
    wecom: Wecom,
    wecom_apps: Apps,
    wechat: Wechat,
    slack: Slack,
    ses: Ses,
    dingtalk: Dingtalk,
    dingtalk_apps: dingtalk::Apps,
    feishu: Feishu,
    ims: Ims,
    hooks: Hooks,
    accounts: Accounts,
}

impl Sandbox {
    /// A sandbox with an empty inbox.
    pub fn new(options: SandboxOptions) -> Sandbox {
        Sandbox(Arc::new(Inner {
            inbox: Inbox::new(options.inbox_capacity, options.inbox_bytes),
            faults: FaultQueue::default(),
            wecom: Wecom::new(options.rate_limit),
            wecom_apps: Apps::new(options.rate_limit.is_some()),
            wechat: Wechat::default(),
            slack: Slack::new(options.rate_limit),
            ses: Ses::new(options.rate_limit.is_some()),
            dingtalk: Dingtalk::new(options.rate_limit),
            dingtalk_apps: dingtalk::Apps::new(options.rate_limit.is_some()),
            feishu: Feishu::new(options.rate_limit),
            ims: Ims::default(),
            hooks: Hooks::default(),
            accounts: Accounts::default(),
            options,
        }))
    }

    /// The platforms' own paths and the control paths; mount it under any prefix.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/cgi-bin/webhook/send", any(wecom::send))
            .route("/cgi-bin/webhook/upload_media", post(wecom::upload))
            .route("/robot/send", any(dingtalk::send))
            .route("/im/{*path}", any(im::receive))
            .route("/hook/{name}", post(hook::receive))
            .route("/_inbox", get(control::list).delete(control::clear))
            .route("/_inbox/{n}", get(control::item))
            .route("/_faults", get(control::faults).put(control::put_faults).delete(control::clear_faults))
            .route("/_dingtalk/{token}", put(control::put_dingtalk))
            .route("/_hook/{name}", put(control::put_hook))
            .route("/_im/{*path}", put(control::put_im))
            .merge(wechat::routes())
            .merge(slack::routes())
            .merge(ses::routes())
            .merge(wecom::app::routes())
            .merge(dingtalk::app_routes())
            .merge(feishu::routes())
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(self.clone())
    }

    /// Everything in the inbox, oldest first.
    pub fn inbox(&self) -> Vec<Arc<Item>> {
        self.0.inbox.all()
    }

    /// What one platform accepted, oldest first.
    pub fn accepted(&self, platform: Platform) -> Vec<Arc<Item>> {
        let wanted = |item: &Arc<Item>| item.platform == platform && item.accepted;
        self.inbox().into_iter().filter(wanted).collect()
    }

    /// One item, unless it has been dropped or cleared.
    pub fn item(&self, n: u64) -> Option<Arc<Item>> {
        self.0.inbox.get(n)
    }

    /// Waits until the inbox satisfies `enough` and returns it. It waits for ever: set a time limit around
    /// it where that matters.
    pub async fn wait_for(&self, enough: impl Fn(&[Arc<Item>]) -> bool) -> Vec<Arc<Item>> {
        let mut changed = self.0.inbox.subscribe();
        loop {
            changed.mark_unchanged();
            let items = self.inbox();
            // The sender lives as long as `self`, so an error cannot happen; returning beats spinning.
            if enough(&items) || changed.changed().await.is_err() {
                return items;
            }
        }
    }

    /// Empties the inbox; numbers go on counting.
    pub fn clear(&self) {
        self.0.inbox.clear();
    }

    /// Adds a fault behind those still to come.
    pub fn push_fault(&self, fault: Fault) {
        self.0.faults.push(fault);
    }

    /// The faults still to come.
    pub fn pending_faults(&self) -> Vec<Fault> {
        self.0.faults.list()
    }

    /// Forgets the faults still to come.
    pub fn clear_faults(&self) {
        self.0.faults.replace(Vec::new());
    }

    /// Registers a DingTalk robot; with a secret, every call must be signed. An unregistered token fails
    /// with 400101.
    pub fn dingtalk_robot(&self, token: impl Into<String>, secret: Option<&str>) {
        self.0.dingtalk.register(token.into(), secret.map(str::to_owned), Vec::new());
    }

    /// Registers a DingTalk robot whose messages must contain one of `keywords` (if there are any).
    pub fn dingtalk_robot_with_keywords(
        &self,
        token: impl Into<String>,
        secret: Option<&str>,
        keywords: Vec<String>,
    ) {
        self.0.dingtalk.register(token.into(), secret.map(str::to_owned), keywords);
    }

    /// What `/im/<path>` demands of a request from now on.
    pub fn im_expect(&self, path: &str, expectation: ImExpectation) {
        self.0.ims.expect(path, expectation);
    }

    /// The Standard Webhooks secret of `/hook/<name>`: `whsec_…`, or `whpk_…` for ed25519.
    pub fn hook_secret(&self, name: impl Into<String>, secret: impl Into<String>) {
        self.0.hooks.register(name.into(), secret.into());
    }

    /// Registers an SMTP login. While there is none, every login succeeds.
    pub fn smtp_account(&self, user: impl Into<String>, password: impl Into<String>) {
        self.0.accounts.register(user.into(), password.into());
    }

    pub(crate) fn now(&self) -> u64 {
        (self.0.options.clock)()
    }

    pub(crate) fn store(&self, item: Item) -> u64 {
        self.0.inbox.push(item)
    }

    pub(crate) fn last(&self) -> u64 {
        self.0.inbox.last()
    }

    pub(crate) fn page(&self, page: Page) -> Vec<Arc<Item>> {
        self.0.inbox.page(page)
    }

    pub(crate) fn faults(&self) -> &FaultQueue {
        &self.0.faults
    }

    pub(crate) fn wecom(&self) -> &Wecom {
        &self.0.wecom
    }

    pub(crate) fn wecom_apps(&self) -> &Apps {
        &self.0.wecom_apps
    }

    pub(crate) fn slack(&self) -> &Slack {
        &self.0.slack
    }

    pub(crate) fn ses(&self) -> &Ses {
        &self.0.ses
    }

    pub(crate) fn wechat(&self) -> &Wechat {
        &self.0.wechat
    }

    pub(crate) fn dingtalk(&self) -> &Dingtalk {
        &self.0.dingtalk
    }

    pub(crate) fn dingtalk_apps(&self) -> &dingtalk::Apps {
        &self.0.dingtalk_apps
    }

    pub(crate) fn feishu(&self) -> &Feishu {
        &self.0.feishu
    }

    pub(crate) fn ims(&self) -> &Ims {
        &self.0.ims
    }

    pub(crate) fn hooks(&self) -> &Hooks {
        &self.0.hooks
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    pub(crate) fn smtp_options(&self) -> &SmtpOptions {
        &self.0.options.smtp
    }
}
