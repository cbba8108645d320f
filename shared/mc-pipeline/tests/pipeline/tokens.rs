//! Access tokens that several processes share: one fetch, whoever asks and whatever dies.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mc_core::Secret;
use mc_core::ports::{Fetching, Random, SendError, SendFailure, Store, Token, Tokens};
use mc_pipeline::seal::{KeyRing, Sealer};
use mc_pipeline::stats::Stats;
use mc_pipeline::tokens::{LEASE, StoreTokens};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::{MockClock, SeqIds, SeqRandom};
use tokio::sync::Notify;

const NAME: &str = "wecom:corp:1000002";

/// One store, and any number of processes beside it.
struct Shared {
    clock: Arc<MockClock>,
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    ids: Arc<SeqIds>,
    platform: Platform,
    _data: Embedded,
    _folder: tempfile::TempDir,
}

/// Gives out `t1`, `t2` … or refuses.
#[derive(Default)]
struct Platform {
    calls: AtomicUsize,
    /// Refuses while this is above zero.
    refusals: AtomicUsize,
    /// Gives out the same token for ever.
    stubborn: bool,
}

impl Platform {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            // Others get their turn while the platform thinks.
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                return Err(refused());
            }
            let value = Secret::new(if self.stubborn { "t".to_owned() } else { format!("t{call}") });
            Ok(Token { value, lives: Duration::from_secs(7200) })
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn refused() -> SendError {
    SendError { failure: SendFailure::Channel, code: "40001".into(), text: "invalid credential".into() }
}

impl Shared {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(MockClock::default());
        let random: Arc<dyn Random> = Arc::new(SeqRandom::default());
        let data = Embedded::open(Options::new(folder.path()), clock.clone()).unwrap();
        let ring = KeyRing::generate("k1", &*random).unwrap();
        Self {
            clock,
            store: Arc::new(data.store()),
            sealer: Arc::new(Sealer::new(&ring, random).unwrap()),
            ids: Arc::default(),
            platform: Platform::default(),
            _data: data,
            _folder: folder,
        }
    }

    fn process(&self) -> StoreTokens {
        StoreTokens::new(
            self.store.clone(),
            self.sealer.clone(),
            self.clock.clone(),
            self.ids.clone(),
            Arc::new(Stats::new(0)),
        )
    }

    async fn ask(&self, tokens: &StoreTokens, rejected: Option<&str>) -> Result<String, SendError> {
        let rejected = rejected.map(Secret::new);
        let value = tokens.get("default", NAME, rejected.as_ref(), &|| self.platform.fetch()).await?;
        Ok(value.expose().to_owned())
    }
}

#[tokio::test]
async fn two_processes_that_ask_at_once_make_one_fetch() {
    let shared = Shared::new();
    let (a, b) = (shared.process(), shared.process());
    let asked = [&a, &b, &a, &b, &a].map(|tokens| shared.ask(tokens, None));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), "t1");
    }
    assert_eq!(shared.platform.calls(), 1);
    // A process that begins later finds it, sealed.
    assert_eq!(shared.ask(&shared.process(), None).await.unwrap(), "t1");
    assert_eq!(shared.platform.calls(), 1);
    let item = shared.store.get(&mc_pipeline::keys::token("default", NAME)).await.unwrap().unwrap();
    assert!(!format!("{item:?}").contains("\"t1\""), "{item:?}");
}

#[tokio::test]
async fn a_fetch_may_ask_for_another_name() {
    let shared = Shared::new();
    let processes = [shared.process(), shared.process()];
    let uploads = AtomicUsize::new(0);
    let shared = &shared;
    let upload = async |tokens: &StoreTokens| {
        let fetch = || -> Fetching<'_> {
            Box::pin(async {
                let token = shared.ask(tokens, None).await?;
                uploads.fetch_add(1, Ordering::SeqCst);
                Ok(Token { value: Secret::new(format!("file-{token}")), lives: Duration::from_secs(259_200) })
            })
        };
        tokens.get("default", "media:wecom_app:corp:hash", None, &fetch).await
    };
    // Files and tokens are asked for at once and in every order, by two processes.
    let [a, b] = &processes;
    let files = futures_util::future::join_all([upload(a), upload(b), upload(a), upload(b)]);
    let asked = futures_util::future::join_all([a, b, a, b].map(|tokens| shared.ask(tokens, None)));
    let (files, asked) = tokio::join!(files, asked);
    for (file, token) in files.into_iter().zip(asked) {
        assert_eq!((file.unwrap().expose(), token.unwrap().as_str()), ("file-t1", "t1"));
    }
    assert_eq!((uploads.load(Ordering::SeqCst), shared.platform.calls()), (1, 1));
}

#[tokio::test]
async fn a_rejected_token_is_fetched_once_for_all() {
    let shared = Shared::new();
    let (a, b) = (shared.process(), shared.process());
    for tokens in [&a, &b] {
        assert_eq!(shared.ask(tokens, None).await.unwrap(), "t1");
    }
    let asked = [&a, &b, &a, &b].map(|tokens| shared.ask(tokens, Some("t1")));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap(), "t2");
    }
    assert_eq!(shared.platform.calls(), 2);
    // Who comes late with the old one is given the new one.
    for tokens in [&a, &b, &shared.process()] {
        assert_eq!(shared.ask(tokens, Some("t1")).await.unwrap(), "t2");
    }
    assert_eq!(shared.platform.calls(), 2);
}

