//! What a dry run can find: bodies that do not fit the schemas which the center publishes.

use serde_json::{Map, Value};

use super::collections::Collection;
use crate::client::http::{Client, Failure};

/// The center's OpenAPI document.
pub(super) struct Document(Value);

impl Document {
    /// The one that the center has.
    pub(super) async fn fetch(client: &Client) -> Result<Self, Failure> {
        Ok(Self(client.call("GET", "/openapi.json", None, &[]).await?))
    }

    /// What is wrong with the body of a `PUT`, each with its place and without the value.
    pub(super) fn mistakes(&self, collection: &Collection, body: &Value) -> Vec<String> {
        let path = format!("/v1/{}/{{{}}}", collection.word, collection.key);
        let request = &self.0["paths"][path.as_str()]["put"]["requestBody"];
        let mut found = Vec::new();
        self.check(&request["content"]["application/json"]["schema"], body, "", &mut found);
        found
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = self.behind(schema);
        let types = self.types(schema);
        if !types.is_empty() && !types.iter().any(|kind| is(kind, value)) {
            let words: Vec<&str> = types.iter().map(|kind| called(kind)).collect();
            found.push(format!("{at} is to be {}", words.join(" or ")));
            return;
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            // Choices differ in their types, so the value's type says which one is meant.
            let fits = |choice: &&Value| self.types(self.behind(choice)).iter().any(|kind| is(kind, value));
            if let Some(choice) = choices.iter().find(fits) {
                self.check(choice, value, at, found);
            }
            return;
        }
        if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            found.push(format!("{at} is to be one of {}", words.join(", ")));
        }
        if let (Some(number), Some(least)) = (value.as_f64(), schema["minimum"].as_f64())
            && number < least
        {
            found.push(format!("{at} is to be at least {least}"));
        }
        match value {
            Value::Object(fields) => self.check_fields(schema, fields, at, found),
            Value::Array(items) => {
                if items.is_empty() && schema["minItems"].as_u64().is_some_and(|least| least > 0) {
                    found.push(format!("{at} is not to be empty"));
                }
                for (i, item) in items.iter().enumerate() {
                    self.check(&schema["items"], item, &format!("{at}/{i}"), found);
                }
            }
            _ => {}
        }
    }

    fn check_fields(&self, schema: &Value, fields: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for name in required.iter().filter(|name| !fields.contains_key(**name)) {
            found.push(format!("{at}/{name} is missing"));
        }
        let Some(known) = schema["properties"].as_object() else {
            for (name, value) in fields {
                self.check(&schema["additionalProperties"], value, &format!("{at}/{name}"), found);
            }
            return;
        };
        for (name, value) in fields {
            let at = format!("{at}/{name}");
            match known.get(name) {
                // The document does not say where null stands for nothing, and mostly it does.
                Some(_) if value.is_null() && !required.contains(&name.as_str()) => {}
                Some(inner) => self.check(inner, value, &at, found),
                None => {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    found.push(format!("{at} is not known; there are {}", names.join(", ")));
                }
            }
        }
    }

    /// What a reference stands for.
    fn behind<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                self.0.pointer(reference.trim_start_matches('#')).map_or(&Value::Null, |s| self.behind(s))
            }
            None => schema,
        }
    }

    /// The types that a schema admits; none where it says nothing of them.
    fn types<'a>(&'a self, schema: &'a Value) -> Vec<&'a str> {
        match (&schema["type"], schema["oneOf"].as_array()) {
            (Value::String(one), _) => vec![one.as_str()],
            (Value::Array(several), _) => several.iter().filter_map(Value::as_str).collect(),
            (_, Some(choices)) => choices.iter().flat_map(|choice| self.types(self.behind(choice))).collect(),
            _ => Vec::new(),
        }
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        // A type that is unknown here is for the center to judge.
        _ => true,
    }
}

fn called(kind: &str) -> &str {
    match kind {
        "object" => "a map",
        "array" => "a list",
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "null" => "nothing",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The parts of the center's document that these tests are about.
    fn document() -> Document {
        let alarm = json!({
            "type": "object",
            "required": ["metric", "message"],
            "properties": {
                "metric": {"type": "string", "enum": ["gave_up", "forecast"]},
                "for": {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]},
                "enabled": {"type": "boolean"},
                "channel": {"type": "string"},
                "message": {"$ref": "#/components/schemas/Message"},
            },
        });
        let message = json!({
            "type": "object",
            "properties": {
                "data": {"type": "object", "additionalProperties": {}},
                "to": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            },
        });
        let schema = json!({"$ref": "#/components/schemas/AlarmBody"});
        let put = json!({"requestBody": {"content": {"application/json": {"schema": schema}}}});
        Document(json!({
            "paths": {"/v1/alarms/{name}": {"put": put}},
            "components": {"schemas": {"AlarmBody": alarm, "Message": message}},
        }))
    }

    fn mistakes(body: &Value) -> Vec<String> {
        document().mistakes(Collection::of("alarms").unwrap(), body)
    }

    #[test]
    fn what_fits_has_no_mistakes() {
        let body = json!({
            "metric": "gave_up", "for": "5m", "channel": null,
            "message": {"data": {"anything": [1, null]}, "to": ["@ops"]},
        });
        assert!(mistakes(&body).is_empty());
        assert!(mistakes(&json!({"metric": "forecast", "for": 300, "message": {}})).is_empty());
    }

    #[test]
    fn a_mistake_has_its_place_and_says_what_would_fit() {
        let body = json!({
            "metric": "remaining", "for": -1, "enabled": "yes", "mesage": {},
            "message": {"to": ["@ops", 7], "dta": {}},
        });
        assert_eq!(
            mistakes(&body),
            [
                "/metric is to be one of gave_up, forecast",
                "/for is to be at least 0",
                "/enabled is to be true or false",
                "/mesage is not known; there are metric, for, enabled, channel, message",
                "/message/to/1 is to be a text",
                "/message/dta is not known; there are data, to",
            ]
        );
        assert_eq!(mistakes(&json!({"metric": "forecast"})), ["/message is missing"]);
        let body = json!({"metric": null, "for": true, "message": {"to": []}});
        assert_eq!(
            mistakes(&body),
            [
                "/metric is to be a text",
                "/for is to be a whole number or a text",
                "/message/to is not to be empty",
            ]
        );
    }

    #[test]
    fn what_the_document_does_not_tell_is_for_the_center_to_judge() {
        assert!(document().mistakes(Collection::of("channels").unwrap(), &json!({"x": 1})).is_empty());
    }
}
