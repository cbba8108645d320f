//! Connections to one SMTP server, kept between mails.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::Rset;
use lettre::transport::smtp::extension::ClientId;
use mc_core::Timestamp;
use mc_core::ports::{Clock, Http, HttpError, HttpErrorKind, SendError, SendFailure};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsConnector;

use super::config::{Config, Security};
use super::replies::{Stage, classify, timed_out};
use crate::http::{describe, tls_config};
use crate::outcome::{failure, unanswered};
use crate::registry::Ports;
use crate::tunnel::{self, Stream};

/// An idle connection older than this is not trusted any more; servers close them after about a minute.
const IDLE: Duration = Duration::from_secs(30);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// lettre's own pool opens as many connections as there are mails at a time; servers lock out for that, so ours counts.
pub(super) struct Pool {
    config: Arc<Config>,
    http: Arc<dyn Http>,
    clock: Arc<dyn Clock>,
    permits: Semaphore,
    idle: Mutex<Vec<(Timestamp, AsyncSmtpConnection)>>,
    tls: OnceLock<TlsParameters>,
    connector: OnceLock<TlsConnector>,
}

/// A connection and the right to use one.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    pub(super) connection: AsyncSmtpConnection,
    /// Whether it has carried a mail before, so that the server may have closed it meanwhile.
    pub(super) used: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(config: Arc<Config>, ports: &Ports) -> Self {
        let permits = Semaphore::new(config.connections);
        Self {
            config,
            http: Arc::clone(&ports.http),
            clock: Arc::clone(&ports.clock),
            permits,
            idle: Mutex::new(Vec::new()),
            tls: OnceLock::new(),
            connector: OnceLock::new(),
        }
    }

    /// An idle connection or a new one; `fresh` insists on a new one.
    pub(super) async fn lease(&self, fresh: bool) -> Result<Lease<'_>, SendError> {
        let permit = self.permits.acquire().await.map_err(|_| {
            failure(SendFailure::Transient { after: None }, "closed", "the channel is shutting down")
        })?;
        if !fresh && let Some(connection) = self.take_idle() {
            return Ok(Lease { pool: self, connection, used: true, _permit: permit });
        }
        let connection = self.connect().await?;
        Ok(Lease { pool: self, connection, used: false, _permit: permit })
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let now = self.clock.now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| now.since(*since) < IDLE);
        idle.pop().map(|(_, connection)| connection)
    }

    /// Connects to a checked address or through the proxy, sets up TLS and signs in.
    pub(super) async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let mut connection = self.greet().await?;
        self.sign_in(&mut connection).await?;
        Ok(connection)
    }

    /// Connects and sets up TLS.
    pub(super) async fn greet(&self) -> Result<AsyncSmtpConnection, SendError> {
        let Config { host, port, proxy, sender, .. } = &*self.config;
        let hello = ClientId::Domain(sender.from.email.domain().to_owned());
        let mut stream = match proxy {
            None => self.directly(host, *port).await?,
            Some(proxy) => {
                tunnel::open(proxy, self.connector()?, &*self.http, (host, *port), CONNECT_TIMEOUT)
                    .await
                    .map_err(unanswered)?
            }
        };
        if self.config.security == Security::Tls {
            let securing = tunnel::secure(stream, host, host, self.connector()?);
            stream = match tokio::time::timeout(CONNECT_TIMEOUT, securing).await {
                Ok(secured) => secured.map_err(unanswered)?,
                Err(_) => return Err(timed_out(Stage::Connect, CONNECT_TIMEOUT)),
            };
        }
        let connecting = AsyncSmtpConnection::connect_with_transport(stream, &hello);
        let mut connection = connecting.await.map_err(|error| self.lost(&error))?;
        if self.config.security == Security::Starttls {
            connection.starttls(self.tls()?, &hello).await.map_err(|error| self.lost(&error))?;
        }
        Ok(connection)
    }

    async fn directly(&self, host: &str, port: u16) -> Result<Stream, SendError> {
        let addresses = self.http.resolve(host, port).await.map_err(unanswered)?;
        tunnel::reach(&addresses, CONNECT_TIMEOUT).await.map_err(|error| {
            let text = format!("no connection to {host}:{port}: {}", describe(&error));
            unanswered(HttpError { kind: HttpErrorKind::NotConnected, text })
        })
    }

    fn lost(&self, error: &Error) -> SendError {
        classify(error, Stage::Connect, &self.config.password)
    }

    /// Signs in, if the settings hold an account.
    pub(super) async fn sign_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), SendError> {
        let Some(credentials) = &self.config.credentials else { return Ok(()) };
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], credentials)
            .await
            .map(|_| ())
            .map_err(|error| classify(&error, Stage::Auth, &self.config.password))
    }

    fn tls(&self) -> Result<TlsParameters, SendError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let unusable =
            |_| failure(SendFailure::Channel, "tls", "TLS cannot be set up for this host and tls_ca");
        let mut builder =
            TlsParameters::builder(self.config.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        if let Some(pem) = &self.config.tls_ca {
            builder = builder.add_root_certificate(Certificate::from_pem(pem.as_bytes()).map_err(unusable)?);
        }
        let tls = builder.build_rustls().map_err(unusable)?;
        Ok(self.tls.get_or_init(|| tls).clone())
    }

    /// TLS with the proxy, and with the server behind it from the first byte: lettre begins that only on its own sockets.
    fn connector(&self) -> Result<&TlsConnector, SendError> {
        if let Some(connector) = self.connector.get() {
            return Ok(connector);
        }
        let config = tls_config(self.config.tls_ca.as_deref())
            .map_err(|text| failure(SendFailure::Channel, "tls", format!("tls_ca {text}")))?;
        Ok(self.connector.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}

impl Lease<'_> {
    /// Keeps the connection for the next mail.
    pub(super) fn keep(self) {
        let now = self.pool.clock.now();
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((now, self.connection));
    }

    /// Keeps the connection after a refusal, if the server is willing to go on.
    pub(super) async fn keep_after_refusal(mut self) {
        if self.connection.command(Rset).await.is_ok() {
            self.keep();
        }
    }
}
