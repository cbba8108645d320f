//! Channels: configured accounts on platforms.

use std::collections::BTreeMap;

use http::StatusCode;
use mc_core::model::{ChannelDoc, InlineContent, Kind, Limits, Mode, OnDoubt, Routing};
use mc_core::ports::{CheckStep, Family};
use mc_core::{ErrorKind, Secret};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::request::To;
use mc_pipeline::accept::{self, SendRequest};
use mc_pipeline::repo::{Stored, setting_of};
use mc_pipeline::{schedules, view as messages};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::channel_body::{ChannelBody, Opened, shown_proxy, shown_settings};
use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;
use crate::schema;

/// What stands where a secret is set.
#[derive(Serialize)]
struct Set {
    set: bool,
}

/// A channel as it is shown.
#[derive(Serialize)]
struct ChannelView<'a> {
    name: &'a str,
    kind: Kind,
    settings: Map<String, Value>,
    secrets: BTreeMap<&'a str, Set>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_ca: Option<&'a str>,
    limits: Limits,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<&'a Value>,
    on_doubt: OnDoubt,
    enabled: bool,
    created_at: mc_core::Timestamp,
    updated_at: mc_core::Timestamp,
}

fn view<'a>(call: &Call, name: &'a str, doc: &'a ChannelDoc) -> ChannelView<'a> {
    let secrets = doc.secrets.keys().filter(|field| setting_of(field).is_none());
    ChannelView {
        name,
        kind: doc.kind,
        settings: shown_settings(doc),
        secrets: secrets.map(|field| (field.as_str(), Set { set: true })).collect(),
        base_url: doc.base_url.as_deref(),
        proxy: doc.proxy.as_deref().and_then(|sealed| shown_proxy(call, name, sealed)),
        tls_ca: doc.tls_ca.as_deref(),
        limits: doc.limits,
        alarm: doc.alarm.as_ref(),
        on_doubt: doc.on_doubt,
        enabled: doc.enabled,
        created_at: doc.created_at,
        updated_at: doc.updated_at,
    }
}

/// List channels
#[utoipa::path(
    get, path = "/v1/channels", tag = "channels", operation_id = "list_channels",
    responses((status = 200, description = "A page of channels", body = Page<schema::Channel>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let page = call.center().channels.list(call.project(), limit, cursor).await?;
    let items = page.items.iter().map(|(name, doc)| view(&call, name, doc)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

async fn found(call: &Call, name: &str) -> Result<ChannelDoc, ApiError> {
    let doc = call.center().channels.doc(call.project(), name).await?;
    doc.ok_or_else(|| ApiError::not_found("channel"))
}

/// Look at a channel
#[utoipa::path(
    get, path = "/v1/channels/{name}", tag = "channels", operation_id = "get_channel",
    params(("name" = String, Path)),
    responses((status = 200, description = "The channel", body = schema::Channel))
)]
pub async fn get(call: Call) -> Answer {
    let name = call.name("name", "channel")?;
    ok(&view(&call, name, &found(&call, name).await?))
}

/// Make or replace a channel
///
/// Calls no platform; `check` does.
#[utoipa::path(
    put, path = "/v1/channels/{name}", tag = "channels", operation_id = "put_channel",
    params(("name" = String, Path)),
    request_body = ChannelBody,
    responses(
        (status = 201, description = "Made", body = schema::Channel),
        (status = 200, description = "Replaced", body = schema::Channel),
    )
)]
pub async fn put(call: Call) -> Answer {
    let name = call.new_name("name")?;
    let body: ChannelBody = call.read()?;
    let stored = call.center().channels.doc(call.project(), name).await?;
    let opened = body.open(&call, name, stored.as_ref())?;
    check_configuration(&call, name, &opened).await?;
    let secrets_changed = secrets_changed(&call, name, stored.as_ref(), &opened);
    let doc = opened.seal(&call, name)?;
    let (put, doc) = call.center().channels.put(call.project(), name, doc).await?;
    let secrets: Vec<&String> = doc.secrets.keys().collect();
    let mut what = json!({"channel": name, "kind": doc.kind, "enabled": doc.enabled, "secrets": secrets});
    if !secrets_changed.is_empty() {
        // Before and after look the same.
        what["secrets_changed"] = json!(secrets_changed);
    }
    let before = stored.as_ref().map(|stored| view(&call, name, stored));
    let after = view(&call, name, &doc);
    call.audit_change("channel.put", what, before.as_ref(), Some(&after)).await;
    answer::put(put, &after)
}

