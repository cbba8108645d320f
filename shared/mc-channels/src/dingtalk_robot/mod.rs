//! A custom robot in a DingTalk group (自定义机器人).

mod api;
mod config;
mod render;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Push, Quota, QuotaUnit, RateLimit, Receipt, RenderContext,
    RenderError, Rendered, Route, SendError, SharedChannel, Window,
};
use serde_json::json;

use crate::reach;
use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["access_token", "secret", "robots"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    neutral: || (json!({}), &[("access_token", "0000000000000000")]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::DingtalkRobot,
        batching: Batching::Broadcast,
        addresses: &[AddressKind::Dingtalk, AddressKind::Mobile],
        dedupe: None,
        limit: Some(RateLimit { count: 20, per: Duration::from_secs(60) }),
        people: None,
        // Of the standard edition, for all robots of the organisation together.
        quotas: &[Quota { window: Window::Month, unit: QuotaUnit::Calls, documented: Some(3000) }],
        concurrency: 4,
        receipts: false,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let platform = capability();
    let capability = Capability { limit: effective_limit(platform.limit, &setup.limits), ..platform };
    Ok(Arc::new(DingtalkRobot { config, capability, route: setup.route.clone(), ports: ports.clone() }))
}

struct DingtalkRobot {
    config: Config,
    capability: Capability,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for DingtalkRobot {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn lanes(&self) -> u16 {
        u16::try_from(self.config.robots.len()).unwrap_or(u16::MAX)
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config, &self.route, &self.ports, &push).await
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        (error.code == "90030").then_some(Window::Month)
    }

    async fn check(&self) -> Vec<CheckStep> {
        let robots = self.config.robots.len();
        let mut steps = vec![reach::passed(
            "settings",
            format!(
                "{robots} robot(s); DingTalk has no call that tries a token without sending, so send a test"
            ),
        )];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.base_url).await);
        steps
    }
}
