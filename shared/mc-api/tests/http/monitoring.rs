//! Health, metrics and the system log.

use std::sync::Arc;

use mc_api::ApiOptions;
use mc_core::model::Role;
use serde_json::json;

use crate::app::{App, As};

#[tokio::test]
async fn health_needs_no_credentials() {
    let app = App::new().await;
    let answer = app.call("GET", "/healthz").by(&As::Nobody).send().await.is(200);
    assert_eq!((answer.json["status"].as_str(), answer.json["version"].as_str()), (Some("ok"), Some("test")));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn metrics_are_for_the_machine_itself_and_for_readers() {
    let metrics: mc_api::state::RenderMetrics = Arc::new(|| "up 1\n".to_owned());
    let app = App::with(ApiOptions { metrics: Some(metrics), ..ApiOptions::default() }).await;
    let get = || app.call("GET", "/metrics").by(&As::Nobody);
    assert_eq!(get().from("127.0.0.1:1").send().await.is(200).text, "up 1\n");
    get().from("[::1]:1").send().await.is(200);
    get().from("192.0.2.7:1").send().await.refuses(401, "unauthorized", "");
    get().send().await.refuses(401, "unauthorized", "");
    // A proxy on the machine itself forwards for anybody.
    get().from("127.0.0.1:1").header("x-forwarded-for", "192.0.2.7").send().await.is(401);
    let reader = app.key("default", Role::Read).await;
    get().by(&reader).from("192.0.2.7:1").send().await.is(200);
    let sender = app.key("default", Role::Send).await;
    get().by(&sender).from("192.0.2.7:1").send().await.refuses(403, "forbidden", "");
}

#[tokio::test]
async fn without_a_recorder_there_are_no_metrics() {
    let app = App::new().await;
    app.get("/metrics").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn the_log_is_walked_in_pages() {
    let app = App::new().await;
    for name in ["a", "b", "c"] {
        app.channel(name).await;
        app.clock.advance(std::time::Duration::from_secs(50_000));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/v1/events?limit=2&cursor={cursor}")).await.is(200);
        seen.extend(page.json["items"].as_array().unwrap().iter().map(|i| i["data"]["channel"].clone()));
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["c", "b", "a"]);
    app.get("/v1/events?cursor=x").await.refuses(422, "invalid_parameter", "/cursor");
}

#[tokio::test]
async fn a_head_is_a_get_without_a_body() {
    let app = App::new().await;
    let request = http::Request::head("/healthz").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(mc_api::router(app.api.clone()), request).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_politely() {
    let app = App::new().await;
    app.close().await;
    let answer = app.put("/v1/templates/t", json!({"body": "x"})).await.refuses(503, "unavailable", "");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
}
