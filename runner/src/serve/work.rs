//! What runs besides the HTTP server: consumers, the scheduler, housekeeping.

use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::Family;
use mc_pipeline::reseal::reseal;
use mc_pipeline::{Center, alarms, deliver::Deliverer, due, quota};
use mc_store_embedded::{Drive, Embedded, run};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{backup, stopped};
use crate::config::Config;

/// Expired items looked at in one go.
const SWEEP: usize = 500;

/// Starts everything; each ends by itself after the stop.
pub fn start(
    center: &Arc<Center>,
    data: &Arc<Embedded>,
    config: &Config,
    metrics: PrometheusHandle,
    stopping: watch::Receiver<bool>,
) -> Vec<JoinHandle<()>> {
    let drive = Drive {
        concurrency: config.delivery.concurrency,
        grace: Duration::from_secs(config.server.stop_seconds),
    };
    let deliverer = Arc::new(Deliverer::new(center.clone()));
    let mut workers: Vec<JoinHandle<()>> = Family::ALL
        .into_iter()
        .map(|family| {
            tokio::spawn(run(data.queue(), family, deliverer.clone(), drive, stopped(stopping.clone())))
        })
        .collect();
    workers.push(tokio::spawn(stop(center.clone(), stopping.clone())));
    workers.push(tokio::spawn(promote(center.clone(), stopping.clone())));
    workers.push(tokio::spawn(keep_ledger(center.clone(), stopping.clone())));
    workers.push(tokio::spawn(ask_platforms(center.clone(), stopping.clone())));
    workers.push(tokio::spawn(watch(center.clone(), stopping.clone())));
    workers.push(tokio::spawn(renew_seals(center.clone(), stopping.clone())));
    if !config.backup.folder.as_os_str().is_empty() {
        let (clock, server) = (center.clock.clone(), config.server.clone());
        let backups = backup::keep(data.clone(), clock, server, config.backup.clone(), stopping.clone());
        workers.push(tokio::spawn(backups));
    }
    workers.push(tokio::spawn(keep_house(center.clone(), data.store(), metrics, stopping)));
    workers
}

/// The turns of something that is done again and again until the process is asked to stop.
pub(super) struct Turns {
    tick: Interval,
    stopping: watch::Receiver<bool>,
}

impl Turns {
    /// The first turn is at once. A turn that took long is followed by a whole pause.
    pub(super) fn every(seconds: u64, stopping: watch::Receiver<bool>) -> Self {
        let mut tick = interval(Duration::from_secs(seconds));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, stopping }
    }

    /// Waits for the next turn; false when there is none any more.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            () = stopped(self.stopping.clone()) => false,
            _ = self.tick.tick() => true,
        }
    }
}

/// Has nothing begin that the end of the process would interrupt.
async fn stop(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    stopped(stopping).await;
    center.stop();
}

/// Every second: what is due soon goes into the queue.
async fn promote(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    let mut turns = Turns::every(1, stopping);
    while turns.next().await {
        if let Err(error) = due::promote(&center).await {
            tracing::warn!(error = %error, "due tasks could not be promoted and will be in a second");
        }
    }
}

/// Every five seconds: what was counted is written. Every minute: alarms are looked at.
async fn watch(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    let mut turns = Turns::every(5, stopping);
    let mut count = 0_u64;
    while turns.next().await {
        center.stats.flush(&*center.store).await;
        if count.is_multiple_of(12)
            && let Err(error) = alarms::watch(&center).await
        {
            tracing::warn!(error = %error, "alarms could not be looked at and will be in a minute");
        }
        count += 1;
    }
}

/// Every two seconds: what was counted of quotas is written.
async fn keep_ledger(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    let mut turns = Turns::every(2, stopping);
    while turns.next().await {
        write_ledger(&center).await;
    }
}

/// Writes what is counted when nobody counts any more.
pub async fn write_counts(center: &Center) {
    write_ledger(center).await;
    center.stats.flush(&*center.store).await;
}

async fn write_ledger(center: &Center) {
    if let Err(error) = quota::flush(center).await {
        tracing::warn!(error = %error, "what was counted of quotas could not be written and will be later");
    }
}

/// Every 15 seconds: platforms that were not asked for five minutes are asked what is left of their quotas.
async fn ask_platforms(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    let mut turns = Turns::every(15, stopping);
    while turns.next().await {
        if let Err(error) = quota::poll(&center, quota::PATIENCE).await {
            tracing::warn!(error = %error, "the platforms could not be asked for quotas and will be later");
        }
    }
}

/// Once after the start, which is when the key ring is read: what lies under an old key of it is sealed anew.
async fn renew_seals(center: Arc<Center>, stopping: watch::Receiver<bool>) {
    let mut turns = Turns::every(60, stopping);
    while turns.next().await {
        match reseal(&center).await {
            // Nothing is left under an old key, as far as its secrets can be opened.
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %error, "secrets could not be sealed anew and will be later");
            }
        }
    }
}

/// Every five seconds: expired items go, gauges are read; files of long ago go too.
async fn keep_house(
    center: Arc<Center>,
    store: mc_store_embedded::EmbeddedStore,
    metrics: PrometheusHandle,
    stopping: watch::Receiver<bool>,
) {
    let mut turns = Turns::every(5, stopping);
    while turns.next().await {
        metrics.run_upkeep();
        let now = center.clock.now();
        if let Err(error) = store.sweep(now, SWEEP).await {
            tracing::warn!(error = %error, "expired items could not be removed and will be later");
        }
        let kept = center.tuning.retention + center.tuning.give_up_after;
        if let Err(error) = center.blobs.forget_before(&now.before(kept).day()).await {
            tracing::warn!(error = %error, "old attachments could not be removed and will be later");
        }
        if let Ok(depths) = center.queue.depths().await {
            for depth in depths {
                let family = depth.family.as_str();
                let age = depth.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
                metrics::gauge!("message_center_queue_waiting", "family" => family)
                    .set(depth.waiting.unwrap_or(0) as f64);
                metrics::gauge!("message_center_queue_oldest_age_seconds", "family" => family).set(age);
                metrics::gauge!("message_center_queue_crash_loops", "family" => family)
                    .set(depth.crash_loops as f64);
            }
        }
    }
}

/// The page that Prometheus reads.
pub fn metrics_page(metrics: PrometheusHandle, data: Arc<Embedded>) -> Arc<dyn Fn() -> String + Send + Sync> {
    Arc::new(move || {
        let stats = data.stats();
        metrics::counter!("message_center_store_commits_total").absolute(stats.commits);
        metrics::counter!("message_center_store_requests_total").absolute(stats.requests);
        metrics::counter!("message_center_store_failed_commits_total").absolute(stats.failed_commits);
        metrics.render()
    })
}
