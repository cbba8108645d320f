//! From a content to a subscribe message.

use mc_core::model::Content;
use mc_core::ports::{RenderContext, RenderError, Rendered, Warning};

use super::config::Config;
use crate::wechat::render::{self as shared, link};

pub(super) fn render(
    config: &Config,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut rendered = shared::render(&config.account, content, context, |payload| {
        if let Some(page) = &config.page {
            payload["page"] = link(page, content, context)?.into();
        }
        if let Some(state) = config.state {
            payload["miniprogram_state"] = state.as_str().into();
        }
        if let Some(lang) = config.lang {
            payload["lang"] = lang.as_str().into();
        }
        Ok(())
    })?;
    let names_url = config.account.fields.iter().any(|field| field.name == "url");
    if content.url.is_some() && !names_url {
        let detail = "a subscribe message opens pages of its mini program only; the link is left away";
        rendered.warnings.push(Warning::new("link_dropped", detail));
    }
    Ok(rendered)
}
