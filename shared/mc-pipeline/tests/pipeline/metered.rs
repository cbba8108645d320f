//! A platform in memory that counts what it takes, tells how much is left, and refuses what is over.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mc_core::model::{AddressKind, ChannelDoc, Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Figure, Part, Push, Quota, QuotaSource, QuotaUnit, Receipt,
    RenderContext, RenderError, Rendered, SendError, SendFailure, Size, SizeUnit, Window,
};
use mc_pipeline::repo::Build;
use serde_json::json;

use crate::world::World;

/// What the platform answers when it is asked.
#[derive(Clone, Copy)]
pub enum Answer {
    Figures(u64, u64),
    Down,
    Never,
}

#[derive(Default)]
struct Seen {
    to: Vec<String>,
    /// It takes no more than so many.
    at_most: Option<usize>,
    refused: usize,
    answer: Option<Answer>,
    asked: usize,
}

/// The platform.
#[derive(Default)]
pub struct Platform(Mutex<Seen>);

impl Platform {
    pub fn sent(&self) -> usize {
        self.0.lock().unwrap().to.len()
    }

    pub fn refused(&self) -> usize {
        self.0.lock().unwrap().refused
    }

    pub fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }

    pub fn at_most(&self, most: Option<usize>) {
        self.0.lock().unwrap().at_most = most;
    }

    pub fn answers(&self, answer: Answer) {
        self.0.lock().unwrap().answer = Some(answer);
    }
}

/// A world with a channel for each platform: calls are counted in days and months of China.
pub async fn world<const N: usize>(channels: [&str; N]) -> (World, [Arc<Platform>; N]) {
    world_with(channels, |_| {}).await
}

/// The same with something changed about each channel.
pub async fn world_with<const N: usize>(
    channels: [&str; N],
    change: impl Fn(&mut ChannelDoc),
) -> (World, [Arc<Platform>; N]) {
    let platforms: [Arc<Platform>; N] = std::array::from_fn(|_| Arc::default());
    let of: Vec<(String, Arc<Platform>)> =
        channels.iter().map(|name| (*name).to_owned()).zip(platforms.clone()).collect();
    let build: Build = Arc::new(move |setup, ports| match of.iter().find(|(name, _)| name == setup.name) {
        Some((_, platform)) => Ok(Arc::new(Metered { platform: platform.clone(), capability: capability() })),
        None => mc_channels::build(setup, ports),
    });
    let world = World::built_by(Some(build)).await;
    for name in channels {
        world.channel_with(name, Kind::WechatOfficial, json!({}), &[], &change).await;
    }
    (world, platforms)
}

fn capability() -> Capability {
    let quota = |window, documented| Quota { window, unit: QuotaUnit::Calls, documented };
    Capability {
        kind: Kind::WechatOfficial,
        batching: Batching::Single,
        addresses: &[AddressKind::Wechat],
        dedupe: None,
        limit: None,
        quotas: Box::leak(Box::new([quota(Window::Day, Some(1000)), quota(Window::Month, None)])),
        concurrency: 8,
        receipts: false,
        recall: false,
    }
}

struct Metered {
    platform: Arc<Platform>,
    capability: Capability,
}

#[async_trait]
impl Channel for Metered {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, _: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        Ok(Rendered {
            parts: vec![Part::new(json!({"text": content.body.text}))],
            text: content.body.text.clone(),
            warnings: Vec::new(),
            size: Size { used: 1, allowed: 100, unit: SizeUnit::Bytes },
        })
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        let mut seen = self.platform.0.lock().unwrap();
        if seen.at_most.is_some_and(|most| seen.to.len() >= most) {
            seen.refused += 1;
            let after = Some(std::time::Duration::from_secs(16 * 3600));
            let (code, text) = ("45009".to_owned(), "reach max api daily quota limit".to_owned());
            return Err(SendError { failure: SendFailure::Throttled { after }, code, text });
        }
        seen.to.extend(push.to.iter().filter_map(|r| r.addresses.wechat.clone()));
        Ok(Receipt::default())
    }

    async fn check(&self) -> Vec<CheckStep> {
        Vec::new()
    }

    fn quota_source(&self) -> Option<&dyn QuotaSource> {
        self.platform.0.lock().unwrap().answer.map(|_| self as &dyn QuotaSource)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        (error.code == "45009").then_some(Window::Day)
    }
}

#[async_trait]
impl QuotaSource for Metered {
    async fn figures(&self) -> Result<Vec<Figure>, SendError> {
        let answer = {
            let mut seen = self.platform.0.lock().unwrap();
            seen.asked += 1;
            seen.answer
        };
        match answer {
            Some(Answer::Figures(limit, used)) => {
                Ok(vec![Figure { window: Window::Day, limit: Some(limit), used: Some(used) }])
            }
            Some(Answer::Never) => std::future::pending().await,
            Some(Answer::Down) | None => {
                let (code, text) = ("http_502".to_owned(), "bad gateway".to_owned());
                Err(SendError { failure: SendFailure::Transient { after: None }, code, text })
            }
        }
    }
}
