//! From a content to work notifications.

use mc_content::dialect;
use mc_core::model::{Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Warning};
use serde_json::{Value, json};

use super::{card, media};
use crate::dingtalk::{buttons, title};
use crate::overrides::{self, bad_override};
use crate::robot::{self, json_size};

/// Bytes of `msg` as JSON.
pub(super) const LIMIT: usize = 2048;

/// Whom a message goes to and through which app is the channel's and the caller's `to`, not an override's.
const PROTECTED: [&str; 5] = ["agent_id", "userid_list", "dept_id_list", "to_all_user", "access_token"];

pub(super) fn render(content: &Content, context: &RenderContext<'_>) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    let files = media::parts(context.files)?;
    let messages = match (plain.trim().is_empty(), files.is_empty()) {
        (true, true) => {
            let detail = "the content has neither title nor body; nothing would be shown";
            return Err(RenderError::new("empty", detail));
        }
        (true, false) => Vec::new(),
        (false, _) => messages(content, &plain, &mut warnings)?,
    };
    let mut parts: Vec<Part> = Vec::with_capacity(messages.len() + files.len());
    let mut used = 0;
    for message in messages {
        let mut payload = json!({"msg": message});
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        if !payload["msg"].is_object() {
            let detail = "msg is an object, like {\"msgtype\": \"text\", \"text\": {…}}";
            return Err(bad_override(detail).at("msg"));
        }
        let size = json_size(&payload["msg"]);
        if size > LIMIT {
            return Err(too_large(size));
        }
        used = used.max(size);
        parts.push(Part::new(payload));
    }
    // An override that says everything anew is one message, however long the content was.
    parts.dedup();
    warnings.extend(robot::split_warning(parts.len()));
    warnings.extend(robot::unpressable(content));
    if !parts.iter().any(|part| part.payload["msg"]["msgtype"] == "oa") {
        warnings.extend(robot::colourless(content));
    }
    parts.extend(files);
    Ok(Rendered { parts, text: plain, warnings, size: robot::size(used, LIMIT) })
}

fn messages(content: &Content, plain: &str, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let as_text = |text: &str| json!({"msgtype": "text", "text": {"content": text}});
    match content.body.format {
        Format::Text => match card::of_text(content) {
            Some(message) => {
                warnings.extend(robot::unlabelled(content));
                Ok(vec![message])
            }
            None => {
                warnings.extend(robot::dead_buttons(content));
                robot::in_parts(plain, LIMIT, |text, _| as_text(text)).map_err(too_large)
            }
        },
        Format::Html => {
            warnings.extend(robot::html_as_text(content, "DingTalk shows"));
            warnings.extend(robot::dead_buttons(content));
            robot::in_parts(plain, LIMIT, |text, _| as_text(text)).map_err(too_large)
        }
        Format::Markdown => markdown(content, plain, warnings),
    }
}

/// Markdown; with buttons or a link the last part is a card. What does not fit into a card's buttons is a link in the text.
fn markdown(content: &Content, plain: &str, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let title = title(content, plain);
    let as_markdown = |text: &str| json!({"msgtype": "markdown", "markdown": {"title": title, "text": text}});
    let buttons = buttons(content, warnings);
    let card = if buttons.is_empty() { None } else { card::of_buttons(&title, &buttons) };
    let source = match &card {
        None => robot::titled_markdown(content),
        Some(_) => {
            let without = Content { buttons: Vec::new(), url: None, ..content.clone() };
            robot::titled_markdown(&without)
        }
    };
    if card.is_none() && !buttons.is_empty() {
        let detail = "a label has more than 20 characters, an address more than 700, or all buttons together more than 1000: they are links in the text";
        warnings.push(Warning::new("button_as_link", detail));
    }
    let source = dialect::dingtalk(&source, warnings);
    let part = |text: &str, place: robot::Place| match &card {
        Some(card) if place.last => {
            let mut message = card.clone();
            message["action_card"]["markdown"] = text.into();
            message
        }
        _ => as_markdown(text),
    };
    robot::in_parts(&source, LIMIT, part).map_err(too_large)
}

