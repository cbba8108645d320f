//! Rich text (`post`): a title and lines of texts, links and mentions.

use mc_content::dialect;
use mc_core::model::{Body, Content, Format};
use serde_json::{Value, json};
use url::Url;

use super::text::{Mention, literal};

/// How many of a body's links may be looked for in vain: an HTML can hold any number that its text does not show.
const MISSES: usize = 50;

/// Everything a content says but its title, in lines. A link in them is `[text](address)`, and nothing else is: a
/// literal text has something that is not seen between `]` and `(`.
pub(super) fn source(content: &Content) -> String {
    let lines = |lines: Vec<String>| lines.join("\n");
    let link = content.url.as_deref().filter(|url| content.buttons.iter().all(|button| button.url != **url));
    let mut parts = vec![
        linked(&content.body),
        lines(content.facts.iter().map(|fact| literal(&fact.line())).collect()),
        lines(content.links().map(|button| line(&button.text, &button.url)).collect()),
    ];
    parts.extend(content.image.as_deref().map(|address| line("", address)));
    parts.extend(link.map(|address| line(content.link_label().unwrap_or_default(), address)));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// A label with its address, as a link or, where it cannot be one, in words.
fn line(label: &str, address: &str) -> String {
    let label = label.trim();
    match (href(address), dialect::safe_url(address)) {
        (Some(href), Some(address)) if label.is_empty() => link(&address, &href),
        (Some(href), Some(_)) => link(label, &href),
        (None, Some(address)) if !label.is_empty() => literal(&format!("{label}: {address}")),
        (None, Some(address)) => literal(&address),
        (_, None) => literal(label),
    }
}

/// A link as it stands in a line until [`nodes`] makes an element of it.
fn link(label: &str, href: &str) -> String {
    let plain = |c: char| match c {
        '[' => '［',
        ']' => '］',
        c if c.is_control() => ' ',
        c => c,
    };
    let label: String = label.chars().map(plain).collect();
    format!("[{}]({href})", literal(&label))
}

/// Where a link leads: a web page, in ASCII. Feishu refuses a whole message for one address that is none.
fn href(address: &str) -> Option<String> {
    let address = dialect::safe_url(address)?;
    let parsed = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if address.is_ascii() { Some(address) } else { dialect::safe_url(parsed.as_str()) }
}

/// The text of a body, with the links that it has in its own form.
fn linked(body: &Body) -> String {
    let text = dialect::text(body);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_end();
    let mut misses = 0;
    for said in said_of_links(&dialect::html(body)) {
        let Some((label, address)) = label_and_address(&said) else { continue };
        let Some(href) = href(address) else { continue };
        // A label of several lines cannot be one element, so its address is the link.
        let whole = if label.contains('\n') { None } else { rest.find(&said) };
        let found = whole.map(|at| (at, label, said.len())).or_else(|| {
            let at = rest.find(&format!(" ({address})"))?;
            Some((at + 2, address, address.len()))
        });
        let Some((at, label, length)) = found else {
            misses += 1;
            if misses == MISSES {
                break;
            }
            continue;
        };
        out.push_str(&literal(&rest[..at]));
        out.push_str(&link(label, &href));
        rest = &rest[at + length..];
    }
    out.push_str(&literal(rest));
    out
}

/// What a text says of each link of an HTML, in their order.
fn said_of_links(html: &str) -> Vec<String> {
    let lower = html.to_ascii_lowercase();
    let mut said = Vec::new();
    let mut at = 0;
    while let Some(start) = lower[at..].find('<').map(|found| at + found) {
        let rest = &lower[start..];
        let is_link = rest.strip_prefix("<a").is_some_and(|rest| rest.starts_with(char::is_whitespace));
        let end = if is_link {
            rest.find("</a>").map(|end| end + 4)
        } else if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else {
            Some(1)
        };
        // After what never ends there is no link that does.
        let Some(length) = end else { break };
        at = start + length;
        if is_link {
            said.push(dialect::text(&Body { format: Format::Html, text: html[start..at].to_owned() }));
        }
    }
    said
}

/// Label and address of a link of which a text says `label (address)`, or its address alone. One in ASCII is left out:
/// it is found wherever it stands.
fn label_and_address(said: &str) -> Option<(&str, &str)> {
    match said.strip_suffix(')').and_then(|said| said.rsplit_once(" (")) {
        Some(both) => Some(both),
        None => (!said.is_ascii()).then_some((said, said)),
    }
}

/// A rich text of the lines of a [`source`], in which bare addresses become links as well.
///
/// A mention is an element of its own here. Whether marks in a text are read too is nowhere said, so there are none.
pub(super) fn post(title: &str, text: &str, mentions: &[Mention]) -> Value {
    let mut lines: Vec<Value> = text.split('\n').map(|line| Value::Array(nodes(line))).collect();
    if !mentions.is_empty() {
        lines.push(mentions.iter().map(|m| json!({"tag": "at", "user_id": m.id()})).collect());
    }
    let title: String = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    json!({"zh_cn": {"title": literal(title.trim()), "content": lines}})
}

/// The elements of a line.
fn nodes(line: &str) -> Vec<Value> {
    let mut nodes = Vec::new();
    let mut rest = line;
    while let Some((before, label, href, after)) = first_link(rest) {
        push_text(before, &mut nodes);
        nodes.push(json!({"tag": "a", "text": label, "href": href}));
        rest = after;
    }
    push_text(rest, &mut nodes);
    if nodes.is_empty() {
        // An empty line is a line.
        nodes.push(json!({"tag": "text", "text": " "}));
    }
    nodes
}

/// What stands before the first [`link`] of a line, its label, where it leads, and what stands behind it.
fn first_link(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, behind) = line.split_once("](")?;
    let (before, label) = before.rsplit_once('[')?;
    let (href, behind) = behind.split_once(')')?;
    Some((before, label, href, behind))
}

