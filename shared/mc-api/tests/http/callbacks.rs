//! What platforms tell, over a self-built IM that signs with Standard Webhooks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mc_core::ports::Clock;
use mc_sandbox::{Sandbox, SandboxOptions, WecomApp, WecomCallback, WecomEvent};
use ring::hmac;
use serde_json::{Value, json};

use crate::app::{Answer, App, As, SECRET};

const KEY: [u8; 24] = [7; 24];
const ADDRESS: &str = "/v1/callbacks/default/im";

async fn app() -> App {
    let app = App::new().await;
    let secret = format!("whsec_{}", STANDARD.encode(KEY));
    let body = json!({
        "kind": "webhook", "secrets": {"secret": secret},
        "settings": {"url": "https://im.example.com/send", "receipts": true},
    });
    app.put("/v1/channels/im", body).await.is(201);
    app
}

/// A callback by nobody, signed well unless `spoil` changes the signature.
async fn tell(app: &App, address: &str, body: Vec<u8>, spoil: impl FnOnce(&mut String)) -> Answer {
    let at = app.clock.now().seconds().to_string();
    let signed = [b"cb_1.", at.as_bytes(), b".", &body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &KEY), &signed);
    let mut signature = format!("v1,{}", STANDARD.encode(tag));
    spoil(&mut signature);
    let call = app.call("POST", address).by(&As::Nobody).bytes(body).header("webhook-id", "cb_1");
    call.header("webhook-timestamp", &at).header("webhook-signature", &signature).send().await
}

fn receipt(id: &str, status: &str) -> Vec<u8> {
    json!({"type": "receipt", "message_id": id, "status": status}).to_string().into_bytes()
}

#[tokio::test]
async fn a_signed_receipt_shows_in_the_message() {
    let app = app().await;
    let body = json!({"content": {"title": "t", "body": "b"}, "routing": {"channels": ["im"]}});
    let sent = app.post("/v1/messages", body).await.is(202);
    app.deliver().await;
    let push_id = format!("{}-0-0", sent.text_at("/id").strip_prefix("msg_").unwrap());
    for status in ["read", "delivered", "read"] {
        let answer = tell(&app, ADDRESS, receipt(&push_id, status), |_| {}).await.is(200);
        assert_eq!(answer.json, json!({"ok": true}));
    }
    let shown = app.get(&sent.text_at("/url")).await.is(200);
    assert_eq!((&shown.json["counts"]["read"], &shown.json["status"]), (&json!(1), &json!("completed")));
}

#[tokio::test]
async fn a_wrong_signature_is_refused_and_noted_once_a_minute() {
    let app = app().await;
    for _ in 0..30 {
        let refused = tell(&app, ADDRESS, receipt("7", "read"), |s| s.replace_range(3..7, "AAAA")).await;
        refused.refuses(401, "bad_signature", "");
    }
    app.call("GET", ADDRESS).by(&As::Nobody).send().await.refuses(401, "bad_signature", "");
    // Our own credentials are none here.
    app.call("POST", ADDRESS).json(json!({})).send().await.refuses(401, "bad_signature", "");
    app.clock.advance(std::time::Duration::from_secs(60));
    tell(&app, ADDRESS, receipt("7", "read"), |_| {}).await.is(200);
    tell(&app, ADDRESS, receipt("7", "read"), String::clear).await.refuses(401, "bad_signature", "");
    let events = app.get("/v1/events").await.is(200);
    let noted: Vec<&Value> = events.json["items"].as_array().unwrap().iter().collect();
    let counts: Vec<(&Value, &Value)> = noted
        .iter()
        .filter(|e| e["type"] == "callback.refused")
        .map(|e| (&e["data"]["reason"], &e["data"]["count"]))
        .collect();
    assert_eq!(counts, [(&json!("signature"), &json!(32)), (&json!("signature"), &json!(1))]);
}

