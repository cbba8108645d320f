//! Everything the use-cases share: the ports, and the documents read through them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mc_channels::registry;
use mc_core::ports::{Blobs, Clock, Http, Ids, MailService, Queue, Random, Store};

use crate::alarms::Alarms;
use crate::limits::Limits;
use crate::repo::{AccessKeys, Channels, Contacts, Groups, Operators, Projects, Templates, Webhooks};
use crate::seal::Sealer;
use crate::stats::Stats;
use crate::suppress::Suppressions;
use crate::tokens::StoreTokens;

/// What a place to run in provides.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Attachments.
    pub blobs: Arc<dyn Blobs>,
    /// The guarded way out.
    pub http: Arc<dyn Http>,
    /// The place's own mail service, if it has one.
    pub mail: Option<Arc<dyn MailService>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// Durations that differ between places.
    pub tuning: Tuning,
}

/// Durations that differ between places to run in.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// How long a message is kept after its final state.
    pub retention: Duration,
    /// How long a consumer may hold a share; longer than any single push.
    pub lease: Duration,
    /// Leases granted before this are over: where one process owns the store, those of the process before it.
    pub leases_from: mc_core::Timestamp,
    /// A share that could not be sent for so long is given up.
    pub give_up_after: Duration,
    /// Whether no other process has this store: then what was counted here need not be asked of it.
    pub alone: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 86_400),
            lease: Duration::from_secs(90),
            leases_from: mc_core::Timestamp::EPOCH,
            give_up_after: Duration::from_secs(86_400),
            alone: false,
        }
    }
}

/// The message center: one per process.
pub struct Center {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// Attachments.
    pub blobs: Arc<dyn Blobs>,
    /// The guarded way out.
    pub http: Arc<dyn Http>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// New ids.
    pub ids: Arc<dyn Ids>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// Durations.
    pub tuning: Tuning,
    /// How many partitions a day has.
    pub spread: u8,
    /// Access keys.
    pub access_keys: AccessKeys,
    /// Alarms.
    pub alarms: Alarms,
    /// Channels.
    pub channels: Channels,
    /// Contacts.
    pub contacts: Contacts,
    /// Groups of contacts.
    pub groups: Groups,
    /// Operators.
    pub operators: Operators,
    /// Projects.
    pub projects: Projects,
    /// Templates.
    pub templates: Templates,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Addresses that are not written to.
    pub suppressions: Suppressions,
    /// What projects may send, and how much of it is used.
    pub limits: Limits,
    /// Where people reach this center, like `https://mc.example.com`, if that is known: links in mails lead there.
    pub public_url: Option<String>,
    /// What this process counts.
    pub stats: Arc<Stats>,
    /// Whether the process is about to end.
    stopping: AtomicBool,
    /// One reservation at a time per channel.
    pub(crate) pacing: crate::pace::Locks,
    /// What was counted of quotas, and is known of them.
    pub(crate) ledger: crate::quota::Ledger,
    /// One receipt at a time per message.
    pub(crate) receipts: crate::receipts::Turns,
}

impl Center {
    /// Puts the parts together. Reads and opens nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, queue, blobs, http, mail, clock, ids, random, sealer, tuning } = parts;
        let spread = store.spread();
        let stats = Arc::new(Stats::new((random.unit() * f64::from(spread)) as u8));
        let tokens =
            StoreTokens::new(store.clone(), sealer.clone(), clock.clone(), ids.clone(), stats.clone());
        let ports = registry::Ports {
            http: http.clone(),
            clock: clock.clone(),
            random: random.clone(),
            tokens: Arc::new(tokens),
            mail,
        };
        Self {
            spread,
            alarms: Alarms::new(store.clone(), clock.clone()),
            stats,
            access_keys: AccessKeys::new(store.clone(), clock.clone()),
            channels: Channels::new(store.clone(), clock.clone(), sealer.clone(), ports),
            contacts: Contacts::new(store.clone(), clock.clone()),
            groups: Groups::new(store.clone(), clock.clone()),
            operators: Operators::new(store.clone(), clock.clone()),
            projects: Projects::new(store.clone(), clock.clone()),
            templates: Templates::new(store.clone(), clock.clone()),
            webhooks: Webhooks::new(store.clone(), clock.clone()),
            suppressions: Suppressions::new(store.clone()),
            limits: Limits::new(store.clone(), tuning.alone),
            public_url: None,
            stopping: AtomicBool::new(false),
            pacing: crate::pace::Locks::default(),
            ledger: crate::quota::Ledger::default(),
            receipts: crate::receipts::Turns::default(),
            store,
            queue,
            blobs,
            http,
            clock,
            ids,
            random,
            sealer,
            tuning,
        }
    }

    /// From here on no push begins: what is under way is finished and recorded, and the rest is left for the next process.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Whether [`stop`](Self::stop) was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// A new ULID as text, for keys that only need to be unique and in order.
    pub(crate) fn unique(&self) -> String {
        self.ids.ulid(self.clock.now()).to_string()
    }
}
