//! From a content to the messages of a WeCom app.

use mc_content::dialect;
use mc_content::split::split;
use mc_core::model::{Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, SizeUnit, Warning};
use serde_json::{Map, Value, json};

use super::card;
use super::config::Config;
use super::media;
use super::size::{TEXT_BYTES, measure, too_large};
use crate::overrides;
use crate::robot::{self, is_tag};
use crate::wecom;

/// Whom a message goes to and from which app is the channel's and the caller's `to`; a card's name is the push's.
const PROTECTED: [&str; 5] = ["touser", "toparty", "totag", "agentid", "template_card.task_id"];

/// What an override may say about a message whatever it is, a file too.
const COMMON: [&str; 4] = ["safe", "enable_id_trans", "enable_duplicate_check", "duplicate_check_interval"];

/// What WeCom reads as a mark in `text` and in the description of a `textcard`.
const TAGS: [&str; 3] = ["a", "br", "div"];

pub(super) fn render(
    config: &Config,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    let files = media::parts(context.files, config.agent_id)?;
    if plain.trim().is_empty() && files.is_empty() {
        let detail =
            "the content has neither title nor body, and there is no file; WeCom refuses empty messages";
        return Err(RenderError::new("empty", detail));
    }
    let messages = if plain.trim().is_empty() {
        warnings.extend(robot::colourless(content));
        Vec::new()
    } else {
        messages(config.keys.is_some(), content, &mut warnings)?
    };
    let mut parts: Vec<Part> = Vec::with_capacity(messages.len() + files.len());
    let mut fullest = robot::size(0, TEXT_BYTES);
    for mut message in messages {
        message["agentid"] = config.agent_id.into();
        overrides::apply(&mut message, context.overrides, &PROTECTED)?;
        robot::clean(&mut message);
        let size = measure(&message)?;
        if size.used * fullest.allowed >= fullest.used * size.allowed {
            fullest = size;
        }
        parts.push(Part::new(message));
    }
    // An override that says everything anew is one message, however long the content was.
    parts.dedup();
    warnings.extend(robot::split_warning(parts.len()));
    let common = context.overrides.and_then(Value::as_object).map(common);
    for mut file in files {
        // Also what is refused elsewhere is refused where there are files alone.
        overrides::apply(&mut json!({}), context.overrides, &PROTECTED)?;
        overrides::apply(&mut file.payload, common.as_ref(), &PROTECTED)?;
        parts.push(file);
    }
    Ok(Rendered { parts, text: plain, warnings, size: fullest })
}

