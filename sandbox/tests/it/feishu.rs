//! The Feishu custom robot.

use mc_sandbox::{FeishuRobot, Platform};
use serde_json::{Value, json};

use crate::support::{Fake, NOW, fake, fake_with};

const URI: &str = "/open-apis/bot/v2/hook/hook-0123456789abcdef";
const TOKEN: &str = "hook-0123456789abcdef";

fn open_robot() -> Fake {
    let fake = fake_with(|options| options.rate_limit = None);
    fake.sandbox.feishu_robot(TOKEN, FeishuRobot::default());
    fake
}

async fn send(fake: &Fake, body: &Value) -> i64 {
    let (status, answer) = fake.send("POST", URI, body.to_string()).await;
    assert_eq!(status, 200);
    answer["code"].as_i64().expect("a code")
}

fn text(content: &str) -> Value {
    json!({"msg_type": "text", "content": {"text": content}})
}

fn card(elements: Value) -> Value {
    json!({"msg_type": "interactive", "card": {"schema": "2.0", "body": {"elements": elements}}})
}

#[tokio::test]
async fn signatures() {
    let fake = fake();
    let robot = FeishuRobot { secret: Some("abcDEF123".to_owned()), ..FeishuRobot::default() };
    fake.sandbox.feishu_robot(TOKEN, robot);
    let sign = "qimCYnXKTZRVfEDjgpOq1ke9awsBuC3tn/n151vIck8=";
    let signed = |timestamp: Value, sign: &str| {
        let mut body = text("x");
        body["timestamp"] = timestamp;
        body["sign"] = json!(sign);
        body
    };
    let (_, answer) = fake.send("POST", URI, signed(json!("1700000000"), sign).to_string()).await;
    assert_eq!((&answer["code"], &answer["StatusCode"]), (&json!(0), &json!(0)));
    for body in [
        text("x"),
        signed(json!("1700000001"), sign),
        signed(json!("1700000000000"), sign),
        signed(json!("1700000000"), &sign.replace('/', "%2F")),
    ] {
        assert_eq!(send(&fake, &body).await, 19021, "{body}");
        fake.advance(1_000);
    }
    fake.advance(3_596_000);
    assert_eq!(send(&fake, &signed(json!((NOW / 1_000).to_string()), sign)).await, 0, "an hour old");
    fake.advance(1_000);
    assert_eq!(send(&fake, &signed(json!((NOW / 1_000).to_string()), sign)).await, 19021);
}

#[tokio::test]
async fn unknown_hooks_addresses_and_keywords() {
    let fake = fake_with(|options| options.rate_limit = None);
    assert_eq!(send(&fake, &text("x")).await, 19001);
    let robot = FeishuRobot { keywords: vec!["告警".to_owned()], ..FeishuRobot::default() };
    fake.sandbox.feishu_robot(TOKEN, robot);
    assert_eq!(send(&fake, &text("x")).await, 19024);
    assert_eq!(send(&fake, &text("磁盘告警")).await, 0);
    let link = json!([[{"tag": "a", "text": "x", "href": "https://x.example/告警"}]]);
    let post = |title: &str| json!({"msg_type": "post", "content": {"post": {"zh_cn": {"title": title, "content": link}}}});
    assert_eq!(send(&fake, &post("x")).await, 19024, "an address is no text");
    assert_eq!(send(&fake, &post("告警")).await, 0);
    let robot = FeishuRobot { ips: vec!["192.0.2.1".to_owned()], ..FeishuRobot::default() };
    fake.sandbox.feishu_robot(TOKEN, robot);
    assert_eq!(send(&fake, &text("x")).await, 19022);
}

#[tokio::test]
async fn one_byte_too_many() {
    let fake = open_robot();
    let frame = text("").to_string().len();
    assert_eq!(send(&fake, &text(&"x".repeat(20_000 - frame))).await, 0);
    assert_eq!(send(&fake, &text(&"x".repeat(20_001 - frame))).await, 9499);
}

#[tokio::test]
async fn the_sixth_message_in_a_second_and_the_101st_in_a_minute() {
    let fake = fake();
    fake.sandbox.feishu_robot(TOKEN, FeishuRobot::default());
    for n in 0..100 {
        if n > 0 && n % 5 == 0 {
            fake.advance(1_000);
        }
        assert_eq!(send(&fake, &text("x")).await, 0, "{n}");
    }
    fake.advance(1_000);
    assert_eq!(send(&fake, &text("x")).await, 11232, "a minute holds a hundred");
    fake.advance(40_000);
    for _ in 0..5 {
        assert_eq!(send(&fake, &text("x")).await, 0);
    }
    assert_eq!(send(&fake, &text("x")).await, 11232, "and a second five");
}

