//! A sandbox on real sockets, and channels that talk to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mc_aws::{Aws, Settings};
use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_channels::{FieldError, Ports, Setup, build};
use mc_core::Secret;
use mc_core::model::{Kind, Limits};
use mc_core::ports::{Clock, MailService, Route, SharedChannel, Tokens};
use mc_sandbox::{Sandbox, SandboxOptions, SmtpOptions};
use mc_testkit::{MemoryTokens, MockClock, SeqRandom};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use crate::fakes::{SES_KEY_ID, SES_SECRET};

/// The platforms and the ports to reach them.
pub struct World {
    pub sandbox: Sandbox,
    pub ports: Ports,
    pub clock: Arc<MockClock>,
    pub tokens: Arc<MemoryTokens>,
    pub http_port: u16,
    pub smtp_port: u16,
    /// Nobody listens there.
    pub closed_port: u16,
    /// Keeps the port from those who listen elsewhere meanwhile.
    _closed: TcpSocket,
}

impl World {
    /// Starts everything without rate limits, unless `limited`.
    pub async fn start(limited: bool) -> Self {
        let clock = Arc::new(MockClock::default());
        let now = Arc::clone(&clock);
        let mut options = SandboxOptions::new(Arc::new(move || u64::try_from(now.now().millis()).unwrap()));
        options.smtp = SmtpOptions { require_auth: true, ..SmtpOptions::default() };
        if !limited {
            options.rate_limit = None;
        }
        let sandbox = Sandbox::new(options);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http_port = listener.local_addr().unwrap().port();
        let router = sandbox.router();
        tokio::spawn(async move { axum::serve(listener, router).await });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp_port = listener.local_addr().unwrap().port();
        let smtp = sandbox.clone();
        tokio::spawn(async move { smtp.serve_smtp(listener, std::future::pending()).await });

        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let closed_port = closed.local_addr().unwrap().port();
        let policy = EgressPolicy::parse(None, true).unwrap();
        let http = Arc::new(GuardedHttp::new(policy, Arc::clone(&clock) as Arc<dyn Clock>));
        let tokens = Arc::new(MemoryTokens::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let ports = Ports {
            http,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            random: Arc::new(SeqRandom::default()),
            tokens: Arc::clone(&tokens) as Arc<dyn Tokens>,
            mail: None,
        };
        Self { sandbox, ports, clock, tokens, http_port, smtp_port, closed_port, _closed: closed }
    }

    /// A channel, or what is wrong with it. `base_url` is left out where it is empty.
    pub fn try_build(
        &self,
        kind: Kind,
        settings: Value,
        secrets: &[(&str, &str)],
        base_url: &str,
    ) -> Result<SharedChannel, Vec<FieldError>> {
        let secrets: BTreeMap<_, _> =
            secrets.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
        let setup = Setup {
            project: "default",
            name: "tested",
            kind,
            settings: settings.as_object().unwrap(),
            secrets: &secrets,
            base_url: Some(base_url).filter(|url| !url.is_empty()),
            route: Route::default(),
            limits: Limits::default(),
        };
        let mail = (kind == Kind::EmailSes && !base_url.is_empty()).then(|| self.ses(base_url, SES_SECRET));
        build(setup, &Ports { mail, ..self.ports.clone() })
    }

    /// SES in the sandbox, as the place to run in has it.
    pub fn ses(&self, url: &str, secret: &str) -> Arc<dyn MailService> {
        let settings = Settings::from_lookup(|name| match name {
            "AWS_REGION" => Some("eu-west-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some(SES_KEY_ID.to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
            "AWS_ENDPOINT_URL" => Some(url.to_owned()),
            _ => None,
        });
        let (clock, random) = (self.ports.clock.clone(), self.ports.random.clone());
        Arc::new(Aws::new(settings.unwrap(), clock, random).mail())
    }

    pub fn build(
        &self,
        kind: Kind,
        settings: Value,
        secrets: &[(&str, &str)],
        base_url: &str,
    ) -> SharedChannel {
        self.try_build(kind, settings, secrets, base_url).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    pub fn closed_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.closed_port)
    }
}
