//! Access keys of a project.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use mc_core::model::{AccessKey, Role};
use mc_core::{Secret, Timestamp};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::caller::Who;
use crate::auth::issue::{NewAccessKey, issue};
use crate::auth::source;
use crate::call::{Call, is_resource_name};
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// A key has at most this many networks, and as many channels.
const MAX_ALLOWED: usize = 50;

/// How long the old key of a rotation works on, unless the caller says otherwise.
const USUAL_OVERLAP_HOURS: u32 = 24;

/// The longest overlap: a year.
const MAX_OVERLAP_HOURS: u32 = 366 * 24;

/// An access key. Its secret is shown when it was just made, and never again.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessKeyView {
    /// Its id as a resource; the same as `access_key_id`.
    id: String,
    /// The public half.
    access_key_id: String,
    /// The secret half: only in the answer that made the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret_access_key: Option<String>,
    /// What people call it.
    name: String,
    /// What it may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// The project it opens.
    project: String,
    /// Whether HTTP Basic is accepted.
    basic: bool,
    /// Whether it works.
    enabled: bool,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The networks it may be used from; from everywhere if there are none.
    allowed_cidrs: Vec<String>,
    /// The channels it may send through; through all if there are none.
    allowed_channels: Vec<String>,
    /// When it was last used, to about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Who made it: `operator:…`, also by a key of theirs, or `key:…` where nobody is known to have made that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_by: Option<String>,
    /// The key it follows in a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaces: Option<String>,
    /// The key that follows it in a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaced_by: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

fn view(key: &AccessKey, last_used_at: Option<Timestamp>) -> AccessKeyView {
    AccessKeyView {
        id: key.access_key_id.clone(),
        access_key_id: key.access_key_id.clone(),
        secret_access_key: None,
        name: key.name.clone(),
        role: key.role,
        project: key.project.clone(),
        basic: key.basic,
        enabled: key.enabled,
        expires_at: key.expires_at,
        allowed_cidrs: key.allowed_cidrs.clone(),
        allowed_channels: key.allowed_channels.clone(),
        last_used_at,
        created_by: key.created_by.clone(),
        replaces: key.replaces.clone(),
        replaced_by: key.replaced_by.clone(),
        created_at: key.created_at,
    }
}

/// 201 with the key and its secret.
fn made(key: &AccessKey, secret: &Secret) -> Answer {
    let secret_access_key = Some(secret.expose().to_owned());
    Ok(answer::json(StatusCode::CREATED, &AccessKeyView { secret_access_key, ..view(key, None) }))
}

/// List the project's access keys
#[utoipa::path(
    get, path = "/v1/access-keys", tag = "access keys", operation_id = "list_access_keys",
    responses((status = 200, description = "A page of access keys", body = Page<AccessKeyView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = call.center().access_keys.list(call.project(), limit, cursor).await?;
    let items = page.items.iter().map(|(_, (key, used))| view(key, *used)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessKeyBody {
    /// What people call it.
    name: String,
    /// What it may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Whether HTTP Basic is accepted; true by default.
    #[serde(default = "yes")]
    basic: bool,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The networks it may be used from, like `192.0.2.0/24`; from everywhere if there are none.
    #[serde(default)]
    allowed_cidrs: Vec<String>,
    /// The channels it may send through; through all if there are none.
    #[serde(default)]
    allowed_channels: Vec<String>,
}

fn yes() -> bool {
    true
}

/// Make an access key
///
/// The secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/access-keys", tag = "access keys", operation_id = "create_access_key",
    request_body = AccessKeyBody,
    responses((status = 201, description = "Made", body = AccessKeyView))
)]
pub async fn create(call: Call) -> Answer {
    let body: AccessKeyBody = call.read()?;
    check_name(&body.name)?;
    check_expiry(&call, body.expires_at)?;
    let allowed_cidrs = networks(body.allowed_cidrs)?;
    check_channels(&call, &body.allowed_channels).await?;
    let new = NewAccessKey {
        basic: body.basic,
        expires_at: body.expires_at,
        allowed_cidrs,
        allowed_channels: body.allowed_channels,
        created_by: Some(maker(&call)),
        ..NewAccessKey::new(call.project(), body.name, body.role)
    };
    let (key, secret) = issue(call.center(), new).await?;
    let what = json!({"access_key": key.id, "name": key.name, "role": key.role});
    call.audit_change("access_key.create", what, None, Some(&view(&key, None))).await;
    made(&key, &secret)
}

/// Who made a key: the person behind the calling key, if one made that. Else somebody could be two by a key of a key.
fn maker(call: &Call) -> String {
    match &call.identity.who {
        Who::Key(key) => key.key.created_by.clone(),
        Who::Nobody | Who::Operator(_) => None,
    }
    .unwrap_or_else(|| call.identity.actor.to_string())
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if (1..=128).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ApiError::field("invalid_request", "/name", "a name is 1 to 128 bytes without control characters"))
}

