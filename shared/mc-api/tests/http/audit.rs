//! The audit log: nothing is changed without an entry, and it can be searched and taken away.

use std::time::Duration;

use mc_api::access::Need;
use mc_api::routes::Route;
use mc_core::model::{OperatorRole, Role};
use serde_json::{Value, json};

use crate::app::{App, As};
use crate::samples::{self, Holdings};

/// Routes that change nothing of the configuration: they send, or only look.
const NO_CHANGES: [&str; 6] = [
    "POST /v1/messages",
    "POST /v1/messages/batch",
    "POST /v1/schedules/{name}/run",
    "POST /v1/templates/{name}/preview",
    "POST /v1/preview",
    "POST /v1/channels/{name}/check",
];

/// Routes whose sample has nothing to change; tests of their own look at their entries.
const ELSEWHERE: [&str; 4] = [
    "POST /v1/messages/{id}/recall",
    "POST /v1/messages/{id}/retry",
    "POST /v1/templates/{name}/versions/{version}/approve",
    "POST /v1/templates/{name}/versions/{version}/reject",
];

fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

/// The routes that change something, but for those of sessions.
fn changing() -> impl Iterator<Item = &'static Route> {
    mc_api::routes::all().filter(|route| {
        let by_somebody = !matches!(route.need, Need::Nothing | Need::Local);
        by_somebody
            && route.method != "GET"
            && route.path != "/v1/session"
            && !NO_CHANGES.contains(&name(route).as_str())
    })
}

#[tokio::test]
async fn whoever_changes_something_is_written_down() {
    let mut seen = 0;
    for route in changing().filter(|route| !ELSEWHERE.contains(&name(route).as_str())) {
        let app = App::new().await;
        let held = Holdings::fill(&app, &app.admin, "default").await;
        app.operator("x", &[("default", OperatorRole::Viewer)]).await;
        let root = app.root().await;
        app.call("PUT", "/v1/projects/x").by(&root).json(json!({})).send().await.is(201);
        app.clock.advance(Duration::from_secs(1));
        let by_key = matches!(route.need, Need::Project { .. });
        let who = if by_key { app.admin.clone() } else { root.clone() };
        let (path, call) = (held.path(route), name(route));
        let answer = app
            .call(route.method.as_str(), &path)
            .by(&who)
            .header("x-request-id", "this-one")
            .header("user-agent", "check/1.0")
            .from("192.0.2.7:1")
            .header("content-type", "application/json")
            .bytes(samples::text(route))
            .send()
            .await;
        let text = &answer.text;
        assert!(answer.status < 300, "samples.rs lacks something for {call}: {} {text}", answer.status);
        let mut entries = Vec::new();
        for project in ["default", "x"] {
            let log = app.call("GET", "/v1/events").by(&root).header("x-project", project).send().await;
            entries.extend(log.json["items"].as_array().cloned().unwrap_or_default());
        }
        let entry = entries.iter().find(|entry| entry["request_id"] == "this-one");
        let entry = entry.unwrap_or_else(|| panic!("{call} left no entry in the audit log"));
        let actor = entry["actor"].as_str().unwrap_or_default();
        assert!(actor.starts_with(if by_key { "key:MC" } else { "operator:root" }), "{call}: {entry}");
        assert_eq!(entry["address"], "192.0.2.7", "{call}");
        assert_eq!(entry["user_agent"], "check/1.0", "{call}");
        if route.path.contains('{') {
            assert!(entry["resource"].is_string(), "{call}: {entry}");
        }
        seen += 1;
    }
    assert!(seen >= 25, "only {seen} routes");
}

