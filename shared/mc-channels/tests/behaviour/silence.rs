//! Nothing that was said or logged shows a secret, an address with its path, or what a message says.

use std::io;
use std::sync::{Arc, Mutex};

use mc_core::model::{Content, Format, Kind};
use mc_sandbox::Fault;
use mc_testkit::channel::{Harness, Trouble};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::fakes::Fake;
use crate::suite::deliver;
use crate::world::World;

const BODY: &str = "body-of-the-message";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn failures_of_every_kind_say_and_log_no_secret() {
    let captured = Captured::default();
    // The sandbox plays the platforms and is not under test; everything else is, down to the libraries' traces.
    let filter = tracing_subscriber::EnvFilter::new("trace,mc_sandbox=off");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(captured.clone()).finish();
    tracing_subscriber::util::SubscriberInitExt::init(subscriber);
    tracing::info!("the capture works");

    let world = World::start(false).await;
    let mut said = String::new();
    let mut failures = 0;
    let mut secrets = Vec::new();
    for kind in Kind::ALL {
        let fake = Fake::new(&world, kind);
        secrets = fake.secrets();
        let content = Content::new("Title", Format::Text, BODY);
        for trouble in Trouble::ALL {
            if !fake.trouble(trouble) {
                continue;
            }
            if let Err(error) = deliver(&*fake.channel(), &content, &[fake.recipient()], &[]).await {
                said.push_str(&format!("{error} {error:?}\n"));
                failures += 1;
            }
        }
        // A platform that repeats everything it was sent, the secrets first.
        let (platform, own) = (fake.platform(), fake.own_secrets());
        let all = own.join(" ");
        let echo = json!({"errcode": 93000, "code": 5, "errmsg": all, "msg": all});
        let echo = if kind == Kind::EmailSmtp { json!(all) } else { echo };
        let echoed = if kind == Kind::EmailSmtp { Some(550) } else { None };
        world.sandbox.push_fault(Fault { body: Some(echo), status: echoed, ..Fault::on(platform) });
        let error = deliver(&*fake.channel(), &content, &[fake.recipient()], &[]).await.unwrap_err();
        for secret in &own {
            assert!(!format!("{error:?}").contains(secret), "{kind:?} repeats its secret: {error:?}");
        }
        let error = deliver(&*fake.unreachable(), &content, &[fake.recipient()], &[]).await.unwrap_err();
        said.push_str(&format!("{error} {error:?}\n{:?}\n", fake.unreachable().check().await));
    }
    assert!(failures > 20, "only {failures} failures");

    let logged = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("the capture works"));
    for (place, text) in [("said", &said), ("logged", &logged)] {
        for hidden in secrets.iter().map(String::as_str).chain([
            BODY,
            "/cgi-bin",
            "/robot/send",
            "/open-apis",
            "/topapi",
            "/gettoken",
            "/im/room",
        ]) {
            let line = text.lines().find(|line| line.contains(hidden));
            assert!(line.is_none(), "{hidden} was {place}: {line:?}");
        }
    }
}