/// The names of the secrets that are others than before, or are gone.
fn secrets_changed(call: &Call, name: &str, stored: Option<&ChannelDoc>, opened: &Opened) -> Vec<String> {
    let Some(stored) = stored else { return Vec::new() };
    let channels = &call.center().channels;
    let is_another = |(field, sealed): &(&String, &String)| {
        let before = channels.unseal(call.project(), name, field, sealed).ok();
        before.as_ref().map(Secret::expose) != opened.secrets.get(*field).map(Secret::expose)
    };
    let others = stored.secrets.iter().filter(is_another).map(|(field, _)| field.clone());
    let new = opened.secrets.keys().filter(|field| !stored.secrets.contains_key(*field)).cloned();
    others.chain(new).collect()
}

/// Refuses what could not be sent through.
async fn check_configuration(call: &Call, name: &str, opened: &Opened) -> Result<(), ApiError> {
    let Opened { doc, secrets, proxy } = opened;
    let center = call.center();
    center
        .channels
        .build(call.project(), name, doc.clone(), secrets, proxy.clone())
        .map_err(|errors| ApiError::fields("invalid_channel", errors))?;
    let problems = mc_channels::review(doc.kind, &doc.settings, secrets);
    if !problems.is_empty() {
        return Err(ApiError::fields("invalid_channel", problems));
    }
    let base_url = doc.base_url.as_deref();
    let forbidden =
        mc_channels::admit(doc.kind, &doc.settings, base_url, proxy.as_ref(), &*center.http).await;
    if forbidden.is_empty() { Ok(()) } else { Err(ApiError::fields("forbidden_address", forbidden)) }
}

/// Delete a channel
///
/// 409 `in_use` while a template's default routing, an alarm, a schedule or an access key's `allowed_channels` names it,
/// or a message waits for its time to go through it.
#[utoipa::path(
    delete, path = "/v1/channels/{name}", tag = "channels", operation_id = "delete_channel",
    params(("name" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let name = call.name("name", "channel")?;
    let before = found(&call, name).await?;
    let templates = call.center().templates.all(call.project()).await?;
    let users = templates.iter().filter(|(_, doc)| {
        doc.body.routing.as_ref().is_some_and(|routing| routing.channels.iter().any(|c| c == name))
    });
    let users: Vec<&str> = users.map(|(template, _)| template.as_str()).take(10).collect();
    if !users.is_empty() {
        let detail = format!("templates route to this channel by default: {}", users.join(", "));
        return Err(ApiError::conflict("in_use", detail));
    }
    let alarms = call.center().alarms.all(call.project()).await?;
    if let Some((alarm, _)) = alarms.iter().find(|(_, alarm)| alarm.body.uses_channel(name)) {
        let detail = format!("the alarm {alarm} watches this channel or sends through it");
        return Err(ApiError::conflict("in_use", detail));
    }
    let through = |message: &_| accept::goes_through(message, name);
    if let Some(schedule) = schedules::any_that(call.center(), call.project(), through).await? {
        return Err(ApiError::conflict(
            "in_use",
            format!("the schedule {schedule} sends through this channel"),
        ));
    }
    if let Some(key) = call.center().access_keys.kept_to(call.project(), name).await? {
        let detail = format!("the access key {} names this channel in its allowed_channels", key.id);
        return Err(ApiError::conflict("in_use", detail));
    }
    if let Some(message) = messages::scheduled_through(call.center(), call.project(), name).await? {
        let detail =
            format!("the message {message} waits for its time to go through this channel; cancel it first");
        return Err(ApiError::conflict("in_use", detail));
    }
    call.center().channels.delete(call.project(), name).await?;
    let before = view(&call, name, &before);
    call.audit_change("channel.delete", json!({"channel": name}), Some(&before), None).await;
    no_content()
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestBody {
    /// The recipients; robots and webhooks need none.
    #[serde(default)]
    #[schema(value_type = Vec<schema::To>)]
    to: Vec<To>,
    /// What to send; a short text by default.
    #[schema(value_type = Option<schema::InlineContent>)]
    content: Option<InlineContent>,
}

/// Send a test message through a channel
///
/// A real message, which takes the same way as every other.
#[utoipa::path(
    post, path = "/v1/channels/{name}/test", tag = "channels", operation_id = "test_channel",
    params(("name" = String, Path)),
    request_body = Option<TestBody>,
    responses((status = 202, description = "Accepted", body = schema::Accepted))
)]
pub async fn test(call: Call) -> Answer {
    let name = call.name("name", "channel")?;
    let TestBody { to, content } = call.read_or_default()?;
    found(&call, name).await?;
    let message = SendRequest {
        content: Some(content.unwrap_or_else(test_content)),
        to,
        routing: Some(Routing { mode: Mode::All, channels: vec![name.to_owned()] }),
        tags: vec!["test".to_owned()],
        ..SendRequest::default()
    };
    let mut answer = accept::accept(call.center(), &call.caller(), vec![Ok(message)], None).await?;
    match answer.outcomes.pop() {
        Some(Outcome::Accepted(accepted)) => {
            call.audit("channel.test", json!({"channel": name, "message_id": accepted.id})).await;
            Ok(answer::json(StatusCode::ACCEPTED, &accepted))
        }
        Some(Outcome::Refused(refusal)) => Err(refusal.into()),
        Some(Outcome::RefusedBefore { .. }) | None => Err(ApiError::internal("a test has no outcome")),
    }
}

