//! The WeCom group robot.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use mc_sandbox::{Platform, RateLimit};
use serde_json::{Value, json};

use crate::support::{KEY, fake, fake_with, read};

fn text(content: &str) -> String {
    json!({"msgtype": "text", "text": {"content": content}}).to_string()
}

fn markdown(kind: &str, bytes: usize) -> String {
    json!({"msgtype": kind, kind: {"content": "x".repeat(bytes)}}).to_string()
}

#[tokio::test]
async fn a_text_is_delivered_and_its_key_is_masked() {
    let fake = fake();
    let body = json!({"msgtype": "text", "text":
        {"content": "你好 <@zhang>", "mentioned_list": ["li", "@all"], "mentioned_mobile_list": ["1380"]}});
    let uri = format!("/cgi-bin/webhook/send?key={KEY}");
    let (_, answer) = fake.send("POST", &uri, body.to_string()).await;
    assert_eq!(answer, json!({"errcode": 0, "errmsg": "ok"}));
    let items = fake.sandbox.accepted(Platform::Wecom);
    let item = items.first().expect("one item");
    assert_eq!((item.target.as_str(), item.kind.as_str()), ("****5aaa", "text"));
    assert_eq!(item.text, "你好 <@zhang>");
    assert_eq!(item.to, ["li", "@all", "1380", "zhang"]);
}

#[tokio::test]
async fn keys() {
    let fake = fake();
    for bad in ["", "short", "bad-693a91f6-7xxx", "under_score_in_it", &"k".repeat(65)] {
        let uri = format!("/cgi-bin/webhook/send?key={bad}");
        assert_eq!(fake.errcode(&uri, text("x")).await, 93000, "{bad}");
    }
    assert_eq!(fake.errcode("/cgi-bin/webhook/send?key=k1234567", text("x")).await, 0);
}

#[tokio::test]
async fn one_byte_too_many() {
    let fake = fake();
    assert_eq!(fake.wecom(text(&"x".repeat(2048))).await, 0);
    assert_eq!(fake.wecom(text(&"x".repeat(2049))).await, 45002);
    assert_eq!(fake.wecom(text(&"字".repeat(683))).await, 45002, "683 × 3 bytes: bytes count");
    for kind in ["markdown", "markdown_v2"] {
        assert_eq!(fake.wecom(markdown(kind, 4096)).await, 0);
        let uri = format!("/cgi-bin/webhook/send?key={KEY}");
        let (_, answer) = fake.send("POST", &uri, markdown(kind, 4097)).await;
        assert_eq!(answer["errcode"], 40058);
        let errmsg = answer["errmsg"].as_str().expect("an errmsg");
        assert!(errmsg.starts_with(&format!("{kind}.content exceed max length 4096")), "{errmsg}");
    }
}

