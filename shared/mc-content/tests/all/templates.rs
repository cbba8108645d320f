//! Stored templates: faults, bounds, overrides.

use mc_content::{CompiledTemplate, FieldError, Library, Target};
use mc_core::model::{Button, ButtonTemplate, Fact, FactTemplate, Format, Kind, Level, TemplateBody};
use serde_json::{Map, Value, json};

use crate::{compiled, object, render, template};

/// A template from its JSON, as the API takes it.
fn stored(json: Value) -> TemplateBody {
    serde_json::from_value(json).expect("a template")
}

#[test]
fn compiled_templates_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<CompiledTemplate>();
    shared::<mc_content::Snippet>();
}

fn button(text: &str, url: &str, action: &str) -> ButtonTemplate {
    ButtonTemplate { text: text.to_owned(), url: url.to_owned(), action: action.to_owned() }
}

#[test]
fn who_is_not_known_has_no_name() {
    let template =
        template(Format::Text, "{{ recipient.name or 'you' }}{% if recipient.locale %}!{% endif %}");
    assert!(compiled(&template).knows_recipient());
    let text = |data: Value| render(&template, data).expect("renders").body.text;
    assert_eq!(text(json!({})), "you");
    assert_eq!(text(json!({"recipient": {"name": "Ann", "locale": "zh-CN"}})), "Ann!");
    // A variable that is declared is the caller's own.
    let mut own = template.clone();
    own.variables = Some(json!({"type": "object", "properties": {"recipient": {"type": "object"}}}));
    assert!(!compiled(&own).knows_recipient());
    render(&own, json!({})).expect_err("it is missing");
}

#[test]
fn every_field_is_a_template() {
    let template = TemplateBody {
        title: "{{ app }} {{ params.env }}".to_owned(),
        url: Some("https://x.example/{{ app | urlencode }}".to_owned()),
        url_label: Some(" See {{ app }} ".to_owned()),
        facts: vec![FactTemplate { label: "{{ app }}".to_owned(), value: "{{ n + 1 }}".to_owned() }],
        buttons: vec![
            button("Open {{ app }}", "https://y.example", ""),
            button("Left away", "{{ none_there | default('') }}", ""),
            button("Press", "", " restart {{ app }} "),
        ],
        image: Some("{{ none_there | default('') }}".to_owned()),
        level: Some(Level::Success),
        ..template(Format::Markdown, "**{{ app }}** {% for x in list %}{{ x.name }};{% endfor %}")
    };
    let data = object(
        json!({"app": "pay roll", "n": 2, "list": [{"name": "a"}, {"name": "b"}], "params": "shadowed"}),
    );
    let params = object(json!({"env": "prod"}));
    let target = Target { kind: Kind::Webhook, channel: Some("hook") };
    let content = compiled(&template).render(target, &data, &params).expect("renders");
    assert_eq!(content.title, "pay roll prod");
    assert_eq!(content.url.as_deref(), Some("https://x.example/pay%20roll"));
    assert_eq!(content.url_label.as_deref(), Some("See pay roll"));
    assert_eq!(content.facts, [Fact { label: "pay roll".to_owned(), value: "3".to_owned() }]);
    assert_eq!(
        content.buttons,
        [
            Button::link("Open pay roll", "https://y.example"),
            Button { action: "restart pay roll".to_owned(), ..Button::link("Press", "") },
        ]
    );
    assert_eq!((content.image, content.level), (None, Some(Level::Success)));
    assert_eq!(mc_content::dialect::commonmark(&content.body.text), "**pay roll** a;b;");
}

