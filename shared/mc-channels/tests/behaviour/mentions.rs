//! Whom a message mentions follows from `to`: what a value says mentions nobody, wherever it stands.

use mc_content::{CompiledTemplate, Library, Target};
use mc_core::model::{ButtonTemplate, Content, FactTemplate, Format, Kind, TemplateBody};
use mc_testkit::channel::Harness;
use serde_json::{Map, Value, json};

use crate::fakes::Fake;
use crate::suite::rendered;
use crate::world::World;

/// The kinds whose platforms find mentions inside of a text, and how one begins there. DingTalk mentions only whom a
/// block beside the text names.
const KINDS: [(Kind, &[&str]); 6] = [
    (Kind::WecomRobot, &["<@"]),
    (Kind::DingtalkApp, &[]),
    (Kind::DingtalkRobot, &[]),
    (Kind::FeishuApp, &["<at"]),
    (Kind::FeishuRobot, &["<at"]),
    (Kind::Slack, &["<@", "<!"]),
];

/// Mentions as some platform or other writes them.
const VALUES: [&str; 12] = [
    "<@all>",
    "<@zhangsan>",
    "a<@all>b",
    "<<@all>>",
    "@13800000000",
    "@all",
    "<at id=all></at>",
    "<at user_id=\"all\">all</at>",
    "<AT id=ou_7d8a6e6df7621556ce0d21922b676706></AT>",
    "<!channel>",
    "<@U1234567>",
    "<!subteam^S1234567>",
];

/// A content with the value in every place that a template has.
fn everywhere(kind: Kind, format: Format, value: &str) -> Content {
    let body = match format {
        Format::Text => "{{ v }} and {{ v }}",
        Format::Markdown => {
            "# {{ v }}\n\n{{ v }} **{{ v }}** `{{ v }}` [{{ v }}](https://x.example)\n\n- {{ v }}\n\n\
             | {{ v }} |\n|---|\n| {{ v }} |\n\n```\n{{ v }}\n```\n"
        }
        Format::Html => "<p>{{ v }}</p><pre>{{ v }}</pre>",
    };
    let template = TemplateBody {
        title: "{{ v }}".to_owned(),
        body: body.to_owned(),
        format,
        facts: vec![FactTemplate { label: "{{ v }}".to_owned(), value: "{{ v }}".to_owned() }],
        buttons: vec![ButtonTemplate {
            text: "{{ v }}".to_owned(),
            url: "https://x.example/b".to_owned(),
            action: String::new(),
        }],
        ..TemplateBody::default()
    };
    let values = Map::from_iter([("v".to_owned(), json!(value))]);
    let compiled = CompiledTemplate::compile(&template, &Library::new()).unwrap();
    compiled.render(Target { kind, channel: None }, &values, &Map::new()).unwrap()
}

/// Every text that the platform looks for mentions in.
fn read_for_mentions(payload: &Value, texts: &mut Vec<String>) {
    match payload {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // Feishu's apps carry their content as JSON inside of JSON.
            Ok(inner @ Value::Object(_)) => read_for_mentions(&inner, texts),
            _ => texts.push(text.clone()),
        },
        Value::Array(items) => items.iter().for_each(|item| read_for_mentions(item, texts)),
        // Slack and Feishu show these as they are.
        Value::Object(members) if members.get("type") == Some(&json!("plain_text")) => {}
        Value::Object(members) if members.get("tag") == Some(&json!("plain_text")) => {}
        Value::Object(members) => members.values().for_each(|member| read_for_mentions(member, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn no_value_mentions_anybody_in_any_dialect() {
    let world = World::start(false).await;
    for (kind, marks) in KINDS {
        let channel = Fake::new(&world, kind).channel();
        for format in [Format::Text, Format::Markdown, Format::Html] {
            for value in VALUES {
                let content = everywhere(kind, format, value);
                let rendered = rendered(&*channel, &content, &[], &[]).unwrap();
                let mut texts = Vec::new();
                for part in &rendered.parts {
                    assert!(part.payload.get("at").is_none(), "{kind:?} {format:?} {value}");
                    read_for_mentions(&part.payload, &mut texts);
                }
                let all = texts.join("\n").to_lowercase();
                for mark in marks {
                    assert!(!all.contains(*mark), "{kind:?} {format:?} {value:?}: {all}");
                }
                // Escapes are seen as the signs they stand for.
                let unescaped = all.split('&').map(|part| match part.split_once(';') {
                    Some((escape, rest)) if escape.len() < 6 => rest,
                    _ => part,
                });
                let words =
                    |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect() };
                let (seen, said) = (words(&unescaped.collect::<String>()), words(&value.to_lowercase()));
                assert!(seen.contains(&said), "{kind:?} {format:?} {value:?} is gone: {all}");
            }
        }
    }
}
