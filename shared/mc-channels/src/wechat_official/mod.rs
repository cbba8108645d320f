//! Template messages of a WeChat official account (公众号模板消息).

mod api;
mod config;
mod render;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, CallbackAnswer, CallbackError, CallbackRequest, Callbacks, Capability, Channel, CheckStep,
    Figure, PlatformTemplate, PlatformTemplates, Push, Quota, QuotaSource, QuotaUnit, Receipt, RenderContext,
    RenderError, Rendered, SendError, SharedChannel, Window,
};
use serde_json::json;

use crate::registry::{Entry, Ports, Setup, effective_limit};
use crate::wechat::account::SECRETS;
use crate::wechat::quota;
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: SECRETS,
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || {
        let fields = json!({"title": "thing1", "text": "thing2"});
        let settings =
            json!({"app_id": "wx0000000000000000", "platform_template_id": "preview", "fields": fields});
        (settings, &[("app_secret", "00000000000000000000000000000000")])
    },
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::WechatOfficial,
        batching: Batching::Single,
        addresses: &[AddressKind::Wechat],
        dedupe: Some(Duration::from_secs(600)),
        // There is a limit per minute, and its number is not said. 45011 is waited out.
        limit: None,
        people: None,
        // Many at once are answered with -1.
        quotas: &[Quota { window: Window::Day, unit: QuotaUnit::Calls, documented: Some(100_000) }],
        concurrency: 16,
        receipts: true,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup, ports)?;
    let capability = Capability { limit: effective_limit(None, &setup.limits), ..capability() };
    Ok(Arc::new(WechatOfficial { config, capability }))
}

struct WechatOfficial {
    config: Config,
    capability: Capability,
}

#[async_trait]
impl Channel for WechatOfficial {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.config, content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config.account, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        self.config.account.check().await
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }

    fn platform_templates(&self) -> Option<&dyn PlatformTemplates> {
        Some(self)
    }

    fn quota_source(&self) -> Option<&dyn QuotaSource> {
        Some(self)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        quota::used_up(error)
    }
}

#[async_trait]
impl QuotaSource for WechatOfficial {
    async fn figures(&self) -> Result<Vec<Figure>, SendError> {
        self.config.account.figures("/cgi-bin/message/template/send").await
    }
}

#[async_trait]
impl Callbacks for WechatOfficial {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        self.config.account.keys.callback(request)
    }
}

#[async_trait]
impl PlatformTemplates for WechatOfficial {
    async fn platform_templates(&self) -> Result<Vec<PlatformTemplate>, SendError> {
        self.config.account.templates().await
    }
}
