//! The body of `POST /v1/messages`, and how it is read so that a mistake names its field.

use std::fmt;

use mc_content::{FieldError, escape_member, words};
use mc_core::Timestamp;
use mc_core::model::{Addresses, Condition, InlineContent, Priority, Recipient, Routing, or_default};
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Refusal;

/// A request to send. Null in the place of a field that may be left out is no field.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// The template's name; exactly one of `template` and `content`.
    pub template: Option<String>,
    /// Literal content.
    pub content: Option<InlineContent>,
    /// The values.
    #[serde(default, deserialize_with = "or_default")]
    pub data: Map<String, Value>,
    /// The recipients.
    #[serde(default, deserialize_with = "or_default")]
    pub to: Vec<To>,
    /// Which channels; else the template's.
    pub routing: Option<Routing>,
    /// Merge patches on native payloads, by channel.
    #[serde(default, deserialize_with = "or_default")]
    pub overrides: Map<String, Value>,
    /// Files.
    #[serde(default, deserialize_with = "or_default")]
    pub attachments: Vec<AttachmentIn>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Not after.
    pub expire_at: Option<Timestamp>,
    /// Who may overtake whom.
    #[serde(default, deserialize_with = "or_default")]
    pub priority: Priority,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// What is asked before it is sent.
    pub condition: Option<Condition>,
    /// Show what would be sent, and send nothing.
    #[serde(default, deserialize_with = "or_default")]
    pub dry_run: bool,
    /// The planned time of the run of a schedule that it is, as its template sees it.
    #[serde(skip)]
    pub scheduled_at: Option<String>,
}

/// A file that comes with a message.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentIn {
    /// The name the reader sees.
    pub filename: String,
    /// The media type.
    #[serde(default = "octet_stream", deserialize_with = "media_type")]
    pub content_type: String,
    /// The bytes in base64; exactly one of `content` and `url`.
    pub content: Option<String>,
    /// Where to fetch them when the message is sent.
    pub url: Option<String>,
}

fn octet_stream() -> String {
    "application/octet-stream".to_owned()
}

fn media_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_else(octet_stream))
}

/// One entry of `to`.
#[derive(Clone, Debug)]
pub enum To {
    /// A contact, maybe with values of its own.
    Contact {
        /// Its id.
        id: String,
        /// Its own values.
        data: Option<Map<String, Value>>,
    },
    /// A group, by its name without the `@`.
    Group(String),
    /// An address, maybe with values of its own.
    Person(Recipient),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    contact: Option<String>,
    email: Option<String>,
    mobile: Option<String>,
    wecom: Option<String>,
    dingtalk: Option<String>,
    wechat: Option<String>,
    feishu: Option<String>,
    data: Option<Map<String, Value>>,
}

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ToVisitor;

        impl<'de> Visitor<'de> for ToVisitor {
            type Value = To;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a contact id, \"@group\", or an address like {\"email\": \"a@b.c\"}")
            }

            fn visit_str<E>(self, name: &str) -> Result<To, E> {
                Ok(match name.strip_prefix('@') {
                    Some(group) => To::Group(group.to_owned()),
                    None => To::Contact { id: name.to_owned(), data: None },
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<To, A::Error> {
                let person = Person::deserialize(MapAccessDeserializer::new(map))?;
                let Person { contact, email, mobile, wecom, dingtalk, wechat, feishu, data } = person;
                let addresses = Addresses { email, mobile, wecom, dingtalk, wechat, feishu };
                match (contact, addresses == Addresses::default()) {
                    (Some(id), true) => Ok(To::Contact { id, data }),
                    (Some(_), false) => Err(serde::de::Error::custom(
                        "a contact brings its own addresses; give one or the other",
                    )),
                    (None, true) => Err(serde::de::Error::custom(
                        "an address is one of email, mobile, wecom, dingtalk, wechat, feishu; or name a contact",
                    )),
                    (None, false) => Ok(To::Person(Recipient { addresses, data, ..Recipient::default() })),
                }
            }
        }

        deserializer.deserialize_any(ToVisitor)
    }
}

