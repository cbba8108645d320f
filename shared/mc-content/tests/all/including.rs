//! Templates that include, extend and import others.

use mc_content::{CompiledTemplate, Library, Target, included_names};
use mc_core::model::{Format, Kind, TemplateBody};
use mc_core::ports::RenderError;
use serde_json::{Map, Value, json};

use crate::{object, template};

fn library(templates: &[(&str, Format, &str)]) -> Library {
    let mut library = Library::new();
    for (name, format, body) in templates {
        library.add(name, &template(*format, body));
    }
    library
}

fn render_with(
    body: &TemplateBody,
    library: &Library,
    data: Value,
) -> Result<mc_core::model::Content, RenderError> {
    let compiled = CompiledTemplate::compile(body, library).expect("compiles");
    compiled.render(Target { kind: Kind::WecomRobot, channel: None }, &object(data), &Map::new())
}

fn fault(format: Format, source: &str, library: &Library) -> String {
    let faults = CompiledTemplate::compile(&template(format, source), library).expect_err("refused");
    assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, "/body"), "{faults:?}");
    faults[0].detail.clone()
}

#[test]
fn bodies_are_included_extended_and_imported() {
    let library = library(&[
        (
            "layout",
            Format::Markdown,
            "# {{ app }}\n\n{% block body %}nothing{% endblock %}\n\n{% include 'footer' %}",
        ),
        ("footer", Format::Text, "sent by {{ params.team | default('us') }}"),
        ("macros", Format::Text, "{% macro bold(x) %}**{{ x }}**{% endmacro %}"),
    ]);
    let body = "{% extends 'layout' %}{% from 'macros' import bold %}{% block body %}{{ bold(app) }} is out{% endblock %}";
    let content =
        render_with(&template(Format::Markdown, body), &library, json!({"app": "*pay*"})).expect("renders");
    let text = mc_content::dialect::commonmark(&content.body.text);
    assert_eq!(text, "# \\*pay\\*\n\n**\\*pay\\*** is out\n\nsent by us");
    // The same in HTML: what is included is escaped for the place where it lands.
    let body = "<p>{% include 'footer' %}</p>{{ app }}";
    let compiled = CompiledTemplate::compile(&template(Format::Html, body), &library).expect("compiles");
    let params = object(json!({"team": "<ops>"}));
    let target = Target { kind: Kind::EmailSmtp, channel: None };
    let content = compiled.render(target, &object(json!({"app": "a"})), &params).expect("renders");
    assert_eq!(content.body.text, "<p>sent by &lt;ops&gt;</p>a");
}

#[test]
fn every_text_of_a_template_may_include() {
    let library = library(&[("env", Format::Text, "{{ params.env }}"), ("n", Format::Text, "{{ n }}")]);
    let body: TemplateBody = serde_json::from_value(json!({
        "title": "{% include 'env' %}", "body": "x", "url": "https://x.example/{% include 'n' %}",
        "facts": [{"label": "n", "value": "{% include 'n' %}"}],
        "channels": {"webhook": {"title": "{% include ['other', 'n'] %}"}},
    }))
    .expect("a template");
    assert_eq!(included_names(&body).into_iter().collect::<Vec<_>>(), ["env", "n", "other"]);
    let compiled = CompiledTemplate::compile(&body, &library).expect("compiles");
    let render = |kind| {
        let params = object(json!({"env": "prod"}));
        compiled.render(Target { kind, channel: None }, &object(json!({"n": 7})), &params).expect("renders")
    };
    let content = render(Kind::EmailSmtp);
    assert_eq!((content.title.as_str(), content.url.as_deref()), ("prod", Some("https://x.example/7")));
    assert_eq!(content.facts[0].value, "7");
    assert_eq!(render(Kind::Webhook).title, "7");
}

#[test]
fn a_text_may_call_the_macros_of_the_one_that_it_extends() {
    let layout = "{% macro pm(x) %}[{{ x }}]{% endmacro %}{% block b %}{% endblock %}";
    let library = library(&[("lay", Format::Text, layout)]);
    let child = |block: &str| {
        let body = format!("{{% extends 'lay' %}}{{% block b %}}{block}{{% endblock %}}");
        CompiledTemplate::compile_new(&template(Format::Text, &body), &library)
    };
    let target = Target { kind: Kind::Webhook, channel: None };
    let content =
        child("{{ pm(n) }}").expect("compiles").render(target, &object(json!({"n": 7})), &object(json!({})));
    assert_eq!(content.expect("renders").body.text, "[7]");
    let faults = child("{{ pm(n) | nope }}").expect_err("refused");
    assert_eq!(faults[0].detail, "line 1: there is no filter \"nope\"");
}

#[test]
fn what_cannot_be_included_is_refused() {
    let library = library(&[
        ("a", Format::Markdown, "{% include 'b' %}"),
        ("b", Format::Markdown, "x\n{% include 'c' %}"),
        ("c", Format::Markdown, "{% import 'a' as a %}"),
        ("page", Format::Html, "<p>"),
        ("broken", Format::Text, "x\n{% include 'gone' %}"),
        ("note", Format::Markdown, "*x*"),
    ]);
    let circle = fault(Format::Markdown, "{% include 'a' %}", &library);
    assert!(circle.contains("a → b → c → a"), "{circle}");
    let missing = fault(Format::Markdown, "{% include 'no-such' %}", &library);
    assert!(missing.contains("no template \"no-such\""), "{missing}");
    assert!(fault(Format::Text, "{% include 'broken' %}", &library).contains("\"gone\""));
    assert!(fault(Format::Markdown, "{% include 'page' %}", &library).contains("written in html"));
    assert!(fault(Format::Text, "{% include 'note' %}", &library).contains("written in markdown"));
    assert!(
        fault(Format::Text, "x\n{% include which %}", &library)
            .contains("line 2: name the template in quotes")
    );
    let optional = "{% include 'no-such' ignore missing %}{% include ['no-such', 'note'] %}";
    let content = render_with(&template(Format::Markdown, optional), &library, json!({})).expect("renders");
    assert_eq!(content.body.text, "*x*");
    // A title is plain text, whatever the body is.
    let title = TemplateBody { title: "{% include 'note' %}".to_owned(), ..template(Format::Markdown, "x") };
    let faults = CompiledTemplate::compile(&title, &library).expect_err("refused");
    assert_eq!(faults[0].pointer, "/title");
}

#[test]
fn an_error_names_the_included_template_and_its_line() {
    let library = library(&[("footer", Format::Text, "one\n{{ nope }}")]);
    let error = render_with(&template(Format::Text, "{% include 'footer' %}"), &library, json!({}))
        .expect_err("refused");
    assert_eq!(error.code, "missing_variable");
    assert!(error.detail.starts_with("the included template \"footer\" line 2: "), "{}", error.detail);
    assert!(error.detail.contains("nope"), "{}", error.detail);
}

#[test]
fn work_is_counted_through_includes() {
    let library = library(&[("loop", Format::Text, "{% for a in range(9999) %}{{ a }}{% endfor %}")]);
    let body = template(Format::Text, "{% for a in range(9999) %}{% include 'loop' %}{% endfor %}");
    assert_eq!(render_with(&body, &library, json!({})).expect_err("refused").code, "template_runaway");
}
