//! Whole contents: e-mails and one text of everything.

use mc_content::{dialect, inline};
use mc_core::model::{Button, Content, Fact, Format, InlineContent, Level};

fn full(format: Format, body: &str) -> Content {
    Content {
        url: Some("https://x.example/run?a=1&b=2".to_owned()),
        facts: vec![
            Fact { label: "App".to_owned(), value: "**pay**".to_owned() },
            Fact { label: "".to_owned(), value: "two\nlines".to_owned() },
        ],
        buttons: vec![
            Button::link("Open [it]", "https://y.example/(a)"),
            Button::link("Never", "javascript:alert(1)"),
        ],
        image: Some("https://z.example/i.png".to_owned()),
        level: Some(Level::Danger),
        ..Content::new("Deploy <failed>", format, body)
    }
}

#[test]
fn a_content_becomes_one_markdown_text() {
    let mut warnings = Vec::new();
    let text = dialect::wecom(&dialect::markdown_of(&full(Format::Markdown, "**Hi**")), &mut warnings);
    assert_eq!(
        text,
        "**Hi**\n\n**App**: ∗∗pay∗∗\ntwo\nlines\n\n[Deploy <\u{200B}failed>](https://z.example/i.png)\n\n\
         [Open ［it］](https://y.example/%28a%29)\nNever\n\n[Deploy <\u{200B}failed>](https://x.example/run?a=1&b=2)"
    );
    let codes: Vec<&str> = warnings.iter().map(|w| &*w.code).collect();
    assert_eq!(codes, ["character_replaced", "image_linked", "link_dropped"]);

    let text =
        dialect::commonmark(&dialect::markdown_of(&Content::new("", Format::Text, "# a\n  b *c*\n\nd")));
    assert_eq!(text, "\\# a  \n\u{A0}\u{A0}b \\*c\\*\n\nd");
    let html = Content::new("", Format::Html, "<h1>a</h1><p>*b* <b>c</b></p>");
    assert_eq!(dialect::commonmark(&dialect::markdown_of(&html)), "a\n\n\\*b\\* c");
}

#[test]
fn a_warning_names_the_line_of_the_body_and_of_nothing_around_it() {
    let lines = |source: &str| {
        let mut warnings = Vec::new();
        dialect::wecom(source, &mut warnings);
        warnings.into_iter().map(|w| (w.code.into_owned(), w.at)).collect::<Vec<_>>()
    };
    let titled = |content: &Content| {
        let title = dialect::markdown_of(&Content::new("", Format::Text, content.title.clone()));
        format!("## {title}\n\n{}", dialect::markdown_of(content))
    };
    let at = |code: &str, line: Option<&str>| (code.to_owned(), line.map(|line| format!("line {line}")));
    for title in ["Deploy", "1. *Deploy*"] {
        let content =
            Content { title: title.to_owned(), ..full(Format::Markdown, "one\n\n- two\n\n*three*") };
        let wanted = [
            at("list_flattened", Some("3")),
            at("emphasis_dropped", Some("5")),
            at("character_replaced", None),
            at("image_linked", None),
            at("link_dropped", None),
        ];
        assert_eq!(lines(&titled(&content)), wanted, "{title}");
        assert_eq!(lines(&dialect::markdown_of(&content)), wanted);
    }
    // A title that the author wrote is a part of the body, and a value may have lines of its own.
    assert_eq!(lines("## Deploy\n\n- two"), [at("list_flattened", Some("3"))]);
    let template = crate::template(Format::Markdown, "{{ v }} and *this*");
    let body = crate::render(&template, serde_json::json!({"v": "a\nb"})).expect("renders").body.text;
    assert_eq!(lines(&body), [at("emphasis_dropped", Some("2"))]);
    let template = crate::template(Format::Markdown, "{{ v }}\n\n- two");
    let body = crate::render(&template, serde_json::json!({"v": "a\nb"})).expect("renders").body.text;
    assert_eq!(lines(&body), [at("list_flattened", Some("4"))]);
}

