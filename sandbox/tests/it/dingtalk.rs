//! The DingTalk custom robot.

use axum::body::Body;
use http::Request;
use mc_sandbox::{Fault, Platform};
use serde_json::{Value, json};

use crate::support::{Fake, NOW, fake, fake_with, read};

const TOKEN: &str = "token-0123456789abcdef";
const SECRET: &str = "SEC1234567890abcdef";
/// The second vector of the sheet, signed at 1700000000000.
const SIGN: &str = "RqBq3E1RTBDv3n2QBCh4adZ2WHk9mVklyUoDBLxarjI%3D";

fn open_robot() -> Fake {
    let fake = fake();
    fake.sandbox.dingtalk_robot(TOKEN, None);
    fake
}

async fn send(fake: &Fake, body: &Value) -> i64 {
    fake.errcode(&format!("/robot/send?access_token={TOKEN}"), body.to_string()).await
}

fn text(content: &str) -> Value {
    json!({"msgtype": "text", "text": {"content": content}})
}

#[tokio::test]
async fn signatures() {
    let fake = fake();
    fake.sandbox.dingtalk_robot(TOKEN, Some(SECRET));
    let uri = |timestamp: u64, sign: &str| {
        format!("/robot/send?access_token={TOKEN}&timestamp={timestamp}&sign={sign}")
    };
    let body = text("x").to_string();
    let (_, answer) = fake.send("POST", &uri(NOW, SIGN), body.clone()).await;
    assert_eq!(answer, json!({"errcode": 0, "errmsg": "ok"}));
    let twice = SIGN.replace('%', "%25");
    for (timestamp, sign, complaint) in [
        (NOW, twice.as_str(), "sign not match"),
        (NOW, "", "sign not match"),
        (NOW + 1, SIGN, "sign not match"),
        (NOW / 1_000, SIGN, "invalid timestamp"),
        (NOW - 3_600_001, SIGN, "invalid timestamp"),
        (NOW + 3_600_001, SIGN, "invalid timestamp"),
    ] {
        let (_, answer) = fake.send("POST", &uri(timestamp, sign), body.clone()).await;
        assert_eq!(answer["errcode"], 310000);
        assert!(answer["errmsg"].as_str().expect("text").contains(complaint), "{answer} for {timestamp}");
    }
    fake.advance(3_600_000);
    assert_eq!(fake.errcode(&uri(NOW, SIGN), body.clone()).await, 0);
    fake.advance(1);
    assert_eq!(fake.errcode(&uri(NOW, SIGN), body.clone()).await, 310000);
    assert_eq!(fake.errcode(&format!("/robot/send?access_token={TOKEN}"), body).await, 310000);
}

#[tokio::test]
async fn the_first_vector_needs_its_plus_signs_escaped() {
    let at = 1_577_262_236_757;
    let late = fake();
    let early = fake_with(|options| options.clock = std::sync::Arc::new(move || at));
    late.sandbox.dingtalk_robot(TOKEN, Some("this is secret"));
    early.sandbox.dingtalk_robot(TOKEN, Some("this is secret"));
    let uri = |sign: &str| format!("/robot/send?access_token={TOKEN}&timestamp={at}&sign={sign}");
    let body = text("x").to_string();
    let escaped = uri("hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D");
    assert_eq!(early.errcode(&escaped, body.clone()).await, 0);
    let unescaped = uri("hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=");
    assert_eq!(early.errcode(&unescaped, body.clone()).await, 310000, "a plus is a space in a query");
    assert_eq!(late.errcode(&escaped, body).await, 310000, "years too late");
}

#[tokio::test]
async fn unknown_robots_and_keywords() {
    let fake = fake();
    assert_eq!(send(&fake, &text("x")).await, 400101);
    fake.sandbox.dingtalk_robot_with_keywords(TOKEN, None, vec!["告警".to_owned()]);
    assert_eq!(send(&fake, &text("x")).await, 310000);
    assert_eq!(send(&fake, &text("磁盘告警")).await, 0);
    let card = json!({"msgtype": "markdown", "markdown": {"title": "告警", "text": "x"}});
    assert_eq!(send(&fake, &card).await, 0, "a keyword in the title counts");
}

#[tokio::test]
async fn one_byte_too_many() {
    let fake = open_robot();
    let frame = text("").to_string().len();
    assert_eq!(send(&fake, &text(&"x".repeat(20_000 - frame))).await, 0);
    assert_eq!(send(&fake, &text(&"x".repeat(20_001 - frame))).await, 460101);
}

#[tokio::test]
async fn content_types() {
    let fake = open_robot();
    for (content_type, errcode) in [
        ("application/json", 0),
        ("application/json; charset=utf-8", 0),
        ("Application/JSON;charset=UTF-8", 0),
        ("application/json; charset=gbk", 43004),
        ("text/plain", 43004),
        ("application/x-www-form-urlencoded", 43004),
    ] {
        let request = Request::post(format!("/robot/send?access_token={TOKEN}"))
            .header("content-type", content_type)
            .body(Body::from(text("x").to_string()));
        let (_, answer) = read(fake.call(request.expect("a request")).await).await;
        assert_eq!(answer["errcode"], errcode, "{content_type}");
    }
}

