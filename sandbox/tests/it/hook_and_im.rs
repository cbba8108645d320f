//! The result-webhook receiver and the self-built IM.

use axum::body::Body;
use http::{Request, StatusCode};
use mc_sandbox::{HmacEncoding, HmacRule, ImExpectation, Platform};
use serde_json::json;

use crate::support::{Fake, fake, read};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{"标题":"告警"}"#;
const SIGNATURE: &str = "v1,7y3Pxi58zfbnumhHtdbDy/jA1QszTuY/YhtmemC/Yu0=";

async fn signed(fake: &Fake, uri: &str, body: &str) -> StatusCode {
    let request = Request::post(uri)
        .header("webhook-id", "msg_cn1")
        .header("webhook-timestamp", "1700000000")
        .header("webhook-signature", SIGNATURE)
        .header("authorization", "Bearer very-secret-token")
        .body(Body::from(body.to_owned()));
    fake.call(request.expect("a request")).await.status()
}

#[tokio::test]
async fn a_hook_without_a_secret_takes_anything() {
    let fake = fake();
    let (status, _) = fake.send("POST", "/hook/results", r#"{"type":"message.sent"}"#).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let item = fake.sandbox.inbox().pop().expect("an item");
    assert_eq!((item.target.as_str(), item.kind.as_str()), ("results", "message.sent"));
    assert_eq!((item.raw.as_str(), item.verified), (r#"{"type":"message.sent"}"#, None));
}

#[tokio::test]
async fn a_hook_with_a_secret_verifies() {
    let fake = fake();
    fake.sandbox.hook_secret("results", SECRET);
    assert_eq!(signed(&fake, "/hook/results", BODY).await, StatusCode::NO_CONTENT);
    assert_eq!(signed(&fake, "/hook/results", "{}").await, StatusCode::UNAUTHORIZED);
    fake.advance(301_000);
    assert_eq!(signed(&fake, "/hook/results", BODY).await, StatusCode::UNAUTHORIZED);
    let verified: Vec<_> = fake.sandbox.inbox().iter().map(|item| item.verified).collect();
    assert_eq!(verified, [Some(true), Some(false), Some(false)]);
    let headers = fake.sandbox.inbox().first().and_then(|item| item.headers.clone()).expect("headers");
    assert_eq!(headers["webhook-signature"], SIGNATURE);
    assert_eq!(headers["authorization"], "****oken", "credentials stay out of the inbox");
}

#[tokio::test]
async fn an_im_takes_json_and_counts() {
    let fake = fake();
    let body = json!({"msgtype": "text", "text": {"content": "hi"}, "to": ["a", "b"]}).to_string();
    let (status, answer) = fake.send("PUT", "/im/v1/messages", body).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({"code": 0, "data": {"message_id": "im-1"}})));
    let item = fake.sandbox.accepted(Platform::Im).pop().expect("an item");
    assert_eq!((item.target.as_str(), item.text.as_str()), ("/im/v1/messages", "hi"));
    assert_eq!(item.to, ["a", "b"]);
    let (status, answer) = fake.send("POST", "/im/v1/messages", "text=hi").await;
    assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!(400)));
}

#[tokio::test]
async fn an_im_demands_what_it_was_told_to() {
    let fake = fake();
    let headers = [("x-app".to_owned(), None), ("x-room".to_owned(), Some("7".to_owned()))].into();
    fake.sandbox.im_expect("/room", ImExpectation { headers, ..ImExpectation::default() });
    let call = async |room: &str| {
        let request = Request::post("/im/room").header("x-app", "abc").header("x-room", room);
        fake.call(request.body(Body::from("{}")).expect("a request")).await.status()
    };
    assert_eq!(call("7").await, StatusCode::OK);
    assert_eq!(call("8").await, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.send("POST", "/im/room", "{}").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.send("POST", "/im/another", "{}").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_im_verifies_standard_webhooks() {
    let fake = fake();
    let expectation =
        ImExpectation { standard_webhooks: Some(SECRET.to_owned()), ..ImExpectation::default() };
    fake.sandbox.im_expect("signed", expectation);
    assert_eq!(signed(&fake, "/im/signed", BODY).await, StatusCode::OK);
    assert_eq!(signed(&fake, "/im/signed", "{}").await, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.sandbox.inbox().first().and_then(|item| item.verified), Some(true));
}

#[tokio::test]
async fn an_im_verifies_a_plain_hmac() {
    let fake = fake();
    let rule = HmacRule {
        header: "x-signature".to_owned(),
        secret: "key".to_owned(),
        encoding: HmacEncoding::Hex,
        prefix: "sha256=".to_owned(),
        content: "{body}".to_owned(),
        timestamp_header: None,
    };
    fake.sandbox.im_expect("hmac", ImExpectation { hmac: Some(rule), ..ImExpectation::default() });
    // Computed apart from this crate.
    let body = r#""The quick brown fox jumps over the lazy dog""#;
    let tag = "5563c42a8f969af1a1ccbc35f31e3e21acb8fc1b57777f6ac1caabc08dacc8c4";
    let call = async |signature: String| {
        let request = Request::post("/im/hmac").header("x-signature", signature).body(Body::from(body));
        read(fake.call(request.expect("a request")).await).await.0
    };
    assert_eq!(call(format!("sha256={tag}")).await, StatusCode::OK);
    assert_eq!(call(tag.to_owned()).await, StatusCode::UNAUTHORIZED, "the prefix is missing");
    assert_eq!(call(format!("sha256={}", tag.replace('a', "b"))).await, StatusCode::UNAUTHORIZED);
}
