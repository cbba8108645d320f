//! A project's limits: what callers are told, and what is refused.

use std::num::NonZeroU32;
use std::time::Duration;

use mc_core::model::OperatorRole;
use mc_pipeline::repo::Projects;
use serde_json::{Value, json};

use crate::app::{Answer, App, As};

async fn with_limits(limits: Value) -> App {
    let app = App::new().await;
    app.channel("im").await;
    put(&app, &app.root().await, json!({"limits": limits})).await.is(200);
    app
}

async fn put(app: &App, who: &As, project: Value) -> Answer {
    app.call("PUT", "/v1/projects/default").by(who).json(project).send().await
}

fn message() -> Value {
    json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}})
}

async fn send(app: &App) -> Answer {
    app.post("/v1/messages", message()).await
}

async fn batch(app: &App, count: usize) -> Answer {
    app.post("/v1/messages/batch", json!({"messages": vec![message(); count]})).await
}

#[tokio::test]
async fn without_limits_nothing_is_said_of_them() {
    let app = with_limits(json!({})).await;
    let answer = send(&app).await.is(202);
    assert!(!answer.headers.contains_key("ratelimit") && !answer.headers.contains_key("ratelimit-policy"));
}

#[tokio::test]
async fn a_minute_has_room_for_so_many_messages() {
    let app = with_limits(json!({"messages_per_minute": 3})).await;
    let first = send(&app).await.is(202);
    assert_eq!(first.header("ratelimit-policy"), r#""minute";q=3;w=60"#);
    assert_eq!(first.header("ratelimit"), r#""minute";r=2;t=60"#);
    // A batch counts its messages, and is never half accepted.
    let refused = batch(&app, 3).await.refuses(429, "rate_limited", "");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.header("ratelimit"), r#""minute";r=2;t=60"#);
    assert_eq!(app.get("/v1/messages").await.items("id").len(), 1);
    app.clock.advance(Duration::from_secs(20));
    batch(&app, 2).await.is(202);
    assert_eq!(send(&app).await.refuses(429, "rate_limited", "").header("retry-after"), "40");
    app.clock.advance(Duration::from_secs(40));
    send(&app).await.is(202);
}

#[tokio::test]
async fn a_batch_that_never_fits_is_told_so() {
    let app = with_limits(json!({"messages_per_second": 2, "messages_per_day": 10})).await;
    batch(&app, 3).await.refuses(422, "batch_over_limit", "/messages");
    batch(&app, 2).await.is(202);
}

#[tokio::test]
async fn a_day_counts_what_was_accepted() {
    let app = with_limits(json!({"messages_per_day": 2})).await;
    let nowhere = json!({"content": {"body": "x"}, "routing": {"channels": ["nowhere"]}});
    for _ in 0..3 {
        let answer = app.post("/v1/messages", nowhere.clone()).await;
        answer.refuses(422, "unknown_channel", "/routing/channels/0");
    }
    let mixed = json!({"messages": [nowhere, message()]});
    let answer = app.post("/v1/messages/batch", mixed).await.is(202);
    assert!(answer.header("ratelimit").starts_with(r#""day";r=1;t="#), "{}", answer.header("ratelimit"));
    let mut dry = message();
    dry["dry_run"] = true.into();
    app.post("/v1/messages", dry).await.is(200);
    let key = |name: &str| app.call("POST", "/v1/messages").header("idempotency-key", name).json(message());
    let last = key("a").send().await.is(202);
    send(&app).await.refuses(429, "daily_quota_exceeded", "");
    // What was accepted already is answered again, whatever the limits say now.
    assert_eq!(key("a").send().await.is(202).json["id"], last.json["id"]);
    app.clock.advance(Duration::from_secs(86_400));
    send(&app).await.is(202);
}

#[tokio::test]
async fn wrong_limits_are_refused_with_their_place() {
    let app = App::new().await;
    for (limits, pointer) in [
        (json!({"messages_per_minute": 0}), "/limits/messages_per_minute"),
        (json!({"messages_per_day": -1}), "/limits/messages_per_day"),
        (json!({"messages_per_hour": 1}), "/limits/messages_per_hour"),
    ] {
        let answer = app.put("/v1/projects/default", json!({"limits": limits})).await;
        answer.refuses(422, "invalid_request", pointer);
    }
}

#[tokio::test]
async fn a_projects_own_admins_keep_its_limits_as_they_are() {
    let limits = json!({"messages_per_minute": 3, "messages_per_day": 100});
    let app = with_limits(limits.clone()).await;
    let chief = app.operator("chief", &[("default", OperatorRole::Admin)]).await;
    // Who may look at every project rules none but their own.
    let roles = [("default", OperatorRole::Admin), ("*", OperatorRole::Viewer)];
    let auditor = app.operator("auditor", &roles).await;
    for who in [&app.admin, &chief, &auditor] {
        let wider = json!({"messages_per_minute": 4, "messages_per_day": 100});
        let narrower = json!({"messages_per_minute": 3, "messages_per_day": 99});
        for other in [wider, narrower, json!({"messages_per_minute": 3}), json!({})] {
            put(&app, who, json!({"limits": other})).await.refuses(403, "forbidden", "");
        }
        put(&app, who, json!({"display_name": "Shop"})).await.refuses(403, "forbidden", "");
        let same = json!({"display_name": "Shop", "limits": limits});
        assert_eq!(put(&app, who, same).await.is(200).json["display_name"], "Shop");
        assert_eq!(app.get("/v1/projects/default").await.json["limits"], limits);
    }
    let root = app.root().await;
    assert_eq!(put(&app, &root, json!({})).await.is(200).json["limits"], json!({}));
}

#[tokio::test]
async fn limits_that_another_process_changed_a_moment_ago_are_not_put_back() {
    let app = with_limits(json!({"messages_per_day": 100})).await;
    let seen = app.get("/v1/projects/default").await.is(200);
    let other = Projects::new(app.center.store.clone(), app.center.clock.clone());
    let mut lowered = other.stored("default").await.unwrap().unwrap();
    lowered.limits.messages_per_day = NonZeroU32::new(10);
    other.put("default", lowered).await.unwrap();
    put(&app, &app.admin, json!({"limits": seen.json["limits"]})).await.refuses(403, "forbidden", "");
    put(&app, &app.admin, json!({"limits": {"messages_per_day": 10}})).await.is(200);
}
