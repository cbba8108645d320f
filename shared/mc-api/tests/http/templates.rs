//! Templates, their versions and previews.

use mc_core::model::Role;
use serde_json::{Value, json};

use crate::app::App;

fn template(body: &str) -> Value {
    json!({
        "title": "{{ app }} is out",
        "body": body,
        "format": "markdown",
        "variables": {"type": "object", "required": ["app"], "properties": {"app": {"type": "string"}}},
        "sample": {"app": "pay"},
    })
}

#[tokio::test]
async fn a_template_has_versions() {
    let app = App::new().await;
    let one = app.put("/v1/templates/deploy", template("one")).await.is(201);
    assert_eq!(one.json["version"], 1);
    assert_eq!(app.put("/v1/templates/deploy", template("one")).await.is(200).json["version"], 1);
    assert_eq!(app.put("/v1/templates/deploy", template("two")).await.is(200).json["version"], 2);
    assert_eq!(app.get("/v1/templates/deploy").await.is(200).json["body"], "two");
    assert_eq!(app.get("/v1/templates/deploy/versions/1").await.is(200).json, one.json);
    let versions = app.get("/v1/templates/deploy/versions?limit=1").await.is(200);
    assert_eq!(versions.json["items"][0]["version"], 2);
    let next = versions.text_at("/next_cursor");
    let versions = app.get(&format!("/v1/templates/deploy/versions?limit=1&cursor={next}")).await.is(200);
    assert_eq!(versions.json["items"][0]["version"], 1);
    let back = app.post("/v1/templates/deploy/rollback", json!({"version": 1})).await.is(200);
    assert_eq!((&back.json["version"], &back.json["body"]), (&json!(3), &json!("one")));
    let diff = app.get("/v1/templates/deploy/versions/1/diff?to=2").await.is(200);
    assert_eq!((&diff.json["from"], &diff.json["to"]), (&json!(1), &json!(2)));
    assert_eq!(diff.json["changes"][0]["pointer"], "/body");
    assert_eq!(diff.json["changes"][0]["diff"], "@@ -1 +1 @@\n-one\n+two\n");
    let same = app.get("/v1/templates/deploy/versions/1/diff").await.is(200);
    assert_eq!((&same.json["to"], &same.json["changes"]), (&json!(3), &json!([])));
    let diff = "/v1/templates/deploy/versions/1/diff?to=9";
    app.get(diff).await.refuses(422, "unknown_version", "/to");
    app.get("/v1/templates/deploy/versions/9/diff").await.refuses(404, "not_found", "");
    let none = app.post("/v1/templates/deploy/rollback", json!({"version": 9})).await;
    none.refuses(422, "unknown_version", "/version");
    for path in
        ["/v1/templates/deploy/versions/9", "/v1/templates/deploy/versions/x", "/v1/templates/no/versions"]
    {
        app.get(path).await.refuses(404, "not_found", "");
    }
    app.post("/v1/templates/no/rollback", json!({"version": 1})).await.refuses(404, "not_found", "");
    assert_eq!(app.get("/v1/templates").await.items("name"), ["deploy"]);
    app.delete("/v1/templates/deploy").await.is(204);
    app.get("/v1/templates/deploy").await.refuses(404, "not_found", "");
    app.delete("/v1/templates/deploy").await.refuses(404, "not_found", "");
    assert_eq!(app.get("/v1/events").await.items("type")[0], "template.delete");
}

