//! A whole message center in one test: embedded store and queue, the sandbox's platforms, a clock to turn by hand.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::id::MessageId;
use mc_core::model::{
    ChannelDoc, ContactDoc, EventKind, GroupDoc, Kind, Limits, OnDoubt, TemplateBody, WebhookDoc,
};
use mc_core::ports::{Clock, Family, Random};
use mc_core::state::MessageStatus;
use mc_core::{Secret, Timestamp};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{Accepted, Caller, Idempotency, Refusal, SendRequest, accept, request};
use mc_pipeline::center::Tuning;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::repo::Build;
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::view::{self, MessageView};
use mc_pipeline::{Center, Parts, due, people, tell};
use mc_sandbox::{DingtalkApp, Sandbox, SandboxOptions};
use mc_store_embedded::{Drive, Embedded, EmbeddedQueue, Options, run};
use mc_testkit::{FlakyStore, MockClock, SeqIds, SeqRandom};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const PROJECT: &str = "default";

pub struct World {
    pub center: Arc<Center>,
    pub clock: Arc<MockClock>,
    pub sandbox: Sandbox,
    /// Its writes of outcomes fail when a test says so.
    pub store: Arc<FlakyStore>,
    pub base: String,
    pub ring: KeyRing,
    build: Option<Build>,
    /// Whether somebody works.
    consumers: AtomicBool,
    pub queue: EmbeddedQueue,
    _data: Arc<Embedded>,
    _folder: tempfile::TempDir,
}

impl World {
    /// A center with a channel per kind (`robot`, `ding`, `mail`, `im`) and nobody working yet.
    pub async fn quiet() -> Self {
        Self::built_by(None).await
    }

