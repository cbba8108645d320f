//! The events that functions are called with, read without copying where the text allows it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A text that is borrowed from the event unless it had to be unescaped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Names and values in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a>(pub(crate) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("texts by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(24);
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// What comes in: a request through API Gateway (payload format 2.0), or an event through EventBridge.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// A request.
    Request(Box<Request<'a>>),
    /// An event.
    Event(Box<BusEvent<'a>>),
}

/// A request as API Gateway hands it over.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    /// The path, with escapes resolved.
    pub(crate) path: Text<'a>,
    /// The query as it was sent, without `?`.
    pub(crate) query: Text<'a>,
    /// Names in lower case; repeated headers are one, with commas.
    pub(crate) headers: Pairs<'a>,
    /// Cookies, which are not among the headers.
    pub(crate) cookies: Vec<Text<'a>>,
    /// The body.
    pub(crate) body: Text<'a>,
    /// Whether the body is in base64.
    pub(crate) base64: bool,
    /// Where it comes from.
    pub(crate) context: RequestContext<'a>,
}

/// An event as EventBridge hands it over.
#[derive(Debug)]
pub(crate) struct BusEvent<'a> {
    /// Its id, the same on every try.
    pub(crate) id: Text<'a>,
    /// Who says it.
    pub(crate) source: Text<'a>,
    /// What it says.
    pub(crate) detail_type: Text<'a>,
    /// The rest.
    pub(crate) detail: &'a RawValue,
}

/// The members of both, so that an event is read once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow, default)]
    raw_path: Option<Text<'a>>,
    #[serde(borrow, default)]
    raw_query_string: Text<'a>,
    #[serde(borrow, default)]
    headers: Pairs<'a>,
    #[serde(borrow, default)]
    cookies: Vec<Text<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
    #[serde(borrow, default)]
    request_context: Option<RequestContext<'a>>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    source: Text<'a>,
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

impl<'a> Incoming<'a> {
    /// Reads an event; which of the two it is, its members tell. `None`, it is neither.
    pub(crate) fn read(json: &'a str) -> Result<Option<Self>, serde_json::Error> {
        let members: Members<'a> = serde_json::from_str(json)?;
        if let (Some(detail_type), Some(detail)) = (members.detail_type, members.detail) {
            let event = BusEvent { id: members.id, source: members.source, detail_type, detail };
            return Ok(Some(Incoming::Event(Box::new(event))));
        }
        let (Some(path), Some(context)) = (members.raw_path, members.request_context) else {
            return Ok(None);
        };
        let request = Request {
            path,
            query: members.raw_query_string,
            headers: members.headers,
            cookies: members.cookies,
            body: members.body.unwrap_or_default(),
            base64: members.is_base64_encoded,
            context,
        };
        Ok(Some(Incoming::Request(Box::new(request))))
    }
}

/// What API Gateway knows of a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestContext<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub(crate) request_id: Text<'a>,
    /// Method and address.
    #[serde(borrow)]
    pub(crate) http: RequestLine<'a>,
}

/// The method, and who is calling.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestLine<'a> {
    /// The method.
    #[serde(borrow)]
    pub(crate) method: Text<'a>,
    /// The caller's address.
    #[serde(borrow, default)]
    pub(crate) source_ip: Text<'a>,
}

/// What SQS hands over.
#[derive(Debug, Deserialize)]
pub(crate) struct Batch<'a> {
    #[serde(borrow, rename = "Records")]
    pub(crate) records: Vec<BatchRecord<'a>>,
}

/// One message of a queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchRecord<'a> {
    /// By which its failure is named.
    #[serde(borrow)]
    pub(crate) message_id: Text<'a>,
    /// By which it is taken out of the queue.
    #[serde(borrow)]
    pub(crate) receipt_handle: Text<'a>,
    /// What was sent.
    #[serde(borrow)]
    pub(crate) body: Text<'a>,
    /// What SQS knows of it.
    #[serde(borrow)]
    pub(crate) attributes: RecordAttributes<'a>,
}

/// Numbers as texts, as SQS has them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct RecordAttributes<'a> {
    /// How often it was handed out, this time included.
    #[serde(borrow, default)]
    pub(crate) approximate_receive_count: Text<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_events_are_told_apart() {
        let request = r#"{"version":"2.0","rawPath":"/v1/messages","headers":{"host":"h"},
            "requestContext":{"requestId":"r","http":{"method":"GET","sourceIp":"192.0.2.1"}}}"#;
        let Some(Incoming::Request(request)) = Incoming::read(request).unwrap() else { panic!("a request") };
        assert_eq!((&*request.path.0, &*request.context.http.method.0), ("/v1/messages", "GET"));
        assert!(matches!(request.path.0, Cow::Borrowed(_)));
        let event =
            r#"{"version":"0","id":"1","detail-type":"message-center.send","source":"s","detail":{"a": 1}}"#;
        let Some(Incoming::Event(event)) = Incoming::read(event).unwrap() else { panic!("an event") };
        assert_eq!((&*event.id.0, event.detail.get()), ("1", r#"{"a": 1}"#));
        assert!(Incoming::read(r#"{"Records":[]}"#).unwrap().is_none());
    }

    /// The text of a sample event.
    fn sample(name: &str) -> String {
        std::fs::read_to_string(format!("{}/../../events/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn every_sample_is_what_its_function_takes() {
        for name in ["ingest-request", "console-request", "callback-request"] {
            assert!(matches!(Incoming::read(&sample(name)).unwrap(), Some(Incoming::Request(_))), "{name}");
        }
        for name in ["ingest-event", "ingest-transformed", "callback-event", "schedule", "quota"] {
            assert!(matches!(Incoming::read(&sample(name)).unwrap(), Some(Incoming::Event(_))), "{name}");
        }
        for role in crate::role::Role::ALL.iter().filter(|role| role.family().is_some()) {
            let text = sample(role.as_str());
            let batch: Batch<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(batch.records[0].attributes.approximate_receive_count.0, "1");
            assert!(batch.records[0].body.0.contains(r#""t":"deliver.1""#), "{}", role.as_str());
        }
    }
}
