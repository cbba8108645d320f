//! Reading an answer, no further than allowed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use jiff::fmt::rfc2822;
use mc_core::Timestamp;
use mc_core::ports::{Clock, HttpError, HttpResponse};
use tokio::time::{Instant, timeout_at};

use super::failure;

/// No wait named by the other side is taken to be longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Reads an answer whose head is there. With `optional_until` its body is left away if it cannot be had by then.
pub(super) async fn read(
    answer: reqwest::Response,
    limit: usize,
    optional_until: Option<Instant>,
    host: &str,
    clock: &dyn Clock,
) -> Result<HttpResponse, HttpError> {
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers(), clock);
    let content_type =
        answer.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(ToOwned::to_owned);
    let body = read_body(answer, limit, host);
    let body = match optional_until {
        None => body.await?,
        Some(deadline) => timeout_at(deadline, body).await.ok().and_then(Result::ok).unwrap_or_default(),
    };
    Ok(HttpResponse { status, retry_after, content_type, body })
}

async fn read_body(mut answer: reqwest::Response, limit: usize, host: &str) -> Result<Bytes, HttpError> {
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(failure::too_large(limit, host));
    }
    // Nearly every answer comes in one piece, which is passed on without a copy.
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure::of_body(&error, host))? {
        if first.len() + rest.len() + chunk.len() > limit {
            return Err(failure::too_large(limit, host));
        }
        if first.is_empty() && rest.is_empty() {
            first = chunk;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&chunk);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// `Retry-After` in seconds or as a date; Feishu says the seconds under a name of its own.
pub(super) fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER).or_else(|| headers.get("x-ogw-ratelimit-reset"))?;
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Timestamp::from_millis(date.as_millisecond()).since(clock.now())
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
