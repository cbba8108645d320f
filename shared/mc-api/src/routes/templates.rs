//! Templates and their versions.

use mc_core::model::{TemplateBody, TemplateDoc};
use mc_pipeline::repo::{Deleted, Put, PutError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_name_cursor;
use crate::schema;

/// A version of a template, as it is shown.
#[derive(Serialize)]
struct TemplateView<'a> {
    name: &'a str,
    #[serde(flatten)]
    doc: &'a TemplateDoc,
}

/// List templates
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates", operation_id = "list_templates",
    responses((status = 200, description = "A page of templates", body = Page<schema::Template>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_name_cursor)?);
    let page = call.center().templates.list(call.project(), limit, cursor).await?;
    let items = page.items.iter().map(|(name, doc)| TemplateView { name, doc }).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at a template
#[utoipa::path(
    get, path = "/v1/templates/{name}", tag = "templates", operation_id = "get_template",
    params(("name" = String, Path)),
    responses((status = 200, description = "The current version", body = schema::Template))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let found = call.center().templates.current(call.project(), name).await?;
    let found = found.ok_or_else(|| ApiError::not_found("template"))?;
    ok(&TemplateView { name, doc: &found.doc })
}

/// Make or replace a template
///
/// Makes a new version the current one; the same body again changes nothing. Messages keep the version they were
/// accepted with.
#[utoipa::path(
    put, path = "/v1/templates/{name}", tag = "templates", operation_id = "put_template",
    params(("name" = String, Path)),
    request_body = schema::TemplateBody,
    responses(
        (status = 201, description = "Made", body = schema::Template),
        (status = 200, description = "Replaced", body = schema::Template),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let body: TemplateBody = call.read()?;
    let (put, doc) = store(&call, name, body).await?;
    answer::put(put, &TemplateView { name, doc: &doc })
}

async fn store(call: &Call, name: &str, body: TemplateBody) -> Result<(Put, TemplateDoc), ApiError> {
    let stored = call.center().templates.put(call.project(), name, body).await;
    let (put, doc) = stored.map_err(|error| match error {
        PutError::Refused(errors) => ApiError::fields("invalid_template", errors),
        PutError::Failed(error) => error.into(),
    })?;
    call.audit("template.put", json!({"template": name, "version": doc.version})).await;
    Ok((put, doc))
}

/// Delete a template
///
/// Its versions stay for messages that were accepted with them. A template that others include is not deleted.
#[utoipa::path(
    delete, path = "/v1/templates/{name}", tag = "templates", operation_id = "delete_template",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    match call.center().templates.delete(call.project(), name).await? {
        Deleted::Done => {}
        Deleted::NotThere => return Err(ApiError::not_found("template")),
        Deleted::InUse(by) => {
            let detail = format!("other templates include it: {}; change them first", by.join(", "));
            return Err(ApiError::conflict("in_use", detail));
        }
    }
    call.audit("template.delete", json!({"template": name})).await;
    no_content()
}

/// List a template's versions
#[utoipa::path(
    get, path = "/v1/templates/{name}/versions", tag = "templates", operation_id = "list_template_versions",
    params(("name" = String, Path)),
    responses((status = 200, description = "A page of versions, newest first", body = Page<schema::Template>))
)]
pub async fn versions(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_version_key)?);
    let templates = &call.center().templates;
    let page = templates.list_versions(call.project(), name, limit, cursor).await?;
    if page.items.is_empty() && cursor.is_none() {
        return Err(ApiError::not_found("template"));
    }
    let items = page.items.iter().map(|(_, doc)| TemplateView { name, doc }).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Whether a cursor is the sort key of a version.
fn is_version_key(cursor: &str) -> bool {
    cursor.len() == 8 && cursor.bytes().all(|b| b.is_ascii_digit())
}

/// Look at a version of a template
#[utoipa::path(
    get, path = "/v1/templates/{name}/versions/{version}", tag = "templates", operation_id = "get_template_version",
    params(("name" = String, Path), ("version" = u32, Path)),
    responses((status = 200, description = "The version", body = schema::Template))
)]
pub async fn version(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let no_version = || ApiError::not_found("version");
    let version = call.name("version", "version")?.parse().map_err(|_| no_version())?;
    let found =
        call.center().templates.version_doc(call.project(), name, version).await?.ok_or_else(no_version)?;
    ok(&TemplateView { name, doc: &found })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// The version to go back to.
    version: u32,
}

/// Go back to an earlier version
///
/// What that version says becomes a new version, so that the history stays in order.
#[utoipa::path(
    post, path = "/v1/templates/{name}/rollback", tag = "templates", operation_id = "roll_back_template",
    params(("name" = String, Path)),
    request_body = Rollback,
    responses((status = 200, description = "The new current version", body = schema::Template))
)]
pub async fn rollback(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let Rollback { version } = call.read()?;
    let templates = &call.center().templates;
    if templates.current(call.project(), name).await?.is_none() {
        return Err(ApiError::not_found("template"));
    }
    let Some(old) = templates.version_doc(call.project(), name, version).await? else {
        return Err(ApiError::field("unknown_version", "/version", format!("there is no version {version}")));
    };
    let (_, doc) = store(&call, name, old.body).await?;
    ok(&TemplateView { name, doc: &doc })
}
