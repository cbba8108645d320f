//! From a content to a template message.

use mc_content::dialect;
use mc_core::model::Content;
use mc_core::ports::{RenderContext, RenderError, Rendered, Warning};
use serde_json::{Value, json};

use super::config::Config;
use crate::wechat::render::{self as shared, link};

/// WeChat refuses links that are too long (40039) and does not say how long that is; this opens everywhere.
const URL_BYTES: usize = 2048;

pub(super) fn render(
    config: &Config,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut dropped = false;
    let mut rendered = shared::render(&config.account, content, context, |payload| {
        let own = content.url.as_deref().filter(|url| !url.trim().is_empty());
        let page = match own {
            Some(url) => {
                let page = dialect::safe_url(url).filter(|url| url.starts_with("http"));
                dropped = page.is_none();
                page
            }
            None => config.url.as_ref().map(|url| link(url, content, context)).transpose()?,
        };
        if let Some(url) = page {
            payload["url"] = url.into();
        }
        if let Some(program) = &config.mini_program {
            payload["miniprogram"] = json!({ "appid": program.app_id });
            if let Some(path) = &program.page_path {
                payload["miniprogram"]["pagepath"] = link(path, content, context)?.into();
            }
        }
        Ok(())
    })?;
    for part in &rendered.parts {
        let url = part.payload.get("url").and_then(Value::as_str).unwrap_or_default();
        if url.len() > URL_BYTES {
            let detail = format!("the link has {} bytes; WeChat opens at most {URL_BYTES}", url.len());
            return Err(RenderError::new("too_large", detail));
        }
    }
    if dropped {
        let detail = "a template message opens web pages only; the link is left away";
        rendered.warnings.push(Warning::new("link_dropped", detail));
    }
    Ok(rendered)
}