#[tokio::test]
async fn malformed_messages() {
    let fake = fake();
    for (body, errcode) in [
        ("{", 40058),
        (r#"{"msgtype":"text","text":{"content":"\u4f60"}}"#, 40033),
        (r#"{"msgtype":"text","text":{"content":"C:\\users"}}"#, 0),
        (r#"{"msgtype":"text","text":{"content":""}}"#, 93017),
        (r#"{"msgtype":"text"}"#, 93017),
        (r#"{"text":{"content":"x"}}"#, 40008),
        (r#"{"msgtype":"mpnews","mpnews":{}}"#, 40008),
        (r#"{"msgtype":"file","file":{}}"#, 41006),
        (r#"{"msgtype":"file","file":{"media_id":"nobody-uploaded-this"}}"#, 40007),
        (r#"{"msgtype":"text","text":{"content":"x","mentioned_list":"li"}}"#, 40058),
    ] {
        assert_eq!(fake.wecom(body).await, errcode, "{body}");
    }
}

#[tokio::test]
async fn a_wrong_type_carries_the_warning() {
    let fake = fake();
    let uri = format!("/cgi-bin/webhook/send?key={KEY}");
    let (_, answer) = fake.send("POST", &uri, r#"{"msgtype":"text","text":{"content":5}}"#).await;
    assert_eq!(answer["errcode"], 93017, "the errcode names only the consequence");
    assert!(answer["errmsg"].as_str().expect("text").contains("Warning: wrong json format."));
}

#[tokio::test]
async fn get_is_not_post() {
    let (_, answer) = fake().send("GET", &format!("/cgi-bin/webhook/send?key={KEY}"), "").await;
    assert_eq!(answer["errcode"], 40058);
}

#[tokio::test]
async fn the_21st_message_in_a_minute() {
    let fake = fake();
    for _ in 0..20 {
        assert_eq!(fake.wecom(text("x")).await, 0);
        fake.advance(1_000);
    }
    assert_eq!(fake.wecom(text("x")).await, 45009);
    assert_eq!(fake.errcode("/cgi-bin/webhook/send?key=another-robot", text("x")).await, 0);
    fake.advance(59_999);
    assert_eq!(fake.wecom(text("x")).await, 45009, "blocked for 60 s");
    fake.advance(1);
    assert_eq!(fake.wecom(text("x")).await, 0);
}

#[tokio::test]
async fn the_limit_can_shrink_and_be_switched_off() {
    let tiny = RateLimit { window: std::time::Duration::from_millis(10), messages: 1 };
    let fake = fake_with(|options| options.rate_limit = Some(tiny));
    assert_eq!(fake.wecom(text("x")).await, 0);
    assert_eq!(fake.wecom(text("x")).await, 45009);
    fake.advance(10);
    assert_eq!(fake.wecom(text("x")).await, 0);
    let fake = fake_with(|options| options.rate_limit = None);
    for _ in 0..50 {
        assert_eq!(fake.wecom(text("x")).await, 0);
    }
}

#[tokio::test]
async fn images_are_checked_byte_by_byte() {
    let fake = fake();
    let image = |raw: &[u8], md5: &str| {
        json!({"msgtype": "image", "image": {"base64": STANDARD.encode(raw), "md5": md5}}).to_string()
    };
    let png = b"\x89PNG\r\n\x1a\n";
    let digest = "e9dd2797018cad79186e03e8c5aec8dc";
    assert_eq!(fake.wecom(image(png, digest)).await, 0, "md5 of the raw bytes");
    assert_eq!(fake.wecom(image(png, "00000000000000000000000000000000")).await, 301019);
    assert_eq!(fake.wecom(image(b"abc", "900150983cd24fb0d6963f7d28e17f72")).await, 40004);
    let large = vec![0xff; (2 << 20) + 1];
    assert_eq!(fake.wecom(image(&large, digest)).await, 93018);
    let prefixed =
        json!({"msgtype": "image", "image": {"base64": "data:image/png;base64,AAAA", "md5": digest}});
    assert_eq!(fake.wecom(prefixed.to_string()).await, 40058);
}

#[tokio::test]
async fn news() {
    let fake = fake();
    let article = |title: &str, url: &str| json!({"title": title, "url": url});
    let news = |articles: Vec<Value>| json!({"msgtype": "news", "news": {"articles": articles}}).to_string();
    let good = article("t", "https://x.example/");
    assert_eq!(fake.wecom(news(vec![good.clone(); 8])).await, 0);
    assert_eq!(fake.wecom(news(vec![good; 9])).await, 45008);
    assert_eq!(fake.wecom(news(vec![])).await, 93017);
    assert_eq!(fake.wecom(news(vec![article("", "https://x.example/")])).await, 41016);
    assert_eq!(fake.wecom(news(vec![article("t", "")])).await, 41010);
    assert_eq!(fake.wecom(news(vec![article("t", "x.example")])).await, 45034);
    let long = format!("https://x.example/{}", "a".repeat(2048));
    assert_eq!(fake.wecom(news(vec![article("t", &long)])).await, 40039);
    // A long title is cut, not refused.
    assert_eq!(fake.wecom(news(vec![article(&"字".repeat(50), "https://x.example/")])).await, 0);
    let items = fake.sandbox.accepted(Platform::Wecom);
    assert_eq!(items.last().and_then(|item| item.title.clone()), Some("字".repeat(42)));
}

#[tokio::test]
async fn template_cards() {
    let fake = fake_with(|options| options.rate_limit = None);
    let base = json!({"card_type": "text_notice", "main_title": {"title": "T", "desc": "D"},
        "horizontal_content_list": [{"keyname": "K", "value": "V"}],
        "card_action": {"type": 1, "url": "https://x.example/"}});
    let cards = [
        (json!({}), 0),
        (json!({"card_type": "button_interaction"}), 42031),
        (json!({"card_action": null}), 42045),
        (json!({"card_action": {"type": 1}}), 42028),
        (json!({"card_action": {"type": 2}}), 42030),
        (json!({"main_title": {}}), 42033),
        (json!({"main_title": {}, "sub_title_text": "S"}), 0),
        (json!({"card_type": "news_notice"}), 42044),
        (json!({"card_type": "news_notice", "card_image": {"url": "https://x.example/a.png"}}), 0),
        (
            json!({"card_type": "news_notice",
                "card_image": {"url": "https://x.example/a.png", "aspect_ratio": 2.26}}),
            42044,
        ),
        (json!({"horizontal_content_list": [{"value": "V"}]}), 42027),
        (json!({"horizontal_content_list": vec![json!({"keyname": "K"}); 7]}), 42035),
        (json!({"jump_list": vec![json!({"title": "J"}); 4]}), 42036),
        (json!({"jump_list": [{"title": "J", "type": 1}]}), 42028),
    ];
    for (change, errcode) in cards {
        let mut card = base.clone();
        for (name, value) in change.as_object().expect("an object") {
            card[name] = value.clone();
        }
        let body = json!({"msgtype": "template_card", "template_card": card}).to_string();
        assert_eq!(fake.wecom(body).await, errcode, "{change}");
    }
}

#[tokio::test]
async fn an_upload_serves_its_own_robot_for_three_days() {
    let fake = fake();
    let (_, answer) = upload(&fake, "file", b"123456").await;
    assert_eq!((&answer["errcode"], &answer["type"]), (&json!(0), &json!("file")));
    assert_eq!(answer["created_at"], "1700000000", "a string");
    let file = json!({"msgtype": "file", "file": {"media_id": answer["media_id"]}}).to_string();
    assert_eq!(fake.wecom(file.clone()).await, 0);
    assert_eq!(fake.errcode("/cgi-bin/webhook/send?key=another-robot", file.clone()).await, 40007);
    fake.advance(3 * 24 * 3_600_000);
    assert_eq!(fake.wecom(file).await, 40007);
}

#[tokio::test]
async fn uploads_are_measured() {
    let fake = fake();
    for (kind, content, errcode) in [
        ("file", vec![0; 5], 40006),
        ("file", vec![0; (20 << 20) + 1], 45001),
        ("voice", b"not amr".to_vec(), 40004),
        ("voice", b"#!AMR\nx".to_vec(), 0),
        ("image", b"123456".to_vec(), 40004),
    ] {
        assert_eq!(upload(&fake, kind, &content).await.1["errcode"], errcode, "{kind}");
    }
}

async fn upload(fake: &crate::support::Fake, kind: &str, content: &[u8]) -> (http::StatusCode, Value) {
    let mut body = b"--xx\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a\"\r\n\r\n".to_vec();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--xx--\r\n");
    let uri = format!("/cgi-bin/webhook/upload_media?key={KEY}&type={kind}");
    let request =
        Request::post(uri).header("content-type", "multipart/form-data; boundary=xx").body(Body::from(body));
    read(fake.call(request.expect("a request")).await).await
}
