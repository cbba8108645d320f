//! From a content to WeCom's messages.

use mc_content::{dialect, split::split};
use mc_core::model::{AddressKind, Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, SizeUnit, Warning};
use serde_json::{Value, json};

use super::config::Markdown;
use crate::overrides;
use crate::robot::{self, Mentions};
use crate::wecom;

/// Bytes of a `text`.
const TEXT_LIMIT: usize = 2048;
/// Bytes of a `markdown` or `markdown_v2`.
const MARKDOWN_LIMIT: usize = 4096;
/// Mentions inside a text take no more of it than this.
const MENTIONS_LIMIT: usize = 1024;

/// Whom a message goes to is the channel's and the caller's `to`, not an override's.
const PROTECTED: [&str; 2] = ["text.mentioned_list", "text.mentioned_mobile_list"];

pub(super) fn render(
    markdown: Markdown,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let mentions = mentions(context, &mut warnings);
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let plain = robot::plain(content);
    // `<@id>` mentions somebody in a text, too, and whom a message mentions is not what it says.
    let literal = dialect::without_marks(&plain, &['<'], |_, after| after.starts_with('@'));
    let (payloads, allowed) = match (content.body.format, markdown) {
        (Format::Text | Format::Html, _) => {
            if content.body.format == Format::Html {
                warnings.extend(robot::html_as_text(content, "robots show"));
            }
            warnings.extend(robot::dead_buttons(content));
            (text(&literal, &mentions)?, TEXT_LIMIT)
        }
        (Format::Markdown, Markdown::V1) => {
            let source = wecom::markdown(content, &mut warnings);
            (markdown_v1(&source, &mentions, &mut warnings)?, MARKDOWN_LIMIT)
        }
        (Format::Markdown, Markdown::V2) => {
            let source = dialect::wecom_v2(&robot::titled_markdown(content), &mut warnings);
            if !mentions.is_empty() {
                warnings.push(Warning::new(
                    "mention_dropped",
                    "markdown_v2 has no mentions; nobody is mentioned",
                ));
            }
            let parts = pieces(&source, MARKDOWN_LIMIT)?;
            let payloads = parts
                .into_iter()
                .map(|part| json!({"msgtype": "markdown_v2", "markdown_v2": {"content": part}}));
            (payloads.collect(), MARKDOWN_LIMIT)
        }
    };
    warnings.extend(robot::split_warning(payloads.len()));
    warnings.extend(robot::left_out(content, context));
    // The first version of its Markdown has colours.
    if (content.body.format, markdown) != (Format::Markdown, Markdown::V1) {
        warnings.extend(robot::colourless(content));
    }
    let mut parts = Vec::with_capacity(payloads.len());
    let mut used = 0;
    for mut payload in payloads {
        overrides::apply(&mut payload, context.overrides, &PROTECTED)?;
        robot::clean(&mut payload);
        used = used.max(content_size(&payload)?);
        parts.push(Part::new(payload));
    }
    Ok(Rendered { parts, text: plain, warnings, size: robot::size(used, allowed) })
}

/// The people to mention. A department or a tag (`party:2`) is for apps; a robot cannot mention it.
fn mentions(context: &RenderContext<'_>, warnings: &mut Vec<Warning>) -> Mentions {
    let mut mentions = Mentions::of(context.to, AddressKind::Wecom);
    let all = mentions.ids.len();
    mentions.ids.retain(|id| !id.contains(':'));
    if mentions.ids.len() < all {
        let detail = "a robot mentions people; departments and tags are not mentioned";
        warnings.push(Warning::new("mention_dropped", detail));
    }
    mentions
}

/// The size of what a payload says, which an override may have changed.
fn content_size(payload: &Value) -> Result<usize, RenderError> {
    let kind = payload["msgtype"].as_str().unwrap_or_default();
    let used = payload[kind]["content"].as_str().map_or(0, str::len);
    let allowed = match kind {
        "text" => TEXT_LIMIT,
        "markdown" | "markdown_v2" => MARKDOWN_LIMIT,
        _ => return Ok(used),
    };
    if used > allowed { Err(too_large(used, allowed)) } else { Ok(used) }
}

