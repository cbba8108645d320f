//! Fixed egress: proxies that ask for credentials, in front of a server with TLS.
//!
//! Nothing listens at the port that is asked for: only the proxies know where the server is.

use std::sync::Arc;

use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::Secret;
use mc_core::ports::{Http, HttpErrorKind, HttpRequest, Route};
use mc_testkit::MockClock;

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
        assert_eq!(error.kind, HttpErrorKind::NotConnected, "nothing has left: {scheme}: {error}");
        assert!(!error.text.contains("wrong") && !error.text.contains("secret"), "{scheme}: {error}");
        assert_eq!((proxy.asked().len(), proxy.refused()), (1, 1), "{scheme}");
    }
}