fn check_expiry(call: &Call, expires_at: Option<Timestamp>) -> Result<(), ApiError> {
    if expires_at.is_some_and(|at| at <= call.center().clock.now()) {
        return Err(ApiError::field("invalid_request", "/expires_at", "this time has passed already"));
    }
    Ok(())
}

/// The networks as they are compared and shown.
fn networks(cidrs: Vec<String>) -> Result<Vec<String>, ApiError> {
    check_count(cidrs.len(), "/allowed_cidrs")?;
    let read = |(index, cidr): (usize, String)| {
        source::network(&cidr).map(|network| network.to_string()).ok_or_else(|| {
            let detail = "this is neither an address nor a network like 192.0.2.0/24 or 2001:db8::/32";
            ApiError::field("invalid_request", format!("/allowed_cidrs/{index}"), detail)
        })
    };
    cidrs.into_iter().enumerate().map(read).collect()
}

async fn check_channels(call: &Call, channels: &[String]) -> Result<(), ApiError> {
    check_count(channels.len(), "/allowed_channels")?;
    let refuse = |code, index: usize, detail: String| {
        Err(ApiError::field(code, format!("/allowed_channels/{index}"), detail))
    };
    if let Some(index) = channels.iter().position(|channel| !is_resource_name(channel)) {
        return refuse("invalid_request", index, "this is not the name of a channel".to_owned());
    }
    if channels.is_empty() {
        return Ok(());
    }
    let known = call.center().channels.all(call.project()).await?;
    let is_unknown = |channel: &String| !known.iter().any(|(name, _)| name == channel);
    match channels.iter().position(is_unknown) {
        None => Ok(()),
        Some(index) => {
            let detail = format!("there is no channel {:?} in this project", channels[index]);
            refuse("unknown_channel", index, detail)
        }
    }
}

fn check_count(count: usize, pointer: &str) -> Result<(), ApiError> {
    if count <= MAX_ALLOWED {
        return Ok(());
    }
    Err(ApiError::field("invalid_request", pointer, format!("there are at most {MAX_ALLOWED} of these")))
}

/// The key in the path, if it is one of this project.
async fn found(call: &Call) -> Result<AccessKey, ApiError> {
    let id = call.name("id", "access key")?;
    let key = call.center().access_keys.stored(id).await?.filter(|key| key.project == call.project());
    key.ok_or_else(|| ApiError::not_found("access key"))
}

async fn shown(call: &Call, key: &AccessKey) -> Answer {
    let used = call.center().access_keys.last_used(&key.access_key_id).await?;
    ok(&view(key, used))
}

/// Look at an access key
#[utoipa::path(
    get, path = "/v1/access-keys/{id}", tag = "access keys", operation_id = "get_access_key",
    params(("id" = String, Path)),
    responses((status = 200, description = "The access key", body = AccessKeyView))
)]
pub async fn get(call: Call) -> Answer {
    let key = found(&call).await?;
    shown(&call, &key).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessKeyChange {
    /// What people call it.
    name: Option<String>,
    /// What it may do.
    #[schema(value_type = Option<schema::Role>)]
    role: Option<Role>,
    /// Whether HTTP Basic is accepted.
    basic: Option<bool>,
    /// Whether it works.
    enabled: Option<bool>,
    /// When it stops working; null for never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<Timestamp>>,
    /// The networks it may be used from; an empty list for everywhere.
    allowed_cidrs: Option<Vec<String>>,
    /// The channels it may send through; an empty list for all.
    allowed_channels: Option<Vec<String>>,
}

/// Tells a field that is null from one that is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Change an access key
///
/// What is not given stays. In other processes a change is in force within a minute.
#[utoipa::path(
    patch, path = "/v1/access-keys/{id}", tag = "access keys", operation_id = "change_access_key",
    params(("id" = String, Path)),
    request_body = AccessKeyChange,
    responses((status = 200, description = "The access key", body = AccessKeyView))
)]
pub async fn change(call: Call) -> Answer {
    let mut key = found(&call).await?;
    let before = view(&key, None);
    let change: AccessKeyChange = call.read()?;
    if let Some(name) = change.name {
        check_name(&name)?;
        key.name = name;
    }
    if let Some(expires_at) = change.expires_at {
        check_expiry(&call, expires_at)?;
        key.expires_at = expires_at;
    }
    if let Some(cidrs) = change.allowed_cidrs {
        key.allowed_cidrs = networks(cidrs)?;
    }
    if let Some(channels) = change.allowed_channels {
        check_channels(&call, &channels).await?;
        key.allowed_channels = channels;
    }
    key.role = change.role.unwrap_or(key.role);
    key.basic = change.basic.unwrap_or(key.basic);
    key.enabled = change.enabled.unwrap_or(key.enabled);
    call.center().access_keys.put(&key).await?;
    let what = json!({"access_key": key.id, "name": key.name});
    call.audit_change("access_key.change", what, Some(&before), Some(&view(&key, None))).await;
    shown(&call, &key).await
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// When the new key stops working; never by default.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// For how many hours the old key works on; 24 by default, 0 ends it at once.
    #[serde(default, deserialize_with = "overlap")]
    #[schema(maximum = 8784)]
    overlap_hours: Option<u32>,
}