#[tokio::test]
async fn a_links_label_is_part_of_a_version() {
    let app = App::new().await;
    app.channel("im").await;
    let labelled = |label: Value| {
        let mut body = template("hello");
        body["url"] = "https://x.example".into();
        body["url_label"] = label;
        body["channels"] = json!({"im": {"url_label": "Open {{ app }}"}});
        body
    };
    let one = app.put("/v1/templates/deploy", labelled("See {{ app }}".into())).await.is(201);
    assert_eq!(one.json["url_label"], "See {{ app }}");
    assert_eq!(one.json["channels"]["im"]["url_label"], "Open {{ app }}");
    app.put("/v1/templates/deploy", labelled("Look".into())).await.is(200);
    let diff = app.get("/v1/templates/deploy/versions/1/diff?to=2").await.is(200);
    let change = &diff.json["changes"][0];
    assert_eq!(diff.json["changes"].as_array().unwrap().len(), 1);
    assert_eq!(change["pointer"], "/url_label");
    assert_eq!((&change["from"], &change["to"]), (&json!("See {{ app }}"), &json!("Look")));
    let shown = app.post("/v1/templates/deploy/preview", json!({"channels": ["im"]})).await.is(200);
    assert_eq!(shown.json["previews"][0]["payload"]["body"]["url_label"], "Open pay");
    let bare = app.put("/v1/templates/deploy", labelled(Value::Null)).await.is(200);
    assert_eq!((&bare.json["version"], bare.json.get("url_label")), (&json!(3), None));
    let broken = app.put("/v1/templates/deploy", labelled("{{ oops".into())).await;
    broken.refuses(422, "invalid_template", "/url_label");
}

#[tokio::test]
async fn an_override_that_no_channel_takes_is_warned_of() {
    let app = App::new().await;
    app.channel("im").await;
    let with = |channels: Value| app.put("/v1/templates/t", json!({"body": "x", "channels": channels}));
    let title = json!({"title": "y"});
    let known = with(json!({"im": title, "webhook": title})).await.is(201);
    assert_eq!(known.json["warnings"], Value::Null);
    let unknown = with(json!({"im": title, "wecom_robto": title})).await.is(200);
    let warnings = &unknown.json["warnings"];
    assert_eq!(warnings.as_array().unwrap().len(), 1);
    assert_eq!(warnings[0]["code"], "unknown_channel");
    assert_eq!(warnings[0]["at"], "/channels/wecom_robto");
    assert_eq!(app.get("/v1/templates/t").await.json["warnings"], Value::Null);
    // As soon as there is one, it is what was meant.
    app.channel("wecom_robto").await;
    let known = with(json!({"im": title, "wecom_robto": title})).await.is(200);
    assert_eq!((&known.json["version"], &known.json["warnings"]), (&json!(2), &Value::Null));
    with(json!({"no name": title})).await.refuses(422, "invalid_template", "/channels/no name");
}

#[tokio::test]
async fn what_would_not_render_is_refused() {
    let app = App::new().await;
    app.put("/v1/templates/x", json!({"body": "{{ oops"})).await.refuses(422, "invalid_template", "/body");
    // Also what stands where no sample would come by.
    let seldom = "a\n{% if alarm is defined %}{{ alarm | nope }}{% endif %}";
    let refused = app.put("/v1/templates/x", json!({"title": "x", "body": seldom, "sample": {}})).await;
    let refused = refused.refuses(422, "invalid_template", "/body");
    assert!(refused.text_at("/detail").ends_with("line 2: there is no filter \"nope\""), "{}", refused.json);
    let named = json!({"body": "x", "channels": {"im": {"title": "{{ now() }}"}}});
    app.put("/v1/templates/x", named).await.refuses(422, "invalid_template", "/channels/im/title");
    app.put("/v1/templates/x", json!({"body": 1})).await.refuses(422, "invalid_request", "/body");
    let typed = json!({"body": "x", "channels": {"im": {"title": true}}});
    let refused = app.put("/v1/templates/x", typed).await;
    let refused = refused.refuses(422, "invalid_template", "/channels/im/title");
    assert_eq!(refused.text_at("/detail"), "/channels/im/title is true, but must be a text");
    app.put("/v1/templates/x", json!({"body": "x", "variables": 1})).await.refuses(
        422,
        "invalid_template",
        "/variables",
    );
    let mut odd = template("x");
    odd["sample"] = json!({"app": 1});
    app.put("/v1/templates/x", odd).await.refuses(422, "invalid_template", "/sample/app");
    app.put("/v1/templates/x", json!({"title": "x"})).await.refuses(422, "invalid_request", "/body");
}

