//! The body of `POST /v1/messages`, and how it is read so that a mistake names its field.

use std::fmt;

use mc_content::FieldError;
use mc_core::Timestamp;
use mc_core::model::{Addresses, Condition, InlineContent, Priority, Recipient, Routing};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Refusal;

/// A request to send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// The template's name; exactly one of `template` and `content`.
    pub template: Option<String>,
    /// Literal content.
    pub content: Option<InlineContent>,
    /// The values.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// The recipients.
    #[serde(default)]
    pub to: Vec<To>,
    /// Which channels; else the template's.
    pub routing: Option<Routing>,
    /// Merge patches on native payloads, by channel.
    #[serde(default)]
    pub overrides: Map<String, Value>,
    /// Files.
    #[serde(default)]
    pub attachments: Vec<AttachmentIn>,
    /// Not before.
    pub send_at: Option<Timestamp>,
    /// Not after.
    pub expire_at: Option<Timestamp>,
    /// Who may overtake whom.
    #[serde(default)]
    pub priority: Priority,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What is asked before it is sent.
    pub condition: Option<Condition>,
    /// Show what would be sent, and send nothing.
    #[serde(default)]
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
    #[serde(default = "octet_stream")]
    pub content_type: String,
    /// The bytes in base64; exactly one of `content` and `url`.
    pub content: Option<String>,
    /// Where to fetch them when the message is sent.
    pub url: Option<String>,
}

fn octet_stream() -> String {
    "application/octet-stream".to_owned()
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
        return Err(Refusal::field("invalid_request", "", "expected a JSON object, not a list"));
    }
    match serde_json::from_slice(body) {
        Ok(value) => Ok(value),
        Err(quick) => Err(explain::<T>(body, &quick)),
    }
}

fn explain<'de, T: Deserialize<'de>>(body: &'de [u8], quick: &serde_json::Error) -> Refusal {
    if body.is_empty() {
        return Refusal::field("invalid_json", "", "the body is empty; send a JSON object");
    }
    if std::str::from_utf8(body).is_err() {
        return Refusal::field("invalid_json", "", "the body is not UTF-8");
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let (pointer, error) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => (String::new(), quick.to_string()),
        Err(error) => (pointer_of(error.path()), error.inner().to_string()),
    };
    match quick.classify() {
        serde_json::error::Category::Data => Refusal::Invalid {
            code: "invalid_request",
            detail: error.clone(),
            errors: vec![FieldError { pointer, detail: error }],
        },
        _ => Refusal::Invalid {
            code: "invalid_json",
            detail: format!("the body is not JSON: {error}"),
            errors: vec![FieldError { pointer, detail: error }],
        },
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// Escapes a name for a JSON pointer (RFC 6901).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
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
        assert_eq!(refusal(&deep).0, "invalid_json");
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
