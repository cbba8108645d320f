//! A platform in memory that tells everything: receipts, recalls, answers to questions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mc_core::Timestamp;
use mc_core::model::{AddressKind, Content, Kind, Recipient};
use mc_core::ports::{
    Batching, Capability, Channel, CheckStep, News, Part, Polled, Polls, Push, Recalls, Receipt,
    RenderContext, RenderError, Rendered, SendError, SendFailure, Size, SizeUnit,
};
use mc_core::state::State;
use mc_pipeline::receipts;
use mc_pipeline::repo::Build;
use serde_json::json;

use crate::world::{PROJECT, World};

/// When the channel `asked` is asked.
pub const ASKED_AFTER: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(3600)];

/// How the platform says that somebody has the same content already.
pub const REPEATED: &str = "same-words";

/// What the platform remembers.
#[derive(Default)]
pub struct Platform {
    state: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Platform id and addresses of each push.
    pushes: Vec<(String, Vec<String>)>,
    recalled: Vec<String>,
    questions: Vec<String>,
    answers: HashMap<String, Polled>,
    failures: Vec<SendError>,
    refuses_recalls: bool,
    /// Which part of a content it does not take.
    refused_part: Option<u64>,
}

impl Platform {
    pub fn pushes(&self) -> Vec<(String, Vec<String>)> {
        self.state.lock().unwrap().pushes.clone()
    }

    /// The platform's id of the push that went to an address.
    pub fn id_of(&self, address: &str) -> String {
        let pushes = self.pushes();
        let push = pushes.iter().find(|(_, to)| to.iter().any(|a| a == address));
        push.unwrap_or_else(|| panic!("nothing for {address} in {pushes:?}")).0.clone()
    }

    pub fn recalled(&self) -> Vec<String> {
        self.state.lock().unwrap().recalled.clone()
    }

    pub fn questions(&self) -> usize {
        self.state.lock().unwrap().questions.len()
    }

    /// What a question about a push is answered.
    pub fn answer(&self, id: &str, news: Vec<News>, done: bool) {
        self.state.lock().unwrap().answers.insert(id.to_owned(), Polled { news, done });
    }

    pub fn fail_next(&self, failure: SendFailure) {
        let error = SendError { failure, code: "lost".into(), text: "no answer".into() };
        self.state.lock().unwrap().failures.push(error);
    }

    /// Takes every part of a content but this one, counted from 0.
    pub fn refuse_part(&self, part: Option<u64>) {
        self.state.lock().unwrap().refused_part = part;
    }

    pub fn refuse_recalls(&self, refuse: bool) {
        self.state.lock().unwrap().refuses_recalls = refuse;
    }
}

/// A world whose channels called `one`, `many`, `own` and `asked` are of this platform.
pub async fn world() -> (World, Arc<Platform>) {
    let platform = Arc::new(Platform::default());
    let of = platform.clone();
    let build: Build = Arc::new(move |setup, ports| match setup.name {
        "one" | "many" | "own" | "asked" | "lasting" => Ok(Arc::new(Chatty::new(setup.name, of.clone()))),
        _ => mc_channels::build(setup, ports),
    });
    let world = World::built_by(Some(build)).await;
    for name in ["one", "many", "own", "asked"] {
        world.channel(name, Kind::EmailSmtp, json!({}), &[]).await;
    }
    (world, platform)
}

/// Something told of one push.
pub fn told(platform_id: &str, to: Option<&str>, state: State) -> News {
    News::Receipt {
        platform_id: platform_id.to_owned(),
        to: to.map(str::to_owned),
        state,
        code: (state == State::Failed).then(|| "5.1.1".to_owned()),
        text: (state == State::Failed).then(|| "no such mailbox".to_owned()),
        at: Some(Timestamp::from_millis(1)),
    }
}