#[tokio::test]
async fn a_token_is_fetched_anew_before_its_end_while_the_old_one_serves() {
    let shared = Shared::new();
    let (a, b) = (shared.process(), shared.process());
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t1");
    shared.clock.advance(Duration::from_secs(7200 - 301));
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t1");
    shared.clock.advance(Duration::from_secs(2));
    let asked = [&a, &a, &b, &b].map(|tokens| shared.ask(tokens, None));
    let answers = futures_util::future::join_all(asked).await.into_iter().map(Result::unwrap);
    let answers: Vec<String> = answers.collect();
    assert!(answers.contains(&"t1".to_owned()), "{answers:?}: nobody waits for the one that fetches");
    for tokens in [&a, &b] {
        assert_eq!(shared.ask(tokens, None).await.unwrap(), "t2");
    }
    assert_eq!(shared.platform.calls(), 2);
}

#[tokio::test]
async fn a_failed_fetch_is_everybodys_answer_and_is_not_hammered() {
    let shared = Shared::new();
    shared.platform.refusals.store(2, Ordering::SeqCst);
    let (a, b) = (shared.process(), shared.process());
    let asked = [&a, &b, &a, &b].map(|tokens| shared.ask(tokens, None));
    for answer in futures_util::future::join_all(asked).await {
        assert_eq!(answer.unwrap_err(), refused());
    }
    assert_eq!(shared.ask(&shared.process(), None).await.unwrap_err(), refused());
    assert_eq!(shared.platform.calls(), 1);
    shared.clock.advance(Duration::from_secs(1));
    assert_eq!(shared.ask(&b, None).await.unwrap_err(), refused());
    shared.clock.advance(Duration::from_secs(1));
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t3");
    // Before its end a failure does no harm.
    shared.platform.refusals.store(1, Ordering::SeqCst);
    shared.clock.advance(Duration::from_secs(7000));
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t3");
    assert_eq!(shared.ask(&b, None).await.unwrap(), "t3");
    assert_eq!(shared.platform.calls(), 4);
    shared.clock.advance(Duration::from_secs(1));
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t5");
}

#[tokio::test]
async fn a_platform_that_gives_out_what_it_refuses_is_not_asked_all_the_time() {
    let mut shared = Shared::new();
    shared.platform.stubborn = true;
    let a = shared.process();
    assert_eq!(shared.ask(&a, None).await.unwrap(), "t");
    assert_eq!(shared.ask(&a, Some("t")).await.unwrap(), "t", "asked again, because it was rejected");
    for tokens in [&a, &shared.process()] {
        assert_eq!(shared.ask(tokens, Some("t")).await.unwrap_err().code, "token_refused");
        assert_eq!(shared.ask(tokens, None).await.unwrap(), "t");
    }
    assert_eq!(shared.platform.calls(), 2);
    shared.clock.advance(Duration::from_secs(1));
    assert_eq!(shared.ask(&a, Some("t")).await.unwrap(), "t");
    assert_eq!(shared.platform.calls(), 3);
}

#[tokio::test]
async fn a_process_that_dies_while_it_fetches_holds_nobody_up_for_longer_than_its_lease() {
    let shared = Shared::new();
    for rejected in [None, Some("t1")] {
        let dying = shared.process();
        let begun = Notify::new();
        let begun = &begun;
        let rejected_secret = rejected.map(Secret::new);
        let hanging = || -> Fetching<'_> {
            Box::pin(async move {
                begun.notify_one();
                pending().await
            })
        };
        tokio::select! {
            _ = dying.get("default", NAME, rejected_secret.as_ref(), &hanging) => panic!("it never answers"),
            () = begun.notified() => {}
        }
        drop(dying);
        let calls = shared.platform.calls();
        let survivor = shared.process();
        let ask = shared.ask(&survivor, rejected);
        tokio::pin!(ask);
        // Somebody may still be at it.
        for _ in 0..200 {
            tokio::select! {
                biased;
                answer = &mut ask => panic!("answered under a lease: {answer:?}"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(shared.platform.calls(), calls);
        shared.clock.advance(LEASE);
        assert_eq!(ask.await.unwrap(), format!("t{}", calls + 1));
    }
}

#[tokio::test]
async fn a_token_under_a_lost_key_is_fetched_anew() {
    let shared = Shared::new();
    assert_eq!(shared.ask(&shared.process(), None).await.unwrap(), "t1");
    let random: Arc<dyn Random> = Arc::new(SeqRandom::new(9));
    let ring = KeyRing::generate("k2", &*random).unwrap();
    let sealer = Arc::new(Sealer::new(&ring, random).unwrap());
    let other = StoreTokens::new(
        shared.store.clone(),
        sealer,
        shared.clock.clone(),
        shared.ids.clone(),
        Arc::new(Stats::new(0)),
    );
    assert_eq!(shared.ask(&other, None).await.unwrap(), "t2");
}
