//! Operators: people who sign in with a password.

use mc_content::escape_member;
use std::collections::BTreeMap;

use mc_core::model::{Operator, OperatorRole};
use mc_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::caller::{EVERY_PROJECT, Who};
use crate::auth::password::MAX_PASSWORD_BYTES;
use crate::call::{Call, is_resource_name};
use crate::problem::ApiError;
use crate::query::is_place;
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
    /// Whether they may sign in.
    pub(crate) enabled: bool,
    /// When they signed in last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub(crate) last_sign_in_at: Option<Timestamp>,
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
        enabled: doc.enabled,
        last_sign_in_at: None,
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
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = call.center().operators.list(limit, cursor).await?;
    let names: Vec<&str> = page.items.iter().map(|(name, _)| name.as_str()).collect();
    let sign_ins = call.center().operators.last_sign_ins(&names).await?;
    let shown = page.items.iter().zip(sign_ins);
    let items = shown.map(|((name, doc), at)| OperatorView { last_sign_in_at: at, ..view(name, doc) });
    ok(&Page { items: items.collect(), next_cursor: page.next_cursor })
}

/// Look at an operator
#[utoipa::path(
    get, path = "/v1/operators/{username}", tag = "operators", operation_id = "get_operator",
    params(("username" = String, Path)),
    responses((status = 200, description = "The operator", body = OperatorView))
)]
pub async fn get(call: Call) -> Answer {
    let username = call.name("username", "operator")?;
    let operators = &call.center().operators;
    let found = operators.stored(username).await?.ok_or_else(|| ApiError::not_found("operator"))?;
    let last_sign_in_at = operators.last_sign_ins(&[username]).await?.pop().flatten();
    ok(&OperatorView { last_sign_in_at, ..view(username, &found) })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorBody {
    /// At least 8 characters; needed for a new operator. Without it the password stays.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// The role per project, each of which is there; `*` stands for every project.
    #[schema(value_type = BTreeMap<String, schema::OperatorRole>)]
    roles: BTreeMap<String, OperatorRole>,
    /// Whether they may sign in; true by default. False signs the operator out everywhere.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// Make or replace an operator
///
/// A new password signs the operator out everywhere. Nobody can switch off the account they are signed in with.
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
    let OperatorBody { password, roles, enabled } = call.read()?;
    check_roles(&call, &roles).await?;
    let center = call.center();
    let before = center.operators.stored(username).await?;
    if !enabled && is_own(&call, username) {
        return Err(ApiError::conflict(
            "own_account",
            "nobody can switch off the account they are signed in with",
        ));
    }
    if before.as_ref().is_some_and(is_global_admin) && !(enabled && admin_everywhere(&roles)) {
        check_not_last_admin(&call, username).await?;
    }
    let changed = password.is_some();
    let password = match (password, &before) {
        (Some(password), _) => hashed(&call, "/password", password).await?,
        (None, Some(before)) => before.password.clone(),
        (None, None) => {
            return Err(ApiError::field("invalid_request", "/password", "a new operator needs a password"));
        }
    };
    // An account that is switched on again does not bring its old sessions back.
    let signed_out_at = match enabled {
        true => before.as_ref().and_then(|before| before.signed_out_at),
        false => Some(center.clock.now()),
    };
    let account = Operator { enabled, signed_out_at, ..Operator::new(password, roles) };
    let (put, doc) = center.operators.put(username, account).await?;
    let what = json!({"operator": username, "password_changed": changed});
    let (before, after) = (before.as_ref().map(|before| view(username, before)), view(username, &doc));
    call.audit_change("operator.put", what, before.as_ref(), Some(&after)).await;
    answer::put(put, &after)
}

/// Takes a project out of everybody's roles: one that is made by the same name later is another one.
pub(crate) async fn forget_project(call: &Call, project: &str) -> Result<(), ApiError> {
    let operators = &call.center().operators;
    let mut cursor = None;
    loop {
        let page = operators.list(200, cursor.as_deref()).await?;
        for (username, before) in page.items {
            let mut roles = before.roles.clone();
            if roles.remove(project).is_none() {
                continue;
            }
            let (_, after) = operators.put(&username, Operator { roles, ..before.clone() }).await?;
            let what = json!({"operator": username, "password_changed": false});
            let (before, after) = (view(&username, &before), view(&username, &after));
            call.audit_change("operator.put", what, Some(&before), Some(&after)).await;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

async fn check_roles(call: &Call, roles: &BTreeMap<String, OperatorRole>) -> Result<(), ApiError> {
    let named: Vec<&String> = roles.keys().filter(|name| *name != EVERY_PROJECT).collect();
    let place = |name: &str| format!("/roles/{}", escape_member(name));
    if let Some(name) = named.iter().find(|name| !is_resource_name(name)) {
        let detail = "this is neither the name of a project nor *";
        return Err(ApiError::field("invalid_request", place(name), detail));
    }
    if named.is_empty() {
        return Ok(());
    }
    let known = call.center().projects.names().await?;
    match named.into_iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("there is no project {name:?}; make it first");
            Err(ApiError::field("unknown_project", place(name), detail))
        }
    }
}

/// Hashes a new password, if it is a good one.
pub(crate) async fn hashed(call: &Call, field: &'static str, password: Secret) -> Result<String, ApiError> {
    let (chars, bytes) = (password.expose().chars().count(), password.expose().len());
    if chars < MIN_PASSWORD_CHARS || bytes > MAX_PASSWORD_BYTES {
        let detail = format!(
            "a password has at least {MIN_PASSWORD_CHARS} characters and at most {MAX_PASSWORD_BYTES} bytes"
        );
        return Err(ApiError::field("invalid_request", field, detail));
    }
    let hash = call.api.passwords.hash(password, call.center().random.clone()).await;
    hash.map_err(|error| ApiError::internal(error.to_string()))
}

fn admin_everywhere(roles: &BTreeMap<String, OperatorRole>) -> bool {
    roles.get(EVERY_PROJECT) == Some(&OperatorRole::Admin)
}

fn is_global_admin(operator: &Operator) -> bool {
    operator.enabled && admin_everywhere(&operator.roles)
}

/// Whether it is the caller's own account.
fn is_own(call: &Call, username: &str) -> bool {
    matches!(&call.identity.who, Who::Operator(me) if me.username == username)
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
    if is_own(&call, username) {
        return Err(ApiError::conflict(
            "own_account",
            "nobody can delete the account they are signed in with",
        ));
    }
    if is_global_admin(&found) {
        check_not_last_admin(&call, username).await?;
    }
    call.center().operators.delete(username).await?;
    let what = json!({"operator": username});
    call.audit_change("operator.delete", what, Some(&view(username, &found)), None).await;
    no_content()
}
