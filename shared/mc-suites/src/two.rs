//! Two processes over one store and queue, and a platform in memory that both push to.

use std::sync::Arc;
use std::time::Duration;

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::Timestamp;
use mc_core::model::{ChannelDoc, Kind, Limits, OnDoubt};
use mc_core::ports::{Clock, Family, Ids, Random};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{Accepted, Caller, accept, request};
use mc_pipeline::center::Tuning;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::quota::{self, QuotaItem};
use mc_pipeline::repo::{Build, ChannelEntry};
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::view::{self, Filter, MessageView};
use mc_pipeline::{Center, Parts, due};
use mc_testkit::store::StoreUnderTest;
use mc_testkit::{MockClock, Must, Platform, SeqIds, SeqRandom};
use serde_json::{Value, json};

use crate::PlaceUnderTest;

pub const PROJECT: &str = "default";

/// The one channel.
pub const CHANNEL: &str = "wx";

/// Where its tasks and those of schedules and conditions wait.
const FAMILIES: [Family; 2] = [Family::Webhook, Family::Wechat];

/// Two processes, each of which knows nothing of the other but what is stored.
pub struct Two<'a, P> {
    place: &'a P,
    pub one: Arc<Center>,
    pub other: Arc<Center>,
    pub clock: Arc<MockClock>,
    pub platform: Arc<Platform>,
}

impl<'a, P: PlaceUnderTest> Two<'a, P> {
    /// With a channel whose operator has set nothing.
    pub async fn new(place: &'a P) -> Self {
        Self::with(place, Limits::default()).await
    }

    /// With a channel of these limits.
    pub async fn with(place: &'a P, limits: Limits) -> Self {
        let platform = Arc::new(Platform::default());
        // Real ids never repeat, so the two share what counts them.
        let (ids, random) = (Arc::new(SeqIds::default()), Arc::new(SeqRandom::default()));
        let ring = KeyRing::generate("k1", &*random).must();
        let make = || Arc::new(center(place, &platform, ids.clone(), random.clone(), &ring));
        let two = Self {
            place,
            one: make(),
            other: make(),
            clock: place.shared_clock(),
            platform: platform.clone(),
        };
        two.one.projects.ensure(PROJECT).await.must();
        two.one.channels.put(PROJECT, CHANNEL, channel(limits)).await.must();
        two
    }

    pub fn caller(&self) -> Caller {
        Caller::new(PROJECT, "suite", "req-1")
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn entry(&self, center: &Center) -> Arc<ChannelEntry> {
        center.channels.get(PROJECT, CHANNEL).await.must().must()
    }

    pub async fn send(&self, body: Value) -> Accepted {
        let request = request::read(body.to_string().as_bytes());
        let mut answer = accept(&self.one, &self.caller(), vec![request], None).await.must();
        match answer.outcomes.remove(0) {
            Outcome::Accepted(accepted) => accepted,
            other => panic!("it is not accepted: {other:?}"),
        }
    }

    /// Moves time on, and has both promote what became due and work on it.
    pub async fn advance(&self, by: Duration) {
        self.place.advance(by).await;
        let (one, other) = tokio::join!(due::promote(&self.one), due::promote(&self.other));
        one.must();
        other.must();
        self.work().await;
    }

    /// Moves time on while nobody works.
    pub async fn pass(&self, by: Duration) {
        self.place.advance(by).await;
    }

    /// Has the consumers of both work until nothing is left that is due. What a run makes waits in another family than the run.
    async fn work(&self) {
        let consumer = |center: &Arc<Center>| Arc::new(Deliverer::new(center.clone()));
        for family in FAMILIES {
            let one = self.place.drive(family, consumer(&self.one));
            tokio::join!(one, self.place.drive(family, consumer(&self.other)));
        }
    }

    /// Every message, the newest first.
    pub async fn messages(&self) -> Vec<MessageView> {
        let filter =
            Filter { from: Some(self.now().before(Duration::from_secs(400 * 86_400))), ..Filter::default() };
        view::list(&self.one, PROJECT, &filter, 200, None).await.must().items
    }

    /// How a window of the channel stands, as somebody sees it who knows only what is stored.
    pub async fn standing(&self, window: mc_core::ports::Window) -> QuotaItem {
        let items = quota::list(&self.other, PROJECT).await.must();
        items.into_iter().find(|item| item.window == window).must()
    }
}

fn center<P: PlaceUnderTest>(
    place: &P,
    platform: &Arc<Platform>,
    ids: Arc<dyn Ids>,
    random: Arc<dyn Random>,
    ring: &KeyRing,
) -> Center {
    let clock = place.shared_clock();
    let policy = EgressPolicy::parse(None, true).must();
    let parts = Parts {
        store: StoreUnderTest::store(place),
        queue: place.queue(),
        blobs: place.blobs(),
        http: Arc::new(GuardedHttp::new(policy, clock.clone())),
        mail: None,
        clock,
        ids,
        sealer: Arc::new(Sealer::new(ring, random.clone()).must()),
        random,
        tuning: Tuning::default(),
    };
    let mut center = Center::new(parts);
    let platform = platform.clone();
    let build: Build = Arc::new(move |_, _| Ok(platform.channel()));
    center.channels = center.channels.built_by(build);
    center
}

fn channel(limits: Limits) -> ChannelDoc {
    ChannelDoc {
        kind: Kind::WechatOfficial,
        settings: Default::default(),
        secrets: Default::default(),
        base_url: None,
        proxy: None,
        tls_ca: None,
        limits,
        alarm: None,
        on_doubt: OnDoubt::Resend,
        enabled: true,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    }
}

/// A message to so many people.
pub fn message(people: usize) -> Value {
    let to: Value = (0..people).map(|i| json!({"wechat": format!("openid-{i}")})).collect();
    json!({"content": {"title": "T", "body": "B"}, "to": to, "routing": {"channels": [CHANNEL]}})
}