#[tokio::test]
async fn the_21st_message_in_a_minute() {
    let fake = open_robot();
    for _ in 0..20 {
        assert_eq!(send(&fake, &text("x")).await, 0);
    }
    assert_eq!(send(&fake, &text("x")).await, 130101);
    fake.advance(599_999);
    assert_eq!(send(&fake, &text("x")).await, 130101, "throttled for ten minutes");
    fake.advance(1);
    assert_eq!(send(&fake, &text("x")).await, 0);
}

#[tokio::test]
async fn fields_of_every_type() {
    let fake = fake_with(|options| options.rate_limit = None);
    fake.sandbox.dingtalk_robot(TOKEN, None);
    let link = json!({"title": "t", "text": "x", "messageUrl": "https://x.example"});
    let button = json!({"title": "b", "actionURL": "https://x.example"});
    let entry = json!({"title": "t", "messageURL": "https://x.example", "picURL": "https://x.example/p"});
    let card = |more: Value| {
        let mut card = json!({"title": "t", "text": "x"});
        for (name, value) in more.as_object().expect("an object") {
            card[name] = value.clone();
        }
        card
    };
    for (msgtype, part, errcode) in [
        ("text", json!({"content": ""}), 40035),
        ("link", link, 0),
        ("link", json!({"title": "t", "text": "x", "messageURL": "https://x.example"}), 40035),
        ("markdown", json!({"title": "t", "text": "x"}), 0),
        ("markdown", json!({"text": "x"}), 40035),
        ("actionCard", card(json!({"singleTitle": "s", "singleURL": "https://x.example"})), 0),
        ("actionCard", card(json!({"singleTitle": "s"})), 40035),
        ("actionCard", card(json!({"btns": [button], "btnOrientation": "1"})), 0),
        ("actionCard", card(json!({"btns": [button], "btnOrientation": 1})), 40035),
        ("actionCard", card(json!({"btns": [{"title": "b", "actionUrl": "https://x.example"}]})), 40035),
        ("actionCard", card(json!({})), 40035),
        ("feedCard", json!({"links": [entry]}), 0),
        ("feedCard", json!({"links": []}), 40035),
        ("feedCard", json!({"links": [{"title": "t", "messageUrl": "https://x.example"}]}), 40035),
        ("action_card", json!({}), 400105),
    ] {
        let body = json!({"msgtype": msgtype, msgtype: part});
        assert_eq!(send(&fake, &body).await, errcode, "{body}");
    }
    let uri = format!("/robot/send?access_token={TOKEN}");
    assert_eq!(fake.errcode(&uri, "").await, 40035);
    assert_eq!(fake.errcode(&uri, "{").await, 40035);
}

#[tokio::test]
async fn at_alerts_only_those_named_in_the_text() {
    let fake = open_robot();
    let mut body = text("@1380 look");
    body["at"] = json!({"atMobiles": ["1380", "1390"], "atUserIds": ["u1"], "isAtAll": false});
    assert_eq!(send(&fake, &body).await, 0, "a wrong mobile is no error");
    let item = fake.sandbox.inbox().pop().expect("an item");
    assert_eq!((item.to.clone(), item.target.as_str()), (vec!["1380".to_owned()], "****cdef"));
    let people = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    body["at"] = json!({"atMobiles": people(25), "atUserIds": people(25)});
    assert_eq!(send(&fake, &body).await, 0);
    body["at"] = json!({"atMobiles": people(26), "atUserIds": people(25)});
    assert_eq!(send(&fake, &body).await, 41029);
}

#[tokio::test]
async fn a_repeated_msg_uuid_is_delivered_once() {
    let fake = open_robot();
    let mut body = text("x");
    body["msgUuid"] = json!("u-1");
    assert_eq!(send(&fake, &body).await, 0);
    assert_eq!(send(&fake, &body).await, 0, "answered as before");
    assert_eq!(fake.sandbox.accepted(Platform::Dingtalk).len(), 1);
    body["msgUuid"] = json!("u-2");
    assert_eq!(send(&fake, &body).await, 0);
    assert_eq!(fake.sandbox.accepted(Platform::Dingtalk).len(), 2);
    fake.advance(600_000);
    assert_eq!(send(&fake, &body).await, 0);
    assert_eq!(fake.sandbox.accepted(Platform::Dingtalk).len(), 3, "nobody promised a longer memory");
}

#[tokio::test]
async fn a_cut_answer_can_be_asked_for_again_with_the_same_msg_uuid() {
    let fake = open_robot();
    let mut fault = Fault::on(Platform::Dingtalk);
    fault.cut = true;
    fake.sandbox.push_fault(fault);
    let mut body = text("x");
    body["msgUuid"] = json!("u-1");
    let request = Request::post(format!("/robot/send?access_token={TOKEN}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()));
    let response = fake.call(request.expect("a request")).await;
    assert!(axum::body::to_bytes(response.into_body(), 100).await.is_err(), "the answer never arrives");
    assert_eq!(send(&fake, &body).await, 0);
    assert_eq!(fake.sandbox.accepted(Platform::Dingtalk).len(), 1);
}
