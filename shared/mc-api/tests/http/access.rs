//! The matrix of routes and roles, read from the OpenAPI document.

use mc_core::model::{OperatorRole, Role};
use serde_json::json;

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
