//! Which of our values fill which keywords of a platform template, and filling them.

use mc_content::escape_member;
use std::borrow::Cow;

use mc_content::dialect;
use mc_core::model::{Content, Format};
use mc_core::ports::{RenderContext, RenderError, Size, SizeUnit, Warning};
use serde_json::{Map, Value, json};

use super::values::{Table, Wrong};
use crate::fields::Fields;
use crate::robot;

/// One line of the setting `fields`: our name and the keyword it fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) keyword: String,
}

/// Reads the setting `fields`.
pub(crate) fn read(fields: &mut Fields<'_>) -> Vec<Field> {
    let given: Map<String, Value> = fields.or_default("fields");
    let mut read: Vec<Field> = Vec::with_capacity(given.len());
    for (name, keyword) in given {
        let at = format!("fields/{}", escape_member(&name));
        let Some(keyword) = keyword.as_str() else {
            fields.problem(&at, "is the keyword that this value fills, as a text: \"thing1\"");
            continue;
        };
        let good = keyword.starts_with(|c: char| c.is_ascii_alphabetic())
            && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !good {
            fields.problem(&at, "is the keyword alone, like thing1, without {{ and .DATA}}");
        } else if let Some(other) = read.iter().find(|other| other.keyword == keyword) {
            fields.problem(&at, format!("{keyword} is filled by {} already", other.name));
        } else {
            read.push(Field { name, keyword: keyword.to_owned() });
        }
    }
    read
}