/// What of an override goes for files.
fn common(patch: &Map<String, Value>) -> Value {
    let taken = patch.iter().filter(|(name, _)| COMMON.contains(&name.as_str()));
    Value::Object(taken.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// The messages that a content becomes, without agent and recipients.
fn messages(clicks: bool, content: &Content, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let pressed = if clicks { card::interaction(content, warnings)? } else { None };
    let Some(card) = pressed else {
        warnings.extend(unpressable(content, clicks));
        return said(content, warnings);
    };
    if card.whole {
        if content.body.format == Format::Markdown {
            let detail = "a card with buttons to press has no marks; its text is plain";
            warnings.push(Warning::new("markdown_as_text", detail));
            warnings.extend(robot::dead_links(&content.body));
        }
        warnings.extend(colourless_card(content));
        return Ok(vec![card.message]);
    }
    let mut messages = said(&Content { buttons: Vec::new(), ..content.clone() }, warnings)?;
    messages.push(card.message);
    Ok(messages)
}

fn unpressable(content: &Content, clicks: bool) -> Option<Warning> {
    let count = content.buttons.iter().filter(|button| button.url.is_empty()).count();
    let why = if clicks {
        "they have neither a url nor an action"
    } else {
        "they have no url, and without token and encoding_aes_key the channel hears of no clicks"
    };
    (count > 0).then(|| Warning::new("button_dropped", format!("{count} button(s) left out: {why}")))
}

/// The note that the level is not seen. A template card has colours for the name of a source alone, and ours names none.
fn colourless_card(content: &Content) -> Option<Warning> {
    robot::level_dropped(content, "the card has no colour for a level")
}

/// What a content says, without buttons to press.
fn said(content: &Content, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    match content.body.format {
        Format::Markdown => {
            let source = wecom::markdown(content, warnings);
            return in_parts(&source, "markdown");
        }
        Format::Html => {
            warnings.extend(robot::html_as_text(content, "WeCom shows"));
        }
        Format::Text => {}
    }
    match card::of_text(content, warnings) {
        Some(card) => {
            warnings.extend(colourless_card(content));
            Ok(vec![card])
        }
        None => {
            warnings.extend(robot::dead_buttons(content));
            warnings.extend(robot::colourless(content));
            in_parts(&literal(&robot::plain(content)), "text")
        }
    }
}

fn in_parts(text: &str, msgtype: &str) -> Result<Vec<Value>, RenderError> {
    let parts = split(text, TEXT_BYTES, SizeUnit::Bytes).map_err(|used| too_large(used, TEXT_BYTES))?;
    Ok(parts.into_iter().map(|part| json!({"msgtype": msgtype, msgtype: {"content": part}})).collect())
}

/// A text that is shown as it is: without tags.
pub(super) fn literal(text: &str) -> String {
    dialect::without_marks(text, &['<'], |_, after| is_tag(after, &TAGS))
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact, Level};
    use mc_core::ports::FileInfo;

    use super::*;
    use crate::testing;
    use crate::wecom_app::config::tests::{KEY, config};

    const URL: &str = "https://x.example/orders/1";

    fn plain() -> Config {
        config("ww1", &[])
    }

    fn told() -> Config {
        config("ww1", &[("token", "t"), ("encoding_aes_key", KEY)])
    }

    fn rendered(config: &Config, content: &Content, patch: Option<&Value>) -> Result<Rendered, RenderError> {
        with_files(config, content, patch, &[])
    }

    fn with_files(
        config: &Config,
        content: &Content,
        patch: Option<&Value>,
        files: &[FileInfo],
    ) -> Result<Rendered, RenderError> {
        render(config, content, &testing::context(&[], files, patch))
    }

    fn only(content: &Content) -> Value {
        let rendered = rendered(&plain(), content, None).unwrap();
        let [part] = &rendered.parts[..] else { panic!("{rendered:?}") };
        part.payload.clone()
    }

    fn types(rendered: &Rendered) -> Vec<&str> {
        rendered.parts.iter().map(|part| part.payload["msgtype"].as_str().unwrap()).collect()
    }

    fn codes(rendered: &Rendered) -> Vec<&str> {
        rendered.warnings.iter().map(|warning| &*warning.code).collect()
    }

    fn press(text: &str, action: &str) -> Button {
        Button { text: text.into(), action: action.into(), ..Button::default() }
    }

    fn fact(label: &str, value: &str) -> Fact {
        Fact { label: label.into(), value: value.into() }
    }

    #[test]
    fn the_format_says_what_a_message_is() {
        let text = only(&Content::new("Deploy", Format::Text, "done\u{7} <b>"));
        assert_eq!(
            text,
            json!({"msgtype": "text", "agentid": 1_000_002, "text": {"content": "Deploy\ndone <b>"}})
        );
        let content =
            Content { url: Some(URL.into()), ..Content::new("Deploy", Format::Markdown, "**done**") };
        let markdown = only(&content);
        assert_eq!(markdown["markdown"]["content"], format!("## Deploy\n**done**\n\n[Deploy]({URL})"));
        let html = rendered(&plain(), &Content::new("Deploy", Format::Html, "<b>done</b>"), None).unwrap();
        assert_eq!((types(&html), codes(&html)), (vec!["text"], vec!["html_as_text"]));
    }

    #[test]
    fn a_text_with_a_link_is_a_card() {
        let content = Content { url: Some(URL.into()), ..Content::new("Order", Format::Text, "paid <div>x") };
        let card = json!({"title": "Order", "description": "paid <\u{200B}div>x", "url": URL});
        assert_eq!(only(&content)["textcard"], card);
        let image = Some("https://x.example/p.png".to_owned());
        let pictured = Content { image: image.clone(), facts: vec![fact("Sum", "12")], ..content.clone() };
        let article =
            json!({"title": "Order", "description": "paid <div>x\nSum: 12", "url": URL, "picurl": image});
        assert_eq!(only(&pictured)["news"]["articles"], json!([article]));
        let facts = vec![fact("Sum", "12"), fact("State", "paid")];
        let told =
            only(&Content { facts, buttons: vec![Button::link("All", "https://x.example/")], ..content });
        assert_eq!(
            told["template_card"],
            json!({
                "card_type": "text_notice",
                "main_title": {"title": "Order"},
                "sub_title_text": "paid <div>x",
                "horizontal_content_list": [{"keyname": "Sum", "value": "12"}, {"keyname": "State", "value": "paid"}],
                "card_action": {"type": 1, "url": URL},
                "jump_list": [{"type": 1, "title": "All", "url": "https://x.example/"}],
            })
        );
    }

    #[test]
    fn a_links_label_is_where_a_card_has_a_place_for_it() {
        let content = |label: &str| Content {
            url: Some(URL.into()),
            url_label: Some(label.into()),
            ..Content::new("Order", Format::Text, "paid")
        };
        assert_eq!(only(&content("去看"))["textcard"]["btntxt"], "去看");
        let long = rendered(&plain(), &content("See it"), None).unwrap();
        assert!(long.parts[0].payload["textcard"].get("btntxt").is_none());
        assert_eq!(codes(&long), ["label_dropped"]);
        let named = rendered(&plain(), &content("title"), None).unwrap();
        assert_eq!(codes(&named), ["label_dropped"], "a member of the card is called so");
        let facts = vec![fact("Sum", "12")];
        let told = only(&Content { facts, ..content("See it") });
        let jump = json!([{"type": 1, "title": "See it", "url": URL}]);
        assert_eq!(told["template_card"]["jump_list"], jump);
        let image = Some("https://x.example/p.png".to_owned());
        let pictured = rendered(&plain(), &Content { image, ..content("See it") }, None).unwrap();
        assert_eq!((types(&pictured), codes(&pictured)), (vec!["news"], vec!["label_dropped"]));
    }

    #[test]
    fn what_a_card_would_not_show_whole_is_a_text() {
        let linked = |title: &str, body: &str| Content {
            url: Some(URL.into()),
            ..Content::new(title, Format::Text, body)
        };
        let many = vec![fact("a", "b"); 7];
        for content in [
            linked(&"t".repeat(129), "b"),
            linked("t", &"字".repeat(171)),
            linked("", "one line"),
            Content { facts: many, ..linked("t", "b") },
            Content { facts: vec![fact("a long label", "b")], ..linked("t", "b") },
            Content { buttons: vec![Button::link("All", "https://x.example/")], ..linked("t", "b") },
            Content { image: Some("https://x.example/p.png".into()), ..linked("t", &"b".repeat(513)) },
        ] {
            let rendered = rendered(&plain(), &content, None).unwrap();
            assert_eq!(
                (types(&rendered), codes(&rendered)),
                (vec!["text"], vec!["card_as_text"]),
                "{content:?}"
            );
        }
        let first_line = linked("", "Order\npaid");
        assert_eq!(only(&first_line)["textcard"]["title"], "Order");
    }

    #[test]
    fn what_opens_nothing_is_left_away_and_told() {
        let bad = |url: &str, image: &str| Content {
            url: Some(url.into()),
            image: Some(image.into()),
            ..Content::new("t", Format::Markdown, "b")
        };
        let both = rendered(&plain(), &bad("javascript:x", "foo"), None).unwrap();
        assert_eq!(codes(&both), ["link_dropped", "image_dropped"]);
        assert_eq!(both.parts[0].payload["markdown"]["content"], "## t\nb", "no line with the title is left");
        let card = Content { body: Content::new("", Format::Text, "b").body, ..bad(URL, "foo") };
        let card = rendered(&plain(), &card, None).unwrap();
        assert_eq!((types(&card), codes(&card)), (vec!["textcard"], vec!["image_dropped"]));
        let button = Button::link("All", "ftp://x.example/");
        let button = Content { buttons: vec![button], ..Content::new("t", Format::Text, "b") };
        assert_eq!(codes(&rendered(&plain(), &button, None).unwrap()), ["card_as_text", "link_dropped"]);
    }

    #[test]
    fn the_level_is_the_colour_of_a_markdown_title_and_else_told() {
        let content =
            |format| Content { level: Some(Level::Success), ..Content::new("Order", format, "paid") };
        let markdown = only(&content(Format::Markdown));
        assert_eq!(markdown["markdown"]["content"], "## <font color=\"info\">Order</font>\npaid");
        let said = |content: &Content| {
            let rendered = rendered(&told(), content, None).unwrap();
            rendered.warnings.into_iter().map(|warning| warning.detail).collect::<Vec<_>>().join("\n")
        };
        assert!(said(&content(Format::Text)).contains("this message has no colour"));
        let card = Content { url: Some(URL.into()), ..content(Format::Text) };
        assert!(said(&card).contains("the card has no colour"));
        let pressed = Content { buttons: vec![press("Yes", "yes")], ..content(Format::Text) };
        assert!(said(&pressed).contains("the card has no colour"));
    }

    #[test]
    fn a_card_says_how_full_it_is() {
        let card = |title: &str, body: &str| {
            let content = Content {
                url: Some(URL.into()),
                facts: vec![fact("Sum", "12")],
                ..Content::new(title, Format::Text, body)
            };
            let size = rendered(&plain(), &content, None).unwrap().size;
            (size.used, size.allowed, size.unit)
        };
        assert_eq!(card("Order", &"字".repeat(80)), (80, 160, SizeUnit::Characters));
        assert_eq!(card(&"单".repeat(36), "paid"), (36, 36, SizeUnit::Characters));
    }

    #[test]
    fn buttons_can_be_pressed_where_clicks_are_told() {
        let mut content = Content::new("Leave", Format::Markdown, "**3** days");
        content.facts = vec![fact("Who", "Ann")];
        content.buttons = vec![press("Yes", "yes"), press("No", "no"), Button::link("Open", URL)];
        let shown = rendered(&told(), &content, None).unwrap();
        assert_eq!(codes(&shown), ["markdown_as_text"]);
        assert_eq!(
            shown.parts[0].payload["template_card"],
            json!({
                "card_type": "button_interaction",
                "task_id": "",
                "main_title": {"title": "Leave"},
                "sub_title_text": "3 days",
                "horizontal_content_list": [{"keyname": "Who", "value": "Ann"}],
                "card_action": {"type": 1, "url": URL},
                "button_list": [
                    {"text": "Yes", "style": 1, "key": "yes"},
                    {"text": "No", "style": 2, "key": "no"},
                    {"type": 1, "text": "Open", "style": 2, "url": URL},
                ],
            })
        );
        let untold = rendered(&plain(), &content, None).unwrap();
        assert_eq!((types(&untold), codes(&untold)), (vec!["markdown"], vec!["button_dropped"]));
    }

    #[test]
    fn a_long_content_goes_in_front_of_its_buttons() {
        let mut content = Content::new("标题".repeat(20), Format::Text, "行\n".repeat(900));
        content.buttons = vec![press("Yes", "yes")];
        let shown = rendered(&told(), &content, None).unwrap();
        assert_eq!(types(&shown), ["text", "text", "template_card"]);
        let title = shown.parts[2].payload["template_card"]["main_title"]["title"].as_str().unwrap();
        assert!(title.ends_with('…') && title.chars().count() == 36, "{title}");
    }

    #[test]
    fn no_button_disappears_without_a_word() {
        let mut content = Content::new("Leave", Format::Text, "3 days");
        content.buttons = (0..7).map(|n| press("Yes", &format!("yes-{n}"))).collect();
        content.buttons.insert(1, press("Again", "yes-0"));
        content.buttons.insert(1, press("Nothing", ""));
        let shown = rendered(&told(), &content, None).unwrap();
        assert_eq!(codes(&shown), ["button_dropped", "button_dropped", "button_dropped"]);
        assert_eq!(shown.parts[0].payload["template_card"]["button_list"].as_array().unwrap().len(), 6);
        content.buttons = vec![press("A label that is far too long", "yes")];
        assert_eq!(codes(&rendered(&told(), &content, None).unwrap()), ["button_cut"]);
        content.buttons = vec![press("Yes", &"y".repeat(1025))];
        assert_eq!(rendered(&told(), &content, None).unwrap_err().code, "too_large");
    }

    #[test]
    fn long_texts_become_parts_that_fit() {
        for format in [Format::Text, Format::Markdown, Format::Html] {
            let rendered =
                rendered(&plain(), &Content::new("长", format, "一行字。\n".repeat(600)), None).unwrap();
            assert!(rendered.parts.len() > 1 && codes(&rendered).contains(&"split"), "{format:?}");
            for part in &rendered.parts {
                let kind = part.payload["msgtype"].as_str().unwrap();
                assert!(part.payload[kind]["content"].as_str().unwrap().len() <= TEXT_BYTES);
            }
            assert!(rendered.size.used <= TEXT_BYTES && rendered.size.allowed == TEXT_BYTES);
        }
    }

    #[test]
    fn a_file_is_a_message_of_its_own() {
        let file = |content_type: &str| FileInfo {
            filename: "a".into(),
            content_type: content_type.into(),
            size: Some(100),
        };
        let files = [file("application/pdf"), file("image/png")];
        let patch = json!({"safe": 1, "text": {"content": "other"}});
        let both =
            with_files(&plain(), &Content::new("", Format::Text, "see"), Some(&patch), &files).unwrap();
        assert_eq!(types(&both), ["text", "file", "image"]);
        assert_eq!(both.parts.iter().map(|part| part.file).collect::<Vec<_>>(), [None, Some(0), Some(1)]);
        let expected = json!({"msgtype": "file", "agentid": 1_000_002, "file": {"media_id": ""}, "safe": 1});
        assert_eq!(both.parts[1].payload, expected);
        let nothing = Content::new("", Format::Text, " ");
        assert_eq!(types(&with_files(&plain(), &nothing, None, &files).unwrap()), ["file", "image"]);
        let patch = json!({"touser": "@all"});
        let error = with_files(&plain(), &nothing, Some(&patch), &files).unwrap_err();
        assert_eq!(error.code, "bad_override");
        assert_eq!(rendered(&plain(), &nothing, None).unwrap_err().code, "empty");
    }

    #[test]
    fn overrides_change_the_form_but_not_the_recipients() {
        let content = Content::new("", Format::Text, "hello");
        for patch in [
            json!({"touser": "@all"}),
            json!({"toparty": null}),
            json!({"totag": "1"}),
            json!({"agentid": 7}),
            json!({"template_card": {"task_id": "another"}}),
        ] {
            assert_eq!(
                rendered(&plain(), &content, Some(&patch)).unwrap_err().code,
                "bad_override",
                "{patch}"
            );
        }
        let longer = json!({"text": {"content": "x".repeat(2049)}});
        assert_eq!(rendered(&plain(), &content, Some(&longer)).unwrap_err().code, "too_large");
        let article =
            json!({"msgtype": "news", "text": null, "news": {"articles": [{"title": "t".repeat(129)}]}});
        assert_eq!(rendered(&plain(), &content, Some(&article)).unwrap_err().code, "too_large");
        let safe = rendered(&plain(), &content, Some(&json!({"safe": 1}))).unwrap();
        assert_eq!(safe.parts[0].payload["safe"], 1);
    }

    #[test]
    fn nothing_in_a_text_is_a_link() {
        let text = only(&Content::new("", Format::Text, "<a href=\"https://evil.example\">x</A> a<b"));
        let expected = "<\u{200B}a href=\"https://evil.example\">x<\u{200B}/A> a<b";
        assert_eq!(text["text"]["content"], expected);
    }
}
