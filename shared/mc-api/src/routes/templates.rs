//! Templates and their versions.

use http::StatusCode;
use mc_content::escape_member;
use mc_core::model::{Approval, ApprovalState, Kind, TemplateBody, TemplateDoc};
use mc_core::ports::Warning;
use mc_pipeline::repo::{Deleted, Put, PutError, Review, Reviewed};
use mc_pipeline::{accept, schedules};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::answer::{self, Answer, Page, no_content, ok};
use crate::auth::caller::Who;
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// A version of a template, as it is shown.
#[derive(Serialize)]
struct TemplateView<'a> {
    name: &'a str,
    #[serde(flatten)]
    doc: &'a TemplateDoc,
}

/// A version as it was put, and what may be a mistake in it.
#[derive(Serialize)]
struct PutTemplate<'a> {
    #[serde(flatten)]
    template: TemplateView<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// List templates
#[utoipa::path(
    get, path = "/v1/templates", tag = "templates", operation_id = "list_templates",
    responses((status = 200, description = "A page of templates", body = Page<schema::Template>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
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
/// accepted with. Where the project wants an approval, the version waits for it. The answer warns of what in `channels` is
/// neither a kind nor a channel that is there.
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
    let approval = approval(&call).await?;
    let warnings = warnings(&call, &body, "").await?;
    let (put, doc) = store(&call, name, body, approval).await?;
    answer::put(put, &PutTemplate { template: TemplateView { name, doc: &doc }, warnings })
}

/// What is said otherwise for a channel that is not there. It may come yet, so that is no error. `under` is where the template
/// stands in the request.
pub(super) async fn warnings(
    call: &Call,
    body: &TemplateBody,
    under: &str,
) -> Result<Vec<Warning>, ApiError> {
    let named: Vec<&String> =
        body.channels.keys().filter(|name| !Kind::WORDS.contains(&name.as_str())).collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let channels = call.center().channels.all(call.project()).await?;
    let unknown = named.into_iter().filter(|name| !channels.iter().any(|(channel, _)| channel == *name));
    let warning = |name: &String| {
        let detail = format!("there is no channel {name:?} in this project, and no kind is called so");
        Warning {
            at: Some(format!("{under}/channels/{}", escape_member(name))),
            ..Warning::new("unknown_channel", detail)
        }
    };
    Ok(unknown.map(warning).collect())
}

/// What a new version waits for, if the project wants a second person to look at it.
async fn approval(call: &Call) -> Result<Option<Approval>, ApiError> {
    let project = call.center().projects.get(call.project()).await?;
    if !project.is_some_and(|project| project.settings.template_approval) {
        return Ok(None);
    }
    let key_of = match &call.identity.who {
        Who::Key(key) => key.key.created_by.clone(),
        Who::Nobody | Who::Operator(_) => None,
    };
    let author = call.identity.actor.to_string();
    let state = ApprovalState::Pending;
    Ok(Some(Approval { state, author, key_of, reviewer: None, reviewed_at: None, comment: None }))
}

async fn store(
    call: &Call,
    name: &str,
    body: TemplateBody,
    approval: Option<Approval>,
) -> Result<(Put, TemplateDoc), ApiError> {
    let templates = &call.center().templates;
    let before = templates.current(call.project(), name).await?;
    let stored = templates.put_version(call.project(), name, body, approval).await;
    let (put, doc) = stored.map_err(|error| match error {
        PutError::Refused(errors) => ApiError::fields("invalid_template", errors),
        PutError::Failed(error) => error.into(),
    })?;
    let what = json!({"template": name, "version": doc.version});
    let before = before.as_ref().map(|before| TemplateView { name, doc: &before.doc });
    let after = TemplateView { name, doc: &doc };
    call.audit_change("template.put", what, before.as_ref(), Some(&after)).await;
    Ok((put, doc))
}

/// Delete a template
///
/// Its versions stay for messages that were accepted with them. A template that others include, or that an alarm or a
/// schedule sends, is not deleted.
#[utoipa::path(
    delete, path = "/v1/templates/{name}", tag = "templates", operation_id = "delete_template",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let alarms = call.center().alarms.all(call.project()).await?;
    if let Some((alarm, _)) = alarms.iter().find(|(_, alarm)| alarm.body.uses_template(name)) {
        return Err(ApiError::conflict(
            "in_use",
            format!("the alarm {alarm} sends it; change the alarm first"),
        ));
    }
    let made_of = |message: &_| accept::is_made_of(message, name);
    if let Some(schedule) = schedules::any_that(call.center(), call.project(), made_of).await? {
        let detail = format!("the schedule {schedule} sends it; change the schedule first");
        return Err(ApiError::conflict("in_use", detail));
    }
    let before = call.center().templates.current(call.project(), name).await?;
    match call.center().templates.delete(call.project(), name).await? {
        Deleted::Done => {}
        Deleted::NotThere => return Err(ApiError::not_found("template")),
        Deleted::InUse(by) => {
            let detail = format!("other templates include it: {}; change them first", by.join(", "));
            return Err(ApiError::conflict("in_use", detail));
        }
    }
    let before = before.as_ref().map(|before| TemplateView { name, doc: &before.doc });
    call.audit_change("template.delete", json!({"template": name}), before.as_ref(), None).await;
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
    // What was approved once needs no second look.
    let approval = if old.may_be_sent() { None } else { approval(&call).await? };
    let (_, doc) = store(&call, name, old.body, approval).await?;
    ok(&TemplateView { name, doc: &doc })
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    /// Why; at most 1000 characters.
    comment: Option<String>,
}

