//! From a content to a Feishu app's messages.

use mc_core::model::Content;
use mc_core::ports::{RenderContext, RenderError, Rendered};

use super::config::Config;
use super::media;
use crate::feishu::{self, Manner};

pub(super) fn render(
    config: &Config,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let clicks = config.encrypt_key.is_some() || config.verification_token.is_some();
    let manner = Manner { form: config.form, markdown: config.markdown, clicks };
    let mut warnings = Vec::new();
    let files = media::parts(context.files, config.form, &mut warnings)?;
    let context = RenderContext { files: &[], ..*context };
    let mut rendered = feishu::render(manner, content, &context, &[], warnings)?;
    // Each file is a message below the text.
    rendered.parts.extend(files);
    Ok(rendered)
}

#[cfg(test)]
mod tests {
    use mc_core::Secret;
    use mc_core::model::{Button, Format};
    use serde_json::{Value, json};

    use super::*;
    use crate::feishu_app::config::tests::config;
    use crate::testing;

    fn rendered(config: &Config, content: &Content, patch: Option<&Value>) -> Rendered {
        render(config, content, &testing::context(&[], &[], patch)).unwrap()
    }

    fn inside(rendered: &Rendered) -> Value {
        serde_json::from_str(rendered.parts[0].payload["content"].as_str().unwrap()).unwrap()
    }

    #[test]
    fn content_is_json_inside_of_a_text_and_overrides_reach_into_it() {
        let content = Content::new("Deploy", Format::Markdown, "done");
        let patch = json!({"content": {"header": {"template": "violet"}}});
        let card = inside(&rendered(&config("s"), &content, Some(&patch)));
        assert_eq!(card["header"]["template"], "violet");
        assert_eq!(card["body"]["elements"][0]["content"], "done");
        let text = rendered(&config("s"), &Content::new("", Format::Text, "a \"b\""), None);
        assert_eq!(text.parts[0].payload["content"], r#"{"text":"a \"b\""}"#);
    }

    #[test]
    fn buttons_can_be_pressed_where_clicks_are_told() {
        let mut content = Content::new("Leave", Format::Markdown, "3 days");
        let press = Button { text: "Approve".into(), action: "approve".into(), ..Button::default() };
        content.buttons = vec![Button::link("Open", "https://x.example"), press];
        let told = Config { encrypt_key: Some(Secret::new("k")), ..config("s") };
        let shown = rendered(&told, &content, None);
        let columns = &inside(&shown)["body"]["elements"][1]["columns"];
        let behavior = &columns[1]["elements"][0]["behaviors"][0];
        assert_eq!(*behavior, json!({"type": "callback", "value": {"action": "approve"}}));
        assert!(shown.warnings.is_empty(), "{:?}", shown.warnings);
        let untold = rendered(&config("s"), &content, None);
        assert_eq!(untold.warnings[0].code, "button_dropped");
    }
}
