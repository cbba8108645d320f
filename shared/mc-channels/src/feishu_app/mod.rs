//! An app of one's own on Feishu or Lark: messages to people, groups and departments.

mod address;
mod api;
mod callback;
mod check;
mod config;
mod crypt;
mod lookup;
mod media;
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
    Lookups, Polled, Polls, Push, Quota, QuotaUnit, RateLimit, Recalls, Receipt, RenderContext, RenderError,
    Rendered, Route, SendError, SharedChannel, Window,
};
use serde_json::json;

use crate::feishu::Form;
use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["app_secret", "verification_token", "encrypt_key"],
    takes_base_url: true,
    capability: || capability(Form::Single),
    urls: |_| Vec::new(),
    neutral: || (json!({"app_id": "cli_0000000000000000"}), &[("app_secret", "0000000000000000")]),
    build,
};

/// A number is looked up; without the permission to, Feishu's own ids alone are understood.
const ADDRESSES: &[AddressKind] = &[AddressKind::Feishu, AddressKind::Mobile];

fn capability(form: Form) -> Capability {
    let batch = form == Form::Batch;
    Capability {
        kind: Kind::FeishuApp,
        batching: if batch { Batching::UpTo(200) } else { Batching::Single },
        addresses: ADDRESSES,
        // By uuid, which batches do not have.
        dedupe: (!batch).then_some(Duration::from_secs(3600)),
        // 50 in a second and 1,000 in a minute: fifty in any three seconds are never more than either.
        limit: Some(RateLimit { count: 50, per: Duration::from_secs(3) }),
        people: None,
        // What a plan has is not said in one place. 10,000 is the number that is quoted for the basic one.
        quotas: &[Quota { window: Window::Month, unit: QuotaUnit::Calls, documented: Some(10_000) }],
        concurrency: 16,
        receipts: true,
        recall: true,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let platform = capability(config.form);
    let capability = Capability {
        limit: effective_limit(platform.limit, &setup.limits),
        addresses: if config.find_by_mobile { ADDRESSES } else { &ADDRESSES[..1] },
        ..platform
    };
    Ok(Arc::new(FeishuApp {
        config,
        capability,
        project: setup.project.to_owned(),
        route: setup.route.clone(),
        ports: ports.clone(),
    }))
}

struct FeishuApp {
    config: Config,
    capability: Capability,
    project: String,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for FeishuApp {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.config, content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        self.push(&push).await
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        (error.code == "99991403").then_some(Window::Month)
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

    fn lookups(&self) -> Option<&dyn Lookups> {
        self.config.find_by_mobile.then_some(self as &dyn Lookups)
    }

    fn polls(&self) -> Option<&dyn Polls> {
        (self.config.form == Form::Batch || self.config.poll_reads).then_some(self as &dyn Polls)
    }
}

#[async_trait]
impl Callbacks for FeishuApp {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        callback::read(&self.config, self.ports.clock.now(), request)
    }
}

#[async_trait]
impl Recalls for FeishuApp {
    async fn recall(&self, platform_id: &str) -> Result<(), SendError> {
        self.take_back(platform_id).await
    }
}

#[async_trait]
impl Lookups for FeishuApp {
    fn finds(&self) -> AddressKind {
        AddressKind::Feishu
    }

    async fn by_mobile(&self, mobile: &str) -> Result<Option<String>, SendError> {
        self.find(mobile).await
    }
}

#[async_trait]
impl Polls for FeishuApp {
    fn after(&self) -> &'static [Duration] {
        if self.config.form == Form::Batch { &status::BATCH } else { &status::SINGLE }
    }

    async fn poll(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        self.ask(platform_id, to).await
    }
}
