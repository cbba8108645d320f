//! Webhooks, and the dead letters next to them.

use std::sync::atomic::Ordering;

use mc_core::model::Role;
use mc_core::ports::Task;
use mc_core::{Error, ErrorKind};
use mc_pipeline::dead;
use serde_json::{Value, json};

use crate::app::App;

fn hook() -> Value {
    json!({"url": "https://example.com/hook", "events": ["message.completed", "delivery.failed", "message.completed"]})
}

#[tokio::test]
async fn a_secret_is_generated_once_and_shown_once() {
    let app = App::new().await;
    let made = app.put("/v1/webhooks/w", hook()).await.is(201);
    let secret = made.text_at("/secret");
    assert!(secret.starts_with("whsec_"), "{secret}");
    assert_eq!(made.json["events"], json!(["message.completed", "delivery.failed"]));
    let shown = app.get("/v1/webhooks/w").await.is(200);
    assert_eq!(shown.json["secret"], json!({"set": true}));
    let sealed = app.center.webhooks.get("default", "w").await.unwrap().unwrap().secret;
    let replaced = app.put("/v1/webhooks/w", hook()).await.is(200);
    assert_eq!(replaced.json["secret"], json!({"set": true}));
    assert_eq!(app.center.webhooks.get("default", "w").await.unwrap().unwrap().secret, sealed);
    let mut given = hook();
    given["secret"] = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".into();
    let replaced = app.put("/v1/webhooks/w", given.clone()).await.is(200);
    assert_eq!(replaced.json["secret"], json!({"set": true}));
    assert!(!app.put("/v1/webhooks/w2", given).await.is(201).text.contains("C2FVsBQIhrsc"));
    assert_eq!(app.get("/v1/webhooks").await.items("name"), ["w2", "w"]);
    app.delete("/v1/webhooks/w").await.is(204);
    app.delete("/v1/webhooks/w").await.refuses(404, "not_found", "");
    app.get("/v1/webhooks/w").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn wrong_webhooks_are_refused_with_their_place() {
    let app = App::new().await;
    for (field, value, code, pointer) in [
        ("url", json!("http://10.0.0.1/x"), "forbidden_address", "/url"),
        ("url", json!("ftp://example.com"), "invalid_request", "/url"),
        ("events", json!([]), "invalid_request", "/events"),
        ("events", json!(["message.lost"]), "invalid_request", "/events/0"),
        ("secret", json!("whsec_short"), "invalid_request", "/secret"),
        ("retries", json!(1), "invalid_request", "/retries"),
    ] {
        let mut body = hook();
        body[field] = value;
        app.put("/v1/webhooks/w", body).await.refuses(422, code, pointer);
    }
}

#[tokio::test]
async fn what_it_was_told_can_be_seen_and_told_again() {
    let app = App::new().await;
    app.channel("im").await;
    app.put("/v1/webhooks/w", hook()).await.is(201);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    app.post("/v1/messages", message).await.is(202);
    app.deliver().await;
    let told = app.get("/v1/webhooks/w/attempts").await.is(200);
    assert_eq!(told.items("type"), ["message.completed"]);
    assert_eq!(told.items("state"), ["delivered"]);
    assert_eq!(told.json["items"][0]["attempts"][0]["status"], 200);
    let calls = app.platform.calls.load(Ordering::SeqCst);
    let again = app.post("/v1/webhooks/w/replay", json!({"from": "2026-11-30T00:00:00Z"})).await.is(202);
    assert_eq!(again.json["events"], 1);
    app.deliver().await;
    assert_eq!(app.platform.calls.load(Ordering::SeqCst), calls + 1);
    let backwards = json!({"from": "2026-11-30T00:00:00Z", "to": "2026-11-29T00:00:00Z"});
    app.post("/v1/webhooks/w/replay", backwards).await.refuses(422, "invalid_request", "/to");
    app.post("/v1/webhooks/w/replay", json!({"from": "x"})).await.refuses(422, "invalid_request", "/from");
    let mut off = hook();
    off["enabled"] = json!(false);
    app.put("/v1/webhooks/w", off).await.is(200);
    let from = json!({"from": "2026-11-30T00:00:00Z"});
    app.post("/v1/webhooks/w/replay", from).await.refuses(409, "webhook_disabled", "");
    app.get("/v1/webhooks/w/attempts?cursor=x").await.refuses(422, "invalid_parameter", "/cursor");
    app.get("/v1/webhooks/no/attempts").await.refuses(404, "not_found", "");
    app.post("/v1/webhooks/no/replay", json!({"from": "2026-11-30T00:00:00Z"})).await.refuses(
        404,
        "not_found",
        "",
    );
}

#[tokio::test]
async fn another_projects_webhook_is_not_there() {
    let app = App::new().await;
    app.put("/v1/webhooks/w", hook()).await.is(201);
    let other = app.key("other", Role::Admin).await;
    for (method, tail) in [("GET", ""), ("GET", "/attempts"), ("DELETE", "")] {
        let path = format!("/v1/webhooks/w{tail}");
        app.call(method, &path).by(&other).send().await.refuses(404, "not_found", "");
    }
    let replay = app.call("POST", "/v1/webhooks/w/replay").by(&other);
    replay.json(json!({"from": "2026-11-30T00:00:00Z"})).send().await.refuses(404, "not_found", "");
}

async fn dead_letter(app: &App, event: &str) {
    let task = Task::Notify { project: "default".into(), webhook: "w".to_owned(), event: event.to_owned() };
    let error = Error::new(ErrorKind::Corrupt, "it cannot be read");
    dead::put(&app.center, &task, &error).await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_listed_and_sent_again() {
    let app = App::new().await;
    for event in ["evt_1", "evt_2", "evt_3"] {
        dead_letter(&app, event).await;
    }
    let page = app.get("/v1/dead-letters?limit=2").await.is(200);
    assert_eq!(page.items("event_id"), ["evt_3", "evt_2"]);
    let next = page.text_at("/next_cursor");
    let rest = app.get(&format!("/v1/dead-letters?limit=2&cursor={next}")).await.is(200);
    assert_eq!(rest.items("event_id"), ["evt_1"]);
    let ids = json!({"ids": page.items("id")[..1]});
    assert_eq!(app.post("/v1/dead-letters/redrive", ids).await.is(202).json["redriven"], 1);
    assert_eq!(app.get("/v1/dead-letters").await.items("event_id"), ["evt_2", "evt_1"]);
    assert_eq!(app.post("/v1/dead-letters/redrive", json!({"all": true})).await.is(202).json["redriven"], 2);
    assert!(app.get("/v1/dead-letters").await.items("id").is_empty());
    let again = json!({"ids": [page.json["items"][0]["id"], "x"]});
    let again = app.post("/v1/dead-letters/redrive", again).await.is(202);
    assert_eq!(again.json, json!({"redriven": 0, "unknown": [page.json["items"][0]["id"], "x"]}));
    for bad in [json!({}), json!({"ids": []}), json!({"ids": ["x"], "all": true})] {
        app.post("/v1/dead-letters/redrive", bad).await.refuses(422, "invalid_request", "/ids");
    }
    let other = app.key("other", Role::Admin).await;
    dead_letter(&app, "evt_4").await;
    let redrive = app.call("POST", "/v1/dead-letters/redrive").by(&other).json(json!({"all": true}));
    assert_eq!(redrive.send().await.is(202).json["redriven"], 0);
}
