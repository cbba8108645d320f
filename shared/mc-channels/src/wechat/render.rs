//! The part of rendering that both kinds share.

use mc_content::Snippet;
use mc_core::model::Content;
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Warning};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::account::Account;
use super::mapping;
use crate::overrides;

/// Whom a message goes to and how WeChat knows a repeat are the channel's own.
const PROTECTED: [&str; 2] = ["touser", "client_msg_id"];

/// What `url`, `page` and `pagepath` see as templates.
#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    url: Option<&'a str>,
    data: &'a Map<String, Value>,
    params: &'a Map<String, Value>,
    message: Id<'a>,
    delivery: Id<'a>,
    project: &'a str,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

/// Where a click leads, with values put in.
pub(crate) fn link(
    snippet: &Snippet,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<String, RenderError> {
    let message = context.message.to_string();
    let view = View {
        title: &content.title,
        url: content.url.as_deref(),
        data: context.data,
        params: context.params,
        message: Id { id: &message },
        delivery: Id { id: context.delivery },
        project: context.project,
    };
    snippet.render(&view)
}

/// Writes a content; `more` adds the kind's own members to the payload.
pub(crate) fn render(
    account: &Account,
    content: &Content,
    context: &RenderContext<'_>,
    more: impl FnOnce(&mut Value) -> Result<(), RenderError>,
) -> Result<Rendered, RenderError> {
    let mut warnings: Vec<Warning> = Vec::new();
    let data = mapping::fill(&account.fields, content, context, &mut warnings)?;
    warnings.extend(mapping::not_shown(&account.fields, content, context.files.len()));
    let mut payload = json!({ "data": data });
    if let Some(template) = &account.template {
        payload["template_id"] = template.as_str().into();
    }
    more(&mut payload)?;
    overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
    let chosen = payload.get("template_id").and_then(Value::as_str).is_some_and(|id| !id.is_empty());
    if !chosen || payload["data"].as_object().is_none_or(Map::is_empty) {
        return Err(RenderError::new(
            "not_configured",
            "the channel's template is not chosen yet: set platform_template_id and fields; its platform-templates list what the account has",
        ));
    }
    let size = mapping::check(account.table, &payload, &account.fields)?;
    Ok(Rendered { text: mapping::lines(&payload), parts: vec![Part::new(payload)], warnings, size })
}
