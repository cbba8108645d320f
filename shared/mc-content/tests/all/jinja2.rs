//! What runs in Jinja2 gives the same text here.

use std::fs;

use mc_content::{CompiledTemplate, Library, Target};
use mc_core::model::{Format, Kind};
use serde_json::{Map, Value};

use crate::{object, template};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/jinja2.json");

#[test]
fn what_jinja2_renders_is_rendered_the_same() {
    let recorded: Value = serde_json::from_str(&fs::read_to_string(FILE).expect("the cases")).expect("JSON");
    let cases = recorded["cases"].as_array().expect("cases");
    assert!(cases.len() >= 60);
    let mut library = Library::new();
    for (name, source) in recorded["templates"].as_object().expect("templates") {
        library.add(name, &template(Format::Text, source.as_str().expect("a source")));
    }
    let target = Target { kind: Kind::EmailSmtp, channel: None };
    let data = object(recorded["data"].clone());
    let mut wrong = Vec::new();
    for case in cases {
        let source = case["source"].as_str().expect("a source");
        for (format, wanted) in [(Format::Text, &case["text"]), (Format::Html, &case["html"])] {
            let compiled = CompiledTemplate::compile(&template(format, source), &library);
            let found = compiled.map_err(|faults| format!("{faults:?}")).and_then(|compiled| {
                compiled.render(target, &data, &Map::new()).map_err(|error| error.to_string())
            });
            let found = found.map_or_else(|error| format!("refused: {error}"), |content| content.body.text);
            if Some(found.as_str()) != wanted.as_str() {
                wrong.push(format!(
                    "{format:?} {source}\n  Jinja2: {wanted}\n  we:     {}",
                    Value::from(found)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