#[tokio::test]
async fn shapes_of_every_type() {
    let fake = open_robot();
    let post = |nodes: Value| json!({"msg_type": "post", "content": {"post": {"zh_cn": {"title": "t", "content": [nodes]}}}});
    for (body, code) in [
        (json!({"msg_type": "text", "content": "{\"text\":\"x\"}"}), 9499),
        (json!({"content": {"text": "x"}}), 19002),
        (json!({"msg_type": "markdown", "content": {}}), 9499),
        (text(""), 9499),
        (post(json!([{"tag": "text", "text": "x"}, {"tag": "at", "user_id": "ou_1"}])), 0),
        (post(json!([{"tag": "a", "text": "x", "href": "x.example"}])), 9499),
        (post(json!([{"tag": "md", "text": "**x**"}])), 9499),
        (post(json!([{"tag": "text", "text": "x", "style": ["bold"]}])), 9499),
        (json!({"msg_type": "post", "content": {"zh_cn": {"content": []}}}), 9499),
        (json!({"msg_type": "image", "content": {"image_key": "img_1"}}), 0),
        (json!({"msg_type": "share_chat", "content": {"share_chat_id": "oc_1"}}), 0),
    ] {
        assert_eq!(send(&fake, &body).await, code, "{body}");
    }
}

#[tokio::test]
async fn cards_of_version_two_are_strict() {
    let fake = open_robot();
    let button = json!({"tag": "button", "text": {"tag": "plain_text", "content": "b"}, "behaviors": [{"type": "open_url", "default_url": "https://x.example"}]});
    let markdown = json!({"tag": "markdown", "content": "x"});
    let with = |more: Value| {
        let mut body = card(json!([markdown]));
        for (name, value) in more.as_object().expect("an object") {
            body["card"][name] = value.clone();
        }
        body
    };
    for (body, code) in [
        (card(json!([markdown, button])), 0),
        (card(json!([{"tag": "column_set", "columns": [{"tag": "column", "elements": [button]}]}])), 0),
        (card(json!([{"tag": "markdown", "content": "x", "href": {}}])), 11246),
        (card(json!([{"tag": "markdown", "content": ""}])), 11246),
        (card(json!([{"tag": "note", "elements": []}])), 11246),
        (card(json!([{"tag": "action", "actions": []}])), 11246),
        (card(json!([{"tag": "img", "img_key": "https://x.example/p.png"}])), 11246),
        (
            card(
                json!([{"tag": "button", "text": {"tag": "plain_text", "content": "b"}, "url": "https://x.example"}]),
            ),
            11246,
        ),
        (with(json!({"config": {"update_multi": true, "summary": {"content": "x"}}})), 0),
        (with(json!({"config": {"update_multi": false}})), 11246),
        (with(json!({"config": {"wide_screen_mode": true}})), 11246),
        (with(json!({"header": {"title": {"tag": "plain_text", "content": "t"}, "template": "red"}})), 0),
        (
            with(json!({"header": {"title": {"tag": "plain_text", "content": "t"}, "template": "pink"}})),
            11246,
        ),
        (with(json!({"header": {"template": "red"}})), 11246),
        (with(json!({"elements": []})), 11246),
        (json!({"msg_type": "interactive", "content": {"schema": "2.0"}}), 11246),
        (json!({"msg_type": "interactive", "card": {"elements": [{"tag": "note"}], "wide": 1}}), 0),
        (card(Value::Array(vec![markdown.clone(); 200])), 0),
        (card(Value::Array(vec![markdown.clone(); 201])), 11246),
    ] {
        assert_eq!(send(&fake, &body).await, code, "{body}");
    }
}

#[tokio::test]
async fn the_inbox_shows_what_a_reader_sees() {
    let fake = open_robot();
    let elements = json!([{"tag": "markdown", "content": "5 &#42; 3<br>x"}, {"tag": "markdown", "content": "<at id=ou_1></at>"}]);
    assert_eq!(send(&fake, &card(elements)).await, 0);
    assert_eq!(send(&fake, &text("<at user_id=\"all\">x</at> go")).await, 0);
    let items = fake.sandbox.accepted(Platform::Feishu);
    assert_eq!(items[0].text, "5 * 3\nx\n<at id=ou_1></at>");
    assert_eq!((items[0].to.as_slice(), items[0].target.as_str()), (&["ou_1".to_owned()][..], "****cdef"));
    assert_eq!(items[1].to, ["all"]);
}
