//! Access keys of a project.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use mc_core::model::{AccessKey, Role};
use mc_core::{Error, ErrorKind, Secret, Timestamp};
use mc_pipeline::Center;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::opened::seal_context;
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_name_cursor;
use crate::schema;

/// A key to be made. What is not given is generated.
pub struct NewAccessKey {
    /// The project it opens.
    pub project: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether HTTP Basic is accepted.
    pub basic: bool,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The public half, where a first start fixes it.
    pub access_key_id: Option<String>,
    /// The secret half, where a first start fixes it.
    pub secret: Option<Secret>,
}

/// Makes a key and stores it; answers it with its secret, which nobody can see again.
pub async fn issue(center: &Center, new: NewAccessKey) -> mc_core::Result<(AccessKey, Secret)> {
    let access_key_id = new.access_key_id.unwrap_or_else(|| generate_id(center));
    let secret = new.secret.unwrap_or_else(|| generate_secret(center));
    let sealed = center
        .sealer
        .seal(&seal_context(&access_key_id), secret.expose())
        .map_err(|e| Error::new(ErrorKind::Sealed, "an access key's secret cannot be sealed").because(e))?;
    let key = AccessKey {
        id: access_key_id.clone(),
        access_key_id,
        secret: sealed,
        project: new.project,
        name: new.name,
        role: new.role,
        basic: new.basic,
        enabled: true,
        expires_at: new.expires_at,
        created_at: center.clock.now(),
    };
    center.access_keys.put(&key).await?;
    Ok((key, secret))
}

/// `MC` and 18 letters and digits that cannot be mistaken for each other.
fn generate_id(center: &Center) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = [0; 18];
    center.random.fill(&mut bytes);
    let letters = bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)]));
    "MC".chars().chain(letters).collect()
}

/// 240 random bits as 40 characters that need no escaping anywhere.
fn generate_secret(center: &Center) -> Secret {
    let mut bytes = zeroize::Zeroizing::new([0; 30]);
    center.random.fill(bytes.as_mut_slice());
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// An access key, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessKeyView {
    /// Its id as a resource; the same as `access_key_id`.
    id: String,
    /// The public half.
    access_key_id: String,
    /// What people call it.
    name: String,
    /// What it may do.
    #[schema(value_type = schema::Role)]
    role: Role,
    /// Whether HTTP Basic is accepted.
    basic: bool,
    /// Whether it works.
    enabled: bool,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was last used, to about a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

fn view(key: &AccessKey, last_used_at: Option<Timestamp>) -> AccessKeyView {
    AccessKeyView {
        id: key.access_key_id.clone(),
        access_key_id: key.access_key_id.clone(),
        name: key.name.clone(),
        role: key.role,
        basic: key.basic,
        enabled: key.enabled,
        expires_at: key.expires_at,
        last_used_at,
        created_at: key.created_at,
    }
}

/// A key that was just made, with its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedAccessKey {
    /// Its id as a resource.
    id: String,
    /// The public half.
    access_key_id: String,
    /// The secret half: shown now and never again.
    secret_access_key: String,
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
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// List the project's access keys
#[utoipa::path(
    get, path = "/v1/access-keys", tag = "access keys", operation_id = "list_access_keys",
    responses((status = 200, description = "A page of access keys", body = Page<AccessKeyView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_name_cursor)?);
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
    responses((status = 201, description = "Made", body = CreatedAccessKey))
)]
pub async fn create(call: Call) -> Answer {
    let body: AccessKeyBody = call.read()?;
    check_name(&body.name)?;
    check_expiry(&call, body.expires_at)?;
    let new = NewAccessKey {
        project: call.project().to_owned(),
        name: body.name,
        role: body.role,
        basic: body.basic,
        expires_at: body.expires_at,
        access_key_id: None,
        secret: None,
    };
    let (key, secret) = issue(call.center(), new).await?;
    call.audit("access_key.create", json!({"access_key": key.id, "name": key.name, "role": key.role})).await;
    let created = CreatedAccessKey {
        id: key.id,
        access_key_id: key.access_key_id,
        secret_access_key: secret.expose().to_owned(),
        name: key.name,
        role: key.role,
        project: key.project,
        basic: key.basic,
        enabled: key.enabled,
        expires_at: key.expires_at,
        created_at: key.created_at,
    };
    Ok(answer::json(StatusCode::CREATED, &created))
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
    let change: AccessKeyChange = call.read()?;
    if let Some(name) = change.name {
        check_name(&name)?;
        key.name = name;
    }
    if let Some(expires_at) = change.expires_at {
        check_expiry(&call, expires_at)?;
        key.expires_at = expires_at;
    }
    key.role = change.role.unwrap_or(key.role);
    key.basic = change.basic.unwrap_or(key.basic);
    key.enabled = change.enabled.unwrap_or(key.enabled);
    call.center().access_keys.put(&key).await?;
    let what = json!({"access_key": key.id, "role": key.role, "basic": key.basic, "enabled": key.enabled});
    call.audit("access_key.change", what).await;
    shown(&call, &key).await
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
    call.audit("access_key.delete", json!({"access_key": key.id, "name": key.name})).await;
    no_content()
}
