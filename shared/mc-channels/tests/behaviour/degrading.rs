//! What a platform cannot show is warned of, with the reason: nothing is lost in silence.

use mc_core::model::{Addresses, Button, Content, Fact, Format, Kind, Level, Recipient};
use mc_core::ports::{FileInfo, Rendered};
use mc_testkit::channel::Harness;

use crate::fakes::Fake;
use crate::suite::rendered;
use crate::world::World;

/// Something that a content may have besides a title and a short body.
struct Element {
    name: &'static str,
    /// In which formats of the body it can be.
    formats: &'static [Format],
    add: fn(&mut Content, &mut Vec<Recipient>, &mut Vec<FileInfo>),
    /// What of it is seen where it is shown; nothing where it is no text.
    seen: &'static [&'static str],
}

const ALL: &[Format] = &[Format::Text, Format::Markdown, Format::Html];
const MARKDOWN: &[Format] = &[Format::Markdown];
const HTML: &[Format] = &[Format::Html];

fn elements() -> [Element; 22] {
    [
        Element {
            name: "title",
            formats: ALL,
            add: |c, _, _| c.title = "Headline".into(),
            seen: &["Headline"],
        },
        Element {
            name: "fact",
            formats: ALL,
            add: |c, _, _| c.facts = vec![Fact { label: "Region".into(), value: "Hangzhou".into() }],
            seen: &["Region", "Hangzhou"],
        },
        Element {
            name: "link",
            formats: ALL,
            add: |c, _, _| c.url = Some("https://x.example/whole-link".into()),
            seen: &["whole-link"],
        },
        Element {
            name: "link with words of its own",
            formats: ALL,
            add: |c, _, _| {
                c.url = Some("https://x.example/labelled".into());
                c.url_label = Some("Look here".into());
            },
            seen: &["labelled", "Look here"],
        },
        Element {
            name: "button that leads somewhere",
            formats: ALL,
            add: |c, _, _| {
                let (text, url) = ("Leads".into(), "https://x.example/button-link".into());
                c.buttons = vec![Button { text, url, ..Button::default() }];
            },
            seen: &["Leads", "button-link"],
        },
        Element {
            name: "button to press",
            formats: ALL,
            add: |c, _, _| {
                let (text, action) = ("Approve".into(), "approve".into());
                c.buttons = vec![Button { text, action, ..Button::default() }];
            },
            seen: &["Approve"],
        },
        Element {
            name: "picture",
            formats: ALL,
            add: |c, _, _| c.image = Some("https://x.example/picture.png".into()),
            seen: &["picture.png"],
        },
        Element {
            name: "link that opens nothing",
            formats: ALL,
            add: |c, _, _| c.url = Some("not-a-url-at-all".into()),
            seen: &["not-a-url-at-all"],
        },
        Element {
            name: "picture that cannot be opened",
            formats: ALL,
            add: |c, _, _| c.image = Some("just-a-name.png".into()),
            seen: &["just-a-name.png"],
        },
        Element {
            name: "button that opens nothing",
            formats: ALL,
            add: |c, _, _| c.buttons = vec![Button::link("Leads", "ftp://x.example/nowhere")],
            seen: &["Leads", "nowhere"],
        },
        Element { name: "level", formats: ALL, add: |c, _, _| c.level = Some(Level::Danger), seen: &[] },
        Element {
            name: "file",
            formats: ALL,
            add: |_, _, files| {
                let (filename, content_type) = ("report.pdf".into(), "application/pdf".into());
                files.push(FileInfo { filename, content_type, size: Some(1_000) });
            },
            seen: &["report.pdf"],
        },
        Element {
            name: "mention",
            formats: ALL,
            add: |_, to, _| to.push(somebody()),
            seen: &["ou_7d8a6e6df7621556ce0d21922b676706", "zhangsan", "manager4220"],
        },
        Element {
            name: "table",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n| Head | Two |\n|---|---|\n| Cell | Four |\n"),
            seen: &["Head", "Two", "Cell", "Four"],
        },
        Element {
            name: "block of code",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n```sh\nmake coffee\n```\n"),
            seen: &["make coffee"],
        },
        Element {
            name: "list in a list",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n- Outer\n  - Inner\n    1. Deep\n"),
            seen: &["Outer", "Inner", "Deep"],
        },
        Element {
            name: "quotation in a quotation",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n> Outer\n>\n> > Inner\n"),
            seen: &["> > Inner"],
        },
        Element {
            name: "picture in the text",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n![Chart](https://x.example/chart.png)\n"),
            seen: &["chart.png"],
        },
        Element {
            name: "link in the text that opens nothing",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n[Run](javascript:nowhere)\n"),
            seen: &["Run", "nowhere"],
        },
        Element {
            name: "things to do",
            formats: MARKDOWN,
            add: |c, _, _| c.body.text.push_str("\n\n- [x] Finished\n- [ ] Unfinished\n"),
            seen: &["Finished", "Unfinished"],
        },
        Element {
            name: "link in HTML",
            formats: HTML,
            add: |c, _, _| c.body.text.push_str("<p><a href=\"https://x.example/html-link\">Read</a></p>"),
            seen: &["Read", "html-link"],
        },
        Element {
            name: "picture in HTML",
            formats: HTML,
            add: |c, _, _| c.body.text.push_str("<img src=\"https://x.example/html.png\" alt=\"Graph\">"),
            seen: &["html.png"],
        },
    ]
}

fn somebody() -> Recipient {
    let addresses = Addresses {
        email: Some("ann@example.com".into()),
        wecom: Some("zhangsan".into()),
        dingtalk: Some("manager4220".into()),
        feishu: Some("ou_7d8a6e6df7621556ce0d21922b676706".into()),
        ..Addresses::default()
    };
    Recipient { addresses, ..Recipient::default() }
}

/// Who gets the message and nobody else sees; only robots mention people in front of others.
fn is_robot(kind: Kind) -> bool {
    matches!(kind, Kind::WecomRobot | Kind::DingtalkRobot | Kind::FeishuRobot)
}

fn said(rendered: &Rendered) -> String {
    // JSON inside of JSON has its quotes escaped; the words are the same.
    let mut said: String = rendered.parts.iter().map(|part| part.payload.to_string()).collect();
    said.extend(rendered.parts.iter().filter_map(|part| part.file).map(|_| "report.pdf"));
    said
}

#[tokio::test]
async fn whatever_a_content_has_is_shown_or_warned_of() {
    let world = World::start(false).await;
    let mut silent = Vec::new();
    for kind in Kind::ALL {
        let channel = Fake::new(&world, kind).channel();
        for Element { name, formats, add, seen } in elements() {
            // A mail's files are no part of its payload: they travel in the mail.
            let in_mail = name == "file" && matches!(kind, Kind::EmailSes | Kind::EmailSmtp);
            if in_mail || name == "mention" && !is_robot(kind) {
                continue;
            }
            for format in formats {
                let bare =
                    Content::new("Base", *format, if *format == Format::Html { "<p>ok</p>" } else { "ok" });
                let mut content = bare.clone();
                let (mut to, mut files) = (Vec::new(), Vec::new());
                add(&mut content, &mut to, &mut files);
                let without = rendered(&*channel, &bare, &[], &[]).unwrap();
                let with = match rendered(&*channel, &content, &to, &files) {
                    Ok(with) => with,
                    // Refused with a reason is not silent.
                    Err(error) => {
                        assert!(!error.detail.is_empty(), "{kind:?} {name}");
                        continue;
                    }
                };
                let words = said(&with);
                let shown = match (name, seen) {
                    ("mention", ids) => ids.iter().any(|id| words.contains(id)),
                    (_, []) => said(&without) != words,
                    (_, seen) => seen.iter().all(|word| words.contains(word)),
                };
                let more: Vec<_> = with.warnings.iter().filter(|w| !without.warnings.contains(w)).collect();
                let warned = more.iter().any(|warning| !warning.detail.is_empty());
                if !shown && !warned {
                    silent.push(format!("{} {} {name}", kind.as_str(), format.as_str()));
                }
            }
        }
    }
    assert!(silent.is_empty(), "lost in silence:\n{}", silent.join("\n"));
}
