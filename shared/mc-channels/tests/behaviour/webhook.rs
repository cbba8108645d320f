//! What only a webhook channel does: templates, signatures, its own idea of success.

use mc_channels::{admit, capability, secret_names, url_fields};
use mc_core::id::MessageId;
use mc_core::model::{Content, Format, Kind};
use mc_core::ports::{Channel, Push, Receipt, RenderContext, RenderError, Rendered, SendError, SendFailure};
use mc_sandbox::{Fault, HmacEncoding, HmacRule, ImExpectation, Platform, RetryAfter, Sigv4Rule};
use serde_json::{Value, json};

use crate::suite::{deliver, rendered};
use crate::world::World;

pub fn render(channel: &dyn Channel, data: Value, patch: Option<&Value>) -> Result<Rendered, RenderError> {
    let params = json!({"env": "prod"});
    let context = RenderContext {
        project: "shop",
        message: "msg_01HF7YAT31000000000000001A".parse::<MessageId>().unwrap(),
        delivery: "dlv_1",
        to: &[],
        data: data.as_object().unwrap(),
        params: params.as_object().unwrap(),
        overrides: patch,
        files: &[],
    };
    channel.render(&Content::new("A \"title\"", Format::Text, "line 1\nline 2"), &context)
}

#[tokio::test]
async fn the_request_is_what_the_templates_say() {
    let world = World::start(false).await;
    let settings = json!({
        "url": "http://127.0.0.1:1/rooms/{{ data.room }}/send?q={{ title }}",
        "method": "put",
        "headers": {"X-Env": "{{ params.env }}", "Content-Type": "application/json"},
        "body": "{\"text\": \"{{ title }}: {{ text }}\", \"n\": {{ data.n | tojson }}, \"p\": \"{{ project }}\"}",
    });
    let channel = world.build(Kind::Webhook, settings, &[], "");
    let rendered = render(&*channel, json!({"room": "a/b?c#d é", "n": [1, 2]}), None).unwrap();
    let payload = &rendered.parts[0].payload;
    assert_eq!(payload["url"], "http://127.0.0.1:1/rooms/a%2Fb%3Fc%23d%20%C3%A9/send?q=A%20%22title%22");
    assert_eq!(payload["method"], "PUT");
    assert_eq!(payload["headers"], json!({"x-env": "prod", "content-type": "application/json"}));
    let body: Value = serde_json::from_str(payload["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"text": "A \"title\": line 1\nline 2", "n": [1, 2], "p": "shop"}));
}

#[tokio::test]
async fn a_list_is_written_whole_where_the_body_is_a_text() {
    let world = World::start(false).await;
    let body = |body: Value| {
        let channel = world.build(Kind::Webhook, json!({"url": "http://127.0.0.1:1", "body": body}), &[], "");
        let rendered = render(&*channel, json!({"rooms": ["a", "b"]}), None).unwrap();
        rendered.parts[0].payload["body"].clone()
    };
    let text = body(json!("{\"rooms\": {{ data.rooms | tojson }}}"));
    let whole: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(whole, json!({"rooms": ["a", "b"]}));
    assert!(body(json!({"rooms": "{{ data.rooms }}"}))["rooms"].is_string(), "in a document it is a text");
}

#[tokio::test]
async fn an_override_reaches_neither_recipients_nor_the_token() {
    let world = World::start(false).await;
    let build = |more: Value| {
        let mut settings = json!({"url": "http://127.0.0.1:1"});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.build(Kind::Webhook, settings, &[("password", "p")], "")
    };
    let login = json!({"url": "http://127.0.0.1:1/login", "token_pointer": "/token", "body": {"p": "{{ password }}"}});
    let document = json!({"login": login, "body": {
        "auth": {"key": "{{ login.token }}", "v": 1},
        "rooms": "{% for one in to %}{{ one.email }},{% endfor %}all",
        "say": {"title": "{{ title }}"},
    }});
    let text = json!({"body": "{\"to\": {{ to | tojson }}, \"say\": {{ title | tojson }}}"});
    for (channel, refused, taken) in [
        (build(json!({})), json!({"to": [{"email": "me@example.com"}]}), json!({"title": "x", "more": 1})),
        (build(json!({})), json!({"to": null}), json!({"facts": null})),
        (build(document.clone()), json!({"auth": {"key": "mine"}}), json!({"auth": {"v": 2}})),
        (build(document.clone()), json!({"auth": "mine"}), json!({"say": {"title": "x"}})),
        (build(document), json!({"rooms": "mine"}), json!({"say": "x"})),
        (build(text), json!({"to": []}), json!({"say": "x"})),
    ] {
        let error = render(&*channel, json!({}), Some(&refused)).unwrap_err();
        assert_eq!(error.code, "bad_override", "{refused}");
        render(&*channel, json!({}), Some(&taken)).unwrap_or_else(|error| panic!("{taken}: {error:?}"));
    }
}

