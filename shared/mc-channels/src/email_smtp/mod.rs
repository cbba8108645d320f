//! E-mail through an SMTP server.

mod api;
mod config;
mod pool;
mod render;
mod replies;

use std::sync::Arc;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Push, Receipt, RenderContext, RenderError, Rendered, SendError,
    SharedChannel,
};
use serde_json::json;

use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::{Config, DEFAULT_CONNECTIONS};
use pool::Pool;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["password"],
    takes_base_url: false,
    capability,
    urls: config::urls,
    neutral: || (json!({"host": "mail.invalid", "from": "Sender <sender@mail.invalid>"}), &[]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::EmailSmtp,
        // One refused address would take the whole transaction along, so each has its own.
        batching: Batching::Single,
        addresses: &[AddressKind::Email],
        dedupe: None,
        limit: None,
        people: None,
        quotas: &[],
        concurrency: DEFAULT_CONNECTIONS,
        receipts: false,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = Arc::new(config::read(setup)?);
    let capability = Capability {
        limit: effective_limit(None, &setup.limits),
        concurrency: config.connections,
        ..capability()
    };
    let pool = Pool::new(Arc::clone(&config), ports);
    Ok(Arc::new(EmailSmtp { config, capability, pool, ports: ports.clone() }))
}

struct EmailSmtp {
    config: Arc<Config>,
    capability: Capability,
    pool: Pool,
    ports: Ports,
}

#[async_trait]
impl Channel for EmailSmtp {
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
        api::send(&self.config, &self.pool, &*self.ports.clock, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        api::check(&self.config, &self.pool, &*self.ports.http).await
    }
}
