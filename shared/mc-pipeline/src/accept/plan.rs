//! Checking a request against everything that can be known at once, and laying out its shares.

use std::sync::Arc;

use mc_content::{CompiledTemplate, FieldError, Target, escape_member};
use mc_core::Timestamp;
use mc_core::id::MessageId;
use mc_core::model::{Content, Mode, ProjectDoc, Recipient, Routing, TemplateRef};
use mc_core::ports::{Channel, FileInfo, RenderContext, RenderError, Rendered};
use serde_json::{Map, Value};

use super::part::{PlanPart, share_out};
use super::request::SendRequest;
use super::{Caller, Refusal, files};
use crate::center::Center;
use crate::repo::{Broken, ChannelEntry, Stored, TemplateEntry};
use crate::{condition, people};

/// At most this many recipients in one message.
pub const MAX_RECIPIENTS: usize = 10_000;

/// A request that passed, with what was looked up for it.
pub struct Plan {
    /// What was asked.
    pub request: SendRequest,
    /// How the channels share.
    pub mode: Mode,
    /// The template, if it is one.
    pub template: Option<(TemplateRef, Arc<TemplateEntry>)>,
    /// The project's common parameters.
    pub project: Option<Arc<ProjectDoc>>,
    /// One part per channel, in routing order.
    pub parts: Vec<PlanPart>,
    /// Attachments' bytes, in the request's order; `None` for those given by URL.
    pub files: Vec<Option<bytes::Bytes>>,
    /// What rendering may know of them.
    pub infos: Vec<FileInfo>,
}

/// Checks a request and lays it out. Changes nothing and calls no platform.
pub async fn plan(
    center: &Center,
    caller: &Caller,
    mut request: SendRequest,
    id: MessageId,
    now: Timestamp,
) -> Result<Plan, Refusal> {
    check_shape(&request, now)?;
    if let Some(condition) = &request.condition {
        condition::check(center, condition).await.map_err(|refusal| refusal.under("/condition"))?;
    }
    let files = files::check(center, &request.attachments).await?;
    let template = find_template(center, caller, &request).await?;
    let routing = routing(&request, template.as_ref().map(|(_, t)| t.as_ref()))?;
    let channels = find_channels(center, caller, &routing, request.routing.is_some()).await?;
    check_overrides(&request, &routing)?;
    let category = template.as_ref().and_then(|(_, t)| t.doc.body.category.as_deref());
    // A value of this name in the message's data is the caller's own.
    let introduces = template.as_ref().is_some_and(|(_, t)| knows_recipient(t))
        && !request.data.contains_key(mc_content::RECIPIENT);
    let to = std::mem::take(&mut request.to);
    let recipients = people::resolve::resolve(center, &caller.project, to, category, introduces).await?;
    let parts = share_out(routing.mode, channels, recipients)?;
    let project = center.projects.get(&caller.project).await?;
    let infos = files::infos(&request.attachments, &files);
    let mut plan = Plan { request, mode: routing.mode, template, project, parts, files, infos };
    plan.check_values()?;
    plan.check_rendering(caller, id)?;
    Ok(plan)
}

fn check_shape(request: &SendRequest, now: Timestamp) -> Result<(), Refusal> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: &str| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    match (&request.template, &request.content) {
        (Some(_), Some(_)) => wrong("/content", "give either a template or a content, not both"),
        (None, None) => wrong("/template", "name a template, or give a content {title, body, format}"),
        _ => {}
    }
    if let Some(content) = &request.content
        && content.title.is_empty()
        && content.body.is_empty()
    {
        wrong("/content/body", "the content is empty");
    }
    for (i, button) in request.content.iter().flat_map(|content| &content.buttons).enumerate() {
        if button.url.is_empty() && button.action.is_empty() {
            wrong(&format!("/content/buttons/{i}"), "give the button a url, an action, or both");
        }
    }
    if request.to.len() > MAX_RECIPIENTS {
        wrong("/to", "a message has at most 10000 recipients; send several messages");
    }
    if let Some(reference) = &request.reference
        && (reference.is_empty() || reference.len() > 128 || reference.chars().any(char::is_control))
    {
        wrong("/reference", "a reference is 1 to 128 bytes without control characters");
    }
    if request.tags.len() > 20 {
        wrong("/tags", "a message has at most 20 tags");
    }
    for (i, tag) in request.tags.iter().enumerate() {
        if tag.is_empty() || tag.len() > 64 || tag.chars().any(char::is_control) {
            wrong(&format!("/tags/{i}"), "a tag is 1 to 64 bytes without control characters");
        }
    }
    errors.extend(time_problem(request.send_at, request.expire_at, now));
    if errors.is_empty() { Ok(()) } else { Err(Refusal::fields("invalid_request", errors)) }
}

