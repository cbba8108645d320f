//! A self-built app of a corporation on WeCom (企业微信自建应用): messages to its people.

mod api;
mod callback;
mod card;
mod check;
mod config;
mod lookup;
mod media;
mod recipients;
mod render;
mod size;
mod statistics;
mod table;

use std::sync::Arc;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, CallbackAnswer, CallbackError, CallbackRequest, Callbacks, Capability, Channel, CheckStep,
    Figure, Lookups, Push, Quota, QuotaSource, QuotaUnit, Recalls, Receipt, RenderContext, RenderError,
    Rendered, Route, SendError, SharedChannel, Window,
};
use serde_json::{Value, json};

use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["secret", "token", "encoding_aes_key"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || {
        let settings = json!({"corp_id": "ww0000000000000000", "agent_id": 1_000_000});
        (settings, &[("secret", "0000000000000000")])
    },
    build,
};

/// A number is looked up; a channel that does not look understands user ids alone.
const ADDRESSES: &[AddressKind] = &[AddressKind::Wecom, AddressKind::Mobile];

fn capability() -> Capability {
    Capability {
        kind: Kind::WecomApp,
        batching: Batching::UpTo(1000),
        addresses: ADDRESSES,
        // Its duplicate check compares contents, and two equal alarms are two messages.
        dedupe: None,
        // Sending is not counted by calls but by people: so many in a day for the app, 30 a minute for each member.
        limit: None,
        people: None,
        // 200 for each account of the corporation, whose number nobody tells.
        quotas: &[Quota { window: Window::Day, unit: QuotaUnit::Recipients, documented: None }],
        concurrency: 16,
        // No event and no call tells of one message.
        receipts: false,
        recall: true,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let capability = Capability {
        limit: effective_limit(None, &setup.limits),
        addresses: if config.find_by_mobile { ADDRESSES } else { &ADDRESSES[..1] },
        ..capability()
    };
    Ok(Arc::new(WecomApp {
        config,
        capability,
        project: setup.project.to_owned(),
        route: setup.route.clone(),
        ports: ports.clone(),
    }))
}

struct WecomApp {
    config: Config,
    capability: Capability,
    project: String,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for WecomApp {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.config, content, context)
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

    fn lookups(&self) -> Option<&dyn Lookups> {
        self.config.find_by_mobile.then_some(self as &dyn Lookups)
    }

    fn recalls(&self) -> Option<&dyn Recalls> {
        Some(self)
    }

    fn quota_source(&self) -> Option<&dyn QuotaSource> {
        Some(self)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        table::is_used_up(error).then_some(Window::Day)
    }
}

#[async_trait]
impl Callbacks for WecomApp {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        callback::read(&self.config, request)
    }

    async fn follow(&self, then: &Value) -> Result<(), SendError> {
        self.change_card(then).await
    }
}

#[async_trait]
impl Lookups for WecomApp {
    fn finds(&self) -> AddressKind {
        AddressKind::Wecom
    }

    async fn by_mobile(&self, mobile: &str) -> Result<Option<String>, SendError> {
        self.find(mobile).await
    }
}

#[async_trait]
impl QuotaSource for WecomApp {
    async fn figures(&self) -> Result<Vec<Figure>, SendError> {
        self.statistics().await
    }
}

#[async_trait]
impl Recalls for WecomApp {
    async fn recall(&self, platform_id: &str) -> Result<(), SendError> {
        self.take_back(platform_id).await
    }
}
