//! Messages from the first call to the last.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mc_core::model::Role;
use serde_json::{Value, json};

use crate::app::App;

fn message() -> Value {
    json!({"content": {"title": "Done", "body": "pay is out"}, "routing": {"channels": ["im"]}})
}

async fn app() -> App {
    let app = App::new().await;
    app.channel("im").await;
    app
}

#[tokio::test]
async fn a_message_is_accepted_sent_and_shown() {
    let app = app().await;
    let mut body = message();
    body["reference"] = "order-1".into();
    body["tags"] = json!(["deploy"]);
    body["data"] = json!({"app": "pay"});
    let accepted =
        app.call("POST", "/v1/messages").json(body).header("x-request-id", "mine-1").send().await.is(202);
    assert_eq!(accepted.header("x-request-id"), "mine-1");
    assert_eq!(accepted.json["status"], "queued");
    assert_eq!(accepted.json["deliveries"][0]["channel"], "im");
    let url = accepted.text_at("/url");
    assert_eq!(app.get(&url).await.is(200).json["request_id"], "mine-1");
    app.deliver().await;
    let shown = app.get(&url).await.is(200);
    assert_eq!(shown.json["status"], "completed");
    let counts = json!({
        "queued": 0, "sending": 0, "retrying": 0, "sent": 1, "delivered": 0, "read": 0, "failed": 0, "in_doubt": 0,
        "expired": 0, "canceled": 0, "suppressed": 0, "recalled": 0,
    });
    assert_eq!(shown.json["counts"], counts, "every state is named");
    assert_eq!(shown.json["deliveries"][0]["attempts"][0]["outcome"], "sent");
    let recipients = app.get(&format!("{url}/recipients?status=sent")).await.is(200);
    assert_eq!(recipients.items("address"), ["im"]);
    assert!(app.get(&format!("{url}/recipients?status=failed")).await.is(200).items("address").is_empty());
}

#[tokio::test]
async fn a_link_of_a_content_may_have_a_label() {
    let app = app().await;
    let mut body = message();
    body["dry_run"] = true.into();
    body["content"]["url"] = "https://x.example".into();
    body["content"]["url_label"] = "See {{ it }}".into();
    let shown = app.post("/v1/messages", body.clone()).await.is(200);
    assert_eq!(shown.json["previews"][0]["payload"]["body"]["url_label"], "See {{ it }}", "it is literal");
    body["content"]["url_label"] = 1.into();
    app.post("/v1/messages", body).await.refuses(422, "invalid_request", "/content/url_label");
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let app = app().await;
    let mut body = message();
    body["dry_run"] = true.into();
    let shown = app.post("/v1/messages", body).await.is(200);
    assert_eq!(shown.json["previews"][0]["channel"], "im");
    assert_eq!(shown.json["quota"][0]["would_use"], 1);
    assert!(app.get("/v1/messages").await.is(200).items("id").is_empty());
}

#[tokio::test]
async fn what_can_be_known_at_once_is_refused_at_once() {
    let app = app().await;
    let table = [
        (json!({"template": "nope"}), "unknown_template", "/template"),
        (json!({"content": {"body": "x"}}), "no_routing", "/routing"),
        (
            json!({"content": {"body": "x"}, "routing": {"channels": ["no"]}}),
            "unknown_channel",
            "/routing/channels/0",
        ),
        (json!({"contnet": {}}), "invalid_request", "/contnet"),
        (json!({"content": {"body": 1}}), "invalid_request", "/content/body"),
        (json!({"content": {"body": "x"}, "to": [{"email": "nobody"}]}), "no_routing", "/routing"),
    ];
    for (body, code, pointer) in table {
        app.post("/v1/messages", body).await.refuses(422, code, pointer);
    }
    let mut body = message();
    body["to"] = json!([{"email": "nobody"}]);
    app.post("/v1/messages", body).await.refuses(422, "invalid_address", "/to/0/email");
    for (url, code) in
        [("ftp://x.example/a.pdf", "invalid_request"), ("http://10.0.0.1/a", "forbidden_address")]
    {
        let mut body = message();
        body["attachments"] = json!([{"filename": "a.pdf", "url": url}]);
        app.post("/v1/messages", body).await.refuses(422, code, "/attachments/0/url");
    }
}

