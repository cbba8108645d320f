//! The matrix of routes and roles, read from the OpenAPI document.

use mc_core::model::{OperatorRole, Role};
use serde_json::{Value, json};

use crate::app::{App, As};

/// A route with its needs, as the document tells them.
struct Line {
    method: String,
    path: String,
    key: Option<String>,
    operator: Option<String>,
    open: bool,
    of_operators: bool,
}

fn lines() -> Vec<Line> {
    let document = serde_json::to_value(mc_api::openapi::document()).unwrap();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let word = |whose: &str| operation["x-roles"][whose].as_str().map(str::to_owned);
            let security = operation["security"].as_array().unwrap();
            lines.push(Line {
                method: method.to_uppercase(),
                path: path
                    .replace("{id}", "x")
                    .replace("{name}", "x")
                    .replace("{username}", "x")
                    .replace("{version}", "1"),
                key: word("key"),
                operator: word("operator"),
                open: security.is_empty(),
                of_operators: !security.iter().any(|s| s.get("basic").is_some()),
            });
        }
    }
    assert!(lines.len() > 45, "only {} routes", lines.len());
    lines
}

async fn status(app: &App, line: &Line, who: &As) -> u16 {
    app.call(&line.method, &line.path).by(who).json(json!({})).send().await.status
}

#[tokio::test]
async fn without_credentials_nothing_is_open_but_what_says_so() {
    let app = App::new().await;
    for line in lines() {
        let status = status(&app, &line, &As::Nobody).await;
        assert_eq!(status == 401, !line.open, "{} {}: {status}", line.method, line.path);
    }
}

#[tokio::test]
async fn a_key_needs_its_role() {
    let app = App::new().await;
    let keys = [("send", Role::Send), ("read", Role::Read), ("admin", Role::Admin)];
    for (index, (_, role)) in keys.iter().enumerate() {
        let key = app.key("default", *role).await;
        for line in lines().iter().filter(|line| !line.open) {
            let enough = match &line.key {
                Some(least) => index >= keys.iter().position(|(word, _)| word == least).unwrap(),
                None => !line.of_operators,
            };
            let status = status(&app, line, &key).await;
            // What the key may call by its role may still be refused by the handler of a project.
            let handled = line.path.starts_with("/v1/projects");
            assert!(handled || (status != 403) == enough, "{role:?} {} {}: {status}", line.method, line.path);
            assert_ne!(status, 401, "{role:?} {} {}", line.method, line.path);
        }
    }
}

#[tokio::test]
async fn an_operator_needs_the_role() {
    let app = App::new().await;
    let roles = [
        ("viewer", OperatorRole::Viewer),
        ("operator", OperatorRole::Operator),
        ("admin", OperatorRole::Admin),
    ];
    for (index, (name, role)) in roles.iter().enumerate() {
        let of_one = app.operator(&format!("{name}-here"), &[("default", *role)]).await;
        let of_all = app.operator(&format!("{name}-everywhere"), &[("*", *role)]).await;
        // The session is closed in this matrix, so it comes last.
        let mut lines = lines();
        lines.sort_by_key(|line| line.method == "DELETE" && line.path == "/v1/session");
        for line in lines.iter().filter(|line| !line.open && !line.path.starts_with("/v1/projects")) {
            let center = line.path.starts_with("/v1/operators");
            let enough = match &line.operator {
                Some(least) => index >= roles.iter().position(|(word, _)| word == least).unwrap(),
                None => !center,
            };
            let name = format!("{name} {} {}", line.method, line.path);
            assert_eq!(status(&app, line, &of_one).await != 403, enough, "{name}");
            let enough = enough || (center && *role == OperatorRole::Admin);
            assert_eq!(status(&app, line, &of_all).await != 403, enough, "{name} everywhere");
        }
    }
}

#[tokio::test]
async fn an_operator_of_another_project_sees_nothing() {
    let app = App::new().await;
    let stranger = app.operator("stranger", &[("other", OperatorRole::Admin)]).await;
    for line in lines().iter().filter(|line| line.key.is_some()) {
        assert_eq!(status(&app, line, &stranger).await, 403, "{} {}", line.method, line.path);
    }
}

/// Everything a project can hold is looked for with the key of another one.
#[tokio::test]
async fn another_projects_things_are_not_there() {
    let app = App::new().await;
    app.channel("x").await;
    app.put("/v1/templates/x", json!({"body": "x"})).await.is(201);
    app.put("/v1/webhooks/x", json!({"url": "https://example.com", "events": ["message.completed"]}))
        .await
        .is(201);
    app.put("/v1/contacts/x", json!({"name": "x"})).await.is(201);
    app.put("/v1/groups/x", json!({"members": ["x"]})).await.is(201);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["x"]}});
    let id = app.post("/v1/messages", message).await.is(202).text_at("/id");
    let As::Key { id: key_id, .. } = app.admin.clone() else { unreachable!() };
    let other = app.key("other", Role::Admin).await;
    for line in lines().iter().filter(|l| l.key.is_some() && l.path.contains("/x") && l.method != "PUT") {
        let id = if line.path.starts_with("/v1/messages") { &id } else { &key_id };
        let named = ["/v1/messages", "/v1/access-keys"].iter().any(|c| line.path.starts_with(c));
        let path = if named { line.path.replacen("/x", &format!("/{id}"), 1) } else { line.path.clone() };
        let body: Value = match path.rsplit('/').next() {
            Some("rollback") => json!({"version": 1}),
            Some("replay") => json!({"from": "2026-11-30T00:00:00Z"}),
            _ if line.method == "PATCH" && path.starts_with("/v1/messages") => {
                json!({"send_at": "2026-12-30T00:00:00Z"})
            }
            _ => json!({}),
        };
        let answer = app.call(&line.method, &path).by(&other).json(body.clone()).send().await;
        assert_eq!(answer.status, 404, "{} {path}: {}", line.method, answer.text);
    }
}
