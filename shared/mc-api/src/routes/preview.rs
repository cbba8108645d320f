//! Previews: what a template becomes on each platform, before anything is sent.

use mc_channels::neutral;
use mc_content::{CompiledTemplate, Target, dialect};
use mc_core::id::MessageId;
use mc_core::model::{ChannelDoc, Content, Kind, Limits, OnDoubt, TemplateBody};
use mc_core::ports::{RenderContext, RenderError, Rendered, Size, SizeUnit, Warning};
use mc_pipeline::accept::Preview;
use mc_pipeline::repo::{Broken, ChannelEntry, Stored};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::answer::{Answer, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::routes::templates;
use crate::schema;

#[derive(Serialize)]
struct Previews {
    previews: Vec<Preview>,
    /// What may be a mistake in a draft, whatever becomes of it on a platform.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// What is previewed, and with what.
struct Subject<'a> {
    compiled: &'a CompiledTemplate,
    data: Map<String, Value>,
    params: Map<String, Value>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPreview {
    /// The values; the template's sample by default.
    data: Option<Map<String, Value>>,
    /// These channels; by default those of the template's routing, or else every kind as in a draft's preview. One that
    /// would refuse is shown as there.
    channels: Option<Vec<String>>,
    /// This version, also one that waits for its approval; by default the current one.
    version: Option<u32>,
}

/// Preview a stored template
#[utoipa::path(
    post, path = "/v1/templates/{name}/preview", tag = "templates", operation_id = "preview_template",
    params(("name" = String, Path)),
    request_body = Option<StoredPreview>,
    responses((status = 200, description = "What would be sent", body = schema::Previews))
)]
pub async fn stored(call: Call) -> Answer {
    let name = call.name("name", "template")?;
    let StoredPreview { data, channels, version } = call.read_or_default()?;
    let center = call.center();
    let found = center.templates.current(call.project(), name).await?;
    let template = found.ok_or_else(|| ApiError::not_found("template"))?;
    let (doc, drafted);
    let (body, compiled) = match version {
        None => {
            let compiled = template.compiled();
            let broken = |errors: &[_]| ApiError::fields("invalid_template", errors.to_vec());
            (&template.doc.body, compiled.map_err(broken)?)
        }
        Some(version) => {
            let unknown =
                || ApiError::field("unknown_version", "/version", format!("there is no version {version}"));
            let found = center.templates.version_doc(call.project(), name, version).await?;
            doc = found.ok_or_else(unknown)?;
            let compiled = center.templates.compile_stored(call.project(), &doc.body).await?;
            drafted = compiled.map_err(|errors| ApiError::fields("invalid_template", errors))?;
            (&doc.body, &drafted)
        }
    };
    let subject = subject(&call, compiled, data, body).await?;
    let routed = body.routing.as_ref().map_or(&[][..], |routing| &routing.channels);
    let asked = channels.is_some();
    let mut previews = Vec::new();
    for (index, channel) in channels.as_deref().unwrap_or(routed).iter().enumerate() {
        let pointer =
            || if asked { format!("/channels/{index}") } else { format!("/routing/channels/{index}") };
        match center.channels.find(call.project(), channel).await? {
            Stored::Live(entry) => previews.push(show(&call, &subject, &entry, Some(channel))?),
            Stored::Broken(broken) => return Err(ApiError::field(Broken::CODE, pointer(), broken.text())),
            // A default routing may name a channel that does not exist yet.
            Stored::Missing if !asked => {}
            Stored::Missing => {
                let detail = format!("there is no channel {channel:?} in this project");
                return Err(ApiError::field("unknown_channel", pointer(), detail));
            }
        }
    }
    if previews.is_empty() && !asked {
        previews = of_kinds(&call, &subject, &Kind::ALL)?;
    }
    // Whoever put it was told.
    ok(&Previews { previews, warnings: Vec::new() })
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftPreview {
    /// A template that need not be stored.
    #[schema(value_type = schema::TemplateBody)]
    template: TemplateBody,
    /// The values; the template's sample by default.
    data: Option<Map<String, Value>>,
    /// These kinds; by default every kind. One that would refuse is shown with `payload` null and the reason as its only
    /// warning.
    #[schema(value_type = Option<Vec<schema::Kind>>)]
    kinds: Option<Vec<Kind>>,
}

/// Preview a template that is being written
///
/// It warns of what in `channels` is neither a kind nor a channel that is there, as when the template is put.
#[utoipa::path(
    post, path = "/v1/preview", tag = "templates", operation_id = "preview",
    request_body = DraftPreview,
    responses((status = 200, description = "What would be sent", body = schema::Previews))
)]
pub async fn draft(call: Call) -> Answer {
    let DraftPreview { template, data, kinds } = call.read()?;
    let compiled = call.center().templates.compile_draft(call.project(), &template).await?;
    let compiled =
        compiled.map_err(|errors| ApiError::fields("invalid_template", errors).under("/template"))?;
    let subject = subject(&call, &compiled, data, &template).await?;
    let previews = match &kinds {
        Some(kinds) => of_kinds(&call, &subject, kinds)?,
        None => of_kinds(&call, &subject, &Kind::ALL)?,
    };
    let warnings = templates::warnings(&call, &template, "/template").await?;
    ok(&Previews { previews, warnings })
}

