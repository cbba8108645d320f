//! Schedules over HTTP: put, look, run by hand, delete, and every mistake with its place.

use serde_json::{Value, json};

use crate::app::App;

fn body() -> Value {
    json!({
        "cron": "0 9 * * MON-FRI", "timezone": "Europe/Berlin",
        "message": {"content": {"title": "Stand-up", "body": "At {{ scheduled_at }}"}, "routing": {"channels": ["im"]}},
    })
}

async fn app() -> App {
    let app = App::new().await;
    app.channel("im").await;
    app
}

#[tokio::test]
async fn a_schedule_is_made_shown_replaced_and_deleted() {
    let app = app().await;
    let made = app.put("/v1/schedules/stand-up", body()).await.is(201);
    assert_eq!(made.json["message"], body()["message"], "as it was given");
    let runs = ["02", "03", "04", "07", "08"].map(|day| format!("2026-12-{day}T09:00:00+01:00"));
    // The clock stands at midnight UTC of 1 December 2026, a Tuesday; that is one o'clock in Berlin.
    let runs: Vec<String> =
        std::iter::once("2026-12-01T09:00:00+01:00".to_owned()).chain(runs).take(5).collect();
    assert_eq!(made.json["next_runs"], json!(runs));
    assert_eq!((&made.json["enabled"], &made.json["catch_up"]), (&json!(true), &json!("once")));
    assert_eq!(app.get("/v1/schedules/stand-up").await.is(200).json, made.json);
    let mut paused = body();
    paused["enabled"] = json!(false);
    paused["catch_up"] = json!("skip");
    let replaced = app.put("/v1/schedules/stand-up", paused).await.is(200);
    assert_eq!(replaced.json["next_runs"], json!([]));
    app.put("/v1/schedules/a", json!({"at": "2027-01-01T09:00:00+08:00", "message": body()["message"]}))
        .await
        .is(201);
    assert_eq!(app.get("/v1/schedules").await.is(200).items("name"), ["stand-up", "a"]);
    let once = app.get("/v1/schedules/a").await.is(200);
    assert_eq!(once.json["next_runs"], json!(["2027-01-01T01:00:00+00:00"]));
    assert!(app.get("/v1/events").await.is(200).items("type").iter().any(|kind| kind == "schedule.put"));
    app.delete("/v1/schedules/a").await.is(204);
    app.delete("/v1/schedules/a").await.refuses(404, "not_found", "");
    app.get("/v1/schedules/a").await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn wrong_schedules_are_refused_with_their_place() {
    let app = app().await;
    for (field, value, code, pointer) in [
        ("cron", json!("often"), "invalid_request", "/cron"),
        ("cron", json!(7), "invalid_request", "/cron"),
        ("at", json!("2027-01-01T00:00:00Z"), "invalid_request", "/at"),
        ("timezone", json!("Berlin"), "invalid_request", "/timezone"),
        ("catch_up", json!("twice"), "invalid_request", "/catch_up"),
        ("every", json!("day"), "invalid_request", "/every"),
        ("message", json!({"template": "no-such"}), "unknown_template", "/message/template"),
        ("message", json!([]), "invalid_request", "/message"),
        ("condition", json!({"url": "http://10.0.0.1/"}), "forbidden_address", "/condition/url"),
        (
            "condition",
            json!({"url": "https://example.com", "on_error": "x"}),
            "invalid_request",
            "/condition/on_error",
        ),
    ] {
        let mut body = body();
        body[field] = value;
        app.put("/v1/schedules/s", body).await.refuses(422, code, pointer);
    }
    let past = json!({"at": "2020-01-01T00:00:00Z", "message": body()["message"]});
    app.put("/v1/schedules/s", past).await.refuses(422, "invalid_request", "/at");
    let nothing = json!({"cron": "* * * * *"});
    app.put("/v1/schedules/s", nothing).await.refuses(422, "invalid_request", "/message");
    assert!(app.get("/v1/schedules").await.is(200).items("name").is_empty());
}

#[tokio::test]
async fn running_one_now_is_answered_like_a_message() {
    let app = app().await;
    app.put("/v1/schedules/s", body()).await.is(201);
    let run = || app.call("POST", "/v1/schedules/s/run").header("idempotency-key", "k1");
    let accepted = run().send().await.is(202);
    assert_eq!(accepted.json["status"], "queued");
    let again = run().send().await.is(202);
    assert_eq!((again.header("idempotent-replayed"), &again.json["id"]), ("true", &accepted.json["id"]));
    app.deliver().await;
    let message = app.get(&accepted.text_at("/url")).await.is(200);
    assert_eq!(message.json["status"], "completed");
    assert_eq!(message.json["content"]["body"], "At 2026-12-01T01:00:00+01:00");
    app.post("/v1/schedules/other/run", json!({})).await.refuses(404, "not_found", "");
    app.post("/v1/schedules/s/run", json!({})).await.is(202);
    let dry = app.post("/v1/schedules/s/run", json!({"dry_run": true})).await;
    dry.refuses(422, "invalid_request", "/dry_run");
}

#[tokio::test]
async fn what_is_wrong_with_the_message_is_at_one_place_whether_it_is_put_or_run() {
    let app = app().await;
    app.put("/v1/templates/daily", json!({"body": "x"})).await.is(201);
    let message = json!({"template": "daily", "routing": {"channels": ["im"]}});
    let daily = json!({"cron": "0 9 * * *", "message": message});
    app.put("/v1/schedules/daily", daily.clone()).await.is(201);
    let number = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    app.put("/v1/templates/daily", json!({"body": "{{ n }}", "variables": number})).await.is(200);
    app.put("/v1/schedules/daily", daily).await.refuses(422, "invalid_data", "/message/data/n");
    let run = app.post("/v1/schedules/daily/run", json!({})).await;
    run.refuses(422, "invalid_data", "/message/data/n");
}

#[tokio::test]
async fn what_a_schedule_sends_through_or_sends_stays() {
    let app = app().await;
    app.put("/v1/templates/daily", json!({"body": "x"})).await.is(201);
    let message = json!({"template": "daily", "routing": {"channels": ["im"]}});
    app.put("/v1/schedules/daily", json!({"cron": "0 9 * * *", "message": message})).await.is(201);
    for path in ["/v1/channels/im", "/v1/templates/daily"] {
        let text = app.delete(path).await.refuses(409, "in_use", "").text;
        assert!(text.contains("the schedule daily"), "{text}");
    }
    app.delete("/v1/schedules/daily").await.is(204);
    app.delete("/v1/channels/im").await.is(204);
    app.delete("/v1/templates/daily").await.is(204);
}

#[tokio::test]
async fn a_schedule_far_ahead_leaves_what_is_made_now_in_the_present() {
    let app = app().await;
    let later = json!({"at": "2031-11-30T00:00:00Z", "message": body()["message"]});
    app.put("/v1/schedules/later", later).await.is(201);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    let sent = app.call("POST", "/v1/messages").by(&app.admin).json(message).send().await.is(202);
    assert_eq!(app.get("/v1/messages").await.is(200).items("id"), [sent.text_at("/id")]);
}
