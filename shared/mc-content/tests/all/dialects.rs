//! One set of Markdown, and what each dialect makes of it.
//!
//! The cases are in `dialects.txt`: a name, the Markdown, then a section for each dialect, with its warnings. Characters
//! that cannot be seen are written `⟨zw⟩` (zero-width space), `⟨nb⟩` (no-break space) and `·` (space at a line's end).
//! With `UPDATE_FIXTURES=1` the sections are written anew; read what changed before you keep it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use mc_content::dialect;
use mc_core::model::{Body, Format};
use mc_core::ports::Warning;
use serde_json::json;

use crate::{render, template};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/dialects.txt");
const DIALECTS: [&str; 8] =
    ["wecom", "wecom_v2", "dingtalk", "feishu", "slack", "commonmark", "text", "html"];

fn write(dialect: &str, markdown: &str, warnings: &mut Vec<Warning>) -> String {
    let body = Body { format: Format::Markdown, text: markdown.to_owned() };
    match dialect {
        "wecom" => dialect::wecom(markdown, warnings),
        "wecom_v2" => dialect::wecom_v2(markdown, warnings),
        "dingtalk" => dialect::dingtalk(markdown, warnings),
        "feishu" => dialect::feishu(markdown, warnings),
        "slack" => dialect::slack(markdown, warnings),
        "commonmark" => dialect::commonmark(markdown),
        "text" => dialect::text(&body),
        _ => dialect::html(&body),
    }
}

/// A text with everything in it to be seen.
fn visible(text: &str) -> String {
    let lines = text.trim_end_matches('\n').split('\n').map(|line| {
        let core = line.trim_end_matches(' ');
        format!("{core}{}", "·".repeat(line.len() - core.len()))
    });
    lines.collect::<Vec<_>>().join("\n").replace('\u{200B}', "⟨zw⟩").replace('\u{A0}', "⟨nb⟩")
}

fn sections(markdown: &str) -> String {
    let mut out = String::new();
    for name in DIALECTS {
        let mut warnings = Vec::new();
        let text = write(name, markdown, &mut warnings);
        writeln!(out, "--- {name}\n{}", visible(&text)).expect("written");
        for warning in warnings {
            let at = warning.at.as_deref().unwrap_or("nowhere");
            writeln!(out, "! {} at {at}: {}", warning.code, warning.detail).expect("written");
        }
    }
    out
}

#[test]
fn every_dialect_writes_what_its_platform_shows() {
    let file = fs::read_to_string(Path::new(FILE)).expect("the cases");
    let cases: Vec<&str> = file.split("=== ").skip(1).collect();
    assert!(cases.len() > 20);
    let mut updated = file[..file.find("=== ").expect("a case")].to_owned();
    for case in &cases {
        let (name, rest) = case.split_once('\n').expect("a name");
        let (markdown, wanted) = rest.split_once("--- wecom\n").unwrap_or((rest, ""));
        let markdown = markdown.trim_matches('\n');
        let found = sections(&markdown.replace('·', " "));
        if std::env::var_os("UPDATE_FIXTURES").is_none() {
            assert_eq!(found, format!("--- wecom\n{}\n", wanted.trim_end_matches('\n')), "{name}");
        }
        writeln!(updated, "=== {name}\n{markdown}\n{found}").expect("written");
    }
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs::write(Path::new(FILE), updated.trim_end().to_owned() + "\n").expect("written");
    }
}

#[test]
fn a_body_of_any_format_has_a_text_and_html() {
    let table = [
        (Format::Text, "a < b\nc\n\nd", "a < b\nc\n\nd", "<p>a &lt; b<br>\nc</p>\n<p>d</p>\n"),
        (Format::Markdown, "**a** < b", "a < b", "<p><strong>a</strong> &lt; b</p>\n"),
        (Format::Html, "<p>a &lt; <b>b</b></p>", "a < b", "<p>a &lt; <b>b</b></p>"),
    ];
    for (format, source, text, html) in table {
        let body = Body { format, text: source.to_owned() };
        assert_eq!(dialect::text(&body), text);
        assert_eq!(dialect::html(&body), html);
    }
}

#[test]
fn deep_nesting_is_flattened_and_nothing_is_lost() {
    for markdown in [
        format!("{} deep", ">".repeat(20_000)),
        { (0..300).fold(String::new(), |all, n| all + &" ".repeat(2 * n) + "- deep\n") },
        "**a *b ".repeat(3000) + "deep",
    ] {
        let count = |text: &str| text.matches("deep").count();
        assert_eq!(count(&dialect::wecom(&markdown, &mut Vec::new())), count(&markdown));
        assert_eq!(count(&dialect::commonmark(&markdown)), count(&markdown));
        let body = Body { format: Format::Markdown, text: markdown.clone() };
        assert_eq!(count(&dialect::html(&body)), count(&markdown));
        assert_eq!(count(&dialect::text(&body)), count(&markdown));
    }
}

#[test]
fn code_in_a_link_ends_no_cell() {
    let source = "| a |\n| --- |\n| [`{{ v }}`](https://e.com) |";
    let body = render(&template(Format::Markdown, source), json!({"v": "x|y"})).expect("renders").body.text;
    assert_eq!(dialect::commonmark(&body), "| a |\n| --- |\n| [`x\\|y`](https://e.com) |");
}

#[test]
fn a_line_end_that_is_code_parts_no_bold_text() {
    assert_eq!(dialect::feishu("**a `<br>` b**", &mut Vec::new()), "**a `<br>` b**");
    assert_eq!(dialect::feishu("**a\nb**", &mut Vec::new()), "**a**<br>**b**");
}

#[test]
fn an_address_is_the_same_address_for_who_reads_entities() {
    for source in ["[a](https://e.com/?b=1&c=2;)", "[a](https://e.com/?b=1&amp;copy;=2)"] {
        assert_eq!(dialect::commonmark(source), source);
    }
}

#[test]
fn warnings_name_no_address() {
    let mut warnings = Vec::new();
    dialect::wecom(
        "![x](https://x.example/?token=s3cret) [y](ftp://user:s3cret@x.example) `s3cret`\n\n```\ns3cret\n```",
        &mut warnings,
    );
    assert_eq!(warnings.len(), 3);
    assert!(warnings.iter().all(|w| !format!("{w:?}").contains("s3cret")), "{warnings:?}");
}