#[tokio::test]
async fn a_draft_is_previewed_for_every_kind() {
    let app = App::new().await;
    let body = json!({"template": template("hello **{{ app }}**"), "data": {"app": "pay"}});
    let shown = app.post("/v1/preview", body).await.is(200);
    let kinds: Vec<&str> =
        shown.json["previews"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, mc_core::model::Kind::ALL.map(mc_core::model::Kind::as_str));
    assert!(
        shown.json["previews"]
            .as_array()
            .unwrap()
            .iter()
            .all(|p| p["text"].as_str().unwrap().contains("pay"))
    );
    // A template message has room for little, which is its own affair until somebody asks for it.
    let long = json!({"template": template(&"long ".repeat(9))});
    let shown = app.post("/v1/preview", long.clone()).await.is(200);
    let preview = |kind: &str| {
        let previews = shown.json["previews"].as_array().unwrap().iter();
        previews.into_iter().find(|preview| preview["kind"] == kind).unwrap()
    };
    let refused = preview("wechat_official");
    assert_eq!((&refused["payload"], &refused["warnings"][0]["code"]), (&json!(null), &json!("too_large")));
    assert!(preview("email_smtp")["payload"].is_object());
    let asked = json!({"template": long["template"], "kinds": ["email_smtp", "wechat_official"]});
    let asked = app.post("/v1/preview", asked).await.is(200);
    assert!(asked.json["previews"][0]["payload"].is_object());
    assert_eq!(asked.json["previews"][1], *refused, "one that is asked for is shown no less");
    let only = json!({"template": template("x"), "kinds": ["email_smtp"]});
    assert_eq!(app.post("/v1/preview", only).await.is(200).json["previews"].as_array().unwrap().len(), 1);
    let wrong = json!({"template": template("x"), "data": {"app": 1}});
    let wrong = app.post("/v1/preview", wrong).await.refuses(422, "invalid_data", "/data/app");
    assert_eq!(wrong.text_at("/detail"), "/data/app must be a text");
    let channels = json!({"webhook": {"title": "y"}, "im": {"title": "y"}});
    let odd = json!({"template": {"body": "x", "channels": channels}});
    let odd = app.post("/v1/preview", odd).await.is(200);
    assert_eq!(odd.json["warnings"].as_array().unwrap().len(), 1);
    assert_eq!(odd.json["warnings"][0]["code"], "unknown_channel");
    assert_eq!(odd.json["warnings"][0]["at"], "/template/channels/im");
    assert_eq!(shown.json["warnings"], Value::Null);
    let broken = json!({"template": {"body": "{{ oops"}});
    app.post("/v1/preview", broken).await.refuses(422, "invalid_template", "/template/body");
    app.post("/v1/preview", json!({"template": {"body": "x"}, "kinds": ["fax"]})).await.refuses(
        422,
        "invalid_request",
        "/kinds/0",
    );
}