/// Reads a JSON object; a mistake is named by its place.
///
/// The quick way comes first; only a body with a mistake is read a second time to find out where it is.
pub fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Refusal> {
    // A derived reader would also take the fields' values as a list, which nobody means.
    if body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Refusal::field("invalid_request", "", "is a list, but must be an object"));
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(quick) => Err(explain::<T>(body, quick)),
    }
}

fn explain<'de, T: Deserialize<'de>>(body: &'de [u8], quick: serde_json::Error) -> Refusal {
    if body.is_empty() {
        return Refusal::field("invalid_json", "", "the body is empty; send a JSON object");
    }
    if std::str::from_utf8(body).is_err() {
        return Refusal::field("invalid_json", "", "the body is not UTF-8");
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let (mut pointer, error) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => (String::new(), quick),
        Err(error) => (pointer_of(error.path()), error.into_inner()),
    };
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let bare = text.strip_suffix(position.as_str()).unwrap_or(&text);
    if error.is_data() {
        let (field, detail) = words::plain(bare);
        if let Some(field) = field {
            pointer.push_str(&format!("/{}", escape_member(field)));
        }
        return Refusal::field("invalid_request", pointer, detail);
    }
    // The reader also calls it a fault of the text when it meets a value that it cannot take.
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Refusal::field("invalid_request", pointer, words::of_unreadable(bare));
    }
    let detail = format!("{}{position}", words::of_syntax(bare));
    Refusal::Invalid {
        code: "invalid_json",
        detail: format!("the body is not JSON: {detail}"),
        errors: vec![FieldError { pointer, detail }],
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape_member(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> (&'static str, String) {
        match read::<SendRequest>(body.as_bytes()) {
            Err(Refusal::Invalid { code, errors, .. }) => (code, errors[0].pointer.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mistake_is_named_by_its_place() {
        assert_eq!(refusal(r#"{"to":[{"email":1}]}"#), ("invalid_request", "/to/0/email".into()));
        assert_eq!(refusal(r#"{"to":[{"phone":"1"}]}"#), ("invalid_request", "/to/0/phone".into()));
        assert_eq!(refusal(r#"{"tags":"x"}"#), ("invalid_request", "/tags".into()));
        assert_eq!(refusal(r#"{"priority":"urgent"}"#), ("invalid_request", "/priority".into()));
        assert_eq!(refusal(r#"{"send_at":"tomorrow"}"#), ("invalid_request", "/send_at".into()));
        assert_eq!(refusal(r#"{"tmeplate":"x"}"#), ("invalid_request", "/tmeplate".into()));
        assert_eq!(refusal("").0, "invalid_json");
        assert_eq!(refusal(" []"), ("invalid_request", String::new()));
        assert_eq!(refusal("{").0, "invalid_json");
        assert_eq!(refusal(&"[".repeat(10_000)).0, "invalid_request");
        let deep = format!(r#"{{"data":{{"a":{}{}}}}}"#, "[".repeat(500), "]".repeat(500));
        let (code, pointer) = refusal(&deep);
        assert!(code == "invalid_request" && pointer.starts_with("/data/a/0/0"), "{code} {pointer}");
    }

    fn detail(body: &str) -> String {
        match read::<SendRequest>(body.as_bytes()) {
            Err(Refusal::Invalid { detail, .. }) => detail,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mistake_is_told_in_plain_words_that_stand_by_themselves() {
        for (body, wanted) in [
            (r#"{"to":[{"email":1}]}"#, "/to/0/email is 1, but must be a text"),
            (r#"{"data":7}"#, "/data is 7, but must be an object"),
            (r#"{"priority":"urgent"}"#, "/priority must be one of high, normal, bulk, not \"urgent\""),
            (
                r#"{"routing":{"mode":"any","channels":[]}}"#,
                "/routing/mode must be all or first, not \"any\"",
            ),
            (r#"{"routing":{}}"#, "/routing/channels is required"),
            (r#"{"attachments":[{"url":"x"}]}"#, "/attachments/0/filename is required"),
            (r#"{"reference":"a","reference":"b"}"#, "/reference is given twice"),
            (r#"{"content":["title"]}"#, "/content is a list, but must be an object"),
            ("null", "the body is null, but must be an object"),
            ("[]", "the body is a list, but must be an object"),
            (r#"{"data":{"n":1e999}}"#, "/data/n is a number that is too large"),
            ("{", "the body is not JSON: it ends in the middle of an object at line 1 column 1"),
        ] {
            assert_eq!(detail(body), wanted, "{body}");
        }
        let broken = "the body is not JSON: expected true, false or null at line 2 column";
        assert!(detail("{\n\"to\": nul}").starts_with(broken));
        assert!(
            detail(r#"{"tmeplate":"x"}"#).starts_with("/tmeplate is unknown; the fields here are template,")
        );
        assert!(detail(r#"{"to":[7]}"#).starts_with("/to/0 is 7, but must be a contact id,"));
        assert!(detail(r#"{"send_at":"soon"}"#).starts_with("/send_at must be a time with an offset"));
    }

    #[test]
    fn another_value_in_the_place_of_a_word_is_a_mistake_like_any_other() {
        for value in ["5", "[]", "{}", "true", r#"{"high":1}"#, r#"{"high":null,"bulk":null}"#] {
            let body = format!(r#"{{"priority":{value}}}"#);
            assert_eq!(refusal(&body), ("invalid_request", "/priority".into()), "{body}");
            assert_eq!(detail(&body), "/priority must be a text");
        }
        let body = r#"{"content":{"body":"b","format":5}}"#;
        assert_eq!(refusal(body), ("invalid_request", "/content/format".into()));
        assert_eq!(refusal(r#"{"priority":5"#).0, "invalid_json", "unless the body breaks off");
    }

    #[test]
    fn null_is_a_field_that_was_left_out() {
        let body = r#"{"template":null,"content":null,"data":null,"to":null,"routing":null,"overrides":null,
            "attachments":null,"send_at":null,"expire_at":null,"priority":null,"reference":null,"tags":null,
            "condition":null,"dry_run":null}"#;
        let request: SendRequest = read(body.as_bytes()).unwrap();
        assert!(request.data.is_empty() && request.to.is_empty() && request.tags.is_empty());
        assert_eq!((request.priority, request.dry_run), (Priority::Normal, false));
        let file = r#"{"attachments":[{"filename":"a","content_type":null,"content":null,"url":"u"}]}"#;
        let request: SendRequest = read(file.as_bytes()).unwrap();
        assert_eq!(request.attachments[0].content_type, "application/octet-stream");
    }

    #[test]
    fn the_smallest_request_is_read() {
        let request: SendRequest =
            read(br#"{"template":"t","to":["@ops",{"email":"a@b.c","data":{"x":1}}]}"#).unwrap();
        assert!(matches!(&request.to[0], To::Group(name) if name == "ops"));
        assert!(matches!(&request.to[1], To::Person(p) if p.data.is_some()));
    }

    #[test]
    fn a_contact_is_named_alone_or_with_its_own_values() {
        let request: SendRequest =
            read(br#"{"template":"t","to":["u1",{"contact":"u2","data":{"x":1}}]}"#).unwrap();
        assert!(matches!(&request.to[0], To::Contact { id, data: None } if id == "u1"));
        assert!(matches!(&request.to[1], To::Contact { id, data: Some(_) } if id == "u2"));
        assert_eq!(refusal(r#"{"to":[{"contact":"u","email":"a@b.c"}]}"#).1, "/to/0");
        assert_eq!(refusal(r#"{"to":[{"data":{}}]}"#).1, "/to/0");
    }
}