#[tokio::test]
async fn a_body_may_be_a_document_or_left_out() {
    let world = World::start(false).await;
    let settings = json!({
        "url": "http://127.0.0.1:1",
        "body": {"msgtype": "text", "text": {"content": "{{ title }}\n{{ text }}"}, "fixed": [1, "{{ data.x }}"]},
    });
    let channel = world.build(Kind::Webhook, settings, &[], "");
    let payload = &render(&*channel, json!({"x": "\"y\""}), None).unwrap().parts[0].payload;
    assert_eq!(payload["url"], "http://127.0.0.1:1");
    assert_eq!(
        payload["body"],
        json!({"msgtype": "text", "text": {"content": "A \"title\"\nline 1\nline 2"}, "fixed": [1, "\"y\""]})
    );

    let channel = world.build(Kind::Webhook, json!({"url": "http://127.0.0.1:1/"}), &[], "");
    let patch = json!({"extra": 1, "format": null});
    let payload = &render(&*channel, json!({"x": 1}), Some(&patch)).unwrap().parts[0].payload;
    assert_eq!(payload["headers"]["content-type"], "application/json; charset=utf-8");
    let body = &payload["body"];
    assert_eq!(
        (&body["title"], &body["data"]["x"], &body["extra"]),
        (&json!("A \"title\""), &json!(1), &json!(1))
    );
    assert_eq!(body["message"]["id"], "msg_01HF7YAT31000000000000001A");
    assert_eq!(body.get("format"), None);
}

