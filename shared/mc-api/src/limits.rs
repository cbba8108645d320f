//! The headers that tell callers of a project's limits, as draft-ietf-httpapi-ratelimit-headers-11 has them.

use std::fmt::Write as _;

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use mc_pipeline::limits::Standing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `RateLimit-Policy: "day";q=1000;w=86400` and `RateLimit: "day";r=998;t=3600`; none where there are no limits.
pub(crate) fn headers(limits: &[Standing]) -> Vec<(HeaderName, HeaderValue)> {
    let (mut policy, mut standing) = (String::new(), String::new());
    for (index, limit) in limits.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let Standing { window, seconds, limit, remaining, resets_in } = limit;
        // Rounded up, so that who waits this long does not come too early.
        let wait = resets_in.as_millis().div_ceil(1000);
        let _ = write!(policy, "{comma}\"{window}\";q={limit};w={seconds}");
        let _ = write!(standing, "{comma}\"{window}\";r={remaining};t={wait}");
    }
    let values = [(POLICY, policy), (LIMIT, standing)].into_iter().filter(|(_, value)| !value.is_empty());
    values.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
}

/// Adds them to an answer.
pub(crate) fn tell(mut response: Response, limits: &[Standing]) -> Response {
    response.headers_mut().extend(headers(limits));
    response
}
