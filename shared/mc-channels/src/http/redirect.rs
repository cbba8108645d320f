//! Redirects, followed by hand so that every hop is checked.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use mc_core::ports::{HttpError, HttpErrorKind, HttpRequest};
use url::Position;

use super::sent::{Sent, WatchedBody};
use super::target::{Target, bad_url};

/// A request and how far it may still travel.
pub(super) struct Hops {
    target: Target,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    sent: Arc<Sent>,
    left: u8,
    max_answer: usize,
}

impl Hops {
    pub(super) fn new(request: HttpRequest) -> Result<Self, HttpError> {
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|_| bad_url(format!("{:?} is not an HTTP method", request.method)))?;
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let bad = || bad_url(format!("the header {name:?} has a character that headers cannot carry"));
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            headers.append(header, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| bad())?);
        }
        Ok(Self {
            target: Target::parse(request.url.expose())?,
            method,
            headers,
            sent: Arc::new(Sent::default()),
            body: request.body,
            left: request.redirects,
            max_answer: request.max_answer,
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn max_answer(&self) -> usize {
        self.max_answer
    }

    /// Whether any part of a request may have left.
    pub(super) fn maybe_sent(&self) -> bool {
        self.sent.maybe()
    }

    /// The request of this hop. The last one takes everything along; earlier ones keep what a next hop may need.
    pub(super) fn request(&mut self) -> reqwest::Request {
        let (headers, body) = if self.left == 0 {
            (std::mem::take(&mut self.headers), std::mem::take(&mut self.body))
        } else {
            (self.headers.clone(), self.body.clone())
        };
        let mut request = reqwest::Request::new(self.method.clone(), self.target.url().clone());
        *request.headers_mut() = headers;
        if body.is_empty() {
            // An empty body is never asked for, so nobody would tell.
            self.sent.mark();
        } else {
            *request.body_mut() = Some(reqwest::Body::wrap(WatchedBody::new(body, &self.sent)));
        }
        request
    }

    /// Whether the answer leads on; if so, the next request is ready.
    pub(super) fn advance(&mut self, answer: &reqwest::Response) -> Result<bool, HttpError> {
        let status = answer.status();
        let Some(location) = answer.headers().get(LOCATION).filter(|_| leads_on(status) && self.left > 0)
        else {
            return Ok(false);
        };
        let next = location.to_str().ok().and_then(|text| self.target.url().join(text).ok());
        let next = next.ok_or_else(|| carried_out("a redirect leads to something that is no URL"))?;
        let next = Target::of(next).map_err(|error| HttpError { kind: HttpErrorKind::Forbidden, ..error })?;
        if self.target.url().scheme() == "https" && next.url().scheme() == "http" {
            return Err(HttpError {
                kind: HttpErrorKind::Forbidden,
                text: format!("{} redirects from https to http", self.target.host()),
            });
        }
        let same = origin(&self.target) == origin(&next);
        if !same {
            self.headers = [CONTENT_TYPE, ACCEPT]
                .into_iter()
                .filter_map(|name| self.headers.get(&name).cloned().map(|value| (name, value)))
                .collect();
        }
        let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        if !keeps_method && self.method != Method::HEAD {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(CONTENT_TYPE);
        }
        self.target = next;
        self.left -= 1;
        Ok(true)
    }
}

fn leads_on(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn origin(target: &Target) -> &str {
    &target.url()[..Position::BeforePath]
}

fn carried_out(text: &str) -> HttpError {
    HttpError { kind: HttpErrorKind::Unknown, text: text.to_owned() }
}
