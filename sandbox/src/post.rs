//! Calling back, as the platforms do when something has happened.

use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use url::Url;

/// How long the platforms wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the other side answered: status and body.
pub(crate) type Answer = (u16, String);

/// Posts to an `http://` address; an error says what went wrong.
pub(crate) async fn post(url: &str, content_type: &str, body: String) -> Result<Answer, String> {
    call(Request::post(url).header(header::CONTENT_TYPE, content_type), url, body).await
}

/// Posts with headers of the platform's own.
pub(crate) async fn post_with(url: &str, headers: &[(&str, &str)], body: String) -> Result<Answer, String> {
    let request =
        headers.iter().fold(Request::post(url), |request, (name, value)| request.header(*name, *value));
    call(request, url, body).await
}

/// Asks an `http://` address; an error says what went wrong.
pub(crate) async fn get(url: &str) -> Result<Answer, String> {
    call(Request::get(url), url, String::new()).await
}

async fn call(request: Builder, url: &str, body: String) -> Result<Answer, String> {
    let call = async {
        let parsed = Url::parse(url).map_err(|error| error.to_string())?;
        let host = parsed.host_str().filter(|_| parsed.scheme() == "http");
        let host = host.ok_or_else(|| "only http:// addresses can be called".to_owned())?;
        let port = parsed.port_or_known_default().unwrap_or(80);
        let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let path = parsed[url::Position::BeforePath..].to_owned();
        let request = request
            .uri(path)
            .header(header::HOST, format!("{host}:{port}"))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| Err("no answer within 5 s".to_owned()))
}