/// The `data` of a message.
pub(crate) fn fill(
    fields: &[Field],
    content: &Content,
    context: &RenderContext<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Map<String, Value>, RenderError> {
    let mut data = Map::new();
    let mut joined = Vec::new();
    let mut without_emoji = Vec::new();
    for field in fields {
        let given = find(&field.name, content, context)?;
        let value = clean(&given);
        if value.is_empty() {
            return Err(RenderError::new(
                "empty_field",
                format!(
                    "{} would be empty: {} has nothing to say; WeChat refuses a message with an empty keyword",
                    field.keyword, field.name
                ),
            ));
        }
        if given.trim().contains(['\n', '\r']) {
            joined.push(field.keyword.as_str());
        }
        if given.contains(is_emoji) {
            without_emoji.push(field.keyword.as_str());
        }
        data.insert(field.keyword.clone(), json!({ "value": value }));
    }
    if fields.iter().any(|field| is_body(&field.name)) {
        if content.body.format == Format::Html {
            warnings.extend(robot::html_as_text(content, "WeChat's fields show"));
        }
        warnings.extend(robot::dead_links(&content.body));
    }
    if !joined.is_empty() {
        let detail =
            format!("WeChat shows one line per field; line ends become spaces in {}", joined.join(", "));
        warnings.push(Warning::new("lines_joined", detail));
    }
    if !without_emoji.is_empty() {
        let detail = format!("WeChat shows no emoji; they are left away in {}", without_emoji.join(", "));
        warnings.push(Warning::new("emoji_dropped", detail));
    }
    Ok(data)
}

/// The notes on what a message says and no keyword shows.
pub(crate) fn not_shown(fields: &[Field], content: &Content, files: usize) -> Vec<Warning> {
    let filled = |name: &str| fields.iter().any(|field| field.name == name);
    let mut hidden = Vec::new();
    if !content.title.trim().is_empty() && !filled("title") {
        hidden.push("title".to_owned());
    }
    if !content.body.text.trim().is_empty() && !filled("text") && !filled("body") {
        hidden.push("text".to_owned());
    }
    for fact in &content.facts {
        let label = fact.label.trim();
        let by_label = filled(label) && !is_own(label);
        if !by_label && !filled(&format!("facts.{label}")) {
            let nameless = label.is_empty();
            hidden.push(if nameless {
                "a fact without a label".to_owned()
            } else {
                format!("the fact {label}")
            });
        }
    }
    if content.link_label().is_some() {
        hidden.push("the link's label".to_owned());
    }
    let mut warnings = Vec::new();
    let mut note = |code, count: usize, what: &str| {
        if count > 0 {
            warnings.push(Warning::new(code, format!("{count} {what} left out: fields hold words only")));
        }
    };
    note("button_dropped", content.buttons.len(), "button(s)");
    note("image_dropped", usize::from(content.image.is_some()), "picture");
    note("file_dropped", files, "file(s)");
    warnings.extend(robot::colourless(content));
    if !hidden.is_empty() {
        let detail = format!("the channel's fields have no keyword for {}", hidden.join(", "));
        warnings.push(Warning::new("not_shown", detail));
    }
    warnings
}

/// Checks every value of a payload, whoever put it there; the size is that of the fullest field.
pub(crate) fn check(table: Table, payload: &Value, fields: &[Field]) -> Result<Size, RenderError> {
    let refuse = |code, detail: String| Err(RenderError::new(code, detail));
    let Some(data) = payload.get("data").and_then(Value::as_object).filter(|data| !data.is_empty()) else {
        let detail = "data is an object of keywords, each {\"value\": \"…\"}";
        return refuse("bad_override", detail.to_owned()).map_err(|error| error.at("data"));
    };
    let mut fullest = (0, 20);
    for (keyword, member) in data {
        let from = fields.iter().find(|field| field.keyword == *keyword);
        let from = from.map(|field| format!(" (filled by {})", field.name)).unwrap_or_default();
        let Some(value) = member.get("value").and_then(Value::as_str) else {
            let place = format!("data/{}", escape_member(keyword));
            let detail = format!("data.{keyword} is {{\"value\": \"…\"}} with a text");
            return refuse("bad_override", detail).map_err(|error| error.at(place));
        };
        match table.check(keyword, value) {
            Ok((used, Some(longest))) if used * fullest.1 > fullest.0 * longest => fullest = (used, longest),
            Ok(_) => {}
            Err(Wrong::TooLong(used, longest)) => {
                let detail = format!(
                    "{keyword}{from} holds {used} characters and WeChat takes {longest}; shorten the value or fill another keyword"
                );
                return refuse("too_large", detail);
            }
            Err(Wrong::Form(form)) => {
                let detail = format!("{keyword}{from} holds something else than WeChat takes there: {form}");
                return refuse("bad_field", detail);
            }
        }
    }
    Ok(Size { used: fullest.0, allowed: fullest.1, unit: SizeUnit::Characters })
}

/// What a payload says, a line per keyword.
pub(crate) fn lines(payload: &Value) -> String {
    let data = payload.get("data").and_then(Value::as_object);
    let lines = data.into_iter().flatten().map(|(keyword, member)| {
        format!("{keyword}: {}", member.get("value").and_then(Value::as_str).unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_body(name: &str) -> bool {
    matches!(name, "text" | "body")
}

/// Whether a name always means the content's own, whatever its facts are called.
fn is_own(name: &str) -> bool {
    is_body(name) || matches!(name, "title" | "url")
}

/// The value behind one of our names.
///
/// `title`, `text` (or `body`) and `url` are the content's own. `facts.…`, `data.…` and `params.…` say where to look;
/// any other name is the label of a fact, or else a value in `data`.
fn find<'a>(
    name: &str,
    content: &'a Content,
    context: &RenderContext<'a>,
) -> Result<Cow<'a, str>, RenderError> {
    let fact = |label: &str| {
        let fact = content.facts.iter().find(|fact| fact.label.trim() == label);
        fact.map(|fact| Cow::Borrowed(fact.value.as_str()))
    };
    let found = match name.split_once('.') {
        _ if name == "title" => Some(Cow::Borrowed(content.title.as_str())),
        _ if is_body(name) => Some(Cow::Owned(dialect::text(&content.body))),
        _ if name == "url" => content.url.as_deref().map(Cow::Borrowed),
        Some(("facts", label)) => fact(label),
        Some(("data", path)) => value_at(context.data, path).transpose()?,
        Some(("params", path)) => value_at(context.params, path).transpose()?,
        _ => match fact(name) {
            Some(value) => Some(value),
            None => value_at(context.data, name).transpose()?,
        },
    };
    found.ok_or_else(|| {
        RenderError::new(
            "missing_field",
            format!("the channel fills a keyword from {name}, and the message has neither a fact nor a value of that name"),
        )
    })
}

/// The text of a value, dots leading inside; `None` if it is not there or null.
fn value_at<'a>(values: &'a Map<String, Value>, path: &str) -> Option<Result<Cow<'a, str>, RenderError>> {
    let mut steps = path.split('.');
    let first = values.get(steps.next()?)?;
    let value = steps.try_fold(first, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(Ok(Cow::Borrowed(text))),
        Value::Bool(_) | Value::Number(_) => Some(Ok(Cow::Owned(value.to_string()))),
        Value::Array(_) | Value::Object(_) => Some(Err(RenderError::new(
            "bad_field",
            format!("{path} is a list or an object; a keyword is filled by a text or a number"),
        ))),
    }
}

/// One line without what WeChat would drop or refuse.
fn clean(text: &str) -> String {
    let shown: String = text
        .chars()
        .filter(|c| !is_emoji(*c))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    let mut line = String::with_capacity(shown.len());
    for word in shown.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Pictures, and what turns a sign into one.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{2B50}' | '\u{2B55}' | '\u{FE0F}' | '\u{200D}' | '\u{20E3}')
}

#[cfg(test)]
mod tests {
    use mc_core::id::MessageId;
    use mc_core::model::Fact;

    use super::*;

    fn filled(mapping: Value, content: &Content) -> Result<(Map<String, Value>, Vec<String>), RenderError> {
        let data =
            json!({"order": {"no": "A-1", "items": [{"n": 3}]}, "paid": true, "订单": "data", "gone": null});
        let params = json!({"shop": "Tea & Co"});
        let context = RenderContext {
            project: "default",
            message: "msg_01HF7YAT31000000000000001A".parse::<MessageId>().unwrap(),
            delivery: "dlv_1",
            to: &[],
            data: data.as_object().unwrap(),
            params: params.as_object().unwrap(),
            overrides: None,
            files: &[],
        };
        let settings = json!({ "fields": mapping });
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        let read = read(&mut fields);
        assert_eq!(fields.finish(), []);
        let mut warnings = Vec::new();
        let data = fill(&read, content, &context, &mut warnings)?;
        let values = data.into_iter().map(|(keyword, member)| (keyword, member["value"].clone())).collect();
        Ok((values, warnings.into_iter().map(|warning| warning.code.into_owned()).collect()))
    }

    fn content() -> Content {
        let fact = |label: &str, value: &str| Fact { label: label.into(), value: value.into() };
        Content {
            url: Some("https://x.example/".into()),
            facts: vec![fact("环境", "prod"), fact("订单", "fact"), fact("title", "a fact called title")],
            ..Content::new("Paid", Format::Markdown, "**Thank** you")
        }
    }

    #[test]
    fn names_lead_to_values() {
        let mapping = json!({
            "title": "thing1", "text": "thing2", "url": "thing3", "环境": "thing4", "订单": "thing5",
            "data.订单": "thing6", "data.order.no": "thing7", "order.items.0.n": "number8", "paid": "thing9",
            "params.shop": "thing10", "facts.title": "thing11",
        });
        let (values, warnings) = filled(mapping, &content()).unwrap();
        let expected = json!({
            "thing1": "Paid", "thing2": "Thank you", "thing3": "https://x.example/", "thing4": "prod",
            "thing5": "fact", "thing6": "data", "thing7": "A-1", "number8": "3", "thing9": "true",
            "thing10": "Tea & Co", "thing11": "a fact called title",
        });
        assert_eq!(Value::Object(values), expected);
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for (name, code) in [
            ("nothing", "missing_field"),
            ("data.order.nothing", "missing_field"),
            ("data.gone", "missing_field"),
            ("facts.nothing", "missing_field"),
            ("data.order", "bad_field"),
        ] {
            let error = filled(json!({ name: "thing1" }), &content()).unwrap_err();
            assert_eq!(error.code, code, "{name}");
            assert!(error.detail.contains(name.trim_start_matches("data.")), "{}", error.detail);
        }
        let empty = Content::new("🎉", Format::Text, "x");
        assert_eq!(filled(json!({"title": "thing1"}), &empty).unwrap_err().code, "empty_field");
    }

    #[test]
    fn what_wechat_would_drop_in_silence_is_said() {
        let content = Content::new("ok ✅", Format::Html, "<p>one</p><p>two</p>");
        let (values, warnings) = filled(json!({"title": "thing1", "body": "thing2"}), &content).unwrap();
        assert_eq!(Value::Object(values), json!({"thing1": "ok", "thing2": "one two"}));
        assert_eq!(warnings, ["html_as_text", "lines_joined", "emoji_dropped"]);
    }

    #[test]
    fn what_no_keyword_shows_is_said() {
        let field = |name: &str| Field { name: name.into(), keyword: "thing1".into() };
        let notes = |fields: &[Field], content: &Content, files| {
            let notes = not_shown(fields, content, files);
            notes.into_iter().map(|note| (note.code.into_owned(), note.detail)).collect::<Vec<_>>()
        };
        let names = ["title", "body", "环境", "facts.订单", "facts.title"].map(field);
        assert_eq!(notes(&names, &content(), 0), []);
        let image = Some("https://x.example/a.png".to_owned());
        let found = notes(&[field("text"), field("环境")], &Content { image, ..content() }, 2);
        let codes: Vec<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes, ["image_dropped", "file_dropped", "not_shown"]);
        assert!(found[2].1.ends_with("title, the fact 订单, the fact title"), "{}", found[2].1);
        let nameless = Fact { label: " ".into(), value: "alone".into() };
        let facts = vec![nameless, Fact { label: "title".into(), value: "x".into() }];
        let found = notes(&[field("title"), field("text")], &Content { facts, ..content() }, 0);
        assert!(
            found[0].1.ends_with("no keyword for a fact without a label, the fact title"),
            "{}",
            found[0].1
        );
        let url_label = Some("See it".to_owned());
        let found = notes(&names, &Content { url_label, ..content() }, 0);
        assert_eq!((found.len(), found[0].0.as_str()), (1, "not_shown"));
        assert!(found[0].1.ends_with("the link's label"), "{}", found[0].1);
        assert_eq!(notes(&[], &Content::new(" ", Format::Text, ""), 0), []);
    }

    #[test]
    fn the_fullest_field_is_the_size() {
        let fields = [Field { name: "text".into(), keyword: "thing2".into() }];
        let payload = |thing: &str| json!({"data": {"thing2": {"value": thing}, "character_string1": {"value": "A-1"}}});
        let size = check(Table::Official, &payload("0123456789"), &fields).unwrap();
        assert_eq!((size.used, size.allowed), (10, 20));
        let error = check(Table::Official, &payload(&"x".repeat(21)), &fields).unwrap_err();
        assert_eq!(error.code, "too_large");
        assert!(error.detail.starts_with("thing2 (filled by text) holds 21 characters"), "{}", error.detail);
        for payload in [json!({}), json!({"data": {}}), json!({"data": {"thing1": "x"}})] {
            assert_eq!(check(Table::Official, &payload, &[]).unwrap_err().code, "bad_override", "{payload}");
        }
    }

    #[test]
    fn a_mapping_is_read_with_its_problems() {
        let settings = json!({"fields": {"a": "thing1", "b": "thing1", "c": "{{thing2.DATA}}", "d/e": 5}});
        let mut fields = Fields::new("/settings", settings.as_object().unwrap());
        read(&mut fields);
        let problems: Vec<_> = fields.finish().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(problems, ["/settings/fields/b", "/settings/fields/c", "/settings/fields/d~1e"]);
    }
}