#[test]
fn an_email_has_everything_in_both_forms() {
    let content = full(Format::Markdown, "## Why\n\n- `a` < b");
    let dialect::Email { html, text } = dialect::email(&content);
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    for piece in [
        "<meta name=\"viewport\"",
        "<meta name=\"color-scheme\" content=\"light dark\">",
        "prefers-color-scheme: dark",
        "<title>Deploy &lt;failed&gt;</title>",
        "#b91c1c",
        "max-width:600px",
        "<h2 style=\"",
        "<code>a</code> &lt; b",
        "**pay**",
        "two<br>lines",
        "href=\"https://y.example/%28a%29\"",
        ">Open [it]</a>",
        "src=\"https://z.example/i.png\"",
        "href=\"https://x.example/run?a=1&amp;b=2\"",
    ] {
        assert!(html.contains(piece), "{piece} in {html}");
    }
    assert!(!html.contains("javascript:"));
    assert_eq!(
        text,
        "Why\n\n- a < b\n\nApp: **pay**\ntwo\nlines\n\nOpen [it]: https://y.example/%28a%29\nNever\n\n\
         https://z.example/i.png\n\nhttps://x.example/run?a=1&b=2"
    );
}

#[test]
fn a_fact_without_a_label_is_its_value_alone() {
    let fact = |label: &str, value: &str| Fact { label: label.to_owned(), value: value.to_owned() };
    let facts = vec![fact(" ", "all of it"), fact("App", "pay")];
    let dialect::Email { html, text } =
        dialect::email(&Content { facts, ..Content::new("t", Format::Text, "") });
    assert_eq!(html.matches("<th ").count(), 1, "{html}");
    assert!(html.contains("<tr><td colspan=\"2\" style=\"") && html.contains(">all of it</td>"), "{html}");
    assert_eq!(text, "all of it\nApp: pay");
}

#[test]
fn a_mail_in_arabic_or_hebrew_is_laid_out_from_the_right() {
    let mail = |title: &str, format, body: &str| {
        let facts = vec![Fact { label: "App".to_owned(), value: "pay".to_owned() }];
        dialect::email(&Content { facts, ..Content::new(title, format, body) }).html
    };
    let blocks = "> a\n\n- b\n\n|c|d|\n|---|---|\n|e|f|\n";
    let html = mail("اكتمل النشر", Format::Markdown, blocks);
    for piece in [
        " dir=\"rtl\">\n<head>",
        "<td class=\"mc-text\" dir=\"rtl\" align=\"right\"",
        "padding:0 16px 0 0;border-right:4px solid",
        "<ul style=\"margin:0 0 16px;padding:0 24px 0 0\">",
    ] {
        assert!(html.contains(piece), "{piece} in {html}");
    }
    assert!(!html.contains("text-align:left") && !html.contains("border-left"), "{html}");
    // Without a title, the text says it; with words of both directions, the first letter.
    assert!(mail("", Format::Text, "שלום").contains(" dir=\"rtl\""));
    assert!(!mail("Deploy", Format::Markdown, "שלום").contains("rtl"));
    // An author's part of a page has our frame, and an author's document its own.
    let part = mail("", Format::Html, "<blockquote style=\"border-left:0\">שלום</blockquote>");
    assert!(part.contains("border-right:4px solid #d1d5db;color:#4b5563;border-left:0\">שלום"), "{part}");
    let document = mail("", Format::Html, "<html><body>שלום</body></html>");
    assert!(
        document.starts_with("<html><body>שלום<div dir=\"rtl\" style=\"text-align:right\">"),
        "{document}"
    );
    assert!(document.ends_with("</div>\n</body></html>"), "{document}");
}

