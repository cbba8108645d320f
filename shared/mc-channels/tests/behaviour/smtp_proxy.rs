//! Mails through proxies that ask for credentials. Only the proxies know where the mail server is.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use mc_channels::http::{EgressPolicy, GuardedHttp, Lookup};
use mc_core::Secret;
use mc_core::model::{Addresses, Content, Format, Kind, Recipient};
use mc_core::ports::{Channel, Receipt, Route, SendError, SendFailure};
use mc_sandbox::Platform;
use mc_testkit::MockClock;
use serde_json::json;

use crate::fakes::{Fake, SMTP_PASSWORD};
use crate::proxies::Proxy;
use crate::suite::deliver;
use crate::tls::{AUTHORITY, listen, mail_channel, smtp_with_starttls, smtps};
use crate::world::World;

/// Every name is this machine's.
struct Here;

#[async_trait]
impl Lookup for Here {
    async fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
}

fn allowing(networks: &str) -> Arc<GuardedHttp> {
    let policy = EgressPolicy::parse(Some(networks), false).unwrap();
    Arc::new(GuardedHttp::with_lookup(policy, Arc::new(MockClock::default()), Arc::new(Here)))
}

fn through(proxy: String) -> Route {
    Route { proxy: Some(Secret::new(proxy)), tls_ca: Some(AUTHORITY.to_owned()) }
}

async fn mail(channel: &dyn Channel) -> Result<Receipt, SendError> {
    let to = Recipient {
        addresses: Addresses { email: Some("a@example.com".into()), ..Addresses::default() },
        ..Recipient::default()
    };
    deliver(channel, &Content::new("t", Format::Text, "b"), &[to], &[]).await
}

#[tokio::test]
async fn two_mails_go_through_one_tunnel() {
    for (scheme, asked) in [
        ("http", "mail.test:2525"),
        ("https", "mail.test:2525"),
        ("socks5", "127.0.0.1:2525"),
        ("socks5h", "mail.test:2525"),
    ] {
        let world = World::start(false).await;
        Fake::new(&world, Kind::EmailSmtp);
        let proxy = Proxy::start(scheme, world.smtp_port).await;
        let settings =
            json!({"host": "mail.test", "port": 2525, "security": "none", "from": "alerts@example.com"});
        let route = through(proxy.right_url());
        let channel = mail_channel(settings, SMTP_PASSWORD, route, allowing("127.0.0.1"));
        for _ in 0..2 {
            mail(&*channel).await.unwrap_or_else(|error| panic!("{scheme}: {error:?}"));
        }
        assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2, "{scheme}");
        assert_eq!((proxy.asked(), proxy.refused()), (vec![asked.to_owned()], 0), "{scheme}");

        let steps = channel.check().await;
        assert!(steps.iter().all(|step| step.ok), "{scheme}: {steps:?}");
        assert!(steps[1].detail.contains("mail.test answers on port 2525 through the proxy"), "{steps:?}");
    }
}

#[tokio::test]
async fn tls_and_starttls_work_inside_a_tunnel() {
    for (security, server) in [("tls", listen(smtps)), ("starttls", listen(smtp_with_starttls))] {
        for scheme in ["http", "https", "socks5", "socks5h"] {
            let proxy = Proxy::start(scheme, server).await;
            let settings = json!({"host": "localhost", "security": security, "from": "a@example.com"});
            let trusted =
                mail_channel(settings.clone(), "hunter2", through(proxy.right_url()), allowing("127.0.0.1"));
            mail(&*trusted).await.unwrap_or_else(|error| panic!("{security}, {scheme}: {error:?}"));

            let stranger = Route { tls_ca: None, ..through(proxy.right_url()) };
            let stranger = mail_channel(settings, "hunter2", stranger, allowing("127.0.0.1"));
            let error = mail(&*stranger).await.unwrap_err();
            assert_eq!(
                error.failure,
                SendFailure::Transient { after: None },
                "{security}, {scheme}: {error}"
            );
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_credentials() {
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let proxy = Proxy::start(scheme, 1).await;
        let settings = json!({"host": "mail.test", "from": "a@example.com"});
        let route = through(proxy.url("hunter2"));
        let channel = mail_channel(settings, "hunter2", route, allowing("127.0.0.1"));
        let error = mail(&*channel).await.unwrap_err();
        assert_eq!(error.failure, SendFailure::Transient { after: None }, "{scheme}: {error:?}");
        assert_eq!(error.code, "proxy", "{scheme}: {error:?}");
        assert!(error.text.contains("the proxy 127.0.0.1:"), "{scheme}: {error:?}");
        assert!(error.text.contains("does not accept the credentials in its URL"), "{scheme}: {error:?}");

        let steps = channel.check().await;
        assert!(steps[0].ok && steps[1].name == "connect" && !steps[1].ok, "{scheme}: {steps:?}");
        assert!(steps[1].detail.starts_with("mail.test:465 through the proxy: "), "{scheme}: {steps:?}");
        assert_eq!((proxy.asked().len(), proxy.refused()), (0, 2), "{scheme}");
        let shown = format!("{error:?} {steps:?}");
        for hidden in ["hunter2", "egress:", "ZWdyZXNz"] {
            assert!(!shown.contains(hidden), "{scheme}: {shown}");
        }
    }
}

#[tokio::test]
async fn proxies_and_servers_at_forbidden_addresses_are_not_called() {
    for scheme in ["http", "https", "socks5", "socks5h"] {
        let proxy = Proxy::start(scheme, 1).await;
        let named = proxy.right_url().replace("127.0.0.1", "proxy.test");
        let cases = [
            // The proxy, as an address and as a name.
            ("1.1.1.1", proxy.right_url(), "10.0.0.0/8"),
            ("1.1.1.1", named, "10.0.0.0/8"),
            // The server behind a proxy that may be called.
            ("10.0.0.1", proxy.right_url(), "127.0.0.1"),
            ("169.254.169.254", proxy.right_url(), "127.0.0.1"),
        ];
        for (host, url, allowed) in cases {
            let settings = json!({"host": host, "security": "none", "from": "a@example.com"});
            let channel = mail_channel(settings, "hunter2", through(url), allowing(allowed));
            let error = mail(&*channel).await.unwrap_err();
            assert_eq!(error.failure, SendFailure::Channel, "{scheme}, {host}: {error:?}");
            assert_eq!(error.code, "forbidden_address", "{scheme}, {host}: {error:?}");
            assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
            assert!(channel.check().await.iter().any(|step| !step.ok), "{scheme}, {host}");
        }
        assert_eq!((proxy.asked().len(), proxy.refused()), (0, 0), "{scheme}");
    }
}