/// Puts the values together and checks them as a message's would be.
async fn subject<'a>(
    call: &Call,
    compiled: &'a CompiledTemplate,
    data: Option<Map<String, Value>>,
    body: &TemplateBody,
) -> Result<Subject<'a>, ApiError> {
    let data = data.or_else(|| body.sample.clone()).unwrap_or_default();
    let errors = compiled.check_data(&data);
    if !errors.is_empty() {
        return Err(ApiError::fields("invalid_data", errors).under("/data"));
    }
    let project = call.center().projects.get(call.project()).await?;
    Ok(Subject { compiled, data, params: project.map(|p| p.params.clone()).unwrap_or_default() })
}

fn of_kinds(call: &Call, subject: &Subject<'_>, kinds: &[Kind]) -> Result<Vec<Preview>, ApiError> {
    kinds.iter().map(|kind| show(call, subject, &neutral_channel(call, *kind)?, None)).collect()
}

/// A channel that stands for its kind. It is only rendered with, never sent through.
fn neutral_channel(call: &Call, kind: Kind) -> Result<ChannelEntry, ApiError> {
    let (settings, secrets) = neutral::configuration(kind);
    let now = call.center().clock.now();
    let doc = ChannelDoc {
        kind,
        settings,
        secrets: std::collections::BTreeMap::new(),
        base_url: None,
        proxy: None,
        tls_ca: None,
        limits: Limits::default(),
        alarm: None,
        on_doubt: OnDoubt::default(),
        enabled: true,
        created_at: now,
        updated_at: now,
    };
    let built = call.center().channels.build(call.project(), kind.as_str(), doc, &secrets, None);
    built.map_err(|_| ApiError::internal("the neutral configuration of a kind is not valid"))
}

/// What exactly a channel or a kind would send. Some platforms take little: what one of them refuses is said in its place
/// and keeps nobody from seeing the others.
fn show(
    call: &Call,
    subject: &Subject<'_>,
    entry: &ChannelEntry,
    channel: Option<&String>,
) -> Result<Preview, ApiError> {
    let (content, rendered) = render(call, subject, entry, channel)?;
    let rendered = rendered.unwrap_or_else(|error| Rendered {
        parts: Vec::new(),
        text: dialect::text(&content.body),
        warnings: vec![Warning::new(error.code, error.detail)],
        size: Size { used: 0, allowed: 0, unit: SizeUnit::Characters },
    });
    Ok(Preview::of(entry.doc.kind, channel.cloned(), rendered))
}

fn refused(error: RenderError, entry: &ChannelEntry, channel: Option<&String>) -> ApiError {
    let whose = channel.map_or(entry.doc.kind.as_str(), String::as_str);
    ApiError::field(error.code, "/data", format!("{} ({whose})", error.detail))
}

/// The content for a channel, and what the channel makes of it.
fn render(
    call: &Call,
    subject: &Subject<'_>,
    entry: &ChannelEntry,
    channel: Option<&String>,
) -> Result<(Content, Result<Rendered, RenderError>), ApiError> {
    let target = Target { kind: entry.doc.kind, channel: channel.map(String::as_str) };
    let content = subject.compiled.render(target, &subject.data, &subject.params);
    let content = content.map_err(|error| refused(error, entry, channel))?;
    let center = call.center();
    let message = MessageId::new(center.ids.ulid(center.clock.now()));
    let context = RenderContext {
        project: call.project(),
        message,
        delivery: &message.delivery(0),
        to: &[],
        data: &subject.data,
        params: &subject.params,
        overrides: None,
        files: &[],
    };
    let rendered = entry.channel.render(&content, &context);
    Ok((content, rendered))
}
