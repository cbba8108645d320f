//! Channels: what they show, what they keep, what they refuse.

use std::sync::atomic::Ordering;

use mc_core::model::Role;
use serde_json::{Value, json};

use crate::app::{App, SECRET};

fn robot() -> Value {
    json!({
        "kind": "wecom_robot",
        "secrets": {"key": "hunter2-5a1db0c5-0000-4000-8000-000000000001"},
        "base_url": "https://im.example.com",
        "proxy": "http://user:hunter2@proxy.example.com:3128",
        "limits": {"per_minute": 10},
        "alarm": {"remaining_below_percent": 20},
        "on_doubt": "hold",
    })
}

/// What the store holds under the channel's secrets, opened.
async fn secret(app: &App, name: &str, field: &str) -> Option<String> {
    let doc = app.center.channels.doc("default", name).await.unwrap().unwrap();
    let sealed = if field == "proxy" { doc.proxy.clone()? } else { doc.secrets.get(field)?.clone() };
    assert!(!sealed.contains(SECRET));
    let opened = app.center.channels.unseal("default", name, field, &sealed).unwrap();
    Some(opened.expose().to_owned())
}

#[tokio::test]
async fn a_channel_is_made_replaced_listed_and_deleted() {
    let app = App::new().await;
    let made = app.put("/v1/channels/ops", robot()).await.is(201);
    assert_eq!(made.json["secrets"], json!({"key": {"set": true}}));
    assert_eq!(made.json["proxy"], "http://***@proxy.example.com:3128/");
    assert_eq!(made.json["enabled"], true);
    assert_eq!(app.get("/v1/channels/ops").await.is(200).json, made.json);
    app.put("/v1/channels/ops", robot()).await.is(200);
    app.channel("im").await;
    assert_eq!(app.get("/v1/channels").await.is(200).items("name"), ["ops", "im"]);
    let page = app.get("/v1/channels?limit=1").await.is(200);
    let next = page.text_at("/next_cursor");
    assert_eq!(app.get(&format!("/v1/channels?limit=1&cursor={next}")).await.items("name"), ["im"]);
    app.delete("/v1/channels/ops").await.is(204);
    app.delete("/v1/channels/ops").await.refuses(404, "not_found", "");
    app.get("/v1/channels/ops").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn a_secret_stays_until_it_is_replaced_or_removed() {
    let app = App::new().await;
    app.put("/v1/channels/ops", robot()).await.is(201);
    let first = secret(&app, "ops", "key").await;
    // Not named, and named as it was shown: it stays.
    let mut shown = app.get("/v1/channels/ops").await.json;
    for field in ["name", "created_at", "updated_at"] {
        shown.as_object_mut().unwrap().remove(field);
    }
    app.put("/v1/channels/ops", shown.clone()).await.is(200);
    assert_eq!(secret(&app, "ops", "key").await, first);
    assert_eq!(secret(&app, "ops", "proxy").await.unwrap(), "http://user:hunter2@proxy.example.com:3128");
    shown.as_object_mut().unwrap().remove("secrets");
    app.put("/v1/channels/ops", shown.clone()).await.is(200);
    assert_eq!(secret(&app, "ops", "key").await, first);
    // A pool of robots in place of one: a list is kept as its JSON.
    let keys =
        json!(["hunter2-a1db0c5-0000-4000-8000-00000000000a", "hunter2-a1db0c5-0000-4000-8000-00000000000b"]);
    shown["secrets"] = json!({"key": null, "keys": keys});
    app.put("/v1/channels/ops", shown.clone()).await.is(200);
    assert_eq!(secret(&app, "ops", "key").await, None);
    assert_eq!(secret(&app, "ops", "keys").await, Some(keys.to_string()));
    // Without any, it cannot be sent through.
    shown["secrets"] = json!({"keys": null});
    app.put("/v1/channels/ops", shown.clone()).await.refuses(422, "invalid_channel", "/secrets/key");
    shown["secrets"] = json!({"key": 7});
    app.put("/v1/channels/ops", shown.clone()).await.refuses(422, "invalid_channel", "/secrets/key");
    shown["secrets"] = json!({"key": {"set": true}});
    let unset = app.put("/v1/channels/ops", shown).await.refuses(422, "invalid_channel", "/secrets/key");
    assert_eq!(unset.text_at("/detail"), "there is no secret set here yet; give its value");
}

#[tokio::test]
async fn a_header_that_is_a_credential_is_a_secret() {
    let app = App::new().await;
    let url = "https://im.example.com/send";
    let with = |headers: Value| json!({"kind": "webhook", "settings": {"url": url, "headers": headers}});
    let given = json!({"Authorization": "Bearer hunter2", "X-App": "center", "Cookie": "{{ data.cookie }}"});
    let made = app.put("/v1/channels/im", with(given)).await.is(201);
    let shown = json!({"Authorization": {"set": true}, "X-App": "center", "Cookie": "{{ data.cookie }}"});
    assert_eq!(made.json["settings"]["headers"], shown);
    assert_eq!(made.json["secrets"], json!({}));
    // Given as it was shown, it stays.
    app.put("/v1/channels/im", with(shown)).await.is(200);
    let field = "settings/headers/Authorization";
    assert_eq!(secret(&app, "im", field).await.as_deref(), Some("Bearer hunter2"));
    // The app looks for it in all that is answered and logged.
    for path in ["/v1/channels/im", "/v1/channels", "/v1/events"] {
        app.get(path).await.is(200);
    }
    let routing = json!({"channels": ["im"]});
    let dry =
        json!({"content": {"body": "x"}, "data": {"cookie": "c=1"}, "routing": routing, "dry_run": true});
    let preview = app.post("/v1/messages", dry).await.is(200).json["previews"][0]["payload"].clone();
    assert_eq!(preview["headers"]["authorization"], "***");
    assert_eq!(preview["headers"]["cookie"], "c=1");
    // Another value is a change that can be seen; left out, it is gone.
    app.put("/v1/channels/im", with(json!({"Authorization": "Bearer hunter3"}))).await.is(200);
    let log = app.get("/v1/events").await.is(200);
    assert_eq!(log.json["items"][0]["data"]["secrets_changed"], json!([field]));
    app.put("/v1/channels/im", with(json!({}))).await.is(200);
    assert_eq!(secret(&app, "im", field).await, None);
    let mark = with(json!({"Authorization": {"set": true}}));
    app.put("/v1/channels/im", mark).await.refuses(422, "invalid_channel", "/settings/headers/Authorization");
    let mut aside = with(json!({}));
    aside["secrets"] = json!({ field: SECRET });
    let pointer = "/secrets/settings~1headers~1Authorization";
    app.put("/v1/channels/im", aside).await.refuses(422, "invalid_channel", pointer);
}

#[tokio::test]
async fn a_header_from_before_they_were_sealed_is_not_shown_either() {
    let app = App::new().await;
    app.channel("im").await;
    let mut doc = app.center.channels.doc("default", "im").await.unwrap().unwrap();
    doc.settings.insert("headers".to_owned(), json!({"x-api-key": "hunter2"}));
    app.center.channels.put("default", "im", doc).await.unwrap();
    let shown = app.get("/v1/channels/im").await.is(200);
    assert_eq!(shown.json["settings"]["headers"], json!({"x-api-key": {"set": true}}));
    let body = json!({"kind": "webhook", "settings": shown.json["settings"]});
    app.put("/v1/channels/im", body).await.is(200);
    let sealed = secret(&app, "im", "settings/headers/x-api-key").await;
    assert_eq!(sealed.as_deref(), Some("hunter2"));
}

#[tokio::test]
async fn a_secret_that_stays_and_is_in_the_way_is_said_to_go_with_null() {
    let app = App::new().await;
    let hook = "https://hooks.slack.com/services/T0/B0/hunter2";
    app.put("/v1/channels/ops", json!({"kind": "slack", "secrets": {"webhook_url": hook}})).await.is(201);
    let mut bot =
        json!({"kind": "slack", "settings": {"channel": "C0"}, "secrets": {"bot_token": "xoxb-hunter2"}});
    let refused = app.put("/v1/channels/ops", bot.clone()).await;
    let refused = refused.refuses(422, "invalid_channel", "/secrets/bot_token");
    assert!(refused.text_at("/detail").contains("null"), "{}", refused.text);
    bot["secrets"]["webhook_url"] = Value::Null;
    let shown = app.put("/v1/channels/ops", bot).await.is(200);
    assert_eq!(shown.json["secrets"], json!({"bot_token": {"set": true}}));
}

#[tokio::test]
async fn a_login_that_names_a_secret_is_put_with_it() {
    let app = App::new().await;
    let login = json!({"url": "https://im.example.com/login", "token_pointer": "/t", "body": {"p": "{{ password }}"}});
    let mut body =
        json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send", "login": login}});
    let refused = app.put("/v1/channels/im", body.clone()).await;
    let refused = refused.refuses(422, "invalid_channel", "/settings/login/body/p");
    assert!(refused.text_at("/detail").contains("give it in secrets"), "{}", refused.text);
    body["secrets"] = json!({"password": SECRET});
    app.put("/v1/channels/im", body.clone()).await.is(201);
    // It stays where it is not named, and cannot go while it is needed.
    body["secrets"] = json!({});
    app.put("/v1/channels/im", body.clone()).await.is(200);
    body["secrets"] = json!({"password": null});
    app.put("/v1/channels/im", body).await.refuses(422, "invalid_channel", "/settings/login/body/p");
}

#[tokio::test]
async fn another_kind_begins_without_the_old_ones_secrets() {
    let app = App::new().await;
    app.put("/v1/channels/ops", robot()).await.is(201);
    let webhook = json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send"}});
    assert_eq!(app.put("/v1/channels/ops", webhook).await.is(200).json["secrets"], json!({}));
}

#[tokio::test]
async fn wrong_configurations_are_refused_with_their_place() {
    let app = App::new().await;
    let table = [
        (json!({"kind": "pigeon"}), "invalid_request", "/kind"),
        (json!({"kind": "wecom_robot"}), "invalid_channel", "/secrets/key"),
        (
            json!({"kind": "wecom_robot", "secrets": {"kee": "x", "key": "hunter2-long-enough-0000000000000"}}),
            "invalid_channel",
            "/secrets/kee",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example", "x": 1}}),
            "invalid_channel",
            "/settings/x",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example", "body": "{% if seldom %}{{ x | nope }}{% endif %}"}}),
            "invalid_channel",
            "/settings/body",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example", "headers": {"X-A": "a", "x-a": "b"}}}),
            "invalid_channel",
            "/settings/headers/x-a",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "http://10.0.0.1/x"}}),
            "forbidden_address",
            "/settings/url",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example"}, "base_url": "http://10.0.0.1"}),
            "forbidden_address",
            "/base_url",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example"}, "limits": {"per_hour": 1}}),
            "invalid_request",
            "/limits/per_hour",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example"}, "limits": {"per_minute": 0}}),
            "invalid_channel",
            "/limits/per_minute",
        ),
        (
            json!({"kind": "webhook", "settings": {"url": "https://a.example"}, "alarm": 5}),
            "invalid_request",
            "/alarm",
        ),
    ];
    for (body, code, pointer) in table {
        app.put("/v1/channels/x", body).await.refuses(422, code, pointer);
    }
    app.get("/v1/channels/x").await.is(404);
    assert_eq!(app.platform.calls.load(Ordering::SeqCst), 0, "a PUT calls nobody");
}

