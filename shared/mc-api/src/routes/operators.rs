//! Operators: people who sign in with a password.

use std::collections::BTreeMap;

use mc_core::model::{Operator, OperatorRole};
use mc_core::{Secret, Timestamp};
use mc_pipeline::accept::request::escape;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::caller::{EVERY_PROJECT, Who};
use crate::auth::password::MAX_PASSWORD_BYTES;
use crate::call::{Call, is_resource_name};
use crate::problem::ApiError;
use crate::query::is_name_cursor;
use crate::schema;

/// Shorter passwords are refused.
const MIN_PASSWORD_CHARS: usize = 8;

/// An operator, without the password.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorView {
    /// The name to sign in with.
    pub(crate) username: String,
    /// The role per project; `*` stands for every project.
    #[schema(value_type = BTreeMap<String, schema::OperatorRole>)]
    pub(crate) roles: BTreeMap<String, OperatorRole>,
    /// When the account was made.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) updated_at: Timestamp,
}

/// An operator as answers show one.
pub(crate) fn view(username: &str, doc: &Operator) -> OperatorView {
    OperatorView {
        username: username.to_owned(),
        roles: doc.roles.clone(),
        created_at: doc.created_at,
        updated_at: doc.updated_at,
    }
}

/// List operators
#[utoipa::path(
    get, path = "/v1/operators", tag = "operators", operation_id = "list_operators",
    responses((status = 200, description = "A page of operators", body = Page<OperatorView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_name_cursor)?);
    let page = call.center().operators.list(limit, cursor).await?;
    let items = page.items.iter().map(|(name, doc)| view(name, doc)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at an operator
#[utoipa::path(
    get, path = "/v1/operators/{username}", tag = "operators", operation_id = "get_operator",
    params(("username" = String, Path)),
    responses((status = 200, description = "The operator", body = OperatorView))
)]
pub async fn get(call: Call) -> Answer {
    let username = call.name("username", "operator")?;
    let found = call.center().operators.stored(username).await?;
    ok(&view(username, &found.ok_or_else(|| ApiError::not_found("operator"))?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorBody {
    /// At least 8 characters; needed for a new operator. Without it the password stays.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// The role per project; `*` stands for every project.
    #[schema(value_type = BTreeMap<String, schema::OperatorRole>)]
    roles: BTreeMap<String, OperatorRole>,
}

/// Make or replace an operator
///
/// A new password signs the operator out everywhere.
#[utoipa::path(
    put, path = "/v1/operators/{username}", tag = "operators", operation_id = "put_operator",
    params(("username" = String, Path)),
    request_body = OperatorBody,
    responses(
        (status = 201, description = "Made", body = OperatorView),
        (status = 200, description = "Replaced", body = OperatorView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let username = call.new_name("username")?;
    let OperatorBody { password, roles } = call.read()?;
    check_roles(&roles)?;
    let center = call.center();
    let before = center.operators.stored(username).await?;
    if before.as_ref().is_some_and(is_global_admin) && !admin_everywhere(&roles) {
        check_not_last_admin(&call, username).await?;
    }
    let changed = password.is_some();
    let password = match (password, before) {
        (Some(password), _) => hashed(&call, password).await?,
        (None, Some(before)) => before.password,
        (None, None) => {
            return Err(ApiError::field("invalid_request", "/password", "a new operator needs a password"));
        }
    };
    let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    let (put, doc) =
        center.operators.put(username, Operator { password, roles, created_at, updated_at }).await?;
    let what = json!({"operator": username, "roles": doc.roles, "password_changed": changed});
    call.audit("operator.put", what).await;
    answer::put(put, &view(username, &doc))
}

fn check_roles(roles: &BTreeMap<String, OperatorRole>) -> Result<(), ApiError> {
    let wrong = roles.keys().find(|name| *name != EVERY_PROJECT && !is_resource_name(name));
    match wrong {
        None => Ok(()),
        Some(name) => {
            let pointer = format!("/roles/{}", escape(name));
            Err(ApiError::field("invalid_request", pointer, "this is neither the name of a project nor *"))
        }
    }
}

async fn hashed(call: &Call, password: Secret) -> Result<String, ApiError> {
    let (chars, bytes) = (password.expose().chars().count(), password.expose().len());
    if chars < MIN_PASSWORD_CHARS || bytes > MAX_PASSWORD_BYTES {
        let detail = format!(
            "a password has at least {MIN_PASSWORD_CHARS} characters and at most {MAX_PASSWORD_BYTES} bytes"
        );
        return Err(ApiError::field("invalid_request", "/password", detail));
    }
    let hash = call.api.passwords.hash(password, call.center().random.clone()).await;
    hash.map_err(|error| ApiError::internal(error.to_string()))
}

fn admin_everywhere(roles: &BTreeMap<String, OperatorRole>) -> bool {
    roles.get(EVERY_PROJECT) == Some(&OperatorRole::Admin)
}

fn is_global_admin(operator: &Operator) -> bool {
    admin_everywhere(&operator.roles)
}

/// Without an admin of everything, nobody could make one again.
async fn check_not_last_admin(call: &Call, username: &str) -> Result<(), ApiError> {
    let mut cursor = None;
    loop {
        let page = call.center().operators.list(200, cursor.as_deref()).await?;
        if page.items.iter().any(|(name, doc)| name != username && is_global_admin(doc)) {
            return Ok(());
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => {
                let detail = "this is the last admin of all projects; make another one first";
                return Err(ApiError::conflict("last_admin", detail));
            }
        }
    }
}

/// Delete an operator
///
/// 409 for oneself and for the last admin.
#[utoipa::path(
    delete, path = "/v1/operators/{username}", tag = "operators", operation_id = "delete_operator",
    params(("username" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let username = call.name("username", "operator")?;
    let found = call.center().operators.stored(username).await?;
    let found = found.ok_or_else(|| ApiError::not_found("operator"))?;
    if matches!(&call.identity.who, Who::Operator(me) if me.username == username) {
        return Err(ApiError::conflict(
            "own_account",
            "nobody can delete the account they are signed in with",
        ));
    }
    if is_global_admin(&found) {
        check_not_last_admin(&call, username).await?;
    }
    call.center().operators.delete(username).await?;
    call.audit("operator.delete", json!({"operator": username})).await;
    no_content()
}
