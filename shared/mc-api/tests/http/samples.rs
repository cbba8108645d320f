//! One of everything that a project can hold, and a call that works for every route: for tests that go over all routes.
//!
//! A new route fails those tests until it is here: what it is about goes into [`Holdings::fill`], what it is sent into
//! [`body`].

use mc_api::access::Need;
use mc_api::routes::Route;
use mc_core::ports::Task;
use mc_core::{Error, ErrorKind};
use mc_pipeline::dead;
use serde_json::{Value, json};

use crate::app::{App, As};

/// What the project of a key holds, everything under the name `x` that has a name.
pub struct Holdings {
    message: String,
    key: String,
}

impl Holdings {
    /// Fills a project, by an admin key of it.
    pub async fn fill(app: &App, by: &As, project: &str) -> Self {
        let put = async |path: &str, body: Value| {
            app.call("PUT", path).by(by).json(body).send().await.is(201);
        };
        let settings = json!({"url": "https://im.example.com/send"});
        let channel = json!({"kind": "webhook", "settings": settings, "limits": {"per_day": 100}});
        put("/v1/channels/x", channel.clone()).await;
        // What is sent later names another one, so that each of these can be deleted by itself.
        put("/v1/channels/later", channel).await;
        put("/v1/templates/x", json!({"body": "x"})).await;
        let webhook = json!({"url": "https://example.com", "events": ["message.completed"]});
        put("/v1/webhooks/x", webhook).await;
        put("/v1/contacts/x", json!({"name": "x"})).await;
        put("/v1/contacts/member", json!({"name": "y"})).await;
        put("/v1/groups/x", json!({"members": ["member"]})).await;
        let message = json!({"content": {"body": "x"}, "routing": {"channels": ["later"]}});
        put("/v1/schedules/x", json!({"cron": "0 9 * * *", "message": message})).await;
        put("/v1/alarms/x", alarm("x")).await;
        // It waits for its time, so that it can be moved and cancelled.
        let message = json!({
            "content": {"body": "x"}, "routing": {"channels": ["later"]}, "send_at": "2026-12-20T00:00:00Z",
        });
        let message = app.call("POST", "/v1/messages").by(by).json(message).send().await.is(202);
        let suppressed = json!({"address": "x@example.com"});
        app.call("POST", "/v1/suppressions").by(by).json(suppressed).send().await.is(201);
        let task = Task::Notify { project: project.into(), webhook: "x".into(), event: "evt_x".into() };
        dead::put(&app.center, &task, &Error::new(ErrorKind::Corrupt, "x")).await.unwrap();
        let key = json!({"name": "x", "role": "send"});
        let key = app.call("POST", "/v1/access-keys").by(by).json(key).send().await.is(201);
        Self { message: message.text_at("/id"), key: key.text_at("/id") }
    }

    /// The path of a route about one of these.
    pub fn path(&self, route: &Route) -> String {
        let id = match route.path {
            path if path.starts_with("/v1/messages/") => &self.message,
            path if path.starts_with("/v1/access-keys/") => &self.key,
            _ => "x",
        };
        let path = route
            .path
            .replace("{username}", "x")
            .replace("{id}", id)
            .replace("{name}", "x")
            .replace("{version}", "1");
        match (route.method.as_str(), route.path) {
            ("DELETE", "/v1/suppressions") => format!("{path}?address=x@example.com"),
            (_, path_of) if path_of.ends_with("/diff") => format!("{path}?to=1"),
            _ => path,
        }
    }
}

/// What a route is sent, as text.
pub fn text(route: &Route) -> String {
    match route.path {
        "/v1/contacts/import" => "id,name\ny,Y\n".to_owned(),
        _ => body(route).to_string(),
    }
}

fn alarm(text: &str) -> Value {
    let message = json!({"content": {"body": text}, "routing": {"channels": ["later"]}});
    json!({"metric": "gave_up", "threshold": 1, "message": message})
}

/// What a route is sent.
pub fn body(route: &Route) -> Value {
    match (route.method.as_str(), route.path) {
        ("PUT", "/v1/channels/{name}") => {
            json!({"kind": "webhook", "settings": {"url": "https://im.example.com/other"}})
        }
        ("PUT", "/v1/templates/{name}") => json!({"body": "y"}),
        ("PUT", "/v1/webhooks/{name}") => {
            json!({"url": "https://example.com/other", "events": ["message.completed"]})
        }
        ("PUT", "/v1/contacts/{id}") => json!({"name": "y"}),
        ("PUT", "/v1/groups/{name}") => json!({"display_name": "y", "members": ["member"]}),
        ("PUT", "/v1/schedules/{name}") => json!({
            "cron": "0 10 * * *", "message": {"content": {"body": "y"}, "routing": {"channels": ["x"]}},
        }),
        ("PUT", "/v1/alarms/{name}") => alarm("y"),
        ("PATCH", "/v1/messages/{id}") => json!({"send_at": "2026-12-30T00:00:00Z"}),
        ("PATCH", "/v1/access-keys/{id}") => json!({"name": "y"}),
        ("POST", "/v1/dead-letters/redrive") => json!({"all": true}),
        ("POST", "/v1/templates/{name}/rollback") => json!({"version": 1}),
        ("POST", "/v1/webhooks/{name}/replay") => json!({"from": "2026-11-30T00:00:00Z"}),
        ("POST", "/v1/suppressions") => json!({"address": "y@example.com"}),
        ("POST", "/v1/access-keys") => json!({"name": "y", "role": "send"}),
        ("PUT", "/v1/operators/{username}") => json!({"roles": {"default": "viewer"}}),
        ("PUT", "/v1/projects/{name}") => json!({"display_name": "y"}),
        _ => json!({}),
    }
}

/// The routes about one thing of a project.
pub fn about_one_thing() -> impl Iterator<Item = &'static Route> {
    mc_api::routes::all().filter(|route| of_project(route) && route.path.contains('{'))
}

/// Whether a route is about the project that its caller names.
pub fn of_project(route: &Route) -> bool {
    matches!(route.need, Need::Project { .. })
}