#[tokio::test]
async fn a_mails_html_is_shown_as_it_is_sent_and_once_more_so_that_it_is_safe_to_show() {
    let app = App::new().await;
    let body = "<p onclick=\"x\">hello <b>{{ app }}</b></p>\n<script>alert(1)</script>";
    let template = json!({"title": "Hi", "body": body, "format": "html", "sample": {"app": "pay"}});
    let kinds = ["email_smtp", "email_ses", "webhook"];
    let shown = app.post("/v1/preview", json!({"template": template, "kinds": kinds})).await.is(200);
    for mail in &shown.json["previews"].as_array().unwrap()[..2] {
        let (sent, safe) = (mail["payload"]["html"].as_str().unwrap(), mail["html"].as_str().unwrap());
        assert!(sent.contains("<script>alert(1)</script>") && sent.contains("onclick"), "{sent}");
        assert!(safe.contains(">hello <b>pay</b></p>"), "{safe}");
        assert!(!safe.contains("alert") && !safe.contains("onclick") && !safe.contains("<style"), "{safe}");
        let told: Vec<_> = mail["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|warning| (&warning["code"], &warning["at"]))
            .collect();
        let wanted =
            [(json!("event_attribute"), json!("line 1")), (json!("script_element"), json!("line 2"))];
        assert_eq!(told, wanted.each_ref().map(|(code, at)| (code, at)));
    }
    assert!(shown.json["previews"][2].get("html").is_none(), "a webhook's payload is no page");
}

#[tokio::test]
async fn a_stored_template_is_previewed_for_its_channels() {
    let app = App::new().await;
    app.channel("im").await;
    let mut body = template("hello {{ app }}");
    body["routing"] = json!({"channels": ["im", "later"]});
    app.put("/v1/templates/deploy", body).await.is(201);
    let shown = app.call("POST", "/v1/templates/deploy/preview").send().await.is(200);
    assert_eq!(shown.json["previews"].as_array().unwrap().len(), 1);
    assert_eq!(shown.json["previews"][0]["channel"], "im");
    let asked = json!({"data": {"app": "x"}, "channels": ["later"]});
    app.post("/v1/templates/deploy/preview", asked).await.refuses(422, "unknown_channel", "/channels/0");
    app.post("/v1/templates/no/preview", json!({})).await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn a_channel_that_would_refuse_is_shown_with_the_reason() {
    let app = App::new().await;
    app.channel("im").await;
    let settings = json!({"url": "https://im.example.com/send", "headers": {"X-Room": "{{ data.app }}"}});
    app.put("/v1/channels/room", json!({"kind": "webhook", "settings": settings})).await.is(201);
    app.put("/v1/templates/deploy", template("hello {{ app }}")).await.is(201);
    let asked = json!({"data": {"app": "a\nb"}, "channels": ["room", "im"]});
    let shown = app.post("/v1/templates/deploy/preview", asked).await.is(200);
    let refused = &shown.json["previews"][0];
    assert_eq!((&refused["channel"], &refused["payload"]), (&json!("room"), &Value::Null));
    assert_eq!(refused["warnings"][0]["code"], "bad_header");
    assert!(shown.json["previews"][1]["payload"].is_object());
}

#[tokio::test]
async fn another_projects_template_is_not_there() {
    let app = App::new().await;
    app.put("/v1/templates/t", template("x")).await.is(201);
    let other = app.key("other", Role::Admin).await;
    for (method, tail) in [("GET", ""), ("GET", "/versions"), ("GET", "/versions/1"), ("DELETE", "")] {
        let path = format!("/v1/templates/t{tail}");
        app.call(method, &path).by(&other).send().await.refuses(404, "not_found", "");
    }
    let rollback = app.call("POST", "/v1/templates/t/rollback").by(&other).json(json!({"version": 1}));
    rollback.send().await.refuses(404, "not_found", "");
    app.call("POST", "/v1/templates/t/preview").by(&other).send().await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn templates_include_each_other() {
    let app = App::new().await;
    app.channel("im").await;
    let page = json!({"body": "{% include 'footer' %}", "routing": {"channels": ["im"]}});
    app.put("/v1/templates/page", page.clone()).await.refuses(422, "invalid_template", "/body");
    app.put("/v1/templates/footer", json!({"body": "the end"})).await.is(201);
    app.put("/v1/templates/page", page.clone()).await.is(201);
    let shown = app.post("/v1/templates/page/preview", json!({})).await.is(200);
    assert_eq!(shown.text_at("/previews/0/text"), "the end");
    let shown = app.post("/v1/preview", json!({"template": page, "kinds": ["webhook"]})).await.is(200);
    assert_eq!(shown.text_at("/previews/0/text"), "the end");
    let sent = app.post("/v1/messages", json!({"template": "page"})).await.is(202);
    assert_eq!(sent.json["template"], json!({"name": "page", "version": 1, "includes": {"footer": 1}}));
    app.delete("/v1/templates/footer").await.refuses(409, "in_use", "");
    let circle = json!({"body": "{% include 'page' %}"});
    app.put("/v1/templates/footer", circle).await.refuses(422, "invalid_template", "/body");
    app.delete("/v1/templates/page").await.is(204);
    app.delete("/v1/templates/footer").await.is(204);
}