/// Approve a version of a template
///
/// For operators, and never for the one who made the version, by themselves or by an access key they made. From then on
/// the version is sent.
#[utoipa::path(
    post, path = "/v1/templates/{name}/versions/{version}/approve", tag = "templates",
    operation_id = "approve_template_version",
    params(("name" = String, Path), ("version" = u32, Path)),
    request_body = Option<ReviewBody>,
    responses((status = 200, description = "The version", body = schema::Template))
)]
pub async fn approve(call: Call) -> Answer {
    review(call, ApprovalState::Approved).await
}

/// Reject a version of a template
///
/// It is never sent; what was sent before still is. For whom, is as with an approval.
#[utoipa::path(
    post, path = "/v1/templates/{name}/versions/{version}/reject", tag = "templates",
    operation_id = "reject_template_version",
    params(("name" = String, Path), ("version" = u32, Path)),
    request_body = Option<ReviewBody>,
    responses((status = 200, description = "The version", body = schema::Template))
)]
pub async fn reject(call: Call) -> Answer {
    review(call, ApprovalState::Rejected).await
}

async fn review(call: Call, state: ApprovalState) -> Answer {
    let name = call.name("name", "template")?;
    let not_there = || ApiError::not_found("version");
    let version = call.name("version", "version")?.parse().map_err(|_| not_there())?;
    let ReviewBody { comment } = call.read_or_default()?;
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > 1000) {
        return Err(ApiError::field("invalid_request", "/comment", "a comment has at most 1000 characters"));
    }
    let templates = &call.center().templates;
    templates.version_doc(call.project(), name, version).await?.ok_or_else(not_there)?;
    if !matches!(call.identity.who, Who::Operator(_)) {
        let detail = "a version is reviewed by an operator, who is signed in";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "operator_needed", detail));
    }
    let review = Review { reviewer: &call.identity.actor, state, comment: comment.clone() };
    match templates.review(call.project(), name, version, review).await? {
        Reviewed::Done(doc) => {
            let kind = match state {
                ApprovalState::Approved => "template.approve",
                ApprovalState::Pending | ApprovalState::Rejected => "template.reject",
            };
            call.audit(kind, json!({"template": name, "version": version, "comment": comment})).await;
            ok(&TemplateView { name, doc: &doc })
        }
        Reviewed::Again(doc) => ok(&TemplateView { name, doc: &doc }),
        Reviewed::NotThere => Err(not_there()),
        Reviewed::Own => {
            let detail = "whoever made a version cannot review it; ask another operator";
            Err(ApiError::new(StatusCode::FORBIDDEN, "own_change", detail))
        }
        Reviewed::Decided => {
            Err(ApiError::conflict("not_pending", "this version does not wait for a review (any more)"))
        }
        Reviewed::Superseded(newer) => {
            let detail = format!("version {newer} is newer and sent already");
            Err(ApiError::conflict("superseded", detail))
        }
    }
}