pub async fn tell(world: &World, channel: &str, news: Vec<News>) {
    let entry = world.center.channels.get(PROJECT, channel).await.unwrap().unwrap();
    receipts::apply(&world.center, PROJECT, &entry, news).await.unwrap();
}

/// `one`: a push per recipient. `many`: three in a push, in two parts. `own`: our push id is the platform's id.
/// `asked`: three in a push, and results only for who asks. `lasting`, which a test makes itself: nothing can be taken back.
struct Chatty {
    name: String,
    capability: Capability,
    platform: Arc<Platform>,
}

impl Chatty {
    fn new(name: &str, platform: Arc<Platform>) -> Self {
        let batching = match name {
            "one" | "own" => Batching::Single,
            _ => Batching::UpTo(3),
        };
        let capability = Capability {
            kind: Kind::EmailSmtp,
            batching,
            addresses: &[AddressKind::Email],
            dedupe: None,
            limit: None,
            people: None,
            quotas: &[],
            concurrency: 8,
            receipts: true,
            recall: name != "lasting",
        };
        Self { name: name.to_owned(), capability, platform }
    }
}

#[async_trait]
impl Channel for Chatty {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    fn render(&self, content: &Content, _: &RenderContext<'_>) -> Result<Rendered, RenderError> {
        if content.body.text.contains("far too much") {
            return Err(RenderError::new("too_large", "more than this platform takes"));
        }
        let parts = if content.body.text.contains("two parts") { 2 } else { 1 };
        Ok(Rendered {
            parts: (0..parts).map(|n| Part::new(json!({"text": content.body.text, "part": n}))).collect(),
            text: content.body.text.clone(),
            warnings: Vec::new(),
            size: Size { used: 1, allowed: 100, unit: SizeUnit::Bytes },
        })
    }

    async fn send(&self, push: Push<'_>) -> Result<Receipt, SendError> {
        let mut state = self.platform.state.lock().unwrap();
        if let Some(error) = state.failures.pop() {
            return Err(error);
        }
        if state.refused_part.is_some() && state.refused_part == push.part.payload["part"].as_u64() {
            let (code, text) = ("5.7.1".to_owned(), "not this part".to_owned());
            return Err(SendError { failure: SendFailure::Permanent, code, text });
        }
        let id = match self.name.as_str() {
            "own" => push.push_id.to_owned(),
            name => format!("{name}-{}", state.pushes.len()),
        };
        let to = push.to.iter().filter_map(|r| r.addresses.email.clone()).collect();
        state.pushes.push((id.clone(), to));
        Ok(Receipt { platform_id: Some(id), refused: Vec::new() })
    }

    async fn check(&self) -> Vec<CheckStep> {
        Vec::new()
    }

    fn recalls(&self) -> Option<&dyn Recalls> {
        self.capability.recall.then_some(self as &dyn Recalls)
    }

    fn polls(&self) -> Option<&dyn Polls> {
        (self.name == "asked").then_some(self)
    }
}

#[async_trait]
impl Recalls for Chatty {
    async fn recall(&self, platform_id: &str) -> Result<(), SendError> {
        let mut state = self.platform.state.lock().unwrap();
        if state.refuses_recalls {
            let (code, text) = ("230011".to_owned(), "sent too long ago".to_owned());
            return Err(SendError { failure: SendFailure::Permanent, code, text });
        }
        state.recalled.push(platform_id.to_owned());
        Ok(())
    }
}

#[async_trait]
impl Polls for Chatty {
    fn after(&self) -> &'static [Duration] {
        &ASKED_AFTER
    }

    async fn poll(&self, platform_id: &str, to: &[Recipient]) -> Result<Polled, SendError> {
        let mut state = self.platform.state.lock().unwrap();
        assert!(!to.is_empty());
        state.questions.push(platform_id.to_owned());
        Ok(state.answers.get(platform_id).cloned().unwrap_or(Polled { news: Vec::new(), done: false }))
    }

    fn has_it_already(&self, code: &str) -> bool {
        code == REPEATED
    }
}
