//! Addresses that stand bare in a body.

use mc_content::dialect;
use mc_core::model::{Body, Content, Fact, Format};
use mc_core::ports::Warning;
use serde_json::json;

use crate::{render, template};

type Dialect = fn(&str, &mut Vec<Warning>) -> String;

fn html(markdown: &str) -> String {
    dialect::html(&Body { format: Format::Markdown, text: markdown.to_owned() })
}

fn text(markdown: &str) -> String {
    dialect::text(&Body { format: Format::Markdown, text: markdown.to_owned() })
}

fn slack(markdown: &str) -> String {
    dialect::slack(markdown, &mut Vec::new())
}

/// A template's Markdown body with a value in it.
fn filled(source: &str, value: &str) -> String {
    render(&template(Format::Markdown, source), json!({ "v": value })).expect("renders").body.text
}

#[test]
fn an_authors_bare_address_is_a_link_where_the_platform_finds_none_itself() {
    let body = "see https://e.com/a?b=1&c=2.";
    assert_eq!(
        html(body),
        "<p>see <a href=\"https://e.com/a?b=1&amp;c=2\">https://e.com/a?b=1&amp;c=2</a>.</p>\n"
    );
    assert_eq!(slack(body), "see <https://e.com/a?b=1&amp;c=2>.");
    assert!(
        dialect::email(&Content::new("", Format::Markdown, body)).html.contains("<a href=\"https://e.com/a")
    );
    // The others would have it twice as a link, and make one of a text.
    let others: [Dialect; 4] = [dialect::wecom, dialect::wecom_v2, dialect::dingtalk, dialect::feishu];
    for write in others {
        assert_eq!(write(body, &mut Vec::new()), body);
    }
    assert_eq!(text(body), body);
    assert_eq!(dialect::commonmark(body), "see <https://e.com/a?b=1&c=2>.");
}

#[test]
fn standard_markdown_has_an_address_as_it_is() {
    for (body, wanted) in [
        ("https://e.com/a_b?c=_d_&e=[f]", "<https://e.com/a_b?c=_d_&e=[f]>"),
        ("**https://e.com/__init__.py**: x", "**<https://e.com/__init__.py>**: x"),
        ("<https://e.com/a_b&c> [](https://e.com/_)", "<https://e.com/a_b&c> <https://e.com/_>"),
        ("[**https://e.com**](https://e.com)", "[**https://e.com**](https://e.com)"),
        ("| a |\n|---|\n| https://e.com/a&b |", "| a |\n| --- |\n| <https://e.com/a&b> |"),
    ] {
        assert_eq!(dialect::commonmark(body), wanted, "{body}");
    }
}

#[test]
fn a_space_of_a_value_does_not_end_an_address() {
    let body = filled("see https://e.com/{{ v }}.", "a b");
    let finding: [Dialect; 4] = [dialect::wecom, dialect::wecom_v2, dialect::dingtalk, dialect::feishu];
    for write in finding {
        assert_eq!(write(&body, &mut Vec::new()), "see https://e.com/a%20b.");
    }
    assert_eq!(slack(&body), "see <https://e.com/a%20b>.");
    assert_eq!(dialect::commonmark(&body), "see <https://e.com/a%20b>.");
    assert_eq!(text(&body), "see https://e.com/a%20b.");
}

#[test]
fn it_is_one_wherever_text_is() {
    for (body, wanted) in [
        ("# https://e.com", "*<https://e.com>*"),
        ("**https://e.com**：好", "*<https://e.com>*：好"),
        ("- https://e.com/a_b\n", "• <https://e.com/a_b>"),
        ("> (https://e.com/a_(b))", "> (<https://e.com/a_%28b%29>)"),
        ("见https://e.com/a，好", "见<https://e.com/a>，好"),
        ("https://e.com/?a=1&amp;b=2", "<https://e.com/?a=1&amp;b=2>"),
        (
            "https://e.com/__init__.py and https://e.com/b_",
            "<https://e.com/__init__.py> and <https://e.com/b>ˍ",
        ),
        ("https://e.com/a\\_b", "<https://e.com/a_b>"),
        ("| a | b |\n|---|---|\n| x | https://e.com |", "*a: b*\nx: <https://e.com>"),
    ] {
        assert_eq!(slack(body), wanted, "{body}");
    }
}

#[test]
fn it_is_none_in_code_and_in_links() {
    for body in [
        "`https://e.com`",
        "```\nhttps://e.com\n```",
        "    https://e.com",
        "![https://e.com](https://x.example)",
    ] {
        assert!(!html(body).contains("<a "), "{}", html(body));
    }
    let inside = html("[see https://e.com and **https://e.com**](https://x.example) <https://y.example>");
    assert_eq!(inside.matches("<a ").count(), 2, "{inside}");
    assert!(inside.contains("<strong>https://e.com</strong>"), "{inside}");
}

#[test]
fn a_value_is_never_a_link() {
    for source in ["{{ v }}", "see {{ v }}.", "**{{ v }}**", "| a |\n|---|\n| {{ v }} |", "https://{{ v }}"] {
        for value in ["https://evil.example", "http://evil.example/a b", "evil.example/", "//evil.example"] {
            let body = filled(source, value);
            assert!(!html(&body).contains("<a "), "{source} {value}: {}", html(&body));
            assert!(!slack(&body).contains('<'), "{source} {value}: {}", slack(&body));
        }
    }
    let fact = Fact { label: "Log".to_owned(), value: "https://evil.example".to_owned() };
    let content = Content { facts: vec![fact], ..Content::new("", Format::Markdown, "") };
    assert_eq!(slack(&dialect::markdown_of(&content)), "*Log*: https://evil.example");
}

#[test]
fn a_value_behind_the_authors_host_belongs_to_the_address_as_it_does_in_a_link() {
    for value in ["abc", "a-7", "42", "a/b?c=d", "a b", "(x)", "@evil.example", ""] {
        let href = |body: &str| {
            let html = html(body);
            let (_, rest) = html.split_once("<a href=\"").unwrap_or_else(|| panic!("{html}"));
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let bare = href(&filled("see https://e.com/{{ v }}.", value));
        let linked = href(&filled("[see](https://e.com/{{ v }})", value));
        assert_eq!(bare, linked, "{value}");
    }
    // What would change the host leaves a text.
    for source in ["https://e.com{{ v }}", "https://{{ v }}e.com", "https://{{ v }}@e.com"] {
        let body = filled(source, "-x.evil.example");
        assert!(!html(&body).contains("<a "), "{source}: {}", html(&body));
    }
}

#[test]
fn an_address_has_no_look_alikes_in_it() {
    let with_look_alikes: [Dialect; 2] = [dialect::wecom_v2, dialect::dingtalk];
    for write in with_look_alikes {
        let written = |body: &str| write(body, &mut Vec::new());
        assert_eq!(written("at https://e.com/a_b/_c_/~d"), "at https://e.com/a_b/%5Fc%5F/%7Ed");
        assert_eq!(written("<https://e.com/a_b/_c>"), "[https://e.com/a_b/%5Fc](https://e.com/a_b/_c)");
        assert_eq!(written("<https://e.com/?a[]=1>"), "[https://e.com/?a%5B%5D=1](https://e.com/?a[]=1)");
        assert_eq!(written("[my_ name](https://e.com)"), "[myˍ name](https://e.com)", "a text is no address");
    }
    assert_eq!(dialect::wecom("at https://e.com/_c_/~d", &mut Vec::new()), "at https://e.com/_c_/~d");
    assert_eq!(slack("at https://e.com/_c_/~d*"), "at <https://e.com/_c_/~d>∗");
}
