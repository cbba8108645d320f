//! The one HTTPS connector behind every client here: rustls with ring, Mozilla's roots compiled in, HTTP/1.1.
//!
//! It is built when the first call is made. Reading the system's certificates or the SDKs' own default chain would
//! cost most of a cold start.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rustls::{ClientConfig, RootCertStore};

/// A connection that is not up by then will not come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Idle connections are closed by us before AWS closes them under a request.
const IDLE: Duration = Duration::from_secs(50);

/// The pool of connections. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Pool(Arc<OnceLock<reqwest::Client>>);

impl Pool {
    /// The client, built when it is first needed.
    pub(crate) fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let client = build()?;
        Ok(self.0.get_or_init(|| client))
    }
}

fn build() -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    if let Ok(tls) = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions() {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        builder = builder.tls_backend_preconfigured(tls.with_root_certificates(roots).with_no_client_auth());
    }
    builder.build()
}

/// The pool as the SDKs see it, with a limit for each attempt.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: SharedHttpConnector,
}

impl Connector {
    pub(crate) fn new(pool: Pool, timeout: Duration) -> Self {
        Self { shared: SharedHttpConnector::new(Attempts { pool, timeout }) }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.shared.clone()
    }
}

struct Attempts {
    pool: Pool,
    timeout: Duration,
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempts")
    }
}

impl HttpConnector for Attempts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let prepared = prepare(request, self.timeout);
        let client = self.pool.client().cloned().map_err(|error| ConnectorError::user(error.into()));
        HttpConnectorFuture::new(async move {
            let answer = client?.execute(prepared?).await.map_err(sort)?;
            read(answer).await
        })
    }
}

fn prepare(request: HttpRequest, timeout: Duration) -> Result<reqwest::Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = body
        .bytes()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| ConnectorError::user("a body that is a stream cannot be sent".into()))?;
    let mut request = reqwest::Request::try_from(http::Request::from_parts(head, body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    *request.timeout_mut() = Some(timeout);
    Ok(request)
}

async fn read(answer: reqwest::Response) -> Result<HttpResponse, ConnectorError> {
    let mut head = http::Response::new(());
    *head.status_mut() = answer.status();
    let mut answer = answer;
    std::mem::swap(head.headers_mut(), answer.headers_mut());
    let body = answer.bytes().await.map_err(sort)?;
    HttpResponse::try_from(head.map(|()| SdkBody::from(body)))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// An error of the transport, with what is known of how far the request came.
#[derive(Debug)]
pub(crate) struct Broken {
    source: reqwest::Error,
}

impl Broken {
    /// Whether the request may have been carried out.
    pub(crate) fn maybe_done(&self) -> bool {
        !self.source.is_connect() && !self.source.is_builder()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut error: Option<&dyn std::error::Error> = Some(&self.source);
        let mut between = "";
        while let Some(this) = error {
            write!(f, "{between}{this}")?;
            between = ": ";
            error = this.source();
        }
        Ok(())
    }
}

impl std::error::Error for Broken {}

fn sort(source: reqwest::Error) -> ConnectorError {
    let (timeout, connect) = (source.is_timeout(), source.is_connect());
    let broken = Broken { source: source.without_url() }.into();
    match (timeout, connect) {
        (true, false) => ConnectorError::timeout(broken),
        (_, true) => ConnectorError::io(broken).never_connected(),
        (false, false) => ConnectorError::io(broken),
    }
}
