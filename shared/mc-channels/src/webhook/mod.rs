//! Any self-built IM with an HTTP API: the request is described by small templates.

mod api;
mod callback;
mod config;
mod credentials;
mod headers;
mod login;
mod outline;
mod render;
mod sign;
mod sigv4;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use mc_content::FieldError;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, CallbackAnswer, CallbackError, CallbackRequest, Callbacks, Capability, Channel, CheckStep,
    Push, Receipt, RenderContext, RenderError, Rendered, Route, SendError, SharedChannel,
};
use serde_json::json;

use crate::reach;
use crate::registry::{Entry, Ports, Setup, effective_limit};
use config::Config;

pub(crate) use credentials::in_settings;
pub use credentials::is_secretive;
pub(crate) use headers::doubled;
pub(crate) use login::without_secret;

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["secret", "password"],
    takes_base_url: true,
    capability,
    urls: config::urls,
    neutral: || (json!({"url": "https://im.invalid/send"}), &[]),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::Webhook,
        batching: Batching::Broadcast,
        addresses: &AddressKind::ALL,
        // The receiver gets the same webhook-id on every try, but whether it looks is its own affair.
        dedupe: None,
        limit: None,
        people: None,
        quotas: &[],
        concurrency: 1024,
        receipts: false,
        recall: false,
    }
}

fn build(setup: &Setup<'_>, ports: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    let config = config::read(setup)?;
    let capability = Capability {
        limit: effective_limit(None, &setup.limits),
        // Without an id of its own the receiver names ours, which needs no remembering.
        receipts: config.callback.is_some() && config.message_id.is_some(),
        ..capability()
    };
    Ok(Arc::new(Webhook { config, capability, route: setup.route.clone(), ports: ports.clone() }))
}

struct Webhook {
    config: Config,
    capability: Capability,
    route: Route,
    ports: Ports,
}

#[async_trait]
impl Channel for Webhook {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        render::render(&self.config, content, context)
    }

    fn surely_renders(&self, content: &Content, context: &RenderContext<'_>) -> bool {
        render::surely(&self.config, content, context)
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        api::send(&self.config, &self.route, &self.ports, &push).await
    }

    async fn check(&self) -> Vec<CheckStep> {
        let mut steps = vec![reach::passed("settings", "the templates are in order")];
        steps.extend(reach::reach(&*self.ports.http, &self.route, &self.config.url.origin).await);
        if let Some(login) = &self.config.login {
            steps.push(match login.fetch(&self.route, &*self.ports.http).await {
                Ok(token) => {
                    reach::passed("login", format!("signed in; the token lives {} s", token.lives.as_secs()))
                }
                Err(error) => {
                    let next =
                        "check login.url, its body and the secrets, and that token_pointer names the token";
                    reach::failed("login", error.text, next)
                }
            });
        }
        steps
    }

    fn callbacks(&self) -> Option<&dyn Callbacks> {
        self.config.callback.as_ref().map(|_| self as &dyn Callbacks)
    }
}

#[async_trait]
impl Callbacks for Webhook {
    async fn callback(&self, request: &CallbackRequest<'_>) -> Result<CallbackAnswer, CallbackError> {
        let Some(key) = &self.config.callback else {
            return Err(CallbackError::NotConfigured("/settings/receipts"));
        };
        callback::read(key, self.ports.clock.now(), request)
    }
}