#[test]
fn a_link_says_what_somebody_chose() {
    let content = Content {
        url: Some("https://x.example/run".to_owned()),
        url_label: Some("See *the* run".to_owned()),
        ..Content::new("Deploy", Format::Markdown, "Hi")
    };
    let source = dialect::markdown_of(&content);
    assert_eq!(dialect::commonmark(&source), "Hi\n\n[See \\*the\\* run](https://x.example/run)");
    let dialect::Email { html, text } = dialect::email(&content);
    assert_eq!(text, "Hi\n\nSee *the* run: https://x.example/run");
    assert_eq!(html.matches("https://x.example/run").count(), 1, "a button, and no address below it");
    assert!(html.contains("class=\"mc-first\"") && html.contains(">See *the* run</a>"), "{html}");
    // A label without a link, or of nothing but spaces, says nothing.
    for other in
        [Content { url: None, ..content.clone() }, Content { url_label: Some(" ".into()), ..content }]
    {
        assert!(!dialect::email(&other).text.contains("See"));
    }
}

#[test]
fn an_email_that_is_a_document_keeps_its_frame() {
    let dialect::Email { html, text } =
        dialect::email(&full(Format::Html, "<!DOCTYPE html><html><body><p>Hi</p></BODY></html>"));
    assert!(html.starts_with("<!DOCTYPE html><html><body><p>Hi</p><table"));
    assert!(text.starts_with("Hi\n\nApp: **pay**"));
    assert!(html.ends_with("</BODY></html>") && html.contains("Open [it]"));
    assert_eq!(html.matches("<html").count(), 1);
}

#[test]
fn a_small_content_makes_a_small_email() {
    let dialect::Email { html, text } = dialect::email(&Content::new("Hi", Format::Text, "a\n\nb"));
    assert!(html.contains(">a</p>") && html.contains(">b</p>"));
    assert!(!html.contains("bgcolor"), "no level, no bar");
    assert_eq!(text, "a\n\nb");
}

#[test]
fn an_email_keeps_the_spaces_of_a_text() {
    let facts = vec![Fact { label: "Trace".to_owned(), value: "at a\n    at b".to_owned() }];
    let content = Content { facts, ..Content::new("t", Format::Text, "name   ms\n  db   12\n\nend") };
    let html = dialect::email(&content).html;
    for piece in [
        "white-space:pre-wrap\">name   ms<br>  db   12</p>",
        "white-space:pre-wrap\">end</p>",
        "white-space:pre-wrap\">at a<br>    at b</td>",
    ] {
        assert!(html.contains(piece), "{piece} in {html}");
    }
    assert_eq!(dialect::html(&content.body), "<p>name   ms<br>\n  db   12</p>\n<p>end</p>\n");
}

#[test]
fn a_picture_that_travels_in_the_mail_is_shown_by_mails_alone() {
    let content = Content::new("t", Format::Markdown, "![logo](cid:logo.png) hi");
    let dialect::Email { html, text } = dialect::email(&content);
    assert!(html.contains("<img src=\"cid:logo.png\" alt=\"logo\""), "{html}");
    assert_eq!(text, "logo hi");
    let mut warnings = Vec::new();
    assert_eq!(dialect::mail_markdown(&content.body.text, &mut warnings), "![logo](cid:logo.png) hi");
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(dialect::wecom_v2(&content.body.text, &mut warnings), "logo hi");
    assert_eq!(warnings[0].code, "image_dropped");
}

#[test]
fn a_title_that_the_body_begins_with_is_written_once() {
    let html =
        |title: &str| dialect::email(&Content::new(title, Format::Markdown, "# Done *now*\n\nok")).html;
    assert_eq!(html("Done now").matches("<h1").count(), 1);
    assert_eq!(html("Done").matches("<h1").count(), 2);
    // It looks like a title where it is one, and like the largest heading of a body where it is none.
    assert_eq!(html("Done now").matches("font-size:22px").count(), 1);
    assert_eq!(html("Done").matches("<h1 style=\"margin:28px 0 12px;font-size:20px").count(), 1);
}

