//! Words from outside: what a platform tells is short and on one line before any of it is stored.
//!
//! A platform's signature says who calls and nothing about how much it says: the names of events, their details and the
//! reasons of failures are text of any length, and go into the system log and into records that people read.

use mc_core::ports::News;
use serde_json::Value;

/// How many characters the name of an event may have. The longest that a platform documents has about 50.
const LONGEST_NAME: usize = 64;

/// How many characters a text may have, as many as are kept of a platform's answer.
const LONGEST_TEXT: usize = 300;

/// How many bytes the details of an event may have as JSON. More of them is noted by its beginning, as a text.
const LARGEST_DETAILS: usize = 4_096;

/// The same news with bounded words.
///
/// What leads to something else stays as it is: the id of a push, an address, and what a pressed button carries, which the
/// caller gave it and compares.
pub(super) fn tidied(news: News) -> News {
    match news {
        News::Receipt { platform_id, to, state, code, text, at } => {
            let [code, text] = [code, text].map(|words| words.map(|words| line(&words)));
            News::Receipt { platform_id, to, state, code, text, at }
        }
        News::Suppress { address, reason, text } => News::Suppress { address, reason, text: line(&text) },
        News::Other { what, data } => News::Other { what: name(&what), data: details(data) },
        action @ News::Action { .. } => action,
    }
}

/// The name of an event as the part of an entry's type: one word.
fn name(what: &str) -> String {
    let known = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let name: String = what.chars().take(LONGEST_NAME).map(|c| if known(c) { c } else { '_' }).collect();
    if name.is_empty() { "event".to_owned() } else { name }
}

fn line(text: &str) -> String {
    let mut line: String =
        text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        line.push('…');
    }
    line
}

fn details(mut data: Value) -> Value {
    shorten(&mut data);
    let text = data.to_string();
    if text.len() > LARGEST_DETAILS { Value::String(line(&text)) } else { data }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) => *text = line(text),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use mc_core::state::State;
    use serde_json::json;

    use super::*;

    fn other(what: &str, data: Value) -> (String, Value) {
        match tidied(News::Other { what: what.to_owned(), data }) {
            News::Other { what, data } => (what, data),
            news => panic!("{news:?}"),
        }
    }

    #[test]
    fn the_name_of_an_event_is_one_short_word() {
        for name in ["user_modify_org", "im.chat.member.user.added_v1", "TEMPLATESENDJOBFINISH", "关注"] {
            assert_eq!(other(name, json!({})).0, name);
        }
        assert_eq!(other("a\nb c\u{0}d", json!({})).0, "a_b_c_d");
        assert_eq!(other("", json!({})).0, "event");
        assert_eq!(other(&"é".repeat(5_000), json!({})).0, "é".repeat(64));
    }

    #[test]
    fn details_are_short_and_on_one_line() {
        let data = json!({"user": "zhangsan", "list": [{"TemplateId": "t\n1"}], "at": 7});
        let tidy = json!({"user": "zhangsan", "list": [{"TemplateId": "t 1"}], "at": 7});
        assert_eq!(other("x", data).1, tidy);
        let long = other("x", json!({"key": "k".repeat(301)})).1;
        assert_eq!(long, json!({"key": format!("{}…", "k".repeat(300))}));
        let many = other("x", json!({"list": vec!["k"; 10_000]})).1;
        let text = many.as_str().unwrap();
        assert!(text.starts_with(r#"{"list":["k","k""#) && text.chars().count() == 301, "{text}");
    }

    #[test]
    fn the_words_of_a_failure_are_bounded_and_its_id_is_not_touched() {
        let receipt = |id: &str, words: &str| News::Receipt {
            platform_id: id.to_owned(),
            to: None,
            state: State::Failed,
            code: Some(words.to_owned()),
            text: Some(words.to_owned()),
            at: None,
        };
        let id = "i".repeat(400);
        assert_eq!(tidied(receipt(&id, "no\r\nsuch user")), receipt(&id, "no  such user"));
        let cut = format!("{}…", "x".repeat(300));
        assert_eq!(tidied(receipt(&id, &"x".repeat(10_000))), receipt(&id, &cut));
        let suppress =
            |text: &str| News::Suppress { address: "a@b.cn".into(), reason: "bounce", text: text.to_owned() };
        assert_eq!(tidied(suppress(&"x".repeat(10_000))), suppress(&cut));
    }
}