#[test]
fn an_undefined_name_is_missing() {
    let table = [
        ("{{ nope }}", "nope"),
        ("{{ user.nope }}", "nope"),
        ("{% if nope %}x{% endif %}", "nope"),
        ("{% for x in nope %}x{% endfor %}", "nope"),
        ("{{ nope | upper }}", "nope"),
        ("{{ params.nope }}", "nope"),
    ];
    for format in [Format::Text, Format::Markdown, Format::Html] {
        for (source, name) in table {
            let error = render(&template(format, &format!("line 1\n{source}")), json!({"user": {}}))
                .expect_err(source);
            assert_eq!(error.code, "missing_variable", "{source}: {error}");
            assert!(
                error.detail.contains(name) && error.detail.contains("/body line 2"),
                "{source}: {error}"
            );
        }
    }
    let content =
        render(&template(Format::Text, "{{ nope | default('-') }}{{ nope is defined }}"), json!({}));
    assert_eq!(content.expect("renders").body.text, "-False");
}

#[test]
fn work_output_and_depth_are_bounded() {
    let table = [
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "template_runaway"),
        ("{% for a in range(9000) %}{{ big }}{% endfor %}", "too_large"),
        ("{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}", "template_error"),
        (
            "{% set n = namespace(s='ten letters') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "template_runaway",
        ),
        ("{{ ([big] * 100000) | join }}", "template_runaway"),
        ("{{ [[big] * 1000] * 1000 }}", "template_runaway"),
        ("{{ ([[big] * 1000] * 1000) | tojson }}", "template_runaway"),
        ("{{ ([[big] * 1000] * 1000) | upper }}", "template_runaway"),
        ("{{ '{:>900000000}'.format('x') }}", "template_runaway"),
        ("{{ '%900000000d' | format(1) }}", "template_runaway"),
        ("{{ big | replace('x', big) | replace('x', big) }}", "template_runaway"),
        ("{{ 'x' | center(900000000) }}", "template_error"),
        ("{{ 'x'.ljust(900000000) }}", "template_error"),
        ("{{ 0 | date('%9999999Y') }}", "template_error"),
        ("{{ 'x' * 900000000 }}", "template_runaway"),
    ];
    for (source, code) in table {
        let error =
            render(&template(Format::Text, source), json!({"big": "x".repeat(1000)})).expect_err(source);
        assert_eq!(error.code, code, "{source}: {error}");
    }
    // The bound is on all texts of a content together.
    let facts: Vec<Value> = (0..50).map(|_| json!({"label": "x", "value": "{{ big }}"})).collect();
    let error = render(&stored(json!({"body": "", "facts": facts})), json!({"big": "x".repeat(100_000)}));
    assert_eq!(error.expect_err("too much").code, "too_large");
    let facts: Vec<Value> = (0..20)
        .map(|_| json!({"label": "x", "value": "{% for a in range(9999) %}{{ a }}{% endfor %}"}))
        .collect();
    let error = render(&stored(json!({"body": "", "facts": facts})), json!({}));
    assert_eq!(error.expect_err("too long").code, "template_runaway");
}

#[test]
fn ten_thousand_rows_become_a_table() {
    let row = |n: usize| {
        json!({"id": n, "name": format!("service-{n}"), "region": "cn-north-1", "ok": n > 7,
        "ms": n as f64 / 3.0, "cost": "12.50", "at": "2026-12-01T09:00:00+08:00", "note": "a & b"})
    };
    let data = json!({"rows": (0..10_000).map(row).collect::<Vec<_>>()});
    let loops = "<table>{% for r in rows %}<tr class=\"{{ loop.cycle('a', 'b') }}\"><td>{{ loop.index }}</td>\
        <td>{{ r.name | upper }}</td><td>{{ r.region }}</td><td>{% if r.ok %}yes{% else %}no{% endif %}</td>\
        <td>{{ r.ms | number(1) }}</td><td>{{ r.cost | currency }}</td><td>{{ r.at | date('%H:%M') }}</td>\
        <td>{{ r.note }}</td></tr>{% endfor %}</table>";
    let content = render(&template(Format::Html, loops), data.clone()).expect("renders");
    assert_eq!(content.body.text.matches("<tr").count(), 10_000);
    let content = render(&template(Format::Html, "{{ rows | table }}"), data.clone()).expect("renders");
    assert_eq!(content.body.text.matches("<tr>").count(), 10_001);
    let content =
        render(&template(Format::Markdown, "{{ rows | table(['id', 'note']) }}"), data).expect("renders");
    assert_eq!(mc_content::dialect::html(&content.body).matches("<tr>").count(), 10_001);
}