#[test]
fn marks_inside_of_lines_have_no_style_and_blocks_have_all_of_theirs() {
    let body =
        "a **b** *c* `d` ~~e~~ [f](https://x.example)\n\n> g\n\n- h\n\n| i |\n|---|\n| j |\n\n```\nk\n```\n";
    let html = dialect::email(&Content::new("t", Format::Markdown, body)).html;
    for bare in ["<strong>b", "<em>c", "<code>d", "<del>e", "<a href=\"https://x.example\">f", "<code>k"] {
        assert!(html.contains(bare), "{bare} in {html}");
    }
    for block in ["p", "blockquote", "ul", "li", "div", "table", "th", "td", "pre"] {
        assert!(html.contains(&format!("<{block} style=\"")), "{block} in {html}");
    }
    assert!(!dialect::html(&Content::new("", Format::Markdown, body).body).contains("style=\""));
}

#[test]
fn a_part_of_a_page_looks_like_markdown_and_a_whole_one_like_itself() {
    let html = |body: &str| dialect::email(&Content::new("t", Format::Html, body)).html;
    let markdown = dialect::email(&Content::new("t", Format::Markdown, "## a\n\nb\n\n- c")).html;
    let part = html("<h2>a</h2>\n<p>b</p>\n<ul>\n<li>c</li>\n</ul>");
    for block in ["h2", "p", "ul", "li"] {
        let tag = |html: &str| {
            let (_, rest) = html.split_once(&format!("<{block} style=\"")).expect("a style");
            rest.split('"').next().unwrap_or_default().trim_end_matches(';').to_owned()
        };
        assert_eq!(tag(&part), tag(&markdown), "{block}");
    }
    assert!(part.contains("prefers-color-scheme: dark"), "the styles are ours, so it has a dark form");
    for own in ["<style>p { margin: 0 }</style><p>b</p>", "<body><p>b</p></body>", "<html><p>b</p></html>"] {
        assert!(html(own).contains("<p>b</p>"), "{own}");
    }
    assert_eq!(dialect::html(&Content::new("", Format::Html, "<p>b</p>").body), "<p>b</p>");
}

#[test]
fn html_with_colours_of_its_own_stays_light() {
    let html = |body: &str| dialect::email(&Content::new("t", Format::Html, body)).html;
    let dark = "prefers-color-scheme: dark";
    assert!(html("<p>hi</p>").contains(dark));
    for body in ["<p style='COLOR:#000'>hi</p>", "<td bgcolor=white>", "<p style='background:#eee'>"] {
        assert!(!html(body).contains(dark) && html(body).contains("light only"), "{body}");
    }
}

#[test]
fn whoever_may_refuse_a_mail_finds_the_way_in_both_forms() {
    let url = "https://mc.example.com/v1/unsubscribe?t=abc&x=1";
    for content in [
        Content::new("Hi", Format::Text, "a"),
        Content::new("Hi", Format::Html, "<html><BODY>a</BODY></html>"),
        Content::new("Hi", Format::Html, "<html>a"),
    ] {
        let dialect::Email { mut html, mut text } = dialect::email(&content);
        dialect::add_unsubscribe(&mut html, &mut text, url);
        let (before, after) =
            html.split_once("href=\"https://mc.example.com/v1/unsubscribe?t=abc&amp;x=1\"").unwrap();
        assert!(before.contains('a') && !after.contains("<p"), "it stands last: {html}");
        assert_eq!(html.to_lowercase().find("</body").is_some(), after.to_lowercase().contains("</body"));
        assert_eq!(text, format!("a\n\n-- \n退订 Unsubscribe: {url}\n"));
    }
}

#[test]
fn inline_content_is_never_a_template() {
    let content = inline(&InlineContent {
        title: "{{ 1 }}".to_owned(),
        body: "**{{ nope }}** {% if %} \u{10F72A}<b>".to_owned(),
        format: Format::Markdown,
        url: None,
        url_label: None,
        facts: Vec::new(),
        buttons: Vec::new(),
        image: None,
        level: None,
    });
    assert_eq!(content.title, "{{ 1 }}");
    assert_eq!(dialect::html(&content.body), "<p><strong>{{ nope }}</strong> {% if %} &lt;b&gt;</p>\n");
}