/// What is wrong with the times of a message, if anything.
pub fn time_problem(
    send_at: Option<Timestamp>,
    expire_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<FieldError> {
    let start = send_at.map_or(now, |at| at.max(now));
    if expire_at.is_some_and(|at| at <= start) {
        return Some(FieldError::new("/expire_at", "this time has passed before the message could be sent"));
    }
    let far = now.after(std::time::Duration::from_secs(5 * 366 * 86_400));
    (start > far).then(|| FieldError::new("/send_at", "a message can be scheduled at most five years ahead"))
}

async fn find_template(
    center: &Center,
    caller: &Caller,
    request: &SendRequest,
) -> Result<Option<(TemplateRef, Arc<TemplateEntry>)>, Refusal> {
    let Some(name) = &request.template else { return Ok(None) };
    let Some(entry) = center.templates.current(&caller.project, name).await? else {
        let detail = format!("there is no template {name:?} in this project");
        return Err(Refusal::field("unknown_template", "/template", detail));
    };
    if !entry.doc.may_be_sent() {
        let detail = format!("no version of the template {name:?} is approved yet");
        return Err(Refusal::field("template_not_approved", "/template", detail));
    }
    usable(&entry)?;
    Ok(Some((entry.reference(name), entry)))
}

/// Whether the template says something about who a message is for.
fn knows_recipient(entry: &TemplateEntry) -> bool {
    entry.compiled().is_ok_and(CompiledTemplate::knows_recipient)
}

/// The template as it can be rendered. It cannot when something that it includes was changed since it was put.
fn usable(entry: &TemplateEntry) -> Result<&CompiledTemplate, Refusal> {
    entry.compiled().map_err(|errors| {
        let broken = |e: &FieldError| FieldError::new("/template", format!("{} {}", e.pointer, e.detail));
        Refusal::fields("invalid_template", errors.iter().map(broken).collect())
    })
}

fn routing(request: &SendRequest, template: Option<&TemplateEntry>) -> Result<Routing, Refusal> {
    let routing = request.routing.as_ref().or_else(|| template.and_then(|t| t.doc.body.routing.as_ref()));
    match routing {
        Some(routing) if !routing.channels.is_empty() => Ok(routing.clone()),
        _ => Err(Refusal::field(
            "no_routing",
            "/routing",
            "name the channels: {\"mode\": \"all\", \"channels\": [\"…\"]}, here or in the template",
        )),
    }
}

async fn find_channels(
    center: &Center,
    caller: &Caller,
    routing: &Routing,
    of_request: bool,
) -> Result<Vec<Arc<ChannelEntry>>, Refusal> {
    let mut channels: Vec<Arc<ChannelEntry>> = Vec::with_capacity(routing.channels.len());
    if routing.channels.len() > 20 {
        return Err(Refusal::field("invalid_request", "/routing/channels", "at most 20 channels"));
    }
    for (i, name) in routing.channels.iter().enumerate() {
        let pointer = if of_request { format!("/routing/channels/{i}") } else { "/template".to_owned() };
        caller.check_channel(name, &pointer)?;
        let entry = match center.channels.find(&caller.project, name).await? {
            Stored::Live(entry) => entry,
            Stored::Broken(broken) => return Err(Refusal::field(Broken::CODE, pointer, broken.text())),
            Stored::Missing => {
                let detail = format!("there is no channel {name:?} in this project");
                return Err(Refusal::field("unknown_channel", pointer, detail));
            }
        };
        if !entry.doc.enabled {
            let detail = format!("the channel {name:?} is switched off");
            return Err(Refusal::field("channel_disabled", pointer, detail));
        }
        if channels.iter().any(|c| c.name == entry.name) {
            return Err(Refusal::field("invalid_request", pointer, format!("{name:?} is named twice")));
        }
        channels.push(entry);
    }
    Ok(channels)
}

fn check_overrides(request: &SendRequest, routing: &Routing) -> Result<(), Refusal> {
    for (name, patch) in &request.overrides {
        let pointer = format!("/overrides/{}", escape_member(name));
        if !routing.channels.contains(name) {
            let detail = format!("{name:?} is not among the message's channels");
            return Err(Refusal::field("unknown_channel", pointer, detail));
        }
        if !patch.is_object() {
            return Err(Refusal::field(
                "invalid_request",
                pointer,
                "an override is a JSON object (a merge patch)",
            ));
        }
    }
    Ok(())
}

impl Plan {
    /// The parts that begin now. In mode `first` a broadcast begins only where it is first in line for somebody.
    pub fn beginning(&self) -> impl Iterator<Item = (usize, &PlanPart)> {
        let mode = self.mode;
        self.parts.iter().enumerate().filter(move |(i, p)| match mode {
            Mode::All => true,
            Mode::First => !p.recipients.is_empty() || (*i == 0 && p.broadcast),
        })
    }

    /// The content for one channel, with a recipient's own values or without.
    pub fn content(&self, channel: &ChannelEntry, data: &Map<String, Value>) -> Result<Content, Refusal> {
        let Some((_, template)) = &self.template else {
            let inline = self.request.content.as_ref();
            return inline.map(mc_content::inline).ok_or_else(|| {
                Refusal::field(
                    "invalid_request",
                    "/content",
                    "the message has neither a template nor a content",
                )
            });
        };
        let empty = Map::new();
        let params = self.project.as_ref().map_or(&empty, |p| &p.params);
        let target = Target { kind: channel.doc.kind, channel: Some(&channel.name) };
        usable(template)?
            .render(target, data, params)
            .map_err(|e| Refusal::field(e.code, "/data", format!("{} (channel {})", e.detail, channel.name)))
    }

    /// What a content becomes on one channel, for the recipients given.
    pub fn render(
        &self,
        caller: &Caller,
        id: MessageId,
        index: usize,
        to: &[Recipient],
        data: &Map<String, Value>,
    ) -> Result<Rendered, Refusal> {
        self.with_context(caller, id, index, to, data, |channel, content, context| {
            channel.render(content, context)
        })
    }

    /// Whether a content can be sent through one channel to the recipients given.
    fn check(
        &self,
        caller: &Caller,
        id: MessageId,
        index: usize,
        to: &[Recipient],
        data: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        self.with_context(caller, id, index, to, data, |channel, content, context| {
            if channel.surely_renders(content, context) {
                Ok(())
            } else {
                channel.render(content, context).map(drop)
            }
        })
    }

    fn with_context<T>(
        &self,
        caller: &Caller,
        id: MessageId,
        index: usize,
        to: &[Recipient],
        data: &Map<String, Value>,
        work: impl FnOnce(&dyn Channel, &Content, &RenderContext<'_>) -> Result<T, RenderError>,
    ) -> Result<T, Refusal> {
        let channel = &self.parts[index].channel;
        let content = self.content(channel, data)?;
        let empty = Map::new();
        let params = self.project.as_ref().map_or(&empty, |p| &p.params);
        let context = RenderContext {
            project: &caller.project,
            message: id,
            delivery: &id.delivery(index),
            to,
            data,
            params,
            overrides: self.request.overrides.get(&*channel.name),
            files: &self.infos,
        };
        work(&*channel.channel, &content, &context).map_err(|e| {
            let of_override = || {
                let member = e.field.as_deref().map(|field| format!("/{field}")).unwrap_or_default();
                format!("/overrides/{}{member}", escape_member(&channel.name))
            };
            let pointer = match e.code {
                "bad_override" => of_override(),
                // The title is the only header that is the content's own.
                "header_injection" if e.field.as_deref() != Some("title") => of_override(),
                _ if e.of_settings || self.template.is_some() => "/data".to_owned(),
                _ => format!("/content/{}", e.field.as_deref().unwrap_or("body")),
            };
            Refusal::field(e.code, pointer, format!("{} (channel {})", e.detail, channel.name))
        })
    }

    /// Renders once per channel, so that what is accepted can be sent; checks each recipient's own values.
    ///
    /// A channel that comes later in mode `first` is tried with one of those who begin elsewhere.
    fn check_rendering(&self, caller: &Caller, id: MessageId) -> Result<(), Refusal> {
        for (index, part) in self.parts.iter().enumerate() {
            if part.broadcast {
                self.check(caller, id, index, &part.recipients, &self.request.data)?;
                continue;
            }
            let mut people = part.people().chain(self.parts.iter().flat_map(PlanPart::people));
            let first = people.clone().next();
            let Some((sample, entry)) = people.find(|(r, _)| r.data.is_none()).or(first) else { continue };
            let renders = |one: &Recipient| {
                let own = one.data.as_ref().map(|own| merged(&self.request.data, own));
                let data = own.as_ref().unwrap_or(&self.request.data);
                self.check(caller, id, index, std::slice::from_ref(one), data)
            };
            let rendered = renders(sample).map_err(|refusal| match &sample.data {
                Some(own) => of_own(refusal, own, entry),
                None => refusal,
            });
            match rendered {
                // Whose own values are too large fails alone, unless the message is too large for everybody.
                Err(Refusal::Invalid { code: "too_large", .. })
                    if sample.data.is_some() && part.recipients.iter().any(|one| renders(one).is_ok()) => {}
                rendered => rendered?,
            }
            if self.template.is_some() {
                for (own, entry) in part.people().filter_map(|(r, entry)| Some((r.data.as_ref()?, entry))) {
                    let content = self.content(&part.channel, &merged(&self.request.data, own));
                    content.map_err(|refusal| of_own(refusal, own, entry))?;
                }
            }
        }
        Ok(())
    }

    /// Checks the values, and adds the planned time of a schedule's run. A template that does not declare it sees it all
    /// the same, even if it allows no other values.
    fn check_values(&mut self) -> Result<(), Refusal> {
        let Some(text) = self.request.scheduled_at.take() else { return self.check_data() };
        let declared = |(_, template): &(TemplateRef, Arc<TemplateEntry>)| {
            let variables = template.doc.body.variables.as_ref();
            variables.is_some_and(|v| v.pointer("/properties/scheduled_at").is_some())
        };
        let first = self.template.as_ref().is_some_and(declared);
        if !first {
            self.check_data()?;
        }
        self.request.data.entry("scheduled_at").or_insert(Value::String(text));
        if first { self.check_data() } else { Ok(()) }
    }

    /// Checks the values against the template's declaration, where it has one.
    fn check_data(&self) -> Result<(), Refusal> {
        let Some((_, template)) = &self.template else { return Ok(()) };
        if template.doc.body.variables.is_none() {
            return Ok(());
        }
        let compiled = usable(template)?;
        let alone = self.parts.iter().any(|p| p.broadcast || p.recipients.iter().any(|r| r.data.is_none()));
        let mut errors = Vec::new();
        if alone {
            let faults = compiled.check_data(&self.request.data).into_iter();
            errors.extend(faults.map(|fault| under("/data", fault)));
        }
        for (recipient, entry) in self.parts.iter().filter(|p| !p.broadcast).flat_map(PlanPart::people) {
            if let Some(own) = &recipient.data
                && errors.len() < 20
            {
                let mut data = merged(&self.request.data, own);
                if compiled.knows_recipient() {
                    // Who it is is there although it is not declared.
                    data.shift_remove(mc_content::RECIPIENT);
                }
                errors.extend(compiled.check_data(&data).into_iter().map(|fault| {
                    let shared = self.is_shared(own, &fault.pointer);
                    if shared { under("/data", fault) } else { under(&place_of(own, entry), fault) }
                }));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(Refusal::fields("invalid_data", errors)) }
    }

    /// Whether a value comes from the message and not from the recipient.
    fn is_shared(&self, own: &Map<String, Value>, pointer: &str) -> bool {
        let name = pointer.trim_start_matches('/').split('/').next().unwrap_or_default();
        let name = name.replace("~1", "/").replace("~0", "~");
        !own.contains_key(&name) && self.request.data.contains_key(&name)
    }
}

/// Where in the request the values of the recipient from this entry stand. Who it is was put among them and is no part of
/// the request.
fn place_of(own: &Map<String, Value>, entry: usize) -> String {
    match own.keys().any(|name| name != mc_content::RECIPIENT) {
        true => format!("/to/{entry}/data"),
        false => "/data".to_owned(),
    }
}

/// A refusal of a recipient's own values, with their place in the request.
fn of_own(refusal: Refusal, own: &Map<String, Value>, entry: usize) -> Refusal {
    let Refusal::Invalid { code, mut errors, .. } = refusal else { return refusal };
    for error in &mut errors {
        if let Some(rest) = error.pointer.strip_prefix("/data") {
            error.pointer = format!("{}{rest}", place_of(own, entry));
        }
    }
    Refusal::fields(code, errors)
}

fn under(place: &str, fault: FieldError) -> FieldError {
    FieldError { pointer: format!("{place}{}", fault.pointer), detail: fault.detail }
}

/// The message's values with a recipient's own over them.
pub fn merged(shared: &Map<String, Value>, own: &Map<String, Value>) -> Map<String, Value> {
    let mut all = shared.clone();
    all.extend(own.iter().map(|(k, v)| (k.clone(), v.clone())));
    all
}