#[tokio::test]
async fn another_topic_is_refused_like_a_stranger_and_the_log_names_the_setting() {
    let app = App::new().await;
    let arn = "arn:aws:sns:eu-west-1:123456789012:mail-events";
    let settings = json!({"from": "alerts@example.com", "topic_arn": arn});
    app.put("/v1/channels/mail", json!({"kind": "email_ses", "settings": settings})).await.is(201);
    let posted = json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": format!("{arn}-of-others"), "Message": "{}",
        "Timestamp": "2026-12-01T00:00:00.000Z", "SignatureVersion": "2", "Signature": "AAAA",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem",
    });
    let told = app.call("POST", "/v1/callbacks/default/mail").by(&As::Nobody).json(posted).send().await;
    told.refuses(401, "bad_signature", "");
    let events = app.get("/v1/events").await.is(200);
    let items = events.json["items"].as_array().unwrap();
    let reasons: Vec<&Value> =
        items.iter().filter(|e| e["type"] == "callback.refused").map(|e| &e["data"]["reason"]).collect();
    assert_eq!(reasons, ["topic_arn"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_never_breaks() {
    let app = app().await;
    for body in [
        &b""[..],
        b"{}",
        b"\xff\xfe\x00",
        b"[[[[[[[[",
        br#"{"type":"receipt","message_id":7,"status":"read"}"#,
        b"[1,2,3]",
    ] {
        tell(&app, ADDRESS, body.to_vec(), |_| {}).await.refuses(400, "malformed_callback", "");
    }
    let deep = [b'['; 100_000].to_vec();
    tell(&app, ADDRESS, deep, |_| {}).await.refuses(400, "malformed_callback", "");
    let strange = format!("{ADDRESS}?a=1&a=2&%zz=%00&msg_signature");
    tell(&app, &strange, receipt("7", "read"), |_| {}).await.is(200);
}

#[tokio::test]
async fn who_does_not_call_has_no_callback() {
    let app = app().await;
    app.channel("silent").await;
    for address in [
        "/v1/callbacks/default/silent",
        "/v1/callbacks/default/nobody",
        "/v1/callbacks/nobody/im",
        "/v1/callbacks/other/im",
        "/v1/callbacks/%2e%2e/im",
    ] {
        tell(&app, address, receipt("7", "read"), |_| {}).await.refuses(404, "not_found", "");
    }
}

#[tokio::test]
async fn a_store_that_is_gone_has_the_platform_tell_again() {
    let app = app().await;
    tell(&app, ADDRESS, receipt("7", "read"), |_| {}).await.is(200);
    app.close().await;
    let answer = tell(&app, ADDRESS, receipt("8", "read"), |_| {}).await;
    assert!(answer.status >= 500, "{}", answer.text);
}

#[tokio::test]
async fn a_press_that_the_platform_does_not_show_is_told_all_the_same() {
    const AES_KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";
    let app = App::new().await;
    let clock = app.clock.clone();
    let sandbox = Sandbox::new(SandboxOptions::new(std::sync::Arc::new(move || {
        u64::try_from(clock.now().millis()).unwrap()
    })));
    let callback =
        WecomCallback { token: "t".into(), encoding_aes_key: AES_KEY.into(), ..WecomCallback::default() };
    sandbox.wecom_app("ww1", 1_000_002, WecomApp { callback: Some(callback), ..WecomApp::default() });
    let channel = json!({
        "kind": "wecom_app", "settings": {"corp_id": "ww1", "agent_id": 1_000_002},
        "secrets": {"secret": format!("{SECRET}/app"), "token": "t", "encoding_aes_key": AES_KEY},
    });
    app.put("/v1/channels/app", channel).await.is(201);
    let hook = json!({"url": "https://example.com/hook", "events": ["channel.action"]});
    app.put("/v1/webhooks/w", hook).await.is(201);
    let press = WecomEvent::Card {
        user: "zhangsan".into(),
        task_id: "t-1".into(),
        card_type: "button_interaction".into(),
        key: "yes".into(),
    };
    let post = sandbox.wecom_post("ww1", 1_000_002, &press).unwrap();
    // WeCom takes presses and is otherwise in trouble: it gives no token to change the card with.
    *app.platform.body.lock().unwrap() = r#"{"errcode": -1, "errmsg": "system busy"}"#;
    let address = format!("/v1/callbacks/default/app?{}", post.query);
    let call = app.call("POST", &address).by(&As::Nobody).bytes(post.body);
    call.header("content-type", "text/xml").send().await.is(200);
    assert_eq!(app.platform.calls.load(std::sync::atomic::Ordering::SeqCst), 1, "it was asked for a token");
    let events = app.get("/v1/events").await.is(200);
    let noted: Vec<&Value> = events.json["items"].as_array().unwrap().iter().collect();
    let noted = noted.iter().find(|event| event["type"] == "callback.not_followed").unwrap();
    assert_eq!((&noted["data"]["channel"], &noted["data"]["code"]), (&json!("app"), &json!("-1")));
    app.deliver().await;
    let told = app.get("/v1/webhooks/w/attempts").await.is(200);
    assert_eq!(told.items("type"), ["channel.action"]);
    assert_eq!(told.items("state"), ["delivered"]);
}
