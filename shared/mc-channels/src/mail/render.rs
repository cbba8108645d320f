//! From a content to a mail without its recipient.

use mc_content::dialect;
use mc_core::model::{Content, Format};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Size, SizeUnit, Warning};
use serde_json::{Map, Value, json};

use super::{Sender, pictures};
use crate::overrides::{self, bad_override};
use crate::robot;
use mc_content::escape_member;

/// Servers commonly take 10 MB and more; a body alone is never near that on purpose.
const LARGEST: usize = 10 << 20;
/// What lists of mails show of a subject that had to be made from the body.
const SUBJECT_CHARACTERS: usize = 78;
/// Gmail, which most people read with, clips what is longer.
const CLIPPED_FROM: usize = 102 << 10;

pub(crate) fn render(
    sender: &Sender,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let mut warnings = Vec::new();
    let content = robot::openable(content, &mut warnings);
    let content = &*content;
    let dialect::Email { html, text } = dialect::email(content);
    let mut subject = content.title.trim().to_owned();
    if context.overrides.is_none_or(|patch| patch.get("subject").is_none()) {
        check_header("subject", &subject).map_err(|error| error.at("title"))?;
    }
    if subject.is_empty() {
        let line = dialect::text(&content.body);
        let line = line.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        subject = line.chars().filter(|c| !c.is_control()).take(SUBJECT_CHARACTERS).collect();
        warnings.push(Warning::new("subject_from_body", "without a title, the first line is the subject"));
    }
    warnings.extend(robot::dead_links_of_mail(&content.body));
    warnings.extend(robot::dead_buttons(content));
    warnings.extend(robot::unpressable(content));
    let mut headers = Map::new();
    headers.insert("From".to_owned(), sender.from.to_string().into());
    if let Some(reply_to) = &sender.reply_to {
        headers.insert("Reply-To".to_owned(), reply_to.to_string().into());
    }
    if html.len() > CLIPPED_FROM {
        let detail =
            format!("{} bytes of HTML; Gmail shows the first 102 KB and a link to the rest", html.len());
        warnings.push(Warning::new("long_mail", detail));
    }
    warnings.extend(taken_out(content, context.overrides));
    let mut payload = json!({"subject": subject, "html": html, "text": text, "headers": headers});
    if let Some(patch) = context.overrides {
        check_override(patch)?;
        overrides::apply(&mut payload, Some(patch), &[])?;
    }
    check_payload(&payload)?;
    let cleaned = ["html", "text"].map(|name| clean(&mut payload[name]));
    if cleaned.contains(&true) {
        let detail = "control characters, which the text of a mail cannot carry, are left away";
        warnings.push(Warning::new("control_dropped", detail));
    }
    warnings.extend(payload["html"].as_str().and_then(|html| pictures::missing(html, context.files)));
    let used =
        ["subject", "html", "text"].iter().filter_map(|name| payload[name].as_str()).map(str::len).sum();
    if used > LARGEST {
        return Err(RenderError::new(
            "too_large",
            format!("{used} bytes; a mail's text is at most {LARGEST}"),
        ));
    }
    Ok(Rendered {
        parts: vec![Part::new(payload)],
        text,
        warnings,
        size: Size { used, allowed: LARGEST, unit: SizeUnit::Bytes },
    })
}

