//! Groups of contacts and of other groups.

use mc_core::Timestamp;
use mc_core::model::GroupDoc;
use mc_pipeline::people::groups;
use mc_pipeline::{accept, schedules};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;

/// A group, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct GroupView {
    /// Its name; `to` and other groups put `@` in front.
    name: String,
    /// What people call it.
    display_name: String,
    /// Ids of contacts, and names of groups with `@` in front.
    members: Vec<String>,
    /// When the group was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(name: &str, doc: GroupDoc) -> GroupView {
    let GroupDoc { display_name, members, created_at, updated_at } = doc;
    GroupView { name: name.to_owned(), display_name, members, created_at, updated_at }
}

/// List groups
#[utoipa::path(
    get, path = "/v1/groups", tag = "contacts", operation_id = "list_groups",
    responses((status = 200, description = "A page of groups", body = Page<GroupView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = call.center().groups.list(call.project(), limit, cursor).await?;
    let items = page.items.into_iter().map(|(name, doc)| view(&name, doc)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at a group
#[utoipa::path(
    get, path = "/v1/groups/{name}", tag = "contacts", operation_id = "get_group",
    params(("name" = String, Path)),
    responses((status = 200, description = "The group", body = GroupView))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "group")?;
    let found = call.center().groups.get(call.project(), name).await?;
    ok(&view(name, found.ok_or_else(|| ApiError::not_found("group"))?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupBody {
    /// What people call it.
    #[serde(default)]
    display_name: String,
    /// Ids of contacts, and names of groups with `@` in front; at most 5000.
    members: Vec<String>,
}

/// Make or replace a group
///
/// Groups may be nested five deep. No group may contain itself: 422 `group_cycle`.
#[utoipa::path(
    put, path = "/v1/groups/{name}", tag = "contacts", operation_id = "put_group",
    params(("name" = String, Path)),
    request_body = GroupBody,
    responses(
        (status = 201, description = "Made", body = GroupView),
        (status = 200, description = "Replaced", body = GroupView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let GroupBody { display_name, members } = call.read()?;
    if display_name.len() > 256 || display_name.chars().any(char::is_control) {
        let detail = "a display name is at most 256 bytes without control characters";
        return Err(ApiError::field("invalid_request", "/display_name", detail));
    }
    let center = call.center();
    groups::check(center, call.project(), name, &members).await?;
    let (created_at, updated_at) = (Timestamp::EPOCH, Timestamp::EPOCH);
    let doc = GroupDoc { display_name, members, created_at, updated_at };
    let before = center.groups.get(call.project(), name).await?.map(|doc| view(name, doc));
    let (put, doc) = center.groups.put(call.project(), name, doc).await?;
    let (what, after) = (json!({"group": name, "members": doc.members.len()}), view(name, doc));
    call.audit_change("group.put", what, before.as_ref(), Some(&after)).await;
    answer::put(put, &after)
}

/// Refuses to delete a contact, or a group with its `@`, while something points at it.
pub(super) async fn check_unused(call: &Call, member: &str, what: &str) -> Result<(), ApiError> {
    let center = call.center();
    let having = groups::having(center, call.project(), member).await?;
    if !having.is_empty() {
        let detail = format!("groups have this {what} as a member: {}", having.join(", "));
        return Err(ApiError::conflict("in_use", detail));
    }
    let alarms = center.alarms.all(call.project()).await?;
    if let Some((alarm, _)) = alarms.iter().find(|(_, alarm)| accept::goes_to(&alarm.body.message, member)) {
        let detail = format!("the alarm {alarm} sends to this {what}; change the alarm first");
        return Err(ApiError::conflict("in_use", detail));
    }
    let to_it = |message: &_| accept::goes_to(message, member);
    if let Some(schedule) = schedules::any_that(center, call.project(), to_it).await? {
        let detail = format!("the schedule {schedule} sends to this {what}; change the schedule first");
        return Err(ApiError::conflict("in_use", detail));
    }
    Ok(())
}

/// Delete a group
///
/// 409 `in_use` while another group has it, or an alarm or a schedule names it. Its members stay.
#[utoipa::path(
    delete, path = "/v1/groups/{name}", tag = "contacts", operation_id = "delete_group",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "group")?;
    let center = call.center();
    let before = center.groups.get(call.project(), name).await?;
    let before = view(name, before.ok_or_else(|| ApiError::not_found("group"))?);
    check_unused(&call, &format!("@{name}"), "group").await?;
    center.groups.delete(call.project(), name).await?;
    call.audit_change("group.delete", json!({"group": name}), Some(&before), None).await;
    no_content()
}