#[tokio::test]
async fn a_value_that_the_channels_own_templates_lack_is_no_fault_of_the_content() {
    let app = App::new().await;
    let settings = json!({"url": "https://im.example.com/{{ data.room }}", "body": {"say": "{{ text }}"}});
    app.put("/v1/channels/im", json!({"kind": "webhook", "settings": settings})).await.is(201);
    let refused = app.post("/v1/messages", message()).await.refuses(422, "missing_variable", "/data");
    let detail = refused.text_at("/detail");
    assert!(detail.contains("/settings/url") && detail.ends_with("(channel im)"), "{detail}");
    let mut whole = message();
    whole["data"] = json!({"room": "ops"});
    app.post("/v1/messages", whole).await.is(202);
}

#[tokio::test]
async fn the_same_key_sends_once() {
    let app = app().await;
    let send = async |body: Value, key: &str| {
        app.call("POST", "/v1/messages").json(body).header("idempotency-key", key).send().await
    };
    let first = send(message(), "k-1").await.is(202);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = send(message(), "k-1").await.is(202);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json, first.json);
    let mut other = message();
    other["content"]["body"] = "other".into();
    send(other, "k-1").await.refuses(409, "idempotency_key_reused", "");
    // The same key on another path is another request.
    let batch = app.call("POST", "/v1/messages/batch").json(json!({"messages": [message()]}));
    batch.header("idempotency-key", "k-1").send().await.refuses(409, "idempotency_key_reused", "");
    assert_ne!(send(message(), "k-2").await.is(202).json["id"], first.json["id"]);
    for bad in ["", "a b", &"k".repeat(256)] {
        send(message(), bad).await.refuses(422, "invalid_idempotency_key", "/idempotency-key");
    }
    app.clock.advance(Duration::from_secs(86_401));
    assert_ne!(send(message(), "k-1").await.is(202).json["id"], first.json["id"]);
}

#[tokio::test]
async fn two_at_the_same_instant_are_one() {
    let app = app().await;
    let send = || app.call("POST", "/v1/messages").json(message()).header("idempotency-key", "k").send();
    let (a, b, c) = tokio::join!(send(), send(), send());
    assert_eq!((a.status, b.status, c.status), (202, 202, 202));
    assert!(a.json["id"] == b.json["id"] && b.json["id"] == c.json["id"]);
    assert_eq!(app.get("/v1/messages").await.items("id").len(), 1);
}

#[tokio::test]
async fn one_bad_message_does_not_spoil_a_batch() {
    let app = app().await;
    let mut dry = message();
    dry["dry_run"] = true.into();
    let messages = json!([message(), {"to": [{"email": 1}]}, {"template": "nope"}, dry, 7, message()]);
    let answer = app.post("/v1/messages/batch", json!({ "messages": messages })).await.is(202);
    let results = answer.json["results"].as_array().unwrap();
    assert!(results[0]["id"].is_string() && results[5]["id"].is_string());
    assert_eq!(results[1]["errors"][0]["pointer"], "/messages/1/to/0/email");
    assert_eq!(results[2]["errors"][0]["pointer"], "/messages/2/template");
    assert_eq!(results[3]["errors"][0]["pointer"], "/messages/3/dry_run");
    assert_eq!(results[4]["errors"][0]["pointer"], "/messages/4");
    assert_eq!(app.get("/v1/messages").await.items("id").len(), 2);
}

#[tokio::test]
async fn a_batch_of_nothing_good_is_refused() {
    let app = app().await;
    let bad = json!({"messages": [{"template": "nope"}, {"x": 1}]});
    let answer = app.post("/v1/messages/batch", bad).await;
    let answer = answer.refuses(422, "no_message_accepted", "/messages/0/template");
    assert_eq!(answer.json["errors"][1]["pointer"], "/messages/1/x");
    app.post("/v1/messages/batch", json!({"messages": []})).await.refuses(
        422,
        "invalid_request",
        "/messages",
    );
    let many: Vec<Value> = (0..1001).map(|_| json!({})).collect();
    app.post("/v1/messages/batch", json!({ "messages": many })).await.refuses(
        422,
        "invalid_request",
        "/messages",
    );
    app.post("/v1/messages/batch", json!({"messages": {}})).await.refuses(
        422,
        "invalid_request",
        "/messages",
    );
}