#[tokio::test]
async fn an_entry_says_what_was_before_and_after_without_secrets() {
    let app = App::new().await;
    let channel = |enabled: bool, key: &str| json!({"kind": "wecom_robot", "secrets": {"key": key}, "enabled": enabled});
    app.put("/v1/channels/ops", channel(true, "hunter2-a")).await.is(201);
    app.put("/v1/channels/ops", channel(false, "hunter2-b")).await.is(200);
    app.delete("/v1/channels/ops").await.is(204);
    let log = app.get("/v1/events?resource=channels/ops").await.is(200);
    let items = log.json["items"].as_array().unwrap();
    assert_eq!(log.items("type"), ["channel.delete", "channel.put", "channel.put"]);
    assert_eq!(items[1]["before"], json!({"enabled": true}));
    assert_eq!(items[1]["after"], json!({"enabled": false}));
    assert_eq!(items[2]["after"]["secrets"], json!({"key": {"set": true}}));
    assert_eq!(items[0]["before"]["enabled"], false);
    assert_eq!(items[0]["after"], Value::Null);
}

#[tokio::test]
async fn what_was_deleted_or_moved_is_told_as_it_was() {
    let app = App::new().await;
    app.put("/v1/contacts/u1", json!({"name": "Ann", "email": "ann@example.com"})).await.is(201);
    app.put("/v1/contacts/u1", json!({"name": "Ann", "email": "ann@example.net"})).await.is(200);
    app.put("/v1/groups/ops", json!({"members": []})).await.is(201);
    app.put("/v1/templates/t", json!({"body": "x"})).await.is(201);
    let hook = json!({"url": "https://example.com/a", "events": ["message.completed"]});
    app.put("/v1/webhooks/w", hook).await.is(201);
    for path in ["contacts/u1", "groups/ops", "templates/t", "webhooks/w"] {
        app.delete(&format!("/v1/{path}")).await.is(204);
        let log = app.get(&format!("/v1/events?resource={path}")).await.is(200);
        let last = &log.json["items"][0];
        assert!(last["before"].as_object().is_some_and(|before| before.len() > 1), "{path}: {last}");
        assert_eq!(last["after"], Value::Null, "{path}");
    }
    let log = app.get("/v1/events?resource=contacts/u1").await.is(200);
    let changed = &log.json["items"][1];
    assert_eq!(changed["before"], json!({"email": "ann@example.com"}));
    assert_eq!(changed["after"], json!({"email": "ann@example.net"}));

    app.channel("im").await;
    let message =
        json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}, "send_at": "2026-12-20T00:00:00Z"});
    let id = app.post("/v1/messages", message).await.is(202).text_at("/id");
    let later = json!({"send_at": "2026-12-21T00:00:00Z"});
    app.call("PATCH", &format!("/v1/messages/{id}")).json(later).send().await.is(200);
    let log = app.get("/v1/events?type=message.change").await.is(200);
    assert_eq!(log.json["items"][0]["before"], json!({"send_at": "2026-12-20T00:00:00.000Z"}));
    assert_eq!(log.json["items"][0]["after"], json!({"send_at": "2026-12-21T00:00:00.000Z"}));
}

#[tokio::test]
async fn a_secret_that_changed_is_named_and_not_shown() {
    let app = App::new().await;
    let robot = |key: &str| json!({"kind": "wecom_robot", "settings": {}, "secrets": {"key": key}});
    app.put("/v1/channels/ops", robot("hunter2-a")).await.is(201);
    app.put("/v1/channels/ops", robot("hunter2-a")).await.is(200);
    app.put("/v1/channels/ops", robot("hunter2-b")).await.is(200);
    let log = app.get("/v1/events?resource=channels/ops").await.is(200);
    let changed: Vec<&Value> =
        log.json["items"].as_array().unwrap().iter().map(|item| &item["data"]["secrets_changed"]).collect();
    assert_eq!(changed, [&json!(["key"]), &Value::Null, &Value::Null]);
    assert!(!log.text.contains("hunter2"));
}