#[tokio::test]
async fn a_channel_in_use_is_not_deleted() {
    let app = App::new().await;
    app.channel("im").await;
    app.put("/v1/templates/t", json!({"body": "x", "routing": {"channels": ["im"]}})).await.is(201);
    let answer = app.delete("/v1/channels/im").await.refuses(409, "in_use", "");
    assert!(answer.text_at("/detail").contains("t"));
    app.delete("/v1/templates/t").await.is(204);
    let waits =
        json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}, "send_at": "2027-01-01T00:00:00Z"});
    let waiting = app.post("/v1/messages", waits).await.is(202).text_at("/url");
    app.delete("/v1/channels/im").await.refuses(409, "in_use", "");
    app.post(&format!("{waiting}/cancel"), json!({})).await.is(200);
    // A key that does not work points at it as well: it may be switched on again.
    let key = json!({"name": "x", "role": "send", "allowed_channels": ["im"]});
    let id = app.post("/v1/access-keys", key).await.is(201).text_at("/id");
    let path = format!("/v1/access-keys/{id}");
    app.call("PATCH", &path).json(json!({"enabled": false})).send().await.is(200);
    let answer = app.delete("/v1/channels/im").await.refuses(409, "in_use", "");
    assert!(answer.text_at("/detail").contains(&id));
    app.call("PATCH", &path).json(json!({"allowed_channels": []})).send().await.is(200);
    app.delete("/v1/channels/im").await.is(204);
}