#[test]
fn a_filter_that_there_is_not_is_a_fault_of_what_is_new_and_not_of_what_is_stored() {
    let body = template(Format::Text, "{% if seldom %}{{ n | nope }}{% endif %}x");
    assert_eq!(render(&body, json!({"seldom": false})).expect("renders").body.text, "x");
    assert!(render(&body, json!({"seldom": true, "n": 1})).is_err());
    let faults = CompiledTemplate::compile_new(&body, &Library::new()).expect_err("refused");
    assert_eq!(faults, [FieldError::new("/body", "line 1: there is no filter \"nope\"")]);
}

#[test]
fn faults_are_found_when_it_is_compiled() {
    let faults = CompiledTemplate::compile(
        &stored(json!({
            "title": "{{ a",
            "body": "fine\n{% if a %}\nnever ends",
            "facts": [{"label": "ok", "value": "{{ }}"}],
            "buttons": [{"text": "{% nope %}", "url": "ok"}, {"text": "x", "action": "{{"}],
            "url": "{{ a | }}",
            "variables": {"type": "nonsense"},
            "channels": {
                "ops": {"bodyy": "x", "format": "rtf", "title": "{{"},
                "a/b": {"title": "x"},
                "x": "y",
                "mail": {"level": "loud", "facts": [{"label": "x"}]},
            },
        })),
        &Library::new(),
    )
    .expect_err("faults");
    let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
    for pointer in [
        "/title",
        "/body",
        "/facts/0/value",
        "/buttons/0/text",
        "/buttons/1/action",
        "/url",
        "/variables/type",
        "/channels/ops/bodyy",
        "/channels/ops/format",
        "/channels/ops/title",
        "/channels/a~1b",
        "/channels/x",
        "/channels/mail/level",
        "/channels/mail/facts",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} in {faults:#?}");
    }
    let body = faults.iter().find(|f| f.pointer == "/body").expect("there");
    assert!(body.detail.starts_with("line "), "{body:?}");
    assert_eq!(faults.iter().filter(|f| f.pointer == "/body").count(), 1);
}

#[test]
fn values_are_checked_against_their_declaration() {
    let template = compiled(&stored(json!({"body": "", "variables": {
        "type": "object",
        "required": ["app", "user"],
        "properties": {
            "app": {"type": "string", "pattern": "^[a-z]+$"},
            "count": {"$ref": "#/$defs/count"},
            "user": {"type": "object", "required": ["a/b"]},
        },
        "$defs": {"count": {"type": "integer", "minimum": 1}},
    }})));
    let check = |data: Value| template.check_data(&object(data));
    assert_eq!(check(json!({"app": "pay", "user": {"a/b": 1}, "count": 1, "more": 1})), []);
    let missing = |pointer: &str| FieldError::new(pointer, "is missing");
    assert_eq!(check(json!({})), [missing("/app"), missing("/user")]);
    assert_eq!(check(json!({"app": "x", "user": {}})), [missing("/user/a~1b")]);
    let faults = check(json!({"app": "S3cret", "user": {"a/b": 1}, "count": 0}));
    let pointers: Vec<&str> = faults.iter().map(|f| f.pointer.as_str()).collect();
    assert_eq!(pointers, ["/app", "/count"]);
    assert!(faults.iter().all(|f| !f.detail.contains("S3cret")), "{faults:?}");
    assert_eq!(compiled(&stored(json!({"body": "x"}))).check_data(&Map::new()), []);
}

#[test]
fn a_schema_is_never_fetched() {
    for schema in
        [json!({"$ref": "https://x.example/s.json"}), json!({"$ref": "file:///etc/passwd"}), json!(3)]
    {
        let faults =
            CompiledTemplate::compile(&stored(json!({"body": "", "variables": schema})), &Library::new())
                .expect_err("refused");
        assert!(faults[0].pointer.starts_with("/variables"), "{faults:?}");
    }
}

