//! Signed calls to a message center.

use std::sync::Arc;

use mc_ambient::SystemClock;
use mc_channels::http::{EgressPolicy, GuardedHttp};
use mc_core::ports::{Clock, Http, HttpRequest, HttpResponse, Route};
use mc_core::{Secret, Timestamp};
use serde_json::Value;
use url::Url;

use super::sign;
use crate::cli::Access;

/// Anything that ends the command.
pub type Failure = Box<dyn std::error::Error>;

/// A client of one message center.
pub struct Client {
    access: Access,
    host: String,
    http: GuardedHttp,
    clock: Arc<dyn Clock>,
}

impl Client {
    /// A client for a person on this machine, who may call whatever address they name.
    pub fn new(access: Access) -> Result<Self, Failure> {
        let host = host_of(&access.url).ok_or_else(|| {
            let (given, example) = (&access.url, "http://127.0.0.1:8080");
            format!("MESSAGE_CENTER_URL (or --url) is {given:?}; give a whole address, such as {example}")
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let everywhere = EgressPolicy::parse(Some("0.0.0.0/0, ::/0"), true)?;
        Ok(Self { access, host, http: GuardedHttp::new(everywhere, clock.clone()), clock })
    }

    /// The time here.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// One signed call; an answer that is not a success becomes an error in words.
    pub async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        let url = format!("{}{path}", self.access.url.trim_end_matches('/'));
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let (id, secret) = (&self.access.access_key_id, &self.access.secret_access_key);
        let signed = sign::headers(id, secret, method, &self.host, path, &body, self.now());
        let mut request = HttpRequest::post_json(Secret::new(url), body);
        request.method = method;
        request.headers.extend(signed.map(|(name, value)| (name.to_owned(), value)));
        request.headers.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        request.max_answer = 16 << 20;
        let answer = self.http.call(&Route::default(), request).await?;
        read(&answer)
    }
}

/// The host and the port of an address, as they are signed.
fn host_of(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

fn read(answer: &HttpResponse) -> Result<Value, Failure> {
    let value: Value = if answer.body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&answer.body).map_err(|_| {
            let status = answer.status;
            format!("the answer, {status}, is no message center's; is MESSAGE_CENTER_URL (or --url) right?")
        })?
    };
    if (200..300).contains(&answer.status) {
        return Ok(value);
    }
    let mut text = format!("{} {}", answer.status, value["detail"].as_str().unwrap_or("the call failed"));
    for error in value["errors"].as_array().into_iter().flatten() {
        let (pointer, detail) = (error["pointer"].as_str(), error["detail"].as_str());
        text.push_str(&format!("\n  {} {}", pointer.unwrap_or_default(), detail.unwrap_or_default()));
    }
    Err(text.into())
}

/// Runs a command's one future.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whole_or_it_is_none() {
        assert_eq!(host_of("http://127.0.0.1:8080/").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(host_of("https://center.example.com").as_deref(), Some("center.example.com"));
        for wrong in ["nope", "localhost:8080", "ftp://center.example.com", ""] {
            assert_eq!(host_of(wrong), None, "{wrong}");
        }
    }
}