#[tokio::test]
async fn a_channel_is_tried_out() {
    let app = App::new().await;
    app.channel("im").await;
    let accepted = app.call("POST", "/v1/channels/im/test").send().await.is(202);
    app.deliver().await;
    assert_eq!(app.get(&accepted.text_at("/url")).await.json["status"], "completed");
    let own = json!({"to": [{"email": "a@example.com"}], "content": {"body": "own words"}});
    app.post("/v1/channels/im/test", own).await.is(202);
    app.post("/v1/channels/no/test", json!({})).await.refuses(404, "not_found", "");
    let calls = app.platform.calls.load(Ordering::SeqCst);
    let check = app.call("POST", "/v1/channels/im/check").send().await.is(200);
    assert_eq!(check.json["steps"][0]["name"], "settings");
    assert!(app.platform.calls.load(Ordering::SeqCst) <= calls + 1);
    app.call("POST", "/v1/channels/no/check").send().await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn a_channel_whose_stored_configuration_is_refused_says_so_until_it_is_put_anew() {
    let app = App::new().await;
    app.channel("im").await;
    app.put("/v1/channels/ops", robot()).await.is(201);
    let template = json!({"title": "T", "body": "B", "routing": {"channels": ["im", "ops"]}});
    app.put("/v1/templates/deploy", template).await.is(201);
    let mut doc = app.center.channels.doc("default", "ops").await.unwrap().unwrap();
    doc.settings.insert("shape".to_owned(), json!("round"));
    app.center.channels.put("default", "ops", doc).await.unwrap();

    let shown = app.get("/v1/channels/ops").await.is(200);
    assert_eq!(shown.json["settings"], json!({"shape": "round"}));
    let checked = app.call("POST", "/v1/channels/ops/check").send().await.is(200);
    assert_eq!((&checked.json["ok"], &checked.json["steps"][0]["name"]), (&json!(false), &json!("settings")));
    assert!(checked.text_at("/steps/0/detail").contains("/settings/shape"), "{}", checked.text);
    assert!(checked.text_at("/steps/0/next_step").contains("put the channel anew"), "{}", checked.text);

    let message = |channel: &str| json!({"content": {"body": "x"}, "routing": {"channels": [channel]}});
    let refused = app.post("/v1/messages", message("ops")).await;
    let refused = refused.refuses(422, "invalid_channel", "/routing/channels/0");
    assert!(refused.text_at("/detail").contains("/settings/shape"), "{}", refused.text);
    let mut dry = message("ops");
    dry["dry_run"] = json!(true);
    app.post("/v1/messages", dry).await.refuses(422, "invalid_channel", "/routing/channels/0");
    let batch = json!({"messages": [message("ops"), message("im")]});
    let results = app.post("/v1/messages/batch", batch).await.is(202).json["results"].clone();
    assert_eq!(results[0]["errors"][0]["pointer"], "/messages/0/routing/channels/0");
    assert!(results[1]["id"].is_string(), "{results}");
    let preview = "/v1/templates/deploy/preview";
    app.post(preview, json!({})).await.refuses(422, "invalid_channel", "/routing/channels/1");
    app.post(preview, json!({"channels": ["ops"]})).await.refuses(422, "invalid_channel", "/channels/0");
    app.get("/v1/channels/ops/platform-templates").await.refuses(409, "invalid_channel", "");

    app.put("/v1/channels/ops", robot()).await.is(200);
    app.post("/v1/messages", message("ops")).await.is(202);
}

#[tokio::test]
async fn templates_of_the_platform_are_offered() {
    let app = App::new().await;
    let account =
        json!({"kind": "wechat_official", "settings": {"app_id": "wx1"}, "secrets": {"app_secret": SECRET}});
    app.put("/v1/channels/wx", account).await.is(201);
    *app.platform.body.lock().unwrap() = r#"{"access_token": "hunter2", "expires_in": 7200, "template_list":
        [{"template_id": "t-1", "title": "Paid", "content": "Goods:{{thing1.DATA}}\n"}]}"#;
    let path = "/v1/channels/wx/platform-templates";
    let listed = app.get(path).await.is(200);
    let keyword = json!({"name": "thing1", "label": "Goods", "longest": 20});
    let template =
        json!({"id": "t-1", "title": "Paid", "content": "Goods:{{thing1.DATA}}\n", "keywords": [keyword]});
    assert_eq!(listed.json, json!({"items": [template], "next_cursor": null}));
    *app.platform.body.lock().unwrap() = r#"{"errcode": 48001, "errmsg": "api unauthorized hunter2"}"#;
    let refused = app.get(path).await.refuses(502, "platform_error", "");
    assert!(refused.text_at("/detail").contains("48001"), "{}", refused.text);
    app.channel("im").await;
    app.get("/v1/channels/im/platform-templates").await.refuses(409, "not_supported", "");
    app.get("/v1/channels/no/platform-templates").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn changes_are_written_down_without_secrets() {
    let app = App::new().await;
    app.put("/v1/channels/ops", robot()).await.is(201);
    app.delete("/v1/channels/ops").await.is(204);
    let log = app.get("/v1/events").await.is(200);
    assert_eq!(log.items("type"), ["channel.delete", "channel.put"]);
    assert!(log.text_at("/items/0/actor").starts_with("key:MC"));
    assert_eq!(log.json["items"][1]["data"]["secrets"], json!(["key"]));
}

#[tokio::test]
async fn another_projects_channel_is_not_there() {
    let app = App::new().await;
    app.channel("im").await;
    let other = app.key("other", Role::Admin).await;
    for (method, tail) in
        [("GET", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/check"), ("GET", "/platform-templates")]
    {
        let path = format!("/v1/channels/im{tail}");
        app.call(method, &path).by(&other).send().await.refuses(404, "not_found", "");
    }
    assert!(app.call("GET", "/v1/channels").by(&other).send().await.is(200).items("name").is_empty());
}