/// Reads an overlap. Below the limit and above it the same is said, which the reader of a `u32` knows nothing of.
fn overlap<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(given) = Option::<i64>::deserialize(deserializer)? else { return Ok(None) };
    match u32::try_from(given) {
        Ok(hours) if hours <= MAX_OVERLAP_HOURS => Ok(Some(hours)),
        _ => {
            let expected = format!("a whole number from 0 to {MAX_OVERLAP_HOURS}");
            Err(D::Error::invalid_value(Unexpected::Signed(given), &expected.as_str()))
        }
    }
}

/// Rotate an access key
///
/// Makes a new key with the same name, role, restrictions and expiry; both work until the old one expires. 409 while the key
/// already is one of two, and if it works no more.
#[utoipa::path(
    post, path = "/v1/access-keys/{id}/rotate", tag = "access keys", operation_id = "rotate_access_key",
    params(("id" = String, Path)),
    request_body = Option<Rotation>,
    responses((status = 201, description = "The new key; its secret is in this answer and nowhere else",
        body = AccessKeyView))
)]
pub async fn rotate(call: Call) -> Answer {
    let mut old = found(&call).await?;
    let Rotation { expires_at, overlap_hours } = call.read_or_default()?;
    check_expiry(&call, expires_at)?;
    let overlap_hours = overlap_hours.unwrap_or(USUAL_OVERLAP_HOURS);
    let before = view(&old, None);
    let now = call.center().clock.now();
    if !old.enabled || old.expires_at.is_some_and(|at| at <= now) {
        let detail = "this key is disabled or expired, and a new one would not be; make another key";
        return Err(ApiError::conflict("key_not_in_force", detail));
    }
    check_alone(&call, &old).await?;
    let new = NewAccessKey {
        basic: old.basic,
        // A key that was to end does not become one that never does.
        expires_at: expires_at.or(old.expires_at),
        allowed_cidrs: old.allowed_cidrs.clone(),
        allowed_channels: old.allowed_channels.clone(),
        created_by: Some(maker(&call)),
        replaces: Some(old.id.clone()),
        ..NewAccessKey::new(old.project.clone(), old.name.clone(), old.role)
    };
    // The new key comes first. A crash here leaves one whose secret nobody has, beside an old one that still works.
    let (key, secret) = issue(call.center(), new).await?;
    let ends = now.after(Duration::from_secs(u64::from(overlap_hours) * 3600));
    let seen = old.replaced_by.clone();
    old.expires_at = Some(old.expires_at.map_or(ends, |at| at.min(ends)));
    old.replaced_by = Some(key.id.clone());
    let replace = |stored: &mut AccessKey| {
        let first = stored.replaced_by == seen;
        if first {
            (stored.expires_at, stored.replaced_by) = (old.expires_at, old.replaced_by.clone());
        }
        first
    };
    let keys = &call.center().access_keys;
    if !keys.change(&old.access_key_id, replace).await? {
        keys.delete(&key).await?;
        return Err(in_progress("it is being rotated by somebody else at this moment"));
    }
    let what = json!({"access_key": old.id, "replaced_by": key.id, "expires_at": old.expires_at});
    call.audit_change("access_key.rotate", what, Some(&before), Some(&view(&old, None))).await;
    made(&key, &secret)
}

fn in_progress(detail: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::conflict("rotation_in_progress", detail)
}

/// A rotation has two keys at most: whoever begins the next one ends the last.
async fn check_alone(call: &Call, key: &AccessKey) -> Result<(), ApiError> {
    let (center, now) = (call.center(), call.center().clock.now());
    for other in [&key.replaced_by, &key.replaces].into_iter().flatten() {
        let Some(other) = center.access_keys.stored(other).await? else { continue };
        if other.enabled && other.expires_at.is_none_or(|at| at > now) {
            let two = format!("this key and {} are two already; delete one of them first", other.id);
            return Err(in_progress(two));
        }
    }
    Ok(())
}

/// Delete an access key
#[utoipa::path(
    delete, path = "/v1/access-keys/{id}", tag = "access keys", operation_id = "delete_access_key",
    params(("id" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let key = found(&call).await?;
    call.center().access_keys.delete(&key).await?;
    let what = json!({"access_key": key.id, "name": key.name});
    call.audit_change("access_key.delete", what, Some(&view(&key, None)), None).await;
    no_content()
}
