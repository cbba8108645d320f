//! A robot in a WeCom group (群机器人).

mod api;
mod config;
mod render;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Push, RateLimit, Receipt, RenderContext, RenderError, Rendered,
    Route, SendError, SharedChannel,
};
use serde_json::json;

use crate::reach;
use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["key", "keys"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || (json!({}), &[("key", "00000000-0000-0000-0000-000000000000")]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::WecomRobot,
        batching: Batching::Broadcast,
        addresses: &[AddressKind::Wecom, AddressKind::Mobile],
        dedupe: None,
        limit: Some(RateLimit { count: 20, per: Duration::from_secs(60) }),
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
    Ok(Arc::new(WecomRobot { config, capability, route: setup.route.clone(), ports: ports.clone() }))
}

struct WecomRobot {
    config: Config,
    capability: Capability,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for WecomRobot {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn lanes(&self) -> u16 {
        u16::try_from(self.config.robots.len()).unwrap_or(u16::MAX)
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(self.config.markdown, content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config, &self.route, &*self.ports.http, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        let robots = self.config.robots.len();
        let mut steps = vec![reach::passed(
            "settings",
            format!("{robots} robot(s); WeCom has no call that tries a key without sending, so send a test"),
        )];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.base_url).await);
        steps
    }
}
