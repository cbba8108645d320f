//! Collections of named things: the newest first, whatever they are called.

use std::time::Duration;

use mc_core::model::OperatorRole;
use serde_json::{Value, json};

use crate::app::{App, As};

/// All names of a collection, page by page.
async fn names(app: &App, by: &As, path: &str, limit: usize) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.call("GET", &format!("{path}?limit={limit}{cursor}")).by(by).send().await.is(200);
        names.extend(page.items(if path.ends_with("operators") { "username" } else { "name" }));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
    }
}

#[tokio::test]
async fn what_was_made_last_is_listed_first() {
    let app = App::new().await;
    let by = app.operator("root", &[("*", OperatorRole::Admin)]).await;
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["m"]}});
    let channel = json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send"}});
    let webhook = json!({"url": "https://example.com", "events": ["message.completed"]});
    let alarm = json!({"metric": "gave_up", "threshold": 1, "message": message});
    let operator = json!({"password": "a good long password", "roles": {"default": "viewer"}});
    for (path, body) in [
        ("/v1/channels", channel),
        ("/v1/templates", json!({"body": "x"})),
        ("/v1/webhooks", webhook),
        ("/v1/groups", json!({"members": []})),
        ("/v1/schedules", json!({"cron": "0 9 * * *", "message": message})),
        ("/v1/alarms", alarm),
        ("/v1/projects", json!({})),
        ("/v1/operators", operator),
    ] {
        let put = async |name: &str, body: &Value| {
            app.clock.advance(Duration::from_secs(1));
            let call = app.call("PUT", &format!("{path}/{name}")).by(&by).header("x-project", "default");
            call.json(body.clone()).send().await
        };
        let before = names(&app, &by, path, 200).await;
        for name in ["m", "z", "a"] {
            put(name, &body).await.is(201);
        }
        put("z", &body).await.is(200);
        let expected = [vec!["a".to_owned(), "z".to_owned(), "m".to_owned()], before].concat();
        for limit in [200, 2, 1] {
            assert_eq!(names(&app, &by, path, limit).await, expected, "{path} by {limit}");
        }
    }
    let refused = app.call("GET", "/v1/groups?cursor=z").by(&by).send().await;
    refused.refuses(422, "invalid_parameter", "/cursor");
    app.call("DELETE", "/v1/groups/z").by(&by).send().await.is(204);
    assert_eq!(names(&app, &by, "/v1/groups", 1).await, ["a", "m"]);
}

#[tokio::test]
async fn a_template_is_as_new_as_its_current_version() {
    let app = App::new().await;
    let by = app.root().await;
    for (name, body) in [("m", "1"), ("z", "1"), ("m", "2"), ("m", "3")] {
        app.clock.advance(Duration::from_secs(1));
        let put = app.call("PUT", &format!("/v1/templates/{name}")).by(&by).json(json!({"body": body}));
        put.send().await;
    }
    for limit in [200, 1] {
        assert_eq!(names(&app, &by, "/v1/templates", limit).await, ["m", "z"], "once each, by {limit}");
    }
}