/// Makes the line ends of a text alike and takes out the control characters that no mail may carry as they are; says
/// whether there were any.
fn clean(text: &mut Value) -> bool {
    let is_bad = |byte: u8| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t');
    let Value::String(text) = text else { return false };
    if text.contains('\r') {
        *text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    if !text.bytes().any(is_bad) {
        return false;
    }
    text.retain(|c| !u8::try_from(c).is_ok_and(is_bad));
    true
}

/// The notes on what mail programs take out of the HTML that somebody wrote, be it the body or an override's in its place.
fn taken_out(content: &Content, patch: Option<&Value>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    match patch.and_then(|patch| patch.get("html")).and_then(Value::as_str) {
        Some(html) => {
            dialect::taken_out(html, &mut warnings);
            for warning in &mut warnings {
                warning.at = warning.at.take().map(|line| format!("html of the override, {line}"));
            }
        }
        None if content.body.format == Format::Html => dialect::taken_out(&content.body.text, &mut warnings),
        None => {}
    }
    warnings
}

/// A short mail with a plain subject has nothing that could be refused.
pub(crate) fn surely(content: &Content, context: &RenderContext<'_>) -> bool {
    context.overrides.is_none()
        && !content.title.trim().is_empty()
        && !content.title.chars().any(char::is_control)
        && robot::says_little(content)
}

/// Refuses what the channel or the mail system itself says.
fn check_override(patch: &Value) -> Result<(), RenderError> {
    for (name, value) in patch.as_object().into_iter().flatten() {
        match name.as_str() {
            "subject" | "html" | "text" => {}
            "headers" => {
                let Value::Object(headers) = value else {
                    return Err(bad_override("headers is an object of header names and texts").at("headers"));
                };
                if let Some(name) = headers.keys().find(|name| is_protected(name)) {
                    let detail = format!("an override cannot change the header {name}");
                    return Err(bad_override(detail).at(header(name)));
                }
            }
            _ => {
                let detail = format!("a mail has no {name}; it has subject, html, text and headers");
                return Err(bad_override(detail).at(escape_member(name)));
            }
        }
    }
    Ok(())
}

/// Where a header stands in an override.
fn header(name: &str) -> String {
    format!("headers/{}", escape_member(name))
}

/// Headers of senders and recipients, of the mail system, and of the mail's form.
fn is_protected(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let whole = [
        "from",
        "sender",
        "reply-to",
        "to",
        "cc",
        "bcc",
        "return-path",
        "message-id",
        "date",
        "received",
        "dkim-signature",
        "mime-version",
        "subject",
    ];
    let beginnings = ["content-", "list-unsubscribe", "resent-", "arc-", "authentication-"];
    whole.contains(&name.as_str()) || beginnings.iter().any(|start| name.starts_with(start))
}

/// Refuses what no header can carry: a line break, which could smuggle in another one, and every other control
/// character but a tab.
fn check_header(name: &str, value: &str) -> Result<(), RenderError> {
    if !value.contains(|c: char| c.is_control() && c != '\t') {
        return Ok(());
    }
    let detail = format!(
        "the {name} holds a line break or another control character, which a mail's header cannot carry; put it into the body"
    );
    Err(RenderError::new("header_injection", detail))
}

/// Refuses what is no mail: texts that are none, and headers that could be something else.
fn check_payload(payload: &Value) -> Result<(), RenderError> {
    for name in ["subject", "html", "text"] {
        if !payload[name].is_string() {
            return Err(bad_override(format!("{name} is a text")).at(name));
        }
    }
    let subject = [("subject".to_owned(), "subject", &payload["subject"])];
    let headers = payload["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (header(name), name.as_str(), value));
    for (place, name, value) in subject.into_iter().chain(headers) {
        let Some(value) = value.as_str() else {
            return Err(bad_override(format!("the header {name} is a text")).at(place));
        };
        if !name.bytes().all(|b| (33..=126).contains(&b) && b != b':') {
            return Err(bad_override(format!("{name:?} is not the name of a header")).at(place));
        }
        check_header(name, value).map_err(|error| error.at(place))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mc_core::model::Button;
    use mc_core::ports::FileInfo;

    use super::*;
    use crate::testing;

    fn rendered(content: &Content, patch: Option<&Value>) -> Result<Rendered, RenderError> {
        let sender = Sender {
            from: "Alerts <a@example.com>".parse().unwrap(),
            reply_to: Some("b@example.com".parse().unwrap()),
        };
        render(&sender, content, &testing::context(&[], &[], patch))
    }

    #[test]
    fn the_preview_has_everything_but_the_recipient() {
        let rendered = rendered(&Content::new("Deploy", Format::Text, "done"), None).unwrap();
        let payload = &rendered.parts[0].payload;
        assert_eq!(payload["subject"], "Deploy");
        assert_eq!(payload["headers"]["From"], "Alerts <a@example.com>");
        assert_eq!(payload["headers"]["Reply-To"], "b@example.com");
        assert!(
            payload["html"].as_str().unwrap().contains("done")
                && payload["text"].as_str().unwrap().contains("done")
        );
    }

    #[test]
    fn what_readers_may_not_show_is_said() {
        let codes = |content: Content| -> Vec<String> {
            let rendered = rendered(&content, None).unwrap();
            rendered.warnings.iter().map(|warning| warning.code.to_string()).collect()
        };
        let none: [&str; 0] = [];
        assert_eq!(codes(Content::new("t", Format::Html, "<p style='margin:0'>hi</p>")), none);
        assert_eq!(codes(Content::new("t", Format::Html, "<STYLE>p{}</STYLE><p>hi</p>")), ["style_element"]);
        assert_eq!(codes(Content::new("t", Format::Text, "long ".repeat(30_000))), ["long_mail"]);
        let acts = "<p onclick=\"x\"><script>x</script></p>";
        assert_eq!(codes(Content::new("t", Format::Html, acts)), ["event_attribute", "script_element"]);
        assert_eq!(codes(Content::new("t", Format::Markdown, acts)), none, "it is a text there");
    }

    #[test]
    fn what_an_override_brings_is_told_in_place_of_the_body() {
        let content = Content::new("t", Format::Html, "<style>p{}</style><p>hi</p>");
        let patch = json!({"html": "<p>\n<iframe src=x></iframe></p>"});
        let warnings = rendered(&content, Some(&patch)).unwrap().warnings;
        let told: Vec<_> = warnings.iter().map(|warning| (&*warning.code, warning.at.as_deref())).collect();
        assert_eq!(told, [("embedded_element", Some("html of the override, line 2"))]);
    }

    #[test]
    fn a_subject_cannot_smuggle_in_a_header() {
        for title in ["a\r\nBcc: x@example.com", "a\nb", "a\0b", "a\rb", "a\u{1b}[1mb", "a\u{85}b"] {
            let error = rendered(&Content::new(title, Format::Text, "b"), None).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                ("header_injection", Some("title")),
                "{title:?}"
            );
        }
        let bad = Content::new("a\nb", Format::Text, "b");
        let other = json!({"subject": "other"});
        assert_eq!(rendered(&bad, Some(&other)).unwrap().parts[0].payload["subject"], "other");
        let worse = json!({"subject": "o\0ther"});
        let error = rendered(&bad, Some(&worse)).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), ("header_injection", Some("subject")));
        assert!(rendered(&Content::new("a\tb", Format::Text, "b"), None).is_ok());
        let rendered = rendered(&Content::new("", Format::Text, "first\nsecond"), None).unwrap();
        assert_eq!(rendered.parts[0].payload["subject"], "first");
        assert_eq!(rendered.warnings[0].code, "subject_from_body");
    }

    #[test]
    fn a_text_has_line_ends_of_one_kind_and_no_other_control_characters() {
        let content = Content::new("t", Format::Text, "a\rb\r\nc\0d\u{85}\u{1b}e\tf");
        let with = rendered(&content, None).unwrap();
        assert_eq!(with.parts[0].payload["text"], "a\nb\ncd\u{85}e\tf");
        assert!(!with.parts[0].payload["html"].as_str().unwrap().contains(['\r', '\0', '\u{1b}']));
        assert_eq!(with.warnings[0].code, "control_dropped");
        let without = rendered(&Content::new("t", Format::Html, "<p>a</p>\r\n<p>b</p>\r"), None).unwrap();
        assert!(without.warnings.is_empty(), "line ends are no loss: {:?}", without.warnings);
        let patch = json!({"html": "<p>\0</p>"});
        let patched = rendered(&content, Some(&patch)).unwrap();
        assert_eq!(patched.parts[0].payload["html"], "<p></p>");
    }

    #[test]
    fn only_what_is_short_is_surely_a_mail() {
        let surely = |content: &Content| surely(content, &testing::context(&[], &[], None));
        let short = Content::new("t", Format::Text, "b");
        assert!(surely(&short));
        // In HTML a quote has six bytes.
        let url_label = Some("\"".repeat(2 << 20));
        let long = Content { url: Some("https://x.example".into()), url_label, ..short };
        assert_eq!((surely(&long), rendered(&long, None).unwrap_err().code), (false, "too_large"));
    }

    #[test]
    fn what_opens_nothing_is_told() {
        let content = Content {
            url: Some("not a url".into()),
            image: Some("foo".into()),
            buttons: vec![Button::link("Log", "ftp://x.example")],
            ..Content::new("t", Format::Markdown, "[a](javascript:x) ![i](data:image/png;base64,AA)")
        };
        let rendered = rendered(&content, None).unwrap();
        let codes: Vec<&str> = rendered.warnings.iter().map(|warning| &*warning.code).collect();
        assert_eq!(codes, ["link_dropped", "image_dropped", "link_dropped", "image_dropped", "link_dropped"]);
        assert_eq!(rendered.text, "a i\n\nLog");
    }

    #[test]
    fn a_picture_of_the_mail_itself_is_told_only_where_no_file_is_it() {
        let sender = Sender { from: "a@example.com".parse().unwrap(), reply_to: None };
        let file = |filename: &str, content_type: &str| FileInfo {
            filename: filename.into(),
            content_type: content_type.into(),
            size: None,
        };
        let png = |filename: &str| file(filename, "image/png");
        let files = [png("logo.png"), png("my 图.png"), file("a.pdf", "application/pdf")];
        let told = |format, text: &str, patch: Option<&Value>| -> Vec<String> {
            let content = Content::new("t", format, text);
            let rendered = render(&sender, &content, &testing::context(&[], &files, patch)).unwrap();
            rendered.warnings.iter().map(|warning| format!("{}: {}", warning.code, warning.detail)).collect()
        };
        let none: [&str; 0] = [];
        let missing =
            "image_dropped: 1 picture(s) of the mail itself (cid:…) whose name no attached image has";
        assert_eq!(told(Format::Markdown, "![a](cid:logo.png) ![b](<cid:my 图.png>)", None), none);
        assert_eq!(told(Format::Markdown, "![a](cid:logo.png) ![b](cid:other.png)", None), [missing]);
        assert_eq!(told(Format::Html, "<img src=\"cid:logo.png\">", None), none);
        assert_eq!(told(Format::Markdown, "![a](CID:logo.png)", None), none);
        assert_eq!(told(Format::Html, "<img src=\"CID:other.png\">", None), [missing]);
        assert_eq!(told(Format::Html, "<img src=\"cid:a.pdf\">", None), [missing]);
        let patch = json!({"html": "<img src='cid:other.png'>"});
        assert_eq!(told(Format::Markdown, "![a](cid:logo.png)", Some(&patch)), [missing]);
    }

    #[test]
    fn overrides_stay_away_from_senders_and_recipients() {
        let content = Content::new("t", Format::Text, "b");
        for patch in [
            json!({"headers": {"bcc": "x@example.com"}}),
            json!({"headers": {"From": null}}),
            json!({"headers": {"Content-Type": "text/plain"}}),
            json!({"headers": {"X-A": 1}}),
            json!({"headers": {"X A": "b"}}),
            json!({"headers": null}),
            json!({"to": ["x@example.com"]}),
            json!({"subject": null}),
        ] {
            assert_eq!(rendered(&content, Some(&patch)).unwrap_err().code, "bad_override", "{patch}");
        }
        let smuggled = json!({"headers": {"X-A": "a\r\nBcc: x@example.com"}});
        let error = rendered(&content, Some(&smuggled)).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), ("header_injection", Some("headers/X-A")));
        let patch = json!({"headers": {"X-Priority": "1"}, "subject": "other"});
        let rendered = rendered(&content, Some(&patch)).unwrap();
        assert_eq!(rendered.parts[0].payload["headers"]["X-Priority"], "1");
    }
}