    /// The same with live channels made in another way.
    pub async fn built_by(build: Option<Build>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MockClock::default());
        let random: Arc<dyn Random> = Arc::new(SeqRandom::default());
        let data = Arc::new(Embedded::open(Options::new(folder.path()), clock.clone()).unwrap());
        let policy = EgressPolicy::parse(None, true).unwrap();
        let ring = KeyRing::generate("k1", &*random).unwrap();
        let store = Arc::new(FlakyStore::new(Arc::new(data.store()), mc_pipeline::share::attr::RECORDED));
        let mut center = Center::new(Parts {
            store: store.clone(),
            queue: Arc::new(data.queue()),
            blobs: Arc::new(data.blobs()),
            http: Arc::new(GuardedHttp::new(policy, clock.clone())),
            mail: None,
            clock: clock.clone(),
            ids: Arc::new(SeqIds::default()),
            random: random.clone(),
            sealer: Arc::new(Sealer::new(&ring, random).unwrap()),
            tuning: Tuning { leases_from: clock.now(), ..Tuning::default() },
        });
        center.public_url = Some("https://mc.example.com/".to_owned());
        if let Some(build) = &build {
            center.channels = center.channels.built_by(build.clone());
        }
        let center = Arc::new(center);
        let sandbox_clock = clock.clone();
        let sandbox =
            Sandbox::new(SandboxOptions::new(Arc::new(move || sandbox_clock.now().millis() as u64)));
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", http.local_addr().unwrap());
        let router = sandbox.router();
        tokio::spawn(async move { axum::serve(http, router).await });
        let smtp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = smtp.local_addr().unwrap().port();
        let postman = sandbox.clone();
        tokio::spawn(async move { postman.serve_smtp(smtp, pending()).await });
        sandbox.dingtalk_robot("ding-token-000001", Some("SECding"));
        let world = Self {
            center,
            clock,
            sandbox,
            store,
            base,
            ring,
            build,
            consumers: AtomicBool::new(false),
            queue: data.queue(),
            _data: data,
            _folder: folder,
        };
        world.center.projects.ensure(PROJECT).await.unwrap();
        world
            .channel("robot", Kind::WecomRobot, json!({}), &[("key", "5a1db0c5-0000-4000-8000-000000000001")])
            .await;
        let ding = [("access_token", "ding-token-000001"), ("secret", "SECding")];
        world.channel("ding", Kind::DingtalkRobot, json!({}), &ding).await;
        let mail = json!({"host": "127.0.0.1", "port": port, "security": "none", "from": "ops@example.com"});
        world.channel("mail", Kind::EmailSmtp, mail, &[]).await;
        world.channel("im", Kind::Webhook, json!({"url": format!("{}/im/messages", world.base)}), &[]).await;
        world
    }

    /// The same with consumers of every family at work.
    pub async fn working() -> Self {
        let world = Self::quiet().await;
        world.work();
        world
    }

    /// Starts the consumers.
    pub fn work(&self) {
        self.consumers.store(true, Ordering::Relaxed);
        let deliverer = Arc::new(Deliverer::new(self.center.clone()));
        let drive = Drive { concurrency: 64, grace: Duration::from_secs(1) };
        for family in Family::ALL {
            tokio::spawn(run(self.queue.clone(), family, deliverer.clone(), drive, pending()));
        }
    }

    /// Another process over the same store, which knows nothing yet.
    pub fn another_process(&self) -> Center {
        self.process_with(&self.ring)
    }

    /// The same with another key ring.
    pub fn process_with(&self, ring: &KeyRing) -> Center {
        let mut center = Center::new(Parts {
            store: self.center.store.clone(),
            queue: self.center.queue.clone(),
            blobs: self.center.blobs.clone(),
            http: self.center.http.clone(),
            mail: None,
            clock: self.center.clock.clone(),
            ids: self.center.ids.clone(),
            random: self.center.random.clone(),
            sealer: Arc::new(Sealer::new(ring, self.center.random.clone()).unwrap()),
            tuning: self.center.tuning,
        });
        if let Some(build) = &self.build {
            center.channels = center.channels.built_by(build.clone());
        }
        center
    }

    /// Moves time on and lets the consumers take what became due.
    pub async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        due::promote(&self.center).await.unwrap();
        self.settle().await;
    }

    /// Waits until the consumers, if there are any, have done what is due.
    pub async fn settle(&self) {
        if !self.consumers.load(Ordering::Relaxed) {
            return;
        }
        self.queue.wake();
        // Quiet is what stays quiet: what is done in one family may give another one work.
        let mut quiet = 0;
        while quiet < 3 {
            quiet =
                if Family::ALL.into_iter().all(|family| self.queue.is_idle(family)) { quiet + 1 } else { 0 };
            // tidy: sleeps because another task makes the condition true in real time.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub async fn channel(&self, name: &str, kind: Kind, settings: Value, secrets: &[(&str, &str)]) {
        self.channel_with(name, kind, settings, secrets, |_| {}).await;
    }

    pub async fn channel_with(
        &self,
        name: &str,
        kind: Kind,
        settings: Value,
        secrets: &[(&str, &str)],
        change: impl FnOnce(&mut ChannelDoc),
    ) {
        let mut sealed = BTreeMap::new();
        let mut opened = BTreeMap::new();
        for (field, value) in secrets {
            let text = self.center.channels.seal(PROJECT, name, field, value).unwrap();
            sealed.insert((*field).to_owned(), text);
            opened.insert((*field).to_owned(), Secret::new(*value));
        }
        let robot = matches!(kind, Kind::WecomRobot | Kind::DingtalkRobot);
        let mut doc = ChannelDoc {
            kind,
            settings: settings.as_object().unwrap().clone(),
            secrets: sealed,
            base_url: robot.then(|| self.base.clone()),
            proxy: None,
            tls_ca: None,
            limits: Limits::default(),
            alarm: None,
            on_doubt: OnDoubt::Resend,
            enabled: true,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        change(&mut doc);
        if let Err(errors) = self.center.channels.build(PROJECT, name, doc.clone(), &opened, None) {
            panic!("{name}: {errors:?}");
        }
        self.center.channels.put(PROJECT, name, doc).await.unwrap();
    }

    /// The channel `ding-app`: an app on DingTalk that is not asked for results.
    pub async fn ding_app(&self) {
        let app = DingtalkApp { app_secret: "secret-1".to_owned(), agent_id: 7, ..DingtalkApp::default() };
        self.sandbox.dingtalk_app("dingapp", app);
        let settings = json!({"app_key": "dingapp", "agent_id": 7, "poll_results": false});
        let base = |doc: &mut ChannelDoc| doc.base_url = Some(self.base.clone());
        self.channel_with("ding-app", Kind::DingtalkApp, settings, &[("app_secret", "secret-1")], base).await;
    }

    /// A contact of the fields given.
    pub async fn contact(&self, id: &str, fields: Value) {
        let mut fields = fields;
        fields["created_at"] = json!(Timestamp::EPOCH);
        fields["updated_at"] = json!(Timestamp::EPOCH);
        let doc: ContactDoc = serde_json::from_value(fields).unwrap();
        assert!(people::check::contact(&doc).is_empty(), "{doc:?}");
        self.center.contacts.put(PROJECT, id, doc).await.unwrap();
    }

    /// A group, if its members may be in it.
    pub async fn try_group(&self, name: &str, members: &[&str]) -> Result<(), Refusal> {
        let members: Vec<String> = members.iter().map(|m| (*m).to_owned()).collect();
        people::groups::check(&self.center, PROJECT, name, &members).await?;
        let doc = GroupDoc { members, ..GroupDoc::default() };
        self.center.groups.put(PROJECT, name, doc).await?;
        Ok(())
    }

    pub async fn group(&self, name: &str, members: &[&str]) {
        if let Err(refusal) = self.try_group(name, members).await {
            panic!("{refusal:?}");
        }
    }

    pub async fn template(&self, name: &str, template: Value) {
        let body: TemplateBody = serde_json::from_value(template).unwrap();
        if self.center.templates.put(PROJECT, name, body).await.is_err() {
            panic!("the template {name} is refused");
        }
    }

    /// An endpoint that the sandbox receives and verifies.
    pub async fn webhook(&self, name: &str, events: &[EventKind]) {
        let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        self.sandbox.hook_secret(name, secret);
        let doc = WebhookDoc {
            url: format!("{}/hook/{name}", self.base),
            events: events.to_vec(),
            secret: self.center.sealer.seal(&tell::seal_context(PROJECT, name), secret).unwrap(),
            enabled: true,
            disabled_reason: None,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        self.center.webhooks.put(PROJECT, name, doc).await.unwrap();
    }

    pub fn caller(&self) -> Caller {
        Caller::new(PROJECT, "test", "req-1")
    }

    pub async fn try_send(&self, body: Value) -> Result<Accepted, Refusal> {
        let (outcome, _) = self.try_send_once(body, None).await?;
        Ok(outcome)
    }

    /// Sends with an `Idempotency-Key`; also answers whether it was a replay.
    pub async fn try_send_once(&self, body: Value, key: Option<&str>) -> Result<(Accepted, bool), Refusal> {
        let request = request::read::<SendRequest>(body.to_string().as_bytes());
        let key = key.map(|key| Idempotency { key: key.to_owned(), hash: body.to_string() });
        let mut answer = accept(&self.center, &self.caller(), vec![request], key).await?;
        match answer.outcomes.remove(0) {
            Outcome::Accepted(accepted) => Ok((accepted, answer.replayed)),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::RefusedBefore(before) => panic!("{before:?}"),
        }
    }

    /// Sends again to those who were not reached.
    pub async fn again(&self, id: MessageId) -> Result<MessageId, Refusal> {
        let mut answer = view::retry(&self.center, &self.caller(), id, None).await?;
        match answer.outcomes.remove(0) {
            Outcome::Accepted(accepted) => Ok(accepted.id),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::RefusedBefore(before) => panic!("{before:?}"),
        }
    }

    pub async fn send(&self, body: Value) -> MessageId {
        match self.try_send(body).await {
            Ok(accepted) => accepted.id,
            Err(refusal) => panic!("{refusal:?}"),
        }
    }

    pub async fn view(&self, id: MessageId) -> MessageView {
        view::get(&self.center, PROJECT, id).await.unwrap().unwrap()
    }

    /// Waits until the message is as wanted; panics with its last view when that does not happen.
    pub async fn until(&self, id: MessageId, wanted: impl Fn(&MessageView) -> bool) -> MessageView {
        for _ in 0..12_000 {
            let view = self.view(id).await;
            if wanted(&view) {
                return view;
            }
            // tidy: sleeps because another task makes the condition true in real time.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("still {:#?}", self.view(id).await);
    }

    /// Waits for a final status.
    pub async fn finished(&self, id: MessageId) -> MessageView {
        self.until(id, |m| m.status.is_final()).await
    }

    /// Waits until the message waits for another try.
    pub async fn retrying(&self, id: MessageId) -> MessageView {
        self.until(id, |m| m.deliveries.iter().any(|d| d.status.as_str() == "retrying")).await
    }
}

/// The code of a refusal.
pub fn code(refusal: &Refusal) -> &str {
    match refusal {
        Refusal::Invalid { code, .. }
        | Refusal::Conflict { code, .. }
        | Refusal::Forbidden { code, .. }
        | Refusal::Limited { code, .. } => code,
        Refusal::NotFound(_) => "not_found",
        Refusal::Failed(_) => "failed",
    }
}

/// The pointer of a refusal's first field.
pub fn pointer(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Invalid { errors, .. } => errors.first().map(|e| e.pointer.clone()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The smallest inline content through one channel.
pub fn inline(channel: &str, to: Value) -> Value {
    json!({"content": {"title": "Title", "body": "Body"}, "to": to, "routing": {"channels": [channel]}})
}

pub const COMPLETED: MessageStatus = MessageStatus::Completed;
