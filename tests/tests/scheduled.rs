//! Messages that wait for their time, in the real binary.

#![expect(clippy::disallowed_methods, reason = "the binary goes by the real clock")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mc_tests::{Receiver, TestApp, wait_until_some};
use serde_json::{Value, json};

/// Far enough for a busy machine to accept a message before its time.
const AHEAD: SignedDuration = SignedDuration::from_secs(5);

/// It is sent within this, whatever else the machine does.
const BOUND: Duration = Duration::from_secs(40);

fn from_now(span: SignedDuration) -> String {
    (Timestamp::now() + span).to_string()
}

fn time(text: &Value) -> Timestamp {
    text.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{text} is no time"))
}

/// A center whose channel `im` sends to the platform.
async fn center(platform: &Receiver) -> TestApp {
    let app = TestApp::start().await;
    let channel = json!({"kind": "webhook", "settings": {"url": platform.url("/im")}});
    app.client().put("/v1/channels/im", &channel).await.expect(201);
    app
}

/// Has a message wait until then, and answers its path.
async fn scheduled(app: &TestApp, send_at: String) -> String {
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}, "send_at": send_at});
    let accepted = app.client().post("/v1/messages", &message).await.expect(202).json;
    assert_eq!(accepted["status"], "scheduled", "{accepted}");
    format!("/v1/messages/{}", accepted["id"].as_str().expect("an id"))
}

/// Waits until a message is sent, which was begun once and not before its time.
async fn is_sent_in_time(app: &TestApp, path: &str) {
    let completed = wait_until_some(BOUND, async || {
        let message = app.client().get(path).await.expect(200).json;
        (message["status"] == "completed").then_some(message)
    });
    let completed = completed.await;
    let attempts = completed["deliveries"][0]["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 1, "{completed}");
    let (due, began) = (time(&completed["send_at"]), time(&attempts[0]["at"]));
    assert!(began >= due, "{began} is before {due}");
}

#[tokio::test]
async fn a_message_goes_at_its_time_and_not_before() {
    let platform = Receiver::start().await;
    let app = center(&platform).await;
    let soon = scheduled(&app, from_now(AHEAD)).await;
    // This one lies further ahead than a queue holds, and is moved to where that one is.
    let later = scheduled(&app, from_now(SignedDuration::from_hours(2))).await;
    app.client().patch(&later, &json!({"send_at": from_now(AHEAD)})).await.expect(200);
    for path in [&soon, &later] {
        is_sent_in_time(&app, path).await;
    }
    assert_eq!(platform.count(), 2, "{}", app.logs());
}

#[tokio::test]
async fn a_message_that_waits_outlives_the_process() {
    let platform = Receiver::start().await;
    let mut app = center(&platform).await;
    let path = scheduled(&app, from_now(AHEAD)).await;
    app.kill9();
    app.restart().await;
    is_sent_in_time(&app, &path).await;
    assert_eq!(platform.count(), 1, "{}", app.logs());
}
