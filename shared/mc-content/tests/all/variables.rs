//! The declared variables of a template, held to a validator of the whole standard.

use jsonschema::PatternOptions;
use mc_content::{CompiledTemplate, FieldError, Library};
use serde_json::{Map, Value, json};

use crate::object;

fn declare(variables: &Value) -> Result<CompiledTemplate, Vec<FieldError>> {
    let template = json!({"body": "", "variables": variables});
    CompiledTemplate::compile(&serde_json::from_value(template).expect("a template"), &Library::new())
}

/// What is wrong with a declaration.
fn refused(variables: &Value) -> Vec<FieldError> {
    declare(variables).map(|_| variables).expect_err("refused")
}

/// Schemas of one value, and values to try with each of them.
fn table() -> Vec<(Value, Vec<Value>)> {
    let all = || {
        let texts = ["", "a", "ab", "abc", "告警", "a1", "2026-12-01"].map(Value::from);
        let numbers =
            [json!(0), json!(1), json!(-1), json!(1.0), json!(1.5), json!(7), json!(1e30), json!(u64::MAX)];
        let others = [
            json!(null),
            json!(true),
            json!([]),
            json!([1]),
            json!([1, 1.0]),
            json!(["a", 2, null]),
            json!({}),
            json!({"a": 1}),
            json!({"a": "x", "b": 2}),
            json!({"b": {"a": {"b": {}}}}),
        ];
        texts.into_iter().chain(numbers).chain(others).collect::<Vec<_>>()
    };
    let schemas = [
        json!({}),
        json!(true),
        json!(false),
        json!({"type": "string"}),
        json!({"type": "integer"}),
        json!({"type": ["number", "null"]}),
        json!({"type": ["boolean", "array", "object"]}),
        json!({"enum": [1, "a", null, {"a": 1.0}, [1]]}),
        json!({"const": 1.0}),
        json!({"const": {"b": 2, "a": "x"}}),
        json!({"minimum": 1}),
        json!({"exclusiveMinimum": 1, "maximum": 7}),
        json!({"exclusiveMaximum": 1.5}),
        json!({"multipleOf": 7}),
        json!({"multipleOf": 0.5}),
        json!({"minLength": 2}),
        json!({"maxLength": 2}),
        json!({"maxLength": 2.0}),
        json!({"pattern": "^[a-z]+$"}),
        json!({"pattern": "b"}),
        json!({"items": {"type": "integer"}}),
        json!({"items": false}),
        json!({"prefixItems": [{"type": "string"}, {"type": "integer"}]}),
        json!({"prefixItems": [{"type": "string"}], "items": {"type": ["integer", "null"]}}),
        json!({"minItems": 1, "maxItems": 2}),
        json!({"uniqueItems": true}),
        json!({"properties": {"a": {"type": "integer"}}}),
        json!({"properties": {"a": true}, "additionalProperties": false}),
        json!({"additionalProperties": {"type": "integer"}}),
        json!({"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": false}),
        json!({"properties": {"b": {"minimum": 3}}, "patternProperties": {"b": {"type": "integer"}}}),
        json!({"required": ["a", "b"]}),
        json!({"minProperties": 1, "maxProperties": 1}),
        json!({"propertyNames": {"pattern": "^[a]$"}}),
        json!({"allOf": [{"type": "string"}, {"minLength": 2}]}),
        json!({"anyOf": [{"type": "null"}, {"minimum": 1}, {"minLength": 2}]}),
        json!({"oneOf": [{"type": "integer"}, {"minimum": 1}]}),
        json!({"not": {"type": ["string", "object"]}}),
        json!({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "number"}}),
        json!({"if": {"type": "string"}, "then": {"minLength": 2}}),
        json!({"$ref": "#/$defs/tree"}),
        json!({"$ref": "#/$defs/text", "maxLength": 1}),
        json!({"$ref": "#/$defs/a~1b"}),
        json!({"title": "t", "description": "d", "default": 3, "examples": [1], "$comment": "c", "deprecated": true}),
    ];
    let mut table: Vec<(Value, Vec<Value>)> = schemas.into_iter().map(|schema| (schema, all())).collect();
    let formats: [(&str, &[&str]); 8] = [
        ("date", &["2026-12-01", "2026-02-30", "2026-2-3", "20261201", "2024-02-29", "x"]),
        ("time", &["09:00:00Z", "09:00:00.25+08:00", "25:00:00Z", "09:00:00", "09:00Z", "09:00:00+8"]),
        (
            "date-time",
            &["2026-12-01T09:00:00Z", "2026-12-01t09:00:00.1-01:30", "2026-12-01 09:00", "2026-12-01"],
        ),
        (
            "email",
            &[
                "a@b.example",
                "a.b+c@d-e.example",
                "a",
                "@b",
                "a@",
                "a b@c.example",
                "a@b@c.example",
                "a..b@c",
            ],
        ),
        ("uri", &["https://a.example/b?c#d", "mailto:a@b", "//a.example", "a b:c", "http://a b", "告"]),
        ("uuid", &["123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000", "x"]),
        ("ipv4", &["192.0.2.1", "192.0.2.256", "192.0.2", "01.0.2.1"]),
        ("ipv6", &["2001:db8::1", "::", "2001:db8::1::2", "192.0.2.1"]),
    ];
    for (format, texts) in formats {
        let values = texts.iter().map(|text| Value::from(*text)).chain([json!(1)]);
        table.push((json!({"format": format}), values.collect()));
    }
    table
}