#[tokio::test]
async fn a_batch_is_replayed_as_a_whole() {
    let app = app().await;
    let mut both = message();
    both["tags"] = json!(["", "\n"]);
    let body = json!({"messages": [message(), {"template": "nope"}, both, {"to": [{"email": 1}]}, 7]});
    let send =
        || app.call("POST", "/v1/messages/batch").json(body.clone()).header("idempotency-key", "b").send();
    let first = send().await.is(202);
    let again = send().await.is(202);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json, first.json);
    assert_eq!(again.json["results"][1]["code"], "unknown_template");
    assert_eq!(again.json["results"][2]["errors"][1]["pointer"], "/messages/2/tags/1");
}

#[tokio::test]
async fn a_walk_over_pages_sees_everything_once() {
    let app = app().await;
    let mut sent = Vec::new();
    for _ in 0..7 {
        sent.push(app.post("/v1/messages", message()).await.is(202).text_at("/id"));
        app.clock.advance(Duration::from_millis(10));
    }
    sent.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/messages?limit=3&cursor={cursor}")).await.is(200);
        seen.extend(page.items("id"));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, sent);
}

#[tokio::test]
async fn a_walk_over_recipients_sees_everybody_once() {
    let app = app().await;
    let mail =
        json!({"kind": "email_smtp", "settings": {"host": "mail.example.com", "from": "a@example.com"}});
    app.put("/v1/channels/mail", mail).await.is(201);
    let to: Vec<Value> = (0..250).map(|i| json!({"email": format!("u{i}@example.com")})).collect();
    let body = json!({"content": {"body": "x"}, "to": to, "routing": {"channels": ["mail"]}});
    let url = app.post("/v1/messages", body).await.is(202).text_at("/url");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("{url}/recipients?limit=60&status=queued&cursor={cursor}")).await.is(200);
        seen.extend(page.items("address"));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..250).map(|i| format!("u{i}@example.com")).collect::<Vec<_>>());
    app.get(&format!("{url}/recipients?cursor=x")).await.refuses(422, "invalid_parameter", "/cursor");
}

#[tokio::test]
async fn listings_are_filtered() {
    let app = app().await;
    app.channel("im2").await;
    let mut marked = message();
    marked["reference"] = "order-1".into();
    marked["tags"] = json!(["deploy"]);
    marked["routing"] = json!({"channels": ["im2"]});
    let id = app.post("/v1/messages", marked).await.is(202).text_at("/id");
    app.post("/v1/messages", message()).await.is(202);
    for filter in ["reference=order-1", "tag=deploy", "channel=im2", "status=queued&tag=deploy"] {
        let found = app.get(&format!("/v1/messages?{filter}")).await.is(200);
        assert_eq!(found.items("id"), [id.as_str()], "{filter}");
    }
    let sender = app.get(&format!("/v1/messages/{id}")).await.is(200).text_at("/sender");
    assert_eq!(app.get(&format!("/v1/messages?sender={sender}")).await.is(200).items("id").len(), 2);
    let earlier = "to=2026-11-01T00:00:00Z&from=2026-10-01T00:00:00Z";
    for filter in ["status=completed", "template=x", "sender=operator:nobody", earlier] {
        assert!(app.get(&format!("/v1/messages?{filter}")).await.is(200).items("id").is_empty(), "{filter}");
    }
    for (bad, pointer) in [
        ("status=lost", "/status"),
        ("from=now", "/from"),
        ("limit=0", "/limit"),
        ("cursor=a", "/cursor"),
        ("x=1", "/x"),
        ("tag=%FF", "/tag"),
        ("from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z", "/from"),
    ] {
        app.get(&format!("/v1/messages?{bad}")).await.refuses(422, "invalid_parameter", pointer);
    }
    app.post("/v1/messages?dry_run=true", message()).await.refuses(422, "invalid_parameter", "/dry_run");
}