#[tokio::test]
async fn the_log_is_filtered_and_walked() {
    let app = App::new().await;
    for n in 0..7 {
        app.channel(&format!("c{n}")).await;
        app.put(&format!("/v1/templates/t{n}"), json!({"body": "x"})).await.is(201);
        app.clock.advance(Duration::from_secs(3600));
    }
    let chief = app.operator("chief", &[("default", OperatorRole::Admin)]).await;
    app.call("PUT", "/v1/templates/by-chief").by(&chief).json(json!({"body": "x"})).send().await.is(201);
    let all = |query: &str| {
        let (app, query) = (&app, query.to_owned());
        async move {
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = app.get(&format!("/v1/events?limit=2&{query}&cursor={cursor}")).await.is(200);
                found.extend(page.items("resource"));
                match page.json["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => return found,
                }
            }
        }
    };
    assert_eq!(all("type=channel").await.len(), 7);
    assert_eq!(all("type=template.put").await.len(), 8);
    assert_eq!(all("resource=templates").await.len(), 8);
    assert_eq!(all("resource=channels/c3").await, ["channels/c3"]);
    assert_eq!(all("actor=operator:chief").await, ["templates/by-chief"]);
    assert_eq!(
        all("from=2026-12-01T03:30:00Z&to=2026-12-01T06:30:00Z&type=channel").await,
        ["channels/c6", "channels/c5", "channels/c4"]
    );
    let other = app.key("other", Role::Read).await;
    assert!(app.call("GET", "/v1/events").by(&other).send().await.items("id").is_empty());
    app.get("/v1/events?from=yesterday").await.refuses(422, "invalid_parameter", "/from");
    app.get("/v1/events?format=xml").await.refuses(422, "invalid_parameter", "/format");
}

#[tokio::test]
async fn the_log_is_exported() {
    let app = App::new().await;
    let put = |name: &str, agent: &str| {
        let call = app.call("PUT", &format!("/v1/templates/{name}")).header("user-agent", agent);
        call.json(json!({"body": "a, \"b\""})).send()
    };
    put("t1", "plain").await.is(201);
    put("t2", "=cmd()").await.is(201);
    let csv = app.get("/v1/events?format=csv").await.is(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("id,at,type,actor,resource,"), "{}", lines[0]);
    assert!(lines[1].contains(",template.put,key:MC") && lines[1].contains(",templates/t2,"), "{}", lines[1]);
    assert!(lines[1].contains(",'=cmd(),"), "no spreadsheet calculates it: {}", lines[1]);
    assert!(!csv.headers.contains_key("x-next-cursor"));
    let jsonl = app.call("GET", "/v1/events?type=template").header("accept", "application/x-ndjson");
    let jsonl = jsonl.send().await.is(200);
    let entries: Vec<Value> = jsonl.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["resource"], "templates/t1");
    let part = app.get("/v1/events?format=jsonl&limit=1").await.is(200);
    let rest = app.get(&format!("/v1/events?format=jsonl&cursor={}", part.header("x-next-cursor"))).await;
    assert!(rest.is(200).text.contains("templates/t1"));
}

#[tokio::test]
async fn signing_in_is_written_down_whether_it_worked_or_not() {
    let app = App::new().await;
    let root = app.root().await;
    let body = json!({"password": "hunter2 hunter2", "roles": {"default": "admin"}});
    app.call("PUT", "/v1/operators/zhang").by(&root).json(body).send().await.is(201);
    let login = |username: &str, password: &str| {
        let body = json!({"username": username, "password": password});
        app.call("POST", "/v1/session").by(&As::Nobody).from("192.0.2.7:1").json(body).send()
    };
    for _ in 0..3 {
        login("zhang", "wrong").await.is(401);
        login("my-password-in-the-wrong-field", "x").await.is(401);
    }
    let session = login("zhang", "hunter2 hunter2").await.is(200);
    let zhang = As::Token(session.text_at("/token"));
    app.call("DELETE", "/v1/session").by(&zhang).send().await.is(204);
    let log = app.get("/v1/events?type=session").await.is(200);
    assert_eq!(log.items("type"), ["session.close", "session.open", "session.refused", "session.refused"]);
    assert!(!log.text.contains("my-password"), "{}", log.text);
    assert_eq!(log.json["items"][1]["actor"], "operator:zhang");
    assert_eq!(log.json["items"][1]["address"], "192.0.2.7");
    let shown = app.call("GET", "/v1/operators/zhang").by(&root).send().await.is(200);
    assert_eq!(shown.json["last_sign_in_at"], log.json["items"][1]["at"]);
}
