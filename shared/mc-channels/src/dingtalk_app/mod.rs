//! An app of one's own on DingTalk: work notifications (工作通知) to people and departments.

mod api;
mod callback;
mod card;
mod check;
mod config;
mod lookup;
mod media;
mod people;
mod render;
mod status;
mod table;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind, Recipient};
use mc_core::ports::{
    Batching, CallbackAnswer, CallbackError, CallbackRequest, Callbacks, Capability, Channel, CheckStep,
    Figure, Lookups, Polled, Polls, Push, Quota, QuotaUnit, RateLimit, Recalls, Receipt, RenderContext,
    RenderError, Rendered, Route, SendError, SharedChannel, Window,
};
use serde_json::json;

use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["app_secret", "token", "aes_key"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || {
        let settings = json!({"app_key": "ding0000000000000000", "agent_id": 1_000_000});
        (settings, &[("app_secret", "0000000000000000")])
    },
    build,
};

/// A number is looked up; without the permission to, userids alone are understood.
const ADDRESSES: &[AddressKind] = &[AddressKind::Dingtalk, AddressKind::Mobile];

fn capability() -> Capability {
    Capability {
        kind: Kind::DingtalkApp,
        batching: Batching::UpTo(people::USERS),
        addresses: ADDRESSES,
        // It drops what somebody got today in the same words, which is no promise about a push.
        dedupe: None,
        // Of the standard edition, for each of the platform's calls.
        limit: Some(RateLimit { count: 20, per: Duration::from_secs(1) }),
        // What is sent to more is dropped for them in silence.
        people: Some(RateLimit { count: 5000, per: Duration::from_secs(60) }),
        // Of the standard edition; questions about results count as well.
        quotas: &[Quota { window: Window::Month, unit: QuotaUnit::Calls, documented: Some(5000) }],
        concurrency: 8,
        receipts: true,
        recall: true,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let platform = capability();
    let capability = Capability {
        limit: effective_limit(platform.limit, &setup.limits),
        addresses: if config.find_by_mobile { ADDRESSES } else { &ADDRESSES[..1] },
        ..platform
    };
    Ok(Arc::new(DingtalkApp {
        config,
        capability,
        project: setup.project.to_owned(),
        route: setup.route.clone(),
        ports: ports.clone(),
    }))
}

struct DingtalkApp {
    config: Config,
    capability: Capability,
    project: String,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for DingtalkApp {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        self.push(&push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        self.look().await
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }

    fn recalls(&self) -> Option<&dyn Recalls> {
        Some(self)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        table::is_used_up(error).then_some(Window::Month)
    }

    fn figure(&self, error: &SendError) -> Option<Figure> {
        table::is_used_up(error).then(|| table::figure(&error.text)).flatten()
    }

    fn lookups(&self) -> Option<&dyn Lookups> {
        self.config.find_by_mobile.then_some(self as &dyn Lookups)
    }

    fn polls(&self) -> Option<&dyn Polls> {
        self.config.poll_results.then_some(self as &dyn Polls)
    }
}

#[async_trait]
impl Callbacks for DingtalkApp {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        callback::read(&self.config, self.ports.clock.now(), &*self.ports.random, request)
    }
}

#[async_trait]
impl Recalls for DingtalkApp {
    async fn recall(&self, platform_id: &str) -> Result<(), SendError> {
        self.take_back(platform_id).await
    }
}

#[async_trait]
impl Lookups for DingtalkApp {
    fn finds(&self) -> AddressKind {
        AddressKind::Dingtalk
    }

    async fn by_mobile(&self, mobile: &str) -> Result<Option<String>, SendError> {
        self.find(mobile).await
    }
}

#[async_trait]
impl Polls for DingtalkApp {
    fn after(&self) -> &'static [Duration] {
        &status::TIMES
    }

    async fn poll(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        self.ask(platform_id, to).await
    }

    fn has_it_already(&self, code: &str) -> bool {
        status::is_repeat(code)
    }
}
