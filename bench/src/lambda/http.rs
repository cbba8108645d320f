//! A server for the stubs: one function answers every request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;

/// What a stub answers.
pub(super) type Answer = Response<Full<Bytes>>;

/// Something that answers requests.
pub(super) trait Stub: Send + Sync + 'static {
    /// Answers one.
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> impl Future<Output = Answer> + Send;
}

/// Serves a stub on a free port of this machine until the program ends.
pub(super) async fn serve<S: Stub>(stub: Arc<S>) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _slower = stream.set_nodelay(true);
            let stub = stub.clone();
            let service = service_fn(move |request| one(stub.clone(), request));
            // A connection ends when the function closes it or is ended: neither is of interest here.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn one<S: Stub>(stub: Arc<S>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Ok(stub.answer(Request::from_parts(head, body)).await)
}

/// An answer of bytes.
pub(super) fn bytes(status: u16, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

/// An answer of JSON.
pub(super) fn json(status: u16, value: &serde_json::Value) -> Answer {
    let mut answer = bytes(status, value.to_string().into());
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    answer
}