#[tokio::test]
async fn a_scheduled_message_can_be_canceled_once() {
    let app = app().await;
    let mut body = message();
    body["send_at"] = "2026-12-02T09:00:00+08:00".into();
    let accepted = app.post("/v1/messages", body).await.is(202);
    assert_eq!(accepted.json["status"], "scheduled");
    let cancel = format!("{}/cancel", accepted.text_at("/url"));
    assert_eq!(app.call("POST", &cancel).send().await.is(200).json["status"], "canceled");
    app.call("POST", &cancel).send().await.refuses(409, "too_late", "");
}

#[tokio::test]
async fn what_failed_can_be_sent_again() {
    let app = app().await;
    app.platform.status.store(400, Ordering::SeqCst);
    let accepted = app.post("/v1/messages", message()).await.is(202);
    let url = accepted.text_at("/url");
    app.call("POST", &format!("{url}/retry")).send().await.refuses(409, "nothing_to_retry", "");
    app.deliver().await;
    assert_eq!(app.get(&url).await.is(200).json["status"], "failed");
    app.platform.status.store(200, Ordering::SeqCst);
    let again = app.call("POST", &format!("{url}/retry")).send().await.is(202);
    assert_eq!(again.json["retry_of"], accepted.json["id"]);
    app.deliver().await;
    let shown = app.get(&again.text_at("/url")).await.is(200);
    assert_eq!((&shown.json["status"], &shown.json["retry_of"]), (&json!("completed"), &accepted.json["id"]));
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_refused_with_the_reason() {
    let app = app().await;
    let url = app.post("/v1/messages", message()).await.is(202).text_at("/url");
    let early = app.call("POST", &format!("{url}/recall")).send().await.refuses(409, "not_recallable", "");
    assert!(early.text_at("/detail").contains("/cancel"), "{}", early.json);
    app.deliver().await;
    let late = app.call("POST", &format!("{url}/recall")).send().await.refuses(409, "not_recallable", "");
    assert!(late.text_at("/detail").contains("cannot take a message back"), "{}", late.json);
    let nobodys = "/v1/messages/msg_01HF7YAT31000000000000001A";
    app.call("POST", &format!("{nobodys}/recall")).send().await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn what_was_taken_back_from_everybody_may_be_taken_back_again() {
    let app = App::new().await;
    let feishu =
        json!({"kind": "feishu_app", "settings": {"app_id": "cli_1"}, "secrets": {"app_secret": "secret-1"}});
    app.put("/v1/channels/feishu", feishu).await.is(201);
    *app.platform.body.lock().unwrap() =
        r#"{"code": 0, "tenant_access_token": "t-1", "expire": 7200, "data": {"message_id": "om_1"}}"#;
    let mut body = message();
    body["routing"] = json!({"channels": ["feishu"]});
    body["to"] = json!([{"feishu": "ou_1"}]);
    let url = app.post("/v1/messages", body).await.is(202).text_at("/url");
    app.deliver().await;
    let recall = async || app.call("POST", &format!("{url}/recall")).send().await.is(200);
    assert_eq!(recall().await.json["counts"]["recalled"], 1);
    assert_eq!(recall().await.json["counts"]["recalled"], 1);
    let log = app.get("/v1/events?type=message.recall").await.items("type");
    assert_eq!(log.len(), 1, "nothing happened the second time");
}

#[tokio::test]
async fn the_ingest_router_has_messages_only() {
    use tower::ServiceExt;
    let app = app().await;
    let router = mc_api::ingest_router(app.api.clone());
    for (path, status) in [("/v1/messages", 401), ("/v1/channels", 404), ("/healthz", 404)] {
        let request = http::Request::builder().uri(path).body(axum::body::Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn another_projects_message_is_not_there() {
    let app = app().await;
    let url = app.post("/v1/messages", message()).await.is(202).text_at("/url");
    let other = app.key("other", Role::Admin).await;
    for (method, tail) in
        [("GET", ""), ("GET", "/recipients"), ("POST", "/cancel"), ("POST", "/retry"), ("POST", "/recall")]
    {
        app.call(method, &format!("{url}{tail}")).by(&other).send().await.refuses(404, "not_found", "");
    }
}