/// Text in which bare addresses become links.
fn push_text(line: &str, nodes: &mut Vec<Value>) {
    let text = |text: &str| json!({"tag": "text", "text": text});
    let mut rest = line;
    let mut from = 0;
    while let Some(at) = rest[from..].find("http").map(|at| from + at) {
        let Some(length) =
            address(&rest[at..]).filter(|_| !rest[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))
        else {
            from = at + "http".len();
            continue;
        };
        if at > 0 {
            nodes.push(text(&rest[..at]));
        }
        let (url, after) = rest[at..].split_at(length);
        nodes.push(json!({"tag": "a", "text": url, "href": dialect::safe_url(url).unwrap_or_default()}));
        (rest, from) = (after, 0);
    }
    if !rest.is_empty() {
        nodes.push(text(rest));
    }
}

/// The length of the address that a text begins with.
fn address(text: &str) -> Option<usize> {
    let scheme = ["http://", "https://"].into_iter().find(|scheme| text.starts_with(scheme))?;
    let end = text.find(|c: char| !c.is_ascii_graphic() || "<>\"'`".contains(c)).unwrap_or(text.len());
    let url = text[..end].trim_end_matches(|c: char| ".,;:!?)]}*".contains(c));
    let is_address = url.len() > scheme.len() && Url::parse(url).is_ok() && dialect::safe_url(url).is_some();
    is_address.then_some(url.len())
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Button, Fact};

    use super::*;

    /// Where `https://oa.example.com/通知/附件(1).pdf` leads, in ASCII.
    const NOTICE: &str = "https://oa.example.com/%E9%80%9A%E7%9F%A5/%E9%99%84%E4%BB%B6%281%29.pdf";

    #[test]
    fn bare_addresses_become_links_and_nothing_is_lost() {
        let link = |url: &str| json!({"tag": "a", "text": url, "href": url});
        let text = |text: &str| json!({"tag": "text", "text": text});
        for (line, expected) in [
            ("a", vec![text("a")]),
            ("", vec![text(" ")]),
            ("https://x.example/a?b=c", vec![link("https://x.example/a?b=c")]),
            ("看https://x.example。", vec![text("看"), link("https://x.example"), text("。")]),
            ("(http://x.example).", vec![text("("), link("http://x.example"), text(").")]),
            ("xhttp://x.example https://", vec![text("xhttp://x.example https://")]),
            ("https://[ http", vec![text("https://[ http")]),
            ("[x](y) a[0]", vec![text("[x]\u{200B}(y) a[0]")]),
            ("<at id=all></at>", vec![text("<\u{200B}at id=all><\u{200B}/at>")]),
        ] {
            assert_eq!(nodes(&literal(line)), expected, "{line}");
        }
    }

    #[test]
    fn a_link_keeps_its_text_and_the_whole_of_its_address() {
        for (format, body, expected) in [
            (
                Format::Html,
                "<p>见<a class='b' href=\"https://oa.example.com/通知/附件(1).pdf\">通知<b>附件</b></a>。</p>",
                format!("见[通知附件]({NOTICE})。"),
            ),
            (
                Format::Markdown,
                "1. 见[**通知**附件](<https://oa.example.com/通知/附件(1).pdf>)\n2. <https://oa.example.com/通知>",
                format!(
                    "1. 见[通知附件]({NOTICE})\n\
                     2. [https://oa.example.com/通知](https://oa.example.com/%E9%80%9A%E7%9F%A5)"
                ),
            ),
            (
                Format::Html,
                "<!-- <a href='https://x.example/旧'>旧</a> --><A HREF='https://x.example/新'>[新]</A> a[b](c)",
                "[［新］](https://x.example/%E6%96%B0) a[b]\u{200B}(c)".to_owned(),
            ),
            (
                Format::Html,
                "<a href='https://x.example/新'><div>one</div><div>two</div></a>",
                "one\ntwo\n ([https://x.example/新](https://x.example/%E6%96%B0))".to_owned(),
            ),
            (
                Format::Html,
                "<a href='mailto:a@b.example'>写信</a> <a href='javascript:x'>没有</a> <a name='附'></a>",
                "写信 (mailto:a@b.example) 没有".to_owned(),
            ),
        ] {
            assert_eq!(source(&Content::new("", format, body)), expected, "{body}");
        }
        let line = nodes(&format!("见[通知附件]({NOTICE})。"));
        assert_eq!(line[1], json!({"tag": "a", "text": "通知附件", "href": NOTICE}));
        assert_eq!((&line[0]["text"], &line[2]["text"], line.len()), (&json!("见"), &json!("。"), 3));
    }

    #[test]
    fn buttons_a_picture_and_the_link_are_links_as_well() {
        let address = "https://oa.example.com/通知/附件(1).pdf";
        let shown = "https://oa.example.com/通知/附件%281%29.pdf";
        let content = Content {
            facts: vec![
                Fact { label: "部门".into(), value: "[人事](x)".into() },
                Fact { label: String::new(), value: "v".into() },
            ],
            buttons: vec![
                Button::link("打开[1]", address),
                Button::link("写信", "mailto:a@b.example"),
                Button::link("没有", "ftp://x.example"),
            ],
            image: Some(address.into()),
            url: Some(address.replace("pdf", "doc")),
            ..Content::new("", Format::Html, "<p>正文</p>")
        };
        let (doc, shown_doc) = (NOTICE.replace("pdf", "doc"), shown.replace("pdf", "doc"));
        assert_eq!(
            source(&content),
            format!(
                "正文\n\n部门: [人事]\u{200B}(x)\nv\n\n[打开［1］]({NOTICE})\n写信: mailto:a@b.example\n没有\n\n\
                 [{shown}]({NOTICE})\n\n[{shown_doc}]({doc})"
            )
        );
        let labelled = Content { url_label: Some("看看".into()), ..content };
        assert!(source(&labelled).ends_with(&format!("\n\n[看看]({doc})")));
    }

    #[test]
    fn links_that_no_text_shows_cost_no_time() {
        let hidden = "<script>'<a href=\"https://x.example/a\">never</a>'</script>".repeat(2_000);
        let html = format!("{hidden}{}", "word ".repeat(100_000));
        let text = source(&Content::new("", Format::Html, html));
        assert!(text.starts_with("word word") && text.len() == 499_999);
    }
}
