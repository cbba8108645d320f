//! Projects are islands: what holds for every route of the table, so that a new one cannot be forgotten.

use mc_core::model::{OperatorRole, Role};
use serde_json::{Value, json};

use crate::app::{Answer, App, As};
use crate::samples::{self, Holdings};

async fn call(
    app: &App,
    route: &mc_api::routes::Route,
    path: &str,
    by: &As,
    project: Option<&str>,
) -> Answer {
    let mut call = app.call(route.method.as_str(), path).by(by).json(samples::body(route));
    if let Some(project) = project {
        call = call.header("x-project", project);
    }
    call.send().await
}

#[tokio::test]
async fn another_projects_things_are_not_there() {
    let app = App::new().await;
    let held = Holdings::fill(&app, &app.admin, "default").await;
    let key = app.key("other", Role::Admin).await;
    let operator = app.operator("stranger", &[("other", OperatorRole::Admin)]).await;
    for route in samples::about_one_thing().filter(|route| route.method != "PUT") {
        let path = held.path(route);
        for (who, project) in [(&key, None), (&operator, Some("other"))] {
            let answer = call(&app, route, &path, who, project).await;
            answer.refuses(404, "not_found", "");
        }
    }
}

/// No project is told from one that there is not, by whatever method.
#[tokio::test]
async fn another_project_is_not_there_itself() {
    let app = App::new().await;
    let before = app.get("/v1/projects/default").await.is(200).json;
    let key = app.key("other", Role::Admin).await;
    let operator = app.operator("stranger", &[("other", OperatorRole::Admin)]).await;
    let routes: Vec<_> =
        mc_api::routes::all().filter(|route| route.path.starts_with("/v1/projects/{name}")).collect();
    assert!(routes.len() >= 3);
    for route in routes {
        for name in ["default", "nowhere"] {
            let path = route.path.replace("{name}", name);
            for who in [&key, &operator] {
                call(&app, route, &path, who, None).await.refuses(404, "not_found", "");
            }
        }
    }
    assert_eq!(app.get("/v1/projects/default").await.is(200).json, before);
}

/// Otherwise the tests above would find nothing in an empty project.
#[tokio::test]
async fn its_own_things_are_there() {
    for route in samples::about_one_thing() {
        let app = App::new().await;
        let held = Holdings::fill(&app, &app.admin, "default").await;
        let answer = call(&app, route, &held.path(route), &app.admin, None).await;
        let name = format!("{} {}: {}", route.method, route.path, answer.text);
        assert!(!matches!(answer.status, 404 | 405 | 500..), "samples.rs lacks something for {name}");
    }
}

#[tokio::test]
async fn what_another_project_puts_is_its_own() {
    let app = App::new().await;
    let held = Holdings::fill(&app, &app.admin, "default").await;
    let key = app.key("other", Role::Admin).await;
    Holdings::fill(&app, &key, "other").await;
    let puts: Vec<_> = samples::about_one_thing().filter(|route| route.method == "PUT").collect();
    assert!(puts.len() >= 5);
    for route in puts {
        let path = held.path(route);
        let before = app.get(&path).await.is(200).json;
        call(&app, route, &path, &key, None).await.is(200);
        assert_eq!(app.get(&path).await.is(200).json, before, "{path}");
    }
}

#[tokio::test]
async fn collections_hold_nothing_of_another_project() {
    let app = App::new().await;
    Holdings::fill(&app, &app.admin, "default").await;
    let operator = app.operator("stranger", &[("other", OperatorRole::Admin)]).await;
    let collections: Vec<_> = mc_api::routes::all()
        .filter(|r| samples::of_project(r) && r.method == "GET" && !r.path.contains('{'))
        .collect();
    assert!(collections.len() >= 9);
    for route in collections {
        let mine = app.get(route.path).await.is(200);
        if mine.json.get("items").is_none() {
            continue;
        }
        assert_ne!(mine.json["items"], json!([]), "samples.rs lacks something for {}", route.path);
        let answer = call(&app, route, route.path, &operator, Some("other")).await.is(200);
        assert_eq!(answer.json["items"], json!([]), "{}", route.path);
        assert_eq!(answer.json["next_cursor"], Value::Null, "{}", route.path);
    }
}

#[tokio::test]
async fn a_project_that_one_may_not_see_is_forbidden_whether_it_is_there_or_not() {
    let app = App::new().await;
    let held = Holdings::fill(&app, &app.key("other", Role::Admin).await, "other").await;
    let of_default = app.operator("chief", &[("default", OperatorRole::Admin)]).await;
    let root = app.root().await;
    for route in mc_api::routes::all().filter(|route| samples::of_project(route)) {
        let path = held.path(route);
        for (who, project) in
            [(&of_default, "other"), (&of_default, "nowhere"), (&root, "nowhere"), (&app.admin, "other")]
        {
            let answer = call(&app, route, &path, who, Some(project)).await;
            answer.refuses(403, "forbidden", "");
        }
    }
}
