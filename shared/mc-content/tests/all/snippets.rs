//! Small templates for HTTP requests.

use mc_content::{Escape, Snippet};
use serde_json::{Value, json};

fn render(source: &str, escape: Escape, context: &Value) -> String {
    Snippet::compile(source, escape).expect("compiles").render(context).expect("renders")
}

#[test]
fn values_are_escaped_for_their_place() {
    let context =
        json!({"t": "a \"b\"\n\\<é>&/", "n": 1.5, "b": true, "z": null, "l": ["x\"", 1], "m": {"k": "v\""}});
    let table = [
        ("{{ t }}", Escape::None, "a \"b\"\n\\<é>&/"),
        ("{{ b }} {{ n }}", Escape::None, "True 1.5"),
        ("/x/{{ t }}?q={{ n }}", Escape::Url, "/x/a%20%22b%22%0A%5C%3C%C3%A9%3E%26%2F?q=1.5"),
        ("{{ '-._~' }}{{ t | safe }}", Escape::Url, "-._~a \"b\"\n\\<é>&/"),
        (r#"{"t": "{{ t }}"}"#, Escape::Json, r#"{"t": "a \"b\"\n\\<é>&/"}"#),
        (
            r#"{"n": {{ n }}, "b": {{ b }}, "z": {{ z }}}"#,
            Escape::Json,
            r#"{"n": 1.5, "b": true, "z": null}"#,
        ),
        (r#""{{ l }}""#, Escape::Json, r#""[\"x\\\"\",1]""#),
        (r#""{% set x %}{{ t }}{% endset %}{{ x }}""#, Escape::Json, r#""a \"b\"\n\\<é>&/""#),
    ];
    for (source, escape, wanted) in table {
        assert_eq!(render(source, escape, &context), wanted, "{source}");
    }
}

#[test]
fn a_json_body_is_json_whatever_the_values_are() {
    let nasty = [
        "\"",
        "\\",
        "\", \"admin\": true, \"x\": \"",
        "\n\r\t\0\u{1f}",
        "\u{2028}</script>",
        "{{ t }}",
        "😀",
    ];
    for value in nasty {
        let context = json!({"t": value, "m": {"k": [value]}});
        let body = render(
            r#"{"t": "{{ t }}", "m": {{ m | tojson }}, "all": {{ t | tojson }}}"#,
            Escape::Json,
            &context,
        );
        let parsed: Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
        assert_eq!(parsed, json!({"t": value, "m": {"k": [value]}, "all": value}));
    }
}

#[test]
fn errors_say_what_and_where() {
    let error = Snippet::compile("a\n{{ b", Escape::None).expect_err("syntax");
    assert!(error.detail.contains("line 2"), "{error:?}");
    let seldom = "{% if a %}{{ a | nope }}{% endif %}x";
    assert_eq!(Snippet::first_unknown(seldom).as_deref(), Some("line 1: there is no filter \"nope\""));
    assert_eq!(Snippet::first_unknown("{{ a | upper }}"), None);
    // One that is stored goes on as long as it does not come by.
    assert_eq!(render(seldom, Escape::Url, &json!({"a": false})), "x");
    let error = Snippet::compile("{{ nope }}", Escape::Json)
        .expect("compiles")
        .render(&json!({}))
        .expect_err("undefined");
    assert_eq!(error.code, "missing_variable");
    assert!(error.detail.contains("nope"), "{error:?}");
}