#[test]
fn a_channel_goes_over_its_kind_and_that_over_the_template() {
    let template = compiled(&stored(json!({
        "title": "T", "body": "**{{ v }}**", "format": "markdown", "url": "https://u.example", "level": "info",
        "facts": [{"label": "a", "value": "b"}],
        "channels": {
            "webhook": {"format": "text", "title": "kind {{ v }}", "url": null},
            "hook-1": {"title": "channel", "facts": [], "level": "danger"},
            "hook-2": {"body": "<b>{{ v }}</b>", "format": "html", "image": "https://i.example"},
        },
    })));
    let get = |kind, channel| {
        let c = template
            .render(Target { kind, channel }, &object(json!({"v": "a<"})), &Map::new())
            .expect("renders");
        let (text, _) = mc_content::dialect::source_and_text(&c.body);
        (c.title, c.body.format, text, c.url.is_some(), c.facts.len(), c.level, c.image.is_some())
    };
    let (info, danger) = (Some(Level::Info), Some(Level::Danger));
    let s = str::to_owned;
    assert_eq!(get(Kind::WecomRobot, None), (s("T"), Format::Markdown, s("**a\\<**"), true, 1, info, false));
    assert_eq!(
        get(Kind::WecomRobot, Some("x")),
        (s("T"), Format::Markdown, s("**a\\<**"), true, 1, info, false)
    );
    assert_eq!(get(Kind::Webhook, None), (s("kind a<"), Format::Text, s("**a<**"), false, 1, info, false));
    assert_eq!(
        get(Kind::Webhook, Some("hook-1")),
        (s("channel"), Format::Text, s("**a<**"), false, 0, danger, false)
    );
    assert_eq!(
        get(Kind::Webhook, Some("hook-2")),
        (s("kind a<"), Format::Html, s("<b>a&lt;</b>"), false, 1, info, true)
    );
}

#[test]
fn a_links_label_is_overridden_like_its_link() {
    let template = compiled(&stored(json!({
        "body": "b", "url": "https://u.example", "url_label": "See {{ v }}",
        "channels": {
            "webhook": {"url_label": "Open {{ v }}"},
            "hook-1": {"url_label": null},
            "hook-2": {"url": "https://other.example"},
        },
    })));
    let label = |kind, channel| {
        let values = object(json!({"v": "*it*"}));
        template.render(Target { kind, channel }, &values, &Map::new()).expect("renders").url_label
    };
    assert_eq!(label(Kind::Slack, None).as_deref(), Some("See *it*"), "a value is text");
    assert_eq!(label(Kind::Webhook, None).as_deref(), Some("Open *it*"));
    assert_eq!(label(Kind::Webhook, Some("hook-1")), None);
    assert_eq!(label(Kind::Webhook, Some("hook-2")).as_deref(), Some("Open *it*"));
    for (broken, pointer) in [
        (json!({"body": "b", "url_label": "{{"}), "/url_label"),
        (json!({"body": "b", "channels": {"slack": {"url_label": "{{"}}}), "/channels/slack/url_label"),
        (json!({"body": "b", "channels": {"slack": {"url_label": 1}}}), "/channels/slack/url_label"),
    ] {
        let faults = CompiledTemplate::compile(&stored(broken), &Library::new()).expect_err("refused");
        assert_eq!((faults.len(), faults[0].pointer.as_str()), (1, pointer), "{faults:?}");
    }
}

#[test]
fn literal_texts_end_as_jinja_ends_them() {
    for (source, text) in
        [("a\n", "a"), ("a\n\n", "a\n"), ("{{ 'a' }}\n", "a"), ("a\r\n", "a"), ("a { % b", "a { % b")]
    {
        let content = render(&template(Format::Text, source), json!({})).expect("renders");
        assert_eq!(content.body.text, text, "{source:?}");
    }
}
