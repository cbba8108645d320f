//! The OpenAPI document: complete, kept as a snapshot, and kept to.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::app::{Answer, App, As};

/// The document, ready to hold answers to.
pub struct Document {
    json: Value,
}

impl Document {
    pub fn new() -> Self {
        let mut json = serde_json::to_value(mc_api::openapi::document()).unwrap();
        close(&mut json["components"]["schemas"]);
        Self { json }
    }

    /// Panics when an answer is not as the document says.
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let whose = format!("{method} {path} {}: {}", answer.status, answer.text);
        let media = answer.header("content-type");
        // This one is seen by people, who get a page.
        let is_page = path == "/v1/unsubscribe" && answer.status == 404;
        if answer.status >= 400 && !is_page {
            assert_eq!(media, "application/problem+json", "{whose}");
            assert_eq!(answer.json["status"], answer.status, "{whose}");
            self.check_schema(&json!({"$ref": "#/components/schemas/Problem"}), answer, &whose);
        }
        let Some(operation) = self.operation(method, path) else {
            assert!(matches!(answer.status, 404 | 405), "not in the document: {whose}");
            return;
        };
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "a status that is not in the document: {whose}");
        if answer.status < 400 || is_page {
            let content = response["content"].as_object();
            let essence = media.split(';').next().unwrap_or_default();
            let answered = |(declared, _): &(&String, &Value)| essence == declared.as_str();
            let first = content.and_then(|content| content.iter().next());
            match content.and_then(|content| content.iter().find(answered)).or(first) {
                None => assert_eq!(answer.text, "", "{whose}"),
                Some((declared, content)) => {
                    let fits = declared == "*/*" || media.starts_with(declared.as_str());
                    assert!(fits, "{media} instead of {declared}: {whose}");
                    if declared == "application/json" {
                        self.check_schema(&content["schema"], answer, &whose);
                    }
                }
            }
        }
    }

    fn check_schema(&self, schema: &Value, answer: &Answer, whose: &str) {
        let mut schema = schema.clone();
        close(&mut schema);
        schema["components"] = self.json["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.json).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?} in {whose}");
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let fits = |template: &str| {
            let (mut t, mut p) = (template.split('/'), path.split('/'));
            loop {
                match (t.next(), p.next()) {
                    (None, None) => return true,
                    (Some(t), Some(p)) if t == p || (t.starts_with('{') && !p.is_empty()) => {}
                    _ => return false,
                }
            }
        };
        let paths = self.json["paths"].as_object().unwrap();
        // A path without variable parts goes before one with.
        let found = paths.get(path).or_else(|| paths.iter().find(|(t, _)| fits(t)).map(|(_, item)| item));
        found?.get(method.to_lowercase())
    }
}

/// Forbids what a schema does not name, so that an answer shows nothing the document does not tell.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && !object.contains_key("additionalProperties") {
                object.insert("additionalProperties".to_owned(), false.into());
            }
            object.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Every operation of the document as `METHOD path`.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation.as_object().unwrap())
        })
    })
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let document = serde_json::to_value(mc_api::openapi::document()).unwrap();
    let documented: BTreeSet<String> = operations(&document).map(|(name, _)| name).collect();
    let routed: BTreeSet<String> =
        mc_api::routes::all().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, routed);
}

#[test]
fn every_operation_says_what_a_client_needs() {
    let document = serde_json::to_value(mc_api::openapi::document()).unwrap();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name} has no summary");
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{name}: its operationId is not its own"
        );
        let security = operation["security"].as_array().unwrap();
        let open = matches!(name.as_str(), "GET /healthz" | "GET /openapi.json" | "POST /v1/session")
            || name.contains("/v1/callbacks/")
            || name.ends_with(" /v1/unsubscribe");
        assert_eq!(security.is_empty(), open, "{name}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name} has no good answer");
        assert!(open || responses.contains_key("401"), "{name} cannot be refused");
        for part in name.split('{').skip(1) {
            let part = part.split('}').next().unwrap();
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.iter().any(|p| p["name"] == part && p["in"] == "path"), "{name}: {part}");
        }
    }
    for scheme in ["sigv4", "basic", "bearer", "cookie"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object(), "{scheme}");
    }
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(mc_api::openapi::document()).unwrap();
    let mut references = BTreeSet::new();
    walk(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// This file is served, and the console's types are made from it. `UPDATE=1 cargo test -p mc-api` writes it anew.
#[test]
fn the_snapshot_is_the_document() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let mut document = serde_json::to_string_pretty(&mc_api::openapi::document()).unwrap();
    document.push('\n');
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &document).unwrap();
    }
    let snapshot = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        snapshot == document,
        "shared/mc-api/openapi.json is not the document any more; run with UPDATE=1"
    );
}

#[tokio::test]
async fn everybody_may_read_it() {
    let app = App::new().await;
    let answer = app.call("GET", "/openapi.json").by(&As::Nobody).send().await.is(200);
    assert_eq!(answer.json["info"]["title"], "Message Center");
}
