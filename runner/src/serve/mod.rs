//! `serve`: everything on one machine, from the first start to the last request.

mod backup;
mod bootstrap;
mod http;
mod key_file;
mod logging;
mod meters;
mod sandbox;
mod work;

use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mc_ambient::{AscendingIds, OsRandom, SystemClock};
use mc_api::Api;
use mc_api::auth::source::Networks;
use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::ports::{Clock, MailService, Random};
use mc_pipeline::center::Tuning;
use mc_pipeline::seal::Sealer;
use mc_pipeline::{Center, Parts};
use mc_store_embedded::{Embedded, Options};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::ServeArgs;
use crate::config::{self, Config};

/// Anything that ends the program, in words for the person who started it.
pub type Failure = Box<dyn std::error::Error>;

/// Says what was being done when something failed.
pub fn context<E: Display>(doing: impl Display) -> impl FnOnce(E) -> Failure {
    move |error| format!("{doing}: {error}").into()
}

/// Reads the configuration and serves until SIGTERM or Ctrl-C.
pub fn main(args: ServeArgs) -> Result<(), Failure> {
    if args.print_config {
        println!("{}", config::DEFAULTS);
        return Ok(());
    }
    let mut config = config::load(args.config.as_deref(), std::env::vars())?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(folder) = args.data_dir {
        config.server.data_dir = folder;
    }
    config.server.sandbox |= args.sandbox;
    logging::start(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let stopping = stop_signal()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let random: Arc<dyn Random> = Arc::new(OsRandom::new());
    let folder = &config.server.data_dir;
    let data = Embedded::open(Options::new(folder), clock.clone())
        .map_err(context(format!("the data folder {} cannot be opened", folder.display())))?;
    let data = Arc::new(data);
    let ring = key_file::load_or_make(&folder.join("keys.json"), &*random)?;
    let mut center = assemble(&config, &data, clock, random, &ring)?;
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(context(format!("{} cannot be listened on", config.server.listen)))?;
    let address = listener.local_addr()?;
    if config.server.sandbox {
        let build = sandbox::builder(&center, address)?;
        center.channels = center.channels.built_by(build);
    }
    let center = Arc::new(center);
    let metrics = meters::start()?;
    let first = bootstrap::first_start(&center).await?;
    let mut router = mc_api::router(Arc::new(Api::new(
        center.clone(),
        mc_api::ApiOptions {
            cookie_secure: config.server.https,
            metrics: Some(work::metrics_page(metrics.clone(), data.clone())),
            trusted_proxies: trusted_proxies(&config)?,
            version: env!("CARGO_PKG_VERSION"),
        },
    )));
    if config.server.sandbox {
        let sandbox = sandbox::start(&center, address, config.server.sandbox_smtp, stopping.clone()).await?;
        router = router.nest("/sandbox", sandbox);
    }
    let workers = work::start(&center, &data, &config, metrics, stopping.clone());
    bootstrap::greet(address, first.as_ref(), config.server.sandbox);

    let grace = Duration::from_secs(config.server.stop_seconds);
    http::serve(listener, router, config.server.max_connections, grace, stopping).await;
    for worker in workers {
        let _ended = worker.await;
    }
    // The consumers have counted until their end, so this comes last.
    work::write_counts(&center).await;
    data.close().await.map_err(context("the data folder could not be closed"))?;
    tracing::info!("stopped; everything that was not finished is kept for the next start");
    Ok(())
}

fn trusted_proxies(config: &Config) -> Result<Networks, Failure> {
    let list = &config.server.trusted_proxies;
    let entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    Networks::parse(entries).map_err(|entry| {
        format!("[server] trusted_proxies: {entry:?} is neither an address nor a network like 10.0.0.0/8")
            .into()
    })
}

fn assemble(
    config: &Config,
    data: &Embedded,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    ring: &mc_pipeline::seal::KeyRing,
) -> Result<Center, Failure> {
    let policy = EgressPolicy::parse(Some(&config.egress.allow), false).map_err(context("[egress] allow"))?;
    let sealer = Sealer::new(ring, random.clone()).map_err(context("the key file"))?;
    let mut center = Center::new(Parts {
        store: Arc::new(data.store()),
        queue: Arc::new(data.queue()),
        blobs: Arc::new(data.blobs()),
        http: Arc::new(GuardedHttp::new(policy, clock.clone())),
        mail: mail(clock.clone(), random.clone()),
        ids: Arc::new(AscendingIds::new()),
        tuning: Tuning {
            retention: Duration::from_secs(config.delivery.retention_days * 86_400),
            give_up_after: Duration::from_secs(config.delivery.give_up_hours * 3600),
            // One process owns the folder: whatever was claimed before this start is in nobody's hands.
            leases_from: clock.now(),
            alone: true,
            ..Tuning::default()
        },
        sealer: Arc::new(sealer),
        clock,
        random,
    });
    let public_url = config.server.public_url.trim();
    if !public_url.is_empty() {
        let wrong = || "[server] public_url is not an address like https://mc.example.com";
        let url = url::Url::parse(public_url).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong().into());
        }
        center.public_url = Some(public_url.to_owned());
    }
    Ok(center)
}

/// SES with the AWS credentials of our environment, if there are any.
fn mail(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Option<Arc<dyn MailService>> {
    let aws = mc_aws::Aws::from_env(clock, random).ok()?;
    Some(Arc::new(aws.mail()))
}

/// Becomes true when the process is asked to stop.
fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, stopping) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("asked to stop");
        tell.send_replace(true);
        // Kept alive so that receivers never see the channel closed before the end.
        tell.closed().await;
    });
    Ok(stopping)
}

/// Waits until the process is asked to stop.
pub async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, which only happens at the end.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

/// The address as a URL's beginning; an unspecified address is reached over loopback.
pub fn origin(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}
