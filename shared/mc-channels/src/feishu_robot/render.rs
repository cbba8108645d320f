//! From a content to a Feishu robot's messages.

use mc_core::model::Content;
use mc_core::ports::{RenderContext, RenderError, Rendered};

use crate::feishu::{self, Form, Manner, Markdown, Mention};

pub(super) fn render(
    markdown: Markdown,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let mentions = Mention::of(context.to, &mut warnings);
    let manner = Manner { form: Form::Hook, markdown, clicks: false };
    feishu::render(manner, content, context, &mentions, warnings)
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Addresses, Button, Fact, Format, Level, Recipient};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing;

    fn rendered(content: &Content, to: &[Recipient], patch: Option<&Value>) -> Result<Rendered, RenderError> {
        let markdown = if content.title == "as post" { Markdown::Post } else { Markdown::Card };
        render(markdown, content, &testing::context(to, &[], patch))
    }

    fn person() -> Recipient {
        let addresses = Addresses { feishu: Some("ou_1".into()), ..Addresses::default() };
        Recipient { addresses, ..Recipient::default() }
    }

    #[test]
    fn a_text_is_a_text() {
        let content = Content::new("Title", Format::Text, "<at user_id=\"all\"></at>");
        let payload = &rendered(&content, &[person()], None).unwrap().parts[0].payload;
        let text = "Title\n<\u{200B}at user_id=\"all\"><\u{200B}/at>\n<at user_id=\"ou_1\"></at>";
        assert_eq!(*payload, json!({"msg_type": "text", "content": {"text": text}}));
    }

    #[test]
    fn markdown_is_a_card() {
        let mut content = Content::new("Deploy", Format::Markdown, "# Deploy\n\n**done** a<b");
        content.level = Some(Level::Danger);
        content.facts = vec![Fact { label: "App".into(), value: "pay*".into() }];
        content.buttons = vec![Button::link("Log", "https://ci.example.com/1")];
        content.url = Some("https://ci.example.com/2".into());
        let rendered = rendered(&content, &[person()], None).unwrap();
        let payload = &rendered.parts[0].payload;
        assert_eq!(payload["msg_type"], "interactive");
        let card = &payload["card"];
        assert_eq!(card["schema"], "2.0");
        assert_eq!(
            card["header"],
            json!({"title": {"tag": "plain_text", "content": "Deploy"}, "template": "red"})
        );
        assert_eq!(card["card_link"]["url"], "https://ci.example.com/2");
        let elements = card["body"]["elements"].as_array().unwrap();
        assert_eq!(
            elements[0]["content"], "**done** a&#60;b\n\n**App**: pay&#42;",
            "the title is not said twice"
        );
        assert_eq!(elements[1]["content"], "<at id=ou_1></at>");
        let button = &elements[2]["columns"][0]["elements"][0];
        assert_eq!(button["behaviors"][0]["default_url"], "https://ci.example.com/1");
        assert_eq!(elements[2]["columns"][1]["elements"][0]["text"]["content"], "查看详情");
        assert!(!rendered.text.contains("**") && rendered.warnings.is_empty());
        content.url_label = Some("See it".into());
        let labelled =
            &self::rendered(&content, &[], None).unwrap().parts[0].payload["card"]["body"]["elements"];
        assert_eq!(labelled[1]["columns"][1]["elements"][0]["text"]["content"], "See it");
    }

    #[test]
    fn a_card_without_a_title_says_what_the_list_of_chats_shows() {
        let content = Content::new("", Format::Markdown, "**disk** full");
        let payload = &rendered(&content, &[], None).unwrap().parts[0].payload;
        assert_eq!(payload["card"]["config"]["summary"]["content"], "disk full");
        assert!(payload["card"].get("header").is_none());
    }

    #[test]
    fn html_and_markdown_for_old_clients_are_rich_text() {
        let html = Content::new("News", Format::Html, "<p>see <a href=\"https://x.example\">this</a></p>");
        let result = rendered(&html, &[person()], None).unwrap();
        let post = &result.parts[0].payload["content"]["post"]["zh_cn"];
        assert_eq!(post["title"], "News");
        let link = json!({"tag": "a", "text": "this", "href": "https://x.example"});
        assert!(post["content"][0].as_array().unwrap().contains(&link), "{post}");
        assert_eq!(post["content"][1], json!([{"tag": "at", "user_id": "ou_1"}]));
        assert_eq!(result.warnings[0].code, "html_as_text");
        let markdown = Content::new("as post", Format::Markdown, "**x** [y](javascript:z)");
        let markdown = rendered(&markdown, &[], None).unwrap();
        assert_eq!(markdown.parts[0].payload["msg_type"], "post");
        let codes: Vec<&str> = markdown.warnings.iter().map(|warning| &*warning.code).collect();
        assert_eq!(codes, ["markdown_as_text", "link_dropped"]);
    }

    #[test]
    fn a_link_and_a_picture_that_open_nothing_leave_no_line_behind() {
        let mut content = Content::new("Deploy", Format::Markdown, "done");
        (content.url, content.image) = (Some("not a url".into()), Some("foo".into()));
        let result = rendered(&content, &[], None).unwrap();
        let elements = json!([{"tag": "markdown", "content": "done"}]);
        assert_eq!(result.parts[0].payload["card"]["body"]["elements"], elements);
        let codes: Vec<&str> = result.warnings.iter().map(|warning| &*warning.code).collect();
        assert_eq!(codes, ["link_dropped", "image_dropped"]);
        content.buttons = vec![Button::link("Log", "ftp://x.example")];
        let text = Content { body: Content::new("", Format::Text, "done").body, ..content };
        let result = rendered(&text, &[], None).unwrap();
        assert_eq!(result.parts[0].payload["content"]["text"], "Deploy\ndone\n\nLog");
        assert_eq!(result.warnings[2].code, "link_dropped", "the button's");
    }

    #[test]
    fn parts_fit_as_json() {
        for format in [Format::Text, Format::Markdown, Format::Html] {
            for unit in ["一行字。\n\n", "\"quoted\"\n\n", "\\\\\\\\\n\n", "- a*b*\n"] {
                let content = Content::new("long", format, unit.repeat(9000));
                let rendered = rendered(&content, &[person()], None).unwrap();
                assert!(rendered.parts.len() > 1);
                for part in &rendered.parts {
                    assert!(part.payload.to_string().len() <= rendered.size.allowed, "{format:?} {unit:?}");
                }
                assert!(rendered.parts[0].payload.to_string().contains("ou_1"));
                assert!(!rendered.parts[1].payload.to_string().contains("ou_1"));
            }
        }
    }

    #[test]
    fn overrides_reach_the_card_and_not_the_signature() {
        let content = Content::new("Deploy", Format::Markdown, "done");
        let patch = json!({"card": {"header": {"template": "violet"}}});
        let payload = &rendered(&content, &[], Some(&patch)).unwrap().parts[0].payload;
        assert_eq!(payload["card"]["header"]["template"], "violet");
        for patch in [json!({"sign": "x"}), json!({"timestamp": null})] {
            assert_eq!(rendered(&content, &[], Some(&patch)).unwrap_err().code, "bad_override");
        }
        let long = json!({"card": {"header": {"title": {"content": "x".repeat(20_000)}}}});
        assert_eq!(rendered(&content, &[], Some(&long)).unwrap_err().code, "too_large");
        assert_eq!(rendered(&Content::new(" ", Format::Text, ""), &[], None).unwrap_err().code, "empty");
    }
}