#[test]
fn a_declaration_means_what_the_standard_says() {
    let mut tried = 0;
    for (schema, values) in table() {
        let variables = json!({
            "properties": {"v": schema},
            "$defs": {
                "text": {"type": "string"},
                "a/b": {"type": "integer"},
                "tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}},
            },
        });
        let standard = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex())
            .build(&variables)
            .expect("a schema");
        let ours = declare(&variables).unwrap_or_else(|errors| panic!("{schema}: {errors:?}"));
        for value in values {
            let data = json!({"v": value});
            let faults = ours.check_data(&object(data.clone()));
            assert_eq!(faults.is_empty(), standard.is_valid(&data), "{schema} of {value}: {faults:?}");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn what_is_not_checked_cannot_be_declared() {
    let table = [
        (
            json!({"properties": {"a": {"type": "string", "minlength": 3}}}),
            "/variables/properties/a/minlength",
        ),
        (json!({"properties": {"a": {"format": "hostname"}}}), "/variables/properties/a/format"),
        (json!({"unevaluatedProperties": false}), "/variables/unevaluatedProperties"),
        (json!({"$dynamicRef": "#x"}), "/variables/$dynamicRef"),
        (json!({"properties": {"a": {"$defs": {}}}}), "/variables/properties/a/$defs"),
        (json!({"type": "text"}), "/variables/type"),
        (json!({"required": "app"}), "/variables/required"),
        (json!({"properties": []}), "/variables/properties"),
        (json!({"minLength": -1}), "/variables/minLength"),
        (json!({"minimum": "1"}), "/variables/minimum"),
        (json!({"multipleOf": 0}), "/variables/multipleOf"),
        (json!({"enum": []}), "/variables/enum"),
        (json!({"anyOf": [{"type": 1}]}), "/variables/anyOf/0/type"),
        (json!({"items": 3}), "/variables/items"),
        (json!({"pattern": "(?=x)"}), "/variables/pattern"),
        (json!({"patternProperties": {"a/(": true}}), "/variables/patternProperties/a~1("),
        (json!({"$ref": "#/$defs/nothing"}), "/variables/$ref"),
        (json!({"$ref": "other.json"}), "/variables/$ref"),
        (json!({"$defs": {"unused": {"type": "nope"}}}), "/variables/$defs/unused/type"),
        (json!({"then": {"type": "nope"}}), "/variables/then/type"),
    ];
    for (variables, pointer) in table {
        let faults = refused(&variables);
        assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, pointer), "{variables}: {faults:?}");
    }
}

#[test]
fn a_declaration_that_never_ends_is_refused() {
    let table = [
        (json!({"$ref": "#"}), "/variables"),
        (
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}}),
            "/variables/$defs/a",
        ),
    ];
    for (variables, pointer) in table {
        let faults = refused(&variables);
        assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, pointer), "{faults:?}");
    }
}

#[test]
fn checking_is_bounded() {
    // Each level asks twice for the next one.
    let next = json!({"allOf": [{"properties": {"n": {"$ref": "#/$defs/twice"}}}, {"required": ["no"]}]});
    let twice = json!({"anyOf": [next, next]});
    let template = declare(&json!({"$ref": "#/$defs/twice", "$defs": {"twice": twice}})).expect("declared");
    let deep = (0..100).fold(json!({}), |inner, _| json!({"n": inner}));
    let faults = template.check_data(&object(deep));
    assert!(faults[0].detail.contains("too long"), "{faults:?}");

    let rows: Vec<Value> = (0..10_000).map(|n| json!({"id": n, "name": "x", "tags": ["a", "b"]})).collect();
    let row = json!({"type": "object", "required": ["id"], "properties": {
        "id": {"type": "integer"}, "name": {"type": "string"}, "tags": {"items": {"type": "string"}},
    }});
    let template = declare(&json!({"properties": {"rows": {"items": row}}})).expect("declared");
    assert_eq!(template.check_data(&object(json!({"rows": rows}))), []);
    let wrong: Vec<Value> = (0..10_000).map(|_| json!({})).collect();
    assert!((50..60).contains(&template.check_data(&object(json!({"rows": wrong}))).len()));
}

#[test]
fn faults_name_the_place_and_no_value() {
    let variables = json!({
        "type": "object",
        "required": ["app"],
        "properties": {
            "level": {"enum": ["info", "danger"]},
            "rows": {"items": {"properties": {"n": {"type": "integer", "minimum": 1}}, "additionalProperties": false}},
            "who": {"type": ["string", "null"], "format": "email"},
            "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        },
    });
    let data = json!({
        "level": "S3cret", "who": "S3cret", "either": 1.5,
        "rows": [{"n": 1}, {"n": 0}, {"n": "S3cret"}, {"more": "S3cret"}],
    });
    let template = declare(&variables).expect("declared");
    let faults: Vec<(String, String)> =
        template.check_data(&object(data)).into_iter().map(|f| (f.pointer, f.detail)).collect();
    let expected = [
        ("/app", "is missing"),
        ("/level", r#"must be one of "info", "danger""#),
        ("/rows/1/n", "must be at least 1"),
        ("/rows/2/n", "must be a whole number"),
        ("/rows/3/more", "is not allowed here"),
        ("/who", "must be in the format email"),
        ("/either", "must be exactly one of the alternatives that the template declares"),
    ];
    assert_eq!(faults, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
    assert_eq!(declare(&json!({})).expect("declared").check_data(&Map::new()), []);
}
