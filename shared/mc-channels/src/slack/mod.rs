//! A channel in Slack, through an incoming webhook or `chat.postMessage`.

mod api;
mod config;
mod render;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Push, RateLimit, Receipt, RenderContext, RenderError, Rendered,
    Route, SendError, SharedChannel,
};
use serde_json::json;

use crate::reach;
use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::{Config, Way};

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["webhook_url", "bot_token"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || (json!({}), &[("webhook_url", "https://hooks.invalid/services/T0/B0/preview")]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::Slack,
        batching: Batching::Broadcast,
        // Slack's people have ids of their own, which no recipient has.
        addresses: &[],
        dedupe: None,
        limit: Some(RateLimit { count: 1, per: Duration::from_secs(1) }),
        people: None,
        quotas: &[],
        concurrency: 4,
        receipts: false,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let platform = capability();
    let capability = Capability { limit: effective_limit(platform.limit, &setup.limits), ..platform };
    Ok(Arc::new(Slack { config, capability, route: setup.route.clone(), ports: ports.clone() }))
}

struct Slack {
    config: Config,
    capability: Capability,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for Slack {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config, &self.route, &*self.ports.http, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        let http = &*self.ports.http;
        let (way, server, token) = match &self.config.way {
            Way::Hook { url } => (
                "an incoming webhook, which Slack lets nobody try without sending; send a test",
                url.expose(),
                None,
            ),
            Way::Bot { token, .. } => ("a bot", self.config.base_url.as_str(), Some(token)),
        };
        let mut steps = vec![reach::passed("settings", way)];
        steps.extend(reach::reach(http, &self.route, server).await);
        if let Some(token) = token.filter(|_| steps.iter().all(|step| step.ok)) {
            steps.push(match api::try_token(&self.config, &self.route, http, token).await {
                Ok(()) => reach::passed("login", "Slack knows the bot's token"),
                Err(error) => reach::failed(
                    "login",
                    format!("Slack does not take the bot's token: {error}"),
                    "copy the Bot User OAuth Token from the app's page, and install the app again if it was removed",
                ),
            });
        }
        steps
    }
}
