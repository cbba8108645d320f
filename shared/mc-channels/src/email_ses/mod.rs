//! E-mail through Amazon SES.

mod api;
mod certificate;
mod config;
mod events;
mod render;
mod sns;
mod tags;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, CallbackAnswer, CallbackError, CallbackRequest, Callbacks, Capability, Channel, CheckStep,
    Figure, Push, Quota, QuotaSource, QuotaUnit, Receipt, RenderContext, RenderError, Rendered, SendError,
    SharedChannel, Window,
};
use serde_json::json;

use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;
use sns::Certificates;

pub use events::{SesEvent, read_ses_event};

pub(crate) const ENTRY: Entry = Entry {
    secrets: &[],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || (json!({"from": "Sender <sender@mail.invalid>"}), &[]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::EmailSes,
        // Everybody in a mail's `To` sees the others, and a bounce should be about one of them.
        batching: Batching::Single,
        addresses: &[AddressKind::Email],
        // SES takes no token by which it would know a repeat.
        dedupe: None,
        limit: None,
        people: None,
        quotas: &[Quota { window: Window::Day, unit: QuotaUnit::Recipients, documented: None }],
        concurrency: 16,
        receipts: true,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup, ports.mail.as_deref().and_then(|mail| mail.base_url()))?;
    let capability = Capability { limit: effective_limit(None, &setup.limits), ..capability() };
    Ok(std::sync::Arc::new(EmailSes {
        config,
        capability,
        ports: ports.clone(),
        certificates: Certificates::default(),
    }))
}

struct EmailSes {
    config: Config,
    capability: Capability,
    ports: Ports,
    certificates: Certificates,
}

#[async_trait]
impl Channel for EmailSes {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.config.sender, content, context)
    }

    fn surely_renders(&self, content: &Content, context: &RenderContext<'_>) -> bool {
        render::surely(content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config, self.ports.mail.as_deref(), &*self.ports.clock, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        api::check(self.ports.mail.as_deref()).await
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        Some(self)
    }

    fn quota_source(&self) -> Option<&dyn QuotaSource> {
        Some(self)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        api::used_up(error)
    }
}

#[async_trait]
impl QuotaSource for EmailSes {
    async fn figures(&self) -> Result<Vec<Figure>, SendError> {
        api::figures(self.ports.mail.as_deref()).await
    }
}

#[async_trait]
impl Callbacks for EmailSes {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        sns::read(&self.config, &self.certificates, &*self.ports.http, &*self.ports.clock, request).await
    }
}
