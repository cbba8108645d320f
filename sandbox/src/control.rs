//! Looking into the sandbox and steering it over HTTP.
//!
//! | Call | Body or answer |
//! |---|---|
//! | `GET /_inbox?platform=&limit=&after=` | `{"items": [Item…], "next": n}`; oldest first, without `after` the latest |
//! | `GET /_inbox/{n}` | one [`Item`], or 404 |
//! | `DELETE /_inbox` | 204 |
//! | `GET /_faults`, `PUT /_faults` | `[Fault…]`; `PUT` replaces the list |
//! | `DELETE /_faults` | 204 |
//! | `PUT /_dingtalk/{token}` | `{"secret": "SEC…" or null, "keywords": […]}` |
//! | `PUT /_dingtalk/apps/{app_key}`, `POST …/expire`, `POST …/read`, `POST …/events` | see `dingtalk/app/control.rs` |
//! | `PUT /_feishu/robots/{token}`, `PUT /_feishu/apps/{app_id}`, `POST …/expire`, `POST …/events` | see `feishu/control.rs` |
//! | `PUT /_hook/{name}` | `{"secret": "whsec_…"}` |
//! | `PUT /_ses/{access_key_id}`, `POST …/subscribe` | see `ses/control.rs` |
//! | `PUT /_wecom/{corp}/{agent}`, `POST …/expire`, `POST …/events`, `POST …/verify` | see `wecom/app/control.rs` |
//! | `PUT /_wechat/{app_id}`, `POST …/expire`, `POST …/events` | see `wechat/control.rs` |
//! | `PUT /_im/{path}` | an [`ImExpectation`]; `{}` lifts all demands |
//!
//! A body that cannot be read is answered 400 with `{"error": "…"}`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::answer::json_answer;
use crate::faults::Fault;
use crate::im::ImExpectation;
use crate::inbox::Page;
use crate::item::{Item, Platform};
use crate::request;
use crate::sandbox::Sandbox;

const DEFAULT_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 1_000;

#[derive(Serialize)]
struct Listing<'a> {
    items: Vec<&'a Item>,
    /// What to pass as `after` for what comes next; it is there even when nothing came yet.
    next: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DingtalkRobot {
    secret: Option<String>,
    #[serde(default)]
    keywords: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookSecret {
    secret: String,
}

/// `GET /_inbox?platform=&limit=&after=`
pub(crate) async fn list(State(sandbox): State<Sandbox>, RawQuery(query): RawQuery) -> Response {
    let page = match page_of(query.as_deref()) {
        Ok(page) => page,
        Err(detail) => return bad_request(&detail),
    };
    let items = sandbox.page(page);
    let next = items.last().map_or_else(|| page.after.unwrap_or_else(|| sandbox.last()), |item| item.n);
    let items = items.iter().map(AsRef::as_ref).collect();
    axum::Json(Listing { items, next }).into_response()
}

/// `GET /_inbox/{n}`
pub(crate) async fn item(State(sandbox): State<Sandbox>, Path(n): Path<u64>) -> Response {
    match sandbox.item(n) {
        Some(item) => axum::Json(&*item).into_response(),
        None => json_answer(StatusCode::NOT_FOUND, &json!({"error": format!("there is no item {n}")})),
    }
}

/// `DELETE /_inbox`
pub(crate) async fn clear(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.clear();
    StatusCode::NO_CONTENT
}

/// `GET /_faults`
pub(crate) async fn faults(State(sandbox): State<Sandbox>) -> Response {
    axum::Json(sandbox.pending_faults()).into_response()
}

/// `PUT /_faults` replaces the whole list.
pub(crate) async fn put_faults(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    with_json(&body, |faults: Vec<Fault>| sandbox.faults().replace(faults))
}

/// `DELETE /_faults`
pub(crate) async fn clear_faults(State(sandbox): State<Sandbox>) -> StatusCode {
    sandbox.clear_faults();
    StatusCode::NO_CONTENT
}

/// `PUT /_dingtalk/{token}`
pub(crate) async fn put_dingtalk(
    State(sandbox): State<Sandbox>,
    Path(token): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |robot: DingtalkRobot| {
        sandbox.dingtalk_robot_with_keywords(token, robot.secret.as_deref(), robot.keywords);
    })
}

/// `PUT /_hook/{name}`
pub(crate) async fn put_hook(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |hook: HookSecret| sandbox.hook_secret(name, hook.secret))
}

/// `PUT /_im/{*path}`
pub(crate) async fn put_im(
    State(sandbox): State<Sandbox>,
    Path(path): Path<String>,
    body: Bytes,
) -> Response {
    with_json(&body, |expectation: ImExpectation| sandbox.im_expect(&path, expectation))
}

fn page_of(query: Option<&str>) -> Result<Page, String> {
    let platform = match request::query(query, "platform") {
        Some(name) if !name.is_empty() => {
            let platform: Result<Platform, _> = serde_json::from_value(json!(name));
            Some(platform.map_err(|error| error.to_string())?)
        }
        Some(_) | None => None,
    };
    let limit = number(query, "limit")?.and_then(|limit| usize::try_from(limit).ok());
    let after = number(query, "after")?;
    Ok(Page { platform, after, limit: limit.unwrap_or(DEFAULT_LIMIT).min(LARGEST_LIMIT) })
}

fn number(query: Option<&str>, name: &str) -> Result<Option<u64>, String> {
    match request::query(query, name) {
        Some(value) if !value.is_empty() => {
            value.parse().map(Some).map_err(|_| format!("{name} is not a number"))
        }
        Some(_) | None => Ok(None),
    }
}

/// Reads a body and applies it: 204, or 400.
pub(crate) fn with_json<T: DeserializeOwned>(body: &[u8], apply: impl FnOnce(T)) -> Response {
    match serde_json::from_slice(body) {
        Ok(value) => {
            apply(value);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => bad_request(&error.to_string()),
    }
}

/// Reads an event and tells it; what the other side answered is the answer.
pub(crate) async fn tell<T: DeserializeOwned>(
    body: &[u8],
    tell: impl AsyncFnOnce(T) -> Result<(u16, String), String>,
) -> Response {
    match serde_json::from_slice(body) {
        Ok(event) => told(tell(event).await),
        Err(error) => bad_request(&error.to_string()),
    }
}

/// What the other side answered, or 400 with what went wrong.
pub(crate) fn told(result: Result<(u16, String), String>) -> Response {
    match result {
        Ok((status, body)) => json_answer(StatusCode::OK, &json!({"status": status, "body": body})),
        Err(detail) => bad_request(&detail),
    }
}

/// 400 with what is wrong.
pub(crate) fn bad_request(detail: &str) -> Response {
    json_answer(StatusCode::BAD_REQUEST, &json!({"error": detail}))
}