#[tokio::test]
async fn a_links_label_is_handed_over() {
    let world = World::start(false).await;
    let body = |settings: Value, label: Option<&str>| {
        let channel = world.build(Kind::Webhook, settings, &[], "");
        let content = Content {
            url: Some("https://x.example".into()),
            url_label: label.map(str::to_owned),
            ..Content::new("t", Format::Text, "b")
        };
        rendered(&*channel, &content, &[], &[]).unwrap().parts[0].payload["body"].clone()
    };
    let plain = json!({"url": "http://127.0.0.1:1/"});
    assert_eq!(body(plain.clone(), Some(" See it "))["url_label"], "See it");
    assert_eq!(body(plain, None).get("url_label"), None);
    let own = json!({"url": "http://127.0.0.1:1/", "body": {"open": "{{ url_label or 'Open' }}"}});
    assert_eq!(body(own.clone(), Some("See it")), json!({"open": "See it"}));
    assert_eq!(body(own, None), json!({"open": "Open"}));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_when_rendered() {
    let world = World::start(false).await;
    let build = |settings| world.build(Kind::Webhook, settings, &[], "");
    let url = "http://127.0.0.1:1/{{ data.room }}";
    let header = build(json!({"url": url, "headers": {"X-Room": "{{ data.room }}"}}));
    assert_eq!(render(&*header, json!({"room": "a\r\nX-Evil: 1"}), None).unwrap_err().code, "bad_header");
    let climbing = build(json!({"url": url}));
    assert_eq!(render(&*climbing, json!({"room": ".."}), None).unwrap_err().code, "bad_url");
    let broken = build(json!({"url": url, "body": "{\"a\": {{ data.room }}}"}));
    assert_eq!(render(&*broken, json!({"room": "x"}), None).unwrap_err().code, "bad_body");
    let text = build(json!({"url": url, "headers": {"Content-Type": "text/plain"}, "body": "{{ text }}"}));
    let patch = json!({"a": 1});
    assert_eq!(render(&*text, json!({"room": "x"}), Some(&patch)).unwrap_err().code, "bad_override");
}

#[tokio::test]
async fn a_template_of_the_settings_that_fails_is_named_by_its_place() {
    let world = World::start(false).await;
    let url = "http://127.0.0.1:1/send";
    let cases = [
        (json!({"url": "http://127.0.0.1:1/{{ data.no }}"}), "missing_variable", "/settings/url"),
        (json!({"url": "http://127.0.0.1:1/{{ data.up }}"}), "bad_url", "/settings/url"),
        (
            json!({"url": url, "headers": {"X-A": "{{ data.no }}"}}),
            "missing_variable",
            "/settings/headers/X-A",
        ),
        (json!({"url": url, "headers": {"X-A": "{{ text }}"}}), "bad_header", "/settings/headers/X-A"),
        (json!({"url": url, "body": "{{ data.no }}"}), "missing_variable", "/settings/body"),
        (json!({"url": url, "body": "[{{ text }}]"}), "bad_body", "/settings/body"),
        (
            json!({"url": url, "body": {"a/b": ["fixed", {"c": "{{ data.no }}"}]}}),
            "missing_variable",
            "/settings/body/a~1b/1/c",
        ),
    ];
    for (settings, code, place) in cases {
        let channel = world.build(Kind::Webhook, settings.clone(), &[], "");
        let error = render(&*channel, json!({"up": ".."}), None).unwrap_err();
        assert_eq!((error.code, error.of_settings), (code, true), "{settings}");
        assert!(error.detail.starts_with(&format!("the channel's {place}: ")), "{settings}: {error}");
    }
}

#[tokio::test]
async fn plain_hmac_and_own_headers_are_understood() {
    let world = World::start(false).await;
    let rule = HmacRule {
        header: "x-hub-signature-256".into(),
        secret: "It's a secret".into(),
        encoding: HmacEncoding::Hex,
        prefix: "sha256=".into(),
        content: "{body}".into(),
        timestamp_header: None,
    };
    let expectation = ImExpectation {
        hmac: Some(rule),
        headers: [("authorization".to_owned(), Some("Bearer t0ken".to_owned()))].into(),
        ..ImExpectation::default()
    };
    world.sandbox.im_expect("hook", expectation);
    let settings = json!({
        "url": format!("{}/im/hook", world.http_url()),
        // A line end behind a header's value, as many a file has one, is not sent.
        "headers": {"Authorization": "Bearer t0ken\n"},
        "sign": {"type": "hmac_sha256", "header": "X-Hub-Signature-256"},
        "message_id_pointer": "/data/message_id",
    });
    let channel = world.build(Kind::Webhook, settings, &[("secret", "It's a secret")], "");
    let content = Content::new("t", Format::Markdown, "*b*");
    let receipt = deliver(&*channel, &content, &[], &[]).await.unwrap();
    assert_eq!(receipt.platform_id.as_deref(), Some("im-1"));
    let item = &world.sandbox.accepted(Platform::Im)[0];
    assert_eq!(item.verified, Some(true));
    assert_eq!(item.headers.as_ref().unwrap()["webhook-id"], "psh_1");
}

#[tokio::test]
async fn nothing_that_is_rendered_shows_a_credential() {
    let world = World::start(false).await;
    let headers = json!({"X-Api-Key": "hunter2", "Cookie": "c={{ data.c }}", "X-App": "center"});
    let settings = json!({"url": "http://127.0.0.1:1/", "method": "GET", "headers": headers});
    let channel = world.build(Kind::Webhook, settings, &[], "");
    let payload = &render(&*channel, json!({"c": 1}), None).unwrap().parts[0].payload;
    assert_eq!(payload["headers"]["x-api-key"], "***");
    assert_eq!(payload["headers"]["cookie"], "c=1");
    assert_eq!(payload["headers"]["x-app"], "center");
}

#[tokio::test]
async fn aws_signatures_hold_over_address_and_body() {
    let world = World::start(false).await;
    let rule = |secret: &str| Sigv4Rule {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: secret.into(),
        region: "eu-central-1".into(),
        service: "execute-api".into(),
    };
    let expects = |secret: &str| ImExpectation { sigv4: Some(rule(secret)), ..ImExpectation::default() };
    world.sandbox.im_expect("rooms/a b/send", expects("s3cret"));
    let settings = json!({
        "url": format!("{}/im/rooms/{{{{ data.room }}}}/send?z=1&q={{{{ title }}}}", world.http_url()),
        "sign": {"type": "aws_sigv4", "access_key_id": "AKIDEXAMPLE", "region": "eu-central-1"},
    });
    let channel = world.build(Kind::Webhook, settings, &[("secret", "s3cret")], "");
    let data = json!({"room": "a b"});
    let content = Content::new("部署 done", Format::Text, "body");
    deliver_with(&*channel, &content, &data).await.unwrap();
    assert_eq!(world.sandbox.accepted(Platform::Im)[0].verified, Some(true));
    world.sandbox.im_expect("rooms/a b/send", expects("another"));
    assert_eq!(deliver_with(&*channel, &content, &data).await.unwrap_err().failure, SendFailure::Channel);
}

async fn deliver_with(channel: &dyn Channel, content: &Content, data: &Value) -> Result<Receipt, SendError> {
    let params = serde_json::Map::new();
    let message = "msg_01HF7YAT31000000000000001A".parse::<MessageId>().unwrap();
    let context = RenderContext {
        project: "default",
        message,
        delivery: "dlv_1",
        to: &[],
        data: data.as_object().unwrap(),
        params: &params,
        overrides: None,
        files: &[],
    };
    let rendered = channel.render(content, &context).unwrap();
    let push = Push {
        project: "default",
        message,
        delivery: "dlv_1",
        push_id: "psh_1",
        again: false,
        part: &rendered.parts[0],
        to: &[],
        attachments: &[],
        slot: None,
    };
    channel.send(push).await
}

#[tokio::test]
async fn answers_mean_what_the_settings_say() {
    let world = World::start(false).await;
    let url = format!("{}/im/x", world.http_url());
    let plain = json!({"url": url});
    let varying = json!({"url": format!("{url}/{{{{ delivery.id }}}}")});
    let picky = json!({"url": url, "success": {"status": [201], "pointer": "/r/code", "equals": "ok"}});
    let status =
        |status: u16| Fault { status: Some(status), body: Some(json!("no")), ..Fault::on(Platform::Im) };
    let after = Some(std::time::Duration::from_secs(7));
    let wait = |fault: Fault| Fault { retry_after: Some(RetryAfter::Seconds(7)), ..fault };
    let answer = |body: Value| Fault { body: Some(body), ..status(201) };
    let large = |fault: Fault| Fault { body: Some(json!("x".repeat(2 << 20))), ..fault };
    let cases = [
        (&plain, status(400), Err(SendFailure::Permanent)),
        (&plain, status(401), Err(SendFailure::Channel)),
        (&plain, status(404), Err(SendFailure::Channel)),
        (&varying, status(404), Err(SendFailure::Permanent)),
        (&varying, status(410), Err(SendFailure::Permanent)),
        (&plain, status(302), Err(SendFailure::Channel)),
        (&plain, status(408), Err(SendFailure::Transient { after: None })),
        (&plain, wait(status(503)), Err(SendFailure::Transient { after })),
        (&plain, wait(status(429)), Err(SendFailure::Throttled { after })),
        (&plain, status(204), Ok(())),
        (&plain, large(status(200)), Ok(())),
        (&plain, large(status(503)), Err(SendFailure::Transient { after: None })),
        (&picky, large(status(503)), Err(SendFailure::Transient { after: None })),
        (&picky, large(status(201)), Err(SendFailure::Doubt)),
        (&picky, status(200), Err(SendFailure::Permanent)),
        (&picky, answer(json!({"r": {"code": "ok"}})), Ok(())),
        (&picky, answer(json!({"r": {"code": "E17"}})), Err(SendFailure::Permanent)),
        (&picky, answer(json!({"r": {}})), Err(SendFailure::Permanent)),
        (&picky, answer(json!("<html>")), Err(SendFailure::Doubt)),
    ];
    for (settings, fault, expected) in cases {
        let channel = world.build(Kind::Webhook, settings.clone(), &[], "");
        let shown = format!("{fault:?}");
        world.sandbox.push_fault(fault);
        let result = deliver(&*channel, &Content::new("t", Format::Text, "b"), &[], &[]).await;
        assert_eq!(result.map(|_| ()).map_err(|error| error.failure), expected, "{shown}");
    }
}

#[tokio::test]
async fn the_registry_knows_the_addresses_of_a_configuration() {
    let world = World::start(false).await;
    let settings = json!({"url": "http://10.0.0.1:8080/{{ x }}"});
    let settings = settings.as_object().unwrap();
    assert_eq!(
        url_fields(Kind::Webhook, settings),
        [("/settings/url".to_owned(), "http://10.0.0.1:8080/".to_owned())]
    );
    let refused =
        admit(Kind::Webhook, settings, Some("http://169.254.169.254"), None, &*world.ports.http).await;
    let places: Vec<_> = refused.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(places, ["/settings/url", "/base_url"]);
    for host in ["192.168.0.1", "3232235521", "fd00::1"] {
        let mail = json!({"host": host, "port": 25});
        let refused = admit(Kind::EmailSmtp, mail.as_object().unwrap(), None, None, &*world.ports.http).await;
        assert_eq!(refused[0].pointer, "/settings/host", "{host}");
    }
    for kind in Kind::ALL {
        assert_eq!(capability(kind).kind, kind);
        assert_eq!(secret_names(kind).is_empty(), kind == Kind::EmailSes);
    }
}
