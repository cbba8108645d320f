//! Fixed egress: proxies that ask for credentials, in front of a server with TLS.
//!
//! Nothing listens at the port that is asked for: only the proxies know where the server is.

use std::collections::BTreeMap;
use std::sync::Arc;

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_channels::{Ports, Setup, build};
use mc_core::Secret;
use mc_core::model::{Kind, Limits};
use mc_core::ports::{CheckStep, Http, HttpErrorKind, HttpRequest, Route};
use mc_testkit::{MemoryTokens, MockClock, SeqRandom};
use serde_json::{Map, Value};

use crate::proxies::Proxy;
use crate::tls::{AUTHORITY, https, listen};

fn through(proxy: String) -> Route {
    Route { proxy: Some(Secret::new(proxy)), tls_ca: Some(AUTHORITY.to_owned()) }
}

#[tokio::test]
async fn proxies_with_credentials_are_the_only_way_out() {
    let target = listen(https);
    let http = GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), Arc::new(MockClock::default()));
    let post = || HttpRequest::post_json(Secret::new("https://localhost/x?token=secret"), "{}");
    // Over `socks5` the name is looked up, and checked, before the proxy is asked.
    for (scheme, asked) in [
        ("http", "localhost:443"),
        ("https", "localhost:443"),
        ("socks5", "127.0.0.1:443"),
        ("socks5h", "localhost:443"),
    ] {
        let proxy = Proxy::start(scheme, target).await;
        let route = through(proxy.right_url());
        let answer = http.call(&route, post()).await.unwrap_or_else(|error| panic!("{scheme}: {error}"));
        assert_eq!((answer.status, &answer.body[..]), (200, &b"ok"[..]), "{scheme}");
        assert_eq!(proxy.asked(), [asked], "{scheme}");

        let error = http.call(&through(proxy.url("wrong")), post()).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Proxy, "nothing has left: {scheme}: {error}");
        assert!(error.text.starts_with("the proxy 127.0.0.1:"), "{scheme}: {error}");
        assert!(error.text.contains("does not accept the credentials in its URL"), "{scheme}: {error}");
        assert!(!error.text.contains("wrong") && !error.text.contains("secret"), "{scheme}: {error}");
        assert_eq!((proxy.asked().len(), proxy.refused()), (1, 1), "{scheme}");
    }
}

#[tokio::test]
async fn a_request_that_the_proxy_was_to_pass_on_fails_like_a_way_that_it_does_not_open() {
    let http = GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), Arc::new(MockClock::default()));
    let post = |scheme: &str| HttpRequest::post_json(Secret::new(format!("{scheme}://localhost/x")), "{}");
    for scheme in ["http", "https"] {
        let proxy = Proxy::start(scheme, 1).await;
        let route = through(proxy.url("wrong"));
        let passed_on = http.call(&route, post("http")).await.unwrap_err();
        let opened = http.call(&route, post("https")).await.unwrap_err();
        assert_eq!((passed_on.kind, &passed_on.text), (HttpErrorKind::Proxy, &opened.text), "{scheme}");
        assert_eq!(proxy.refused(), 2, "{scheme}");
    }
}

/// What the check of a robot behind a proxy says.
async fn checked(base_url: &str, proxy: String) -> Vec<CheckStep> {
    let setup = Setup {
        project: "default",
        name: "ops",
        kind: Kind::WecomRobot,
        settings: &Map::<String, Value>::new(),
        secrets: &BTreeMap::from([("key".to_owned(), Secret::new("693a91f6-7aaa-4bc4-97a0-0ec2b17e0b7d"))]),
        base_url: Some(base_url),
        route: through(proxy),
        limits: Limits::default(),
    };
    let clock = Arc::new(MockClock::default());
    let http = Arc::new(GuardedHttp::new(EgressPolicy::parse(None, true).unwrap(), clock.clone()));
    let tokens = Arc::new(MemoryTokens::new(clock.clone()));
    let random = Arc::new(SeqRandom::default());
    let robot = build(setup, &Ports { http, clock, random, tokens, mail: None }).ok().unwrap();
    robot.check().await
}

#[tokio::test]
async fn a_check_goes_through_the_proxy_and_tells_whose_credentials_are_wrong() {
    let target = listen(https);
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let proxy = Proxy::start(scheme, target).await;
        let steps = checked("https://localhost", proxy.right_url()).await;
        assert!(steps.iter().all(|step| step.ok), "{scheme}: {steps:?}");
        let last = &steps.last().unwrap().detail;
        assert!(last.starts_with("localhost answers on port 443 through the proxy 127.0.0.1:"), "{last}");

        for base_url in ["https://localhost", "http://localhost"] {
            let steps = checked(base_url, proxy.url("hunter2")).await;
            let last = steps.last().unwrap();
            assert!(last.name == "connect" && !last.ok, "{scheme}, {base_url}: {steps:?}");
            assert!(last.detail.contains("does not accept the credentials in its URL"), "{steps:?}");
            assert_eq!(last.next_step.as_deref(), Some("check the proxy and its credentials"));
            assert!(!format!("{steps:?}").contains("hunter2"), "{steps:?}");
        }
        assert_eq!((proxy.asked().len(), proxy.refused()), (1, 2), "{scheme}");
    }
}
