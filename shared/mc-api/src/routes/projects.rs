//! Projects. An operator sees those there is a role in; an access key sees its own.

use mc_core::Timestamp;
use mc_core::model::{OperatorRole, ProjectDoc, ProjectLimits, ProjectSettings, Role};
use mc_pipeline::repo::Put;
use mc_pipeline::{Center, schedules, stats, syslog};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::caller::{DEFAULT_PROJECT, EVERY_PROJECT, Who};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::routes::operators;
use crate::schema;

/// A project, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectView {
    /// Its name.
    name: String,
    /// What people call it.
    display_name: String,
    /// Common parameters, readable in every template as `params.*`.
    params: Map<String, Value>,
    /// How many messages its callers may send.
    #[schema(value_type = schema::ProjectLimits)]
    limits: ProjectLimits,
    /// How it is run.
    #[schema(value_type = schema::ProjectSettings)]
    settings: ProjectSettings,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(name: &str, doc: ProjectDoc) -> ProjectView {
    let ProjectDoc { display_name, params, limits, settings, created_at, updated_at } = doc;
    ProjectView { name: name.to_owned(), display_name, params, limits, settings, created_at, updated_at }
}

/// What the caller may do with a project as such.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Power {
    /// It is not there for this caller.
    None,
    /// Send in it; of the project itself not even a look.
    Send,
    /// Look at it.
    See,
    /// Change it.
    Change,
    /// Make and delete it.
    Own,
}

fn power(call: &Call, project: &str) -> Power {
    match &call.identity.who {
        Who::Nobody => Power::None,
        Who::Key(key) if &*key.project != project => Power::None,
        Who::Key(key) => match key.key.role {
            Role::Send => Power::Send,
            Role::Read => Power::See,
            Role::Admin => Power::Change,
        },
        Who::Operator(operator) => match call.identity.who.operator_role(project) {
            None => Power::None,
            Some(OperatorRole::Viewer | OperatorRole::Operator) => Power::See,
            Some(OperatorRole::Admin) => match operator.account.roles.get(EVERY_PROJECT) {
                Some(OperatorRole::Admin) => Power::Own,
                _ => Power::Change,
            },
        },
    }
}

fn role_too_low() -> ApiError {
    ApiError::forbidden("this needs an access key with the role read")
}