fn test_content() -> InlineContent {
    InlineContent {
        title: "Message Center test".to_owned(),
        body: "This is a test message from Message Center. If you can read it, the channel works.".to_owned(),
        format: mc_core::model::Format::Text,
        url: None,
        url_label: None,
        facts: Vec::new(),
        buttons: Vec::new(),
        image: None,
        level: None,
    }
}

/// What a check found.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckResult {
    /// Whether all steps are in order.
    ok: bool,
    /// What was looked at.
    #[schema(value_type = Vec<CheckStepView>)]
    steps: Vec<CheckStep>,
}

/// One step of a check.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_core's CheckStep, which knows nothing of OpenAPI")]
pub(crate) struct CheckStepView {
    /// What was looked at.
    name: String,
    /// Whether it is in order.
    ok: bool,
    /// What was seen.
    detail: String,
    /// What to do about it.
    #[schema(nullable = false)]
    next_step: Option<String>,
}

/// Whether mails offer to be unsubscribed from. They can be sent without.
fn unsubscribing(public_url: Option<&str>) -> CheckStep {
    let detail = match public_url {
        Some(url) => format!("mails offer to be unsubscribed from, at {url}"),
        None => "mails offer no way to unsubscribe: this center does not know its public address".to_owned(),
    };
    let next = "set public_url to its https address (MESSAGE_CENTER_SERVER_PUBLIC_URL for the single binary)";
    let next_step = public_url.is_none().then(|| next.to_owned());
    CheckStep { name: "unsubscribe".into(), ok: true, detail, next_step }
}

fn unusable(detail: String, next_step: &str) -> CheckStep {
    CheckStep { name: "settings".into(), ok: false, detail, next_step: Some(next_step.to_owned()) }
}

/// Look whether a channel works, without sending anything
#[utoipa::path(
    post, path = "/v1/channels/{name}/check", tag = "channels", operation_id = "check_channel",
    params(("name" = String, Path)),
    responses((status = 200, description = "What was found", body = CheckResult))
)]
pub async fn check(call: Call) -> Answer {
    let name = call.name("name", "channel")?;
    let steps = match call.center().channels.find(call.project(), name).await {
        Ok(Stored::Live(entry)) => {
            let mut steps = entry.channel.check().await;
            if entry.doc.kind.family() == Family::Email {
                steps.push(unsubscribing(call.center().public_url.as_deref()));
            }
            steps
        }
        Ok(Stored::Missing) => return Err(ApiError::not_found("channel")),
        // That its stored configuration is of no use is what a check is there to find out.
        Ok(Stored::Broken(broken)) => {
            let detail = format!("the stored configuration is refused: {}", broken.why());
            vec![unusable(
                detail,
                "put the channel anew with this put right; until then nothing goes through it",
            )]
        }
        Err(error) if matches!(error.kind, ErrorKind::Sealed | ErrorKind::Corrupt) => {
            tracing::warn!(error = %error, channel = name, "a channel cannot be opened");
            let detail = "the stored configuration or its secrets cannot be used any more";
            vec![unusable(detail.to_owned(), "put the channel again, with all of its secrets")]
        }
        Err(error) => return Err(error.into()),
    };
    ok(&CheckResult { ok: steps.iter().all(|step| step.ok), steps })
}