fn too_large(used: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes as JSON; DingTalk takes {LIMIT} in one message"))
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact, Level};
    use mc_core::ports::FileInfo;

    use super::*;
    use crate::testing;

    fn rendered(
        content: &Content,
        patch: Option<&Value>,
        files: &[FileInfo],
    ) -> Result<Rendered, RenderError> {
        render(content, &testing::context(&[], files, patch))
    }

    /// The only message of a content.
    fn message(content: &Content) -> Value {
        let rendered = rendered(content, None, &[]).unwrap();
        assert_eq!(rendered.parts.len(), 1);
        rendered.parts[0].payload["msg"].clone()
    }

    const URL: &str = "https://ci.example.com/1";

    #[test]
    fn the_content_asks_for_the_type() {
        let text = Content::new("Deploy", Format::Text, "done");
        assert_eq!(message(&text), json!({"msgtype": "text", "text": {"content": "Deploy\ndone"}}));

        let image = Some("https://example.com/p.png".to_owned());
        let link = Content { url: Some(URL.into()), image, ..text.clone() };
        let expected = json!({"messageUrl": URL, "picUrl": "https://example.com/p.png", "title": "Deploy", "text": "done"});
        assert_eq!(message(&link), json!({"msgtype": "link", "link": expected}));

        let facts = vec![Fact { label: "App".into(), value: "pay".into() }];
        let oa = Content { url: Some(URL.into()), facts, level: Some(Level::Danger), ..text.clone() };
        let body = json!({"title": "Deploy", "form": [{"key": "App: ", "value": "pay"}], "content": "done"});
        let expected =
            json!({"message_url": URL, "head": {"bgcolor": "FFE5484D", "text": "Deploy"}, "body": body});
        assert_eq!(message(&oa), json!({"msgtype": "oa", "oa": expected}));

        let markdown = Content::new("Deploy", Format::Markdown, "**done**");
        let expected = json!({"title": "Deploy", "text": "## Deploy\n\n**done**"});
        assert_eq!(message(&markdown), json!({"msgtype": "markdown", "markdown": expected}));

        let single = Content { url: Some(URL.into()), ..markdown.clone() };
        let expected = json!({"title": "Deploy", "markdown": "## Deploy\n\n**done**",
            "single_title": "查看详情", "single_url": URL});
        assert_eq!(message(&single), json!({"msgtype": "action_card", "action_card": expected}));

        let labelled = Content { url_label: Some("See it".into()), ..single };
        assert_eq!(message(&labelled)["action_card"]["single_title"], "See it");
        let long = Content { url_label: Some("长".repeat(21)), ..labelled };
        assert_eq!(rendered(&long, None, &[]).unwrap().warnings[0].code, "button_as_link");
        assert!(message(&long)["markdown"]["text"].as_str().unwrap().contains(&format!("]({URL})")));
        let link = Content { url_label: Some("See it".into()), ..link };
        assert_eq!(rendered(&link, None, &[]).unwrap().warnings[0].code, "label_dropped");

        let buttons = vec![Button::link("Log", URL), Button::link("Stop", "https://ci.example.com/2")];
        let card = &message(&Content { buttons, ..markdown })["action_card"];
        assert_eq!(card["btn_orientation"], "1", "two short labels stand beside each other");
        assert_eq!(card["btn_json_list"][0], json!({"title": "Log", "action_url": URL}));
        assert!(card.get("single_title").is_none());
    }

    #[test]
    fn what_a_form_would_cut_is_a_text() {
        let fact = |at: usize| Fact { label: format!("Label {at}"), value: "value".into() };
        let base = Content {
            url: Some(URL.into()),
            facts: (0..6).map(fact).collect(),
            ..Content::new("Deploy", Format::Text, "done")
        };
        assert_eq!(message(&base)["msgtype"], "oa");
        for other in [
            Content { facts: (0..7).map(fact).collect(), ..base.clone() },
            Content { title: "长".repeat(51), ..base.clone() },
            Content { title: String::new(), ..base.clone() },
            Content { url: None, ..base.clone() },
            Content { buttons: vec![Button::link("Log", URL)], ..base.clone() },
            Content { facts: vec![Fact { label: String::new(), value: "v".into() }], ..base.clone() },
            Content {
                url: base.url.clone(),
                facts: base.facts.clone(),
                ..Content::new("t", Format::Text, "1\n2\n3\n4")
            },
        ] {
            let message = message(&other);
            assert_eq!(message["msgtype"], "text", "{message}");
            let text = message["text"]["content"].as_str().unwrap();
            assert!(other.facts.iter().all(|fact| text.contains(&fact.value)), "{text}");
        }
    }

    #[test]
    fn buttons_that_do_not_fit_are_links() {
        let content = Content::new("Deploy", Format::Markdown, "done");
        let long = format!("https://ci.example.com/{}", "x".repeat(700));
        for buttons in [
            vec![Button::link("A label of more than twenty characters", URL)],
            vec![Button::link("Log", long)],
            (0..30).map(|at| Button::link(format!("Log {at}"), format!("{URL}/{at}"))).collect(),
        ] {
            let content = Content { buttons, ..content.clone() };
            let rendered = rendered(&content, None, &[]).unwrap();
            assert_eq!(rendered.warnings[0].code, "button_as_link");
            let all: Vec<String> = rendered
                .parts
                .iter()
                .map(|part| part.payload["msg"]["markdown"]["text"].to_string())
                .collect();
            for button in &content.buttons {
                assert!(all.concat().contains(&button.url), "{all:?}");
            }
        }
        let medium = format!("https://ci.example.com/{}", "x".repeat(600));
        let card = message(&Content { url: Some(medium), ..content.clone() });
        assert!(card["action_card"]["btn_json_list"].is_array(), "too long for a single one: {card}");
        let bad = Content { buttons: vec![Button::link("Log", "javascript:alert(1)")], ..content.clone() };
        assert_eq!(rendered(&bad, None, &[]).unwrap().warnings[0].code, "button_dropped");
        let press = Button { text: "Approve".into(), action: "approve".into(), ..Button::default() };
        let rendered = rendered(&Content { buttons: vec![press], ..content }, None, &[]).unwrap();
        assert_eq!(rendered.warnings[0].code, "button_dropped", "it hears of no clicks");
    }

    #[test]
    fn parts_fit_as_json_and_the_last_one_is_the_card() {
        for (format, unit) in [
            (Format::Text, "一行字。\n"),
            (Format::Text, "\"quoted\"\n"),
            (Format::Markdown, "\\\\\\\\ x\n\n"),
            (Format::Html, "<p>一行字。</p>"),
        ] {
            let content = Content {
                url: (format == Format::Markdown).then(|| URL.to_owned()),
                ..Content::new("long", format, unit.repeat(900))
            };
            let rendered = rendered(&content, None, &[]).unwrap();
            assert!(rendered.parts.len() > 1, "{format:?}");
            assert!(rendered.warnings.iter().any(|warning| warning.code == "split"));
            for part in &rendered.parts {
                assert!(part.payload["msg"].to_string().len() <= LIMIT);
            }
            let types: Vec<&str> =
                rendered.parts.iter().map(|part| part.payload["msg"]["msgtype"].as_str().unwrap()).collect();
            if format == Format::Markdown {
                assert_eq!((types[0], types[types.len() - 1]), ("markdown", "action_card"));
            }
        }
    }

    #[test]
    fn overrides_change_the_message_and_not_whom_it_goes_to() {
        let content = Content::new("", Format::Text, "hello");
        for patch in [
            json!({"agent_id": 1}),
            json!({"userid_list": "boss"}),
            json!({"dept_id_list": "1"}),
            json!({"to_all_user": true}),
            json!({"msg": null}),
            json!({"msg": "text"}),
        ] {
            let error = rendered(&content, Some(&patch), &[]).unwrap_err();
            assert_eq!(error.code, "bad_override", "{patch}");
        }
        let long = json!({"msg": {"text": {"content": "x".repeat(2048)}}});
        assert_eq!(rendered(&content, Some(&long), &[]).unwrap_err().code, "too_large");
        let link = json!({"messageUrl": URL, "picUrl": "@lAL", "title": "t", "text": "x"});
        let patch = json!({"msg": {"msgtype": "link", "text": null, "link": link}});
        let long = Content::new("long", Format::Text, "一行字。\n".repeat(900));
        let rendered = rendered(&long, Some(&patch), &[]).unwrap();
        assert_eq!(rendered.parts.len(), 1);
        assert_eq!(rendered.parts[0].payload, json!({"msg": {"msgtype": "link", "link": link}}));
        assert!(rendered.warnings.is_empty(), "{:?}", rendered.warnings);
    }

    #[test]
    fn files_are_messages_of_their_own() {
        let file =
            FileInfo { filename: "a.pdf".into(), content_type: "application/pdf".into(), size: Some(9) };
        let patch = json!({"msg": {"text": {"content": "other"}}});
        let content = Content::new("", Format::Text, "hello");
        let rendered_ = rendered(&content, Some(&patch), std::slice::from_ref(&file)).unwrap();
        assert_eq!(rendered_.parts.len(), 2);
        assert_eq!(rendered_.parts[0].payload["msg"]["text"]["content"], "other");
        assert_eq!(rendered_.parts[1].payload, json!({"msg": {"msgtype": "file", "file": {"media_id": ""}}}));
        assert_eq!((rendered_.parts[0].file, rendered_.parts[1].file), (None, Some(0)));
        let nothing = Content::new("", Format::Text, " ");
        assert_eq!(rendered(&nothing, None, &[file]).unwrap().parts.len(), 1, "a file alone is a message");
        assert_eq!(rendered(&nothing, None, &[]).unwrap_err().code, "empty");
    }
}