/// List the projects you may see
#[utoipa::path(
    get, path = "/v1/projects", tag = "projects", operation_id = "list_projects",
    responses((status = 200, description = "A page of projects", body = Page<ProjectView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    if power(&call, call.project()) == Power::Send {
        return Err(role_too_low());
    }
    let page = call.center().projects.list(limit, cursor).await?;
    let seen = page.items.into_iter().filter(|(name, _)| power(&call, name) >= Power::See);
    let items = seen.map(|(name, doc)| view(&name, doc)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at a project
#[utoipa::path(
    get, path = "/v1/projects/{name}", tag = "projects", operation_id = "get_project",
    params(("name" = String, Path)),
    responses((status = 200, description = "The project", body = ProjectView))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "project")?;
    let not_found = || ApiError::not_found("project");
    match power(&call, name) {
        Power::None => return Err(not_found()),
        Power::Send => return Err(role_too_low()),
        Power::See | Power::Change | Power::Own => {}
    }
    let doc = call.center().projects.get(name).await?.ok_or_else(not_found)?;
    ok(&view(name, (*doc).clone()))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectBody {
    /// What people call it.
    #[serde(default)]
    display_name: String,
    /// Common parameters, readable in every template as `params.*`.
    #[serde(default)]
    params: Map<String, Value>,
    /// How many messages its callers may send.
    #[serde(default)]
    #[schema(value_type = schema::ProjectLimits)]
    limits: ProjectLimits,
    /// How it is run.
    #[serde(default)]
    #[schema(value_type = schema::ProjectSettings)]
    settings: ProjectSettings,
}

/// What only an admin of all projects may change is as it was: a project's own would lift what protects everybody else from it.
fn check_kept(before: &ProjectDoc, limits: ProjectLimits, settings: ProjectSettings) -> Result<(), ApiError> {
    if before.limits != limits {
        let detail = "to change limits needs the role admin in all projects (*); send them as GET shows them";
        return Err(ApiError::forbidden(detail));
    }
    if before.settings.template_approval && !settings.template_approval {
        // Else whoever needs a second person would switch that off first.
        let detail = "to end the approval of templates needs the role admin in all projects (*)";
        return Err(ApiError::forbidden(detail));
    }
    Ok(())
}

/// Make or replace a project
///
/// A new one, other `limits` and an end of `settings.template_approval` need an admin of all projects (`*`). A body without
/// `limits` means none.
#[utoipa::path(
    put, path = "/v1/projects/{name}", tag = "projects", operation_id = "put_project",
    params(("name" = String, Path)),
    request_body = Option<ProjectBody>,
    responses(
        (status = 201, description = "Made", body = ProjectView),
        (status = 200, description = "Replaced", body = ProjectView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let power = power(&call, call.name("name", "project").unwrap_or_default());
    // The same whether it is there or not: who has no part in it may not make it either, and learns nothing.
    if power == Power::None {
        return Err(ApiError::not_found("project"));
    }
    if power < Power::Change {
        return Err(ApiError::forbidden("this needs the role admin in the project"));
    }
    let name = call.new_name("name")?;
    let ProjectBody { display_name, params, limits, settings } = call.read_or_default()?;
    if display_name.len() > 256 || display_name.chars().any(char::is_control) {
        let detail = "a display name is at most 256 bytes without control characters";
        return Err(ApiError::field("invalid_request", "/display_name", detail));
    }
    let projects = &call.center().projects;
    // Not from the cache: limits that another process has just lowered are not to be put back.
    let before = projects.stored(name).await?;
    if power < Power::Own {
        let needs_more = || ApiError::forbidden("a new project needs the role admin in all projects (*)");
        check_kept(before.as_ref().ok_or_else(needs_more)?, limits, settings)?;
    }
    if before.is_none()
        && let Some(until) = projects.retired_until(name).await?
    {
        let detail = format!(
            "a project of this name was deleted, and what it sent is kept until {until}; choose another name"
        );
        return Err(ApiError::conflict("name_retired", detail));
    }
    let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    let doc = ProjectDoc { display_name, params, limits, settings, created_at, updated_at };
    let (put, doc) = if power == Power::Own {
        projects.put(name, doc).await?
    } else {
        let replaced = projects.replace_by_its_admin(name, &doc).await?;
        (Put::Replaced, replaced.ok_or_else(|| ApiError::not_found("project"))?)
    };
    let (before, after) = (before.map(|doc| view(name, doc)), view(name, doc));
    call.audit_change_in(name, "project.put", json!({"project": name}), before.as_ref(), Some(&after)).await;
    answer::put(put, &after)
}

/// What keeps a project from being deleted.
async fn holdings(center: &Center, project: &str) -> Result<Vec<&'static str>, ApiError> {
    let held = [
        ("channels", center.channels.list(project, 1, None).await?.items.is_empty()),
        ("templates", center.templates.list(project, 1, None).await?.items.is_empty()),
        ("webhooks", center.webhooks.list(project, 1, None).await?.items.is_empty()),
        ("groups", center.groups.list(project, 1, None).await?.items.is_empty()),
        ("contacts", center.contacts.list(project, 1, None).await?.items.is_empty()),
    ];
    Ok(held.into_iter().filter(|(_, none)| !none).map(|(what, _)| what).collect())
}

/// Delete a project
///
/// 409 `in_use` while it holds anything but access keys, schedules and alarms, which go with it, as do operators' roles in it. If it ever sent a message, its
/// name is given to no other project for 90 days, or that one would see them.
#[utoipa::path(
    delete, path = "/v1/projects/{name}", tag = "projects", operation_id = "delete_project",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "project")?;
    match power(&call, name) {
        Power::None => return Err(ApiError::not_found("project")),
        Power::Send | Power::See | Power::Change => {
            return Err(ApiError::forbidden("this needs the role admin in all projects (*)"));
        }
        Power::Own => {}
    }
    let center = call.center();
    if center.projects.get(name).await?.is_none() {
        return Err(ApiError::not_found("project"));
    }
    if name == DEFAULT_PROJECT {
        return Err(ApiError::conflict("in_use", "the project default cannot be deleted"));
    }
    let held = holdings(center, name).await?;
    if !held.is_empty() {
        let detail = format!("the project still has {}; delete them first", held.join(", "));
        return Err(ApiError::conflict("in_use", detail));
    }
    // Keys first: from here on nobody can fill the project again.
    loop {
        let keys = center.access_keys.list(name, 200, None).await?;
        if keys.items.is_empty() {
            break;
        }
        for (_, (key, _)) in &keys.items {
            center.access_keys.delete(key).await?;
        }
    }
    operators::forget_project(&call, name).await?;
    schedules::delete_all(center, name).await?;
    center.alarms.delete_all(name).await?;
    if stats::has_sent(center, name, syslog::LIFE).await? {
        center.projects.retire(name, center.clock.now().after(syslog::LIFE)).await?;
    }
    center.projects.delete(name).await?;
    let entry = call.entry("project.delete", json!({"project": name}));
    call.note(DEFAULT_PROJECT, entry).await;
    no_content()
}
