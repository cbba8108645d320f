//! Slack.

use http::{Request, StatusCode};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::support::{Fake, fake, fake_with};

const HOOK: &str = "/services/T0/B0/XXXXXXXXXXXXXXXXXXXXXXXX";

async fn call(fake: &Fake, uri: &str, token: &str, body: &Value) -> (StatusCode, String) {
    let request = Request::post(uri).header("authorization", format!("Bearer {token}"));
    let response = fake.call(request.body(body.to_string().into()).expect("a request")).await;
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_webhook_answers_in_words() {
    let fake = fake_with(|options| options.rate_limit = None);
    let text = json!({"text": "a &lt; b"});
    for (uri, body, status, word) in [
        (HOOK, text.clone(), 200, "ok"),
        ("/services/X0/B0/XXXXXXXXXXXXXXXXXXXXXXXX", text.clone(), 404, "no_team"),
        ("/services/T0/BGONE/XXXXXXXXXXXXXXXXXXXXXXXX", text.clone(), 404, "no_service"),
        ("/services/T0/B0/short", text, 403, "invalid_token"),
        (HOOK, json!({}), 400, "no_text"),
        (HOOK, json!({"blocks": [{"type": "marquee"}]}), 400, "invalid_blocks"),
        (HOOK, json!({"blocks": vec![json!({"type": "divider"}); 51]}), 400, "invalid_blocks"),
        (
            HOOK,
            json!({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(3_001)}}]}),
            400,
            "invalid_blocks",
        ),
    ] {
        let answer = call(&fake, uri, "", &body).await;
        assert_eq!((answer.0.as_u16(), answer.1.as_str()), (status, word), "{uri} {body}");
    }
    assert_eq!(fake.sandbox.accepted(Platform::Slack)[0].text, "a < b");
}

#[tokio::test]
async fn the_web_api_answers_json() {
    let fake = fake_with(|options| options.rate_limit = None);
    let good = "xoxb-0000000000-0000000000";
    for (token, channel, text, error) in [
        (good, "C1", "hi", None),
        ("xoxb-bad-0000000000-0000", "C1", "hi", Some("invalid_auth")),
        (good, "#missing", "hi", Some("channel_not_found")),
        (good, "#archived", "hi", Some("is_archived")),
        (good, "#private", "hi", Some("not_in_channel")),
        (good, "C1", "", Some("no_text")),
    ] {
        let body = json!({"channel": channel, "text": text});
        let (status, answer) = call(&fake, "/api/chat.postMessage", token, &body).await;
        let answer: Value = serde_json::from_str(&answer).expect("json");
        assert_eq!((status, answer["error"].as_str()), (StatusCode::OK, error), "{body}");
        assert_eq!(answer["ts"].is_string(), error.is_none());
    }
}

#[tokio::test]
async fn the_second_message_of_a_second() {
    let fake = fake();
    let body = json!({"text": "hi"});
    assert_eq!(call(&fake, HOOK, "", &body).await.0, StatusCode::OK);
    let (status, word) = call(&fake, HOOK, "", &body).await;
    assert_eq!((status, word.as_str()), (StatusCode::TOO_MANY_REQUESTS, "rate_limited"));
    fake.advance(1_000);
    assert_eq!(call(&fake, HOOK, "", &body).await.0, StatusCode::OK);
}
