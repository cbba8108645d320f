//! Alarms and counters over HTTP.

use serde_json::{Value, json};

use crate::app::App;

fn alarm() -> Value {
    json!({
        "metric": "failure_rate", "channel": "im", "threshold": 20, "for": "5m", "repeat": 3600,
        "message": {"content": {"body": "{{ value }}"}, "routing": {"channels": ["im"]}},
    })
}

#[tokio::test]
async fn an_alarm_is_shown_as_it_was_put_with_how_it_stands() {
    let app = App::new().await;
    app.channel("im").await;
    let made = app.put("/v1/alarms/a", alarm()).await.is(201);
    app.put("/v1/alarms/a", alarm()).await.is(200);
    for (field, value) in alarm().as_object().unwrap() {
        assert_eq!(&made.json[field], value, "{field}");
    }
    assert_eq!((made.text_at("/state").as_str(), made.json["enabled"].as_bool()), ("ok", Some(true)));
    assert_eq!((&made.json["value"], &made.json["since"]), (&Value::Null, &Value::Null));
    mc_pipeline::alarms::watch(&app.center).await.unwrap();
    let seen = app.get("/v1/alarms/a").await.is(200);
    assert_eq!(seen.text_at("/since"), "2026-12-01T00:00:00.000Z");
    assert_eq!(app.get("/v1/alarms").await.is(200).items("name"), ["a"]);
    app.delete("/v1/alarms/a").await.is(204);
    app.delete("/v1/alarms/a").await.refuses(404, "not_found", "");
    let log = app.get("/v1/events").await.is(200);
    assert_eq!(log.items("type")[..3], ["alarm.delete", "alarm.put", "alarm.put"]);
}

#[tokio::test]
async fn a_mistake_in_an_alarm_is_named_by_its_place() {
    let app = App::new().await;
    app.channel("im").await;
    for (field, value, code, pointer) in [
        ("metric", json!("mood"), "invalid_request", "/metric"),
        ("threshold", json!("much"), "invalid_request", "/threshold"),
        ("for", json!("soon"), "invalid_request", "/for"),
        ("limit", json!(1), "invalid_request", "/limit"),
        ("channel", json!("nowhere"), "unknown_channel", "/channel"),
        ("message", json!({"template": "none"}), "unknown_template", "/message/template"),
    ] {
        let mut body = alarm();
        body[field] = value;
        app.put("/v1/alarms/a", body).await.refuses(422, code, pointer);
    }
    app.put("/v1/alarms/a", json!({})).await.refuses(422, "invalid_request", "/metric");
    assert!(app.get("/v1/alarms").await.is(200).items("name").is_empty());
}

#[tokio::test]
async fn what_an_alarm_needs_is_not_deleted() {
    let app = App::new().await;
    app.channel("im").await;
    app.channel("watched").await;
    app.put("/v1/templates/t", json!({"body": "{{ value }}"})).await.is(201);
    let mut body = alarm();
    body["channel"] = json!("watched");
    body["message"] = json!({"template": "t", "routing": {"channels": ["im"]}});
    app.put("/v1/alarms/a", body).await.is(201);
    for path in ["/v1/channels/im", "/v1/channels/watched", "/v1/templates/t"] {
        app.delete(path).await.refuses(409, "in_use", "");
    }
    app.delete("/v1/alarms/a").await.is(204);
    for path in ["/v1/channels/im", "/v1/channels/watched", "/v1/templates/t"] {
        app.delete(path).await.is(204);
    }
}

#[tokio::test]
async fn what_was_counted_is_answered_in_series() {
    let app = App::new().await;
    app.channel("im").await;
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    app.post("/v1/messages", message).await.is(202);
    app.deliver().await;
    app.clock.advance(std::time::Duration::from_secs(60));
    let stats = app.get("/v1/stats?interval=minute&by=channel").await.is(200);
    assert_eq!(
        (stats.text_at("/interval").as_str(), stats.text_at("/series/0/key").as_str()),
        ("minute", "im")
    );
    let points = stats.json["series"][0]["points"].as_array().unwrap();
    let last = points.last().unwrap();
    assert_eq!((points.len(), &last["accepted"], &last["sent"]), (1440, &json!(1), &json!(1)));
    app.clock.advance(std::time::Duration::from_millis(30_500));
    app.get("/v1/stats?interval=minute").await.is(200);
    let by_status = app.get("/v1/stats?by=status").await.is(200);
    assert_eq!(by_status.text_at("/series/1/key"), "sent");
    assert_eq!(by_status.json["series"][1]["points"][0].as_object().unwrap().len(), 2);
    for (query, pointer) in [
        ("interval=week", "/interval"),
        ("by=weather", "/by"),
        ("from=yesterday", "/from"),
        ("from=2026-11-01T00:00:00Z&interval=minute", "/from"),
        ("from=2026-12-01T00:00:00Z&to=2026-11-30T00:00:00Z", "/from"),
        ("since=1", "/since"),
    ] {
        app.get(&format!("/v1/stats?{query}")).await.refuses(422, "invalid_parameter", pointer);
    }
}
