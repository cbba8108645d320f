//! A platform in memory that counts what it takes, tells how much is left, and refuses what is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mc_core::model::{AddressKind, Content, Kind};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, Figure, Part, Push, Quota, QuotaSource, QuotaUnit, Receipt,
    RenderContext, RenderError, Rendered, SendError, SendFailure, SharedChannel, Size, SizeUnit, Window,
};
use serde_json::json;

/// What the platform answers when it is asked how much is left.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// How much there is, and how much of it is used.
    Figures(u64, u64),
    /// An error of its gateway.
    Down,
    /// Nothing, for ever.
    Never,
}

#[derive(Debug, Default)]
struct Seen {
    to: Vec<String>,
    /// It takes no more than so many.
    at_most: Option<usize>,
    refused: usize,
    answer: Option<Answer>,
    asked: usize,
}

/// The platform.
#[derive(Debug, Default)]
pub struct Platform(Mutex<Seen>);

impl Platform {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many people it has taken a message for.
    pub fn sent(&self) -> usize {
        self.seen().to.len()
    }

    /// How many pushes it has refused.
    pub fn refused(&self) -> usize {
        self.seen().refused
    }

    /// How often it was asked how much is left.
    pub fn asked(&self) -> usize {
        self.seen().asked
    }

    /// Takes no more than so many people.
    pub fn at_most(&self, most: Option<usize>) {
        self.seen().at_most = most;
    }

    /// What it answers from now on when it is asked. Until then it is a platform that cannot be asked.
    pub fn answers(&self, answer: Answer) {
        self.seen().answer = Some(answer);
    }

    /// A channel to it: calls are counted in days, of which 1000 are documented, and months of China.
    pub fn channel(self: &Arc<Self>) -> SharedChannel {
        let quota = |window, documented| Quota { window, unit: QuotaUnit::Calls, documented };
        let capability = Capability {
            kind: Kind::WechatOfficial,
            batching: Batching::Single,
            addresses: &[AddressKind::Wechat],
            dedupe: None,
            limit: None,
            people: None,
            quotas: Box::leak(Box::new([quota(Window::Day, Some(1000)), quota(Window::Month, None)])),
            concurrency: 8,
            receipts: false,
            recall: false,
        };
        Arc::new(Metered { platform: self.clone(), capability })
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
        let mut seen = self.platform.seen();
        if seen.at_most.is_some_and(|most| seen.to.len() >= most) {
            seen.refused += 1;
            let after = Some(Duration::from_secs(16 * 3600));
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
        self.platform.seen().answer.map(|_| self as &dyn QuotaSource)
    }

    fn used_up(&self, error: &SendError) -> Option<Window> {
        (error.code == "45009").then_some(Window::Day)
    }
}

#[async_trait]
impl QuotaSource for Metered {
    async fn figures(&self) -> Result<Vec<Figure>, SendError> {
        let answer = {
            let mut seen = self.platform.seen();
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
