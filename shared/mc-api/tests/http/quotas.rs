//! How much the platforms still allow.

use mc_core::model::Role;
use serde_json::json;

use crate::app::App;

#[tokio::test]
async fn quotas_are_listed_by_channel_and_window() {
    let app = App::new().await;
    let limited = json!({
        "kind": "webhook", "settings": {"url": "https://im.example.com/send"},
        "limits": {"per_minute": 10, "per_day": 5},
    });
    app.put("/v1/channels/im", limited).await.is(201);
    app.channel("free").await;
    let page = app.get("/v1/quotas").await.is(200);
    let items = page.json["items"].as_array().unwrap();
    let of = |n: usize| (&items[n]["channel"], &items[n]["window"], &items[n]["limit"], &items[n]["source"]);
    assert_eq!(items.len(), 2, "{}", page.text);
    assert_eq!(of(0), (&json!("im"), &json!("minute"), &json!(10), &json!("declared")));
    assert_eq!(of(1), (&json!("im"), &json!("day"), &json!(5), &json!("declared")));
    assert_eq!((&items[1]["used"], &items[1]["remaining"]), (&json!(0), &json!(5)));
    let first = app.get("/v1/quotas?limit=1").await.is(200);
    let next = first.text_at("/next_cursor");
    assert_eq!(app.get(&format!("/v1/quotas?limit=1&cursor={next}")).await.items("window"), ["day"]);
    let per_minute = json!({"per_minute": 1});
    let other =
        json!({"kind": "webhook", "settings": {"url": "https://im.example.com"}, "limits": per_minute});
    app.put("/v1/channels/im2", other).await.is(201);
    let windows = |query: &str| format!("/v1/quotas?channel=im{query}");
    assert_eq!(app.get(&windows("")).await.is(200).items("window"), ["minute", "day"]);
    let next = app.get(&windows("&limit=1")).await.is(200).text_at("/next_cursor");
    assert_eq!(app.get(&windows(&format!("&limit=1&cursor={next}"))).await.items("window"), ["day"]);
    assert!(app.get("/v1/quotas?channel=nobody").await.is(200).items("window").is_empty());
    app.get("/v1/quotas?cursor=im").await.refuses(422, "invalid_parameter", "/cursor");
    let sender = app.key("default", Role::Send).await;
    app.call("GET", "/v1/quotas").by(&sender).send().await.refuses(403, "forbidden", "");
}

#[tokio::test]
async fn a_percentage_that_is_none_is_refused() {
    let app = App::new().await;
    for (field, value, pointer) in [
        ("limits", json!({"reserve_for_high_percent": 101}), "/limits/reserve_for_high_percent"),
        ("alarm", json!({"remaining_below_percent": 101}), "/alarm/remaining_below_percent"),
        ("alarm", json!({"remaining_below_percent": "10"}), "/alarm/remaining_below_percent"),
    ] {
        let mut body = json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send"}});
        body[field] = value;
        app.put("/v1/channels/im", body).await.refuses(422, "invalid_channel", pointer);
    }
    app.get("/v1/channels/im").await.refuses(404, "not_found", "");
}