fn pieces(text: &str, allowed: usize) -> Result<Vec<String>, RenderError> {
    if text.trim().is_empty() {
        return Err(RenderError::new(
            "empty",
            "the content has neither title nor body; WeCom refuses empty messages",
        ));
    }
    split(text, allowed, SizeUnit::Bytes).map_err(|used| too_large(used, allowed))
}

fn too_large(used: usize, allowed: usize) -> RenderError {
    RenderError::new("too_large", format!("{used} bytes; WeCom takes {allowed} in one message"))
}

fn text(plain: &str, mentions: &Mentions) -> Result<Vec<Value>, RenderError> {
    let mut payloads: Vec<Value> = pieces(plain, TEXT_LIMIT)?
        .into_iter()
        .map(|part| json!({"msgtype": "text", "text": {"content": part}}))
        .collect();
    // The first part calls people, so that they begin to read at the beginning.
    if let Some(first) = payloads.first_mut() {
        if !mentions.ids.is_empty() {
            first["text"]["mentioned_list"] = mentions.ids.clone().into();
        }
        if !mentions.mobiles.is_empty() {
            first["text"]["mentioned_mobile_list"] = mentions.mobiles.clone().into();
        }
    }
    Ok(payloads)
}

fn markdown_v1(
    source: &str,
    mentions: &Mentions,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Value>, RenderError> {
    if !mentions.mobiles.is_empty() {
        warnings.push(Warning::new(
            "mention_dropped",
            "WeCom's Markdown mentions user ids only; people with just a mobile number are not mentioned",
        ));
    }
    let mut calls = String::new();
    for id in &mentions.ids {
        // Everybody is `@all`, and the sign is part of the mention.
        let call = format!("<@{}>", id.strip_prefix('@').unwrap_or(id));
        if calls.len() + call.len() > MENTIONS_LIMIT || id.contains(['<', '>']) {
            warnings
                .push(Warning::new("mention_dropped", format!("{id} is not mentioned: no room for more")));
            continue;
        }
        calls.push_str(&call);
    }
    let room = if calls.is_empty() { 0 } else { calls.len() + 1 };
    let mut parts = pieces(source, MARKDOWN_LIMIT - room)?;
    if let Some(first) = parts.first_mut()
        && room > 0
    {
        first.push('\n');
        first.push_str(&calls);
    }
    Ok(parts.into_iter().map(|part| json!({"msgtype": "markdown", "markdown": {"content": part}})).collect())
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Addresses, Level, Recipient};

    use super::*;
    use crate::testing;

    fn rendered(
        markdown: Markdown,
        content: &Content,
        to: &[Recipient],
        overrides: Option<&Value>,
    ) -> Result<Rendered, RenderError> {
        render(markdown, content, &testing::context(to, &[], overrides))
    }

    fn people() -> Vec<Recipient> {
        let person = |wecom: Option<&str>, mobile: Option<&str>| Recipient {
            addresses: Addresses {
                wecom: wecom.map(Into::into),
                mobile: mobile.map(Into::into),
                ..Addresses::default()
            },
            ..Recipient::default()
        };
        vec![person(Some("zhangsan"), Some("13800000000")), person(None, Some("+86 139 0000 0000"))]
    }

    #[test]
    fn text_mentions_in_lists() {
        let content = Content::new("Deploy", Format::Text, "done\u{7}\r\n\"ok\"");
        let rendered = rendered(Markdown::V1, &content, &people(), None).unwrap();
        assert_eq!(
            rendered.parts[0].payload,
            json!({"msgtype": "text", "text": {
                "content": "Deploy\ndone\n\"ok\"",
                "mentioned_list": ["zhangsan"],
                "mentioned_mobile_list": ["13900000000"],
            }})
        );
    }

    #[test]
    fn departments_and_tags_are_not_mentioned() {
        let addresses = Addresses { wecom: Some("party:2".into()), ..Addresses::default() };
        let to = [Recipient { addresses, ..Recipient::default() }];
        let rendered = rendered(Markdown::V1, &Content::new("", Format::Text, "done"), &to, None).unwrap();
        assert_eq!(rendered.parts[0].payload, json!({"msgtype": "text", "text": {"content": "done"}}));
        assert_eq!(rendered.warnings[0].code, "mention_dropped");
    }

    #[test]
    fn markdown_mentions_in_the_text() {
        let content = Content::new("", Format::Markdown, "**done**");
        let v1 = rendered(Markdown::V1, &content, &people(), None).unwrap();
        let text = v1.parts[0].payload["markdown"]["content"].as_str().unwrap();
        assert!(text.ends_with("\n<@zhangsan>"), "{text}");
        assert_eq!(v1.warnings[0].code, "mention_dropped");
        let v2 = rendered(Markdown::V2, &content, &people(), None).unwrap();
        assert_eq!(v2.parts[0].payload["msgtype"], "markdown_v2");
        assert_eq!(v2.warnings[0].code, "mention_dropped");
    }

    #[test]
    fn everybody_is_mentioned_with_one_sign() {
        let addresses = Addresses { wecom: Some("@all".into()), ..Addresses::default() };
        let to = [Recipient { addresses, ..Recipient::default() }];
        let of = |format| {
            let rendered = rendered(Markdown::V1, &Content::new("", format, "down"), &to, None).unwrap();
            rendered.parts[0].payload.clone()
        };
        assert_eq!(of(Format::Markdown)["markdown"]["content"], "down\n<@all>");
        assert_eq!(of(Format::Text)["text"]["mentioned_list"], json!(["@all"]));
    }

    #[test]
    fn the_level_is_a_colour_in_the_first_markdown_only() {
        let of = |markdown, format| {
            let content = Content { level: Some(Level::Danger), ..Content::new("Disk", format, "full") };
            rendered(markdown, &content, &[], None).unwrap()
        };
        let v1 = of(Markdown::V1, Format::Markdown);
        let text = v1.parts[0].payload["markdown"]["content"].as_str().unwrap();
        assert_eq!(text, "## <font color=\"warning\">Disk</font>\nfull");
        assert!(v1.warnings.is_empty() && v1.size.used == text.len(), "the marks count");
        for other in [of(Markdown::V2, Format::Markdown), of(Markdown::V1, Format::Text)] {
            assert_eq!(other.warnings[0].code, "level_dropped");
        }
    }

    #[test]
    fn a_link_that_opens_nothing_leaves_no_line_behind() {
        let of = |format| {
            let content = Content { url: Some("not a url".into()), ..Content::new("Disk", format, "full") };
            rendered(Markdown::V1, &content, &[], None).unwrap()
        };
        for (format, expected) in [(Format::Markdown, "## Disk\nfull"), (Format::Text, "Disk\nfull")] {
            let rendered = of(format);
            let payload = &rendered.parts[0].payload;
            let kind = payload["msgtype"].as_str().unwrap();
            assert_eq!(payload[kind]["content"], expected);
            assert_eq!(rendered.warnings[0].code, "link_dropped");
        }
    }

    #[test]
    fn long_texts_become_parts_that_fit() {
        let body = "一行字。\n".repeat(600);
        for (format, kind, allowed) in
            [(Format::Text, "text", 2048), (Format::Markdown, "markdown", 4096), (Format::Html, "text", 2048)]
        {
            let content = Content::new("长", format, body.clone());
            let rendered = rendered(Markdown::V1, &content, &people(), None).unwrap();
            assert!(rendered.parts.len() > 1, "{kind}");
            for part in &rendered.parts {
                assert!(part.payload[kind]["content"].as_str().unwrap().len() <= allowed);
            }
            assert!(rendered.size.used <= allowed && rendered.size.allowed == allowed);
            assert!(rendered.warnings.iter().any(|warning| warning.code == "split"));
        }
    }

    #[test]
    fn overrides_change_the_form_but_not_the_recipients() {
        let content = Content::new("", Format::Text, "hello");
        let card = json!({"msgtype": "template_card", "text": null});
        assert_eq!(rendered(Markdown::V1, &content, &[], Some(&card)).unwrap_err().code, "bad_override");
        let longer = json!({"text": {"content": "x".repeat(2049)}});
        assert_eq!(rendered(Markdown::V1, &content, &[], Some(&longer)).unwrap_err().code, "too_large");
        let other = json!({"text": {"content": "other\u{1}"}});
        let rendered = rendered(Markdown::V1, &content, &[], Some(&other)).unwrap();
        assert_eq!(rendered.parts[0].payload["text"]["content"], "other");
    }

    #[test]
    fn nothing_to_say_is_refused() {
        let content = Content::new(" ", Format::Text, "\n");
        assert_eq!(rendered(Markdown::V1, &content, &[], None).unwrap_err().code, "empty");
    }
}
