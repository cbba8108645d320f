//! Apps of WeCom.

use axum::body::Body;
use http::Request;
use mc_sandbox::{Platform, WecomApp, WecomCallback, WecomEvent};
use serde_json::{Value, json};

use crate::support::{Fake, fake, fake_with, read};

const CORP: &str = "ww1234567890abcdef";
const AGENT: u64 = 1_000_002;
const SECRET: &str = "app-secret-0123456789";
const KEY: &str = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C";

fn app() -> WecomApp {
    WecomApp {
        secret: SECRET.to_owned(),
        users: Some(vec!["zhangsan".to_owned(), "LiSi".to_owned()]),
        unlicensed: vec!["wangwu".to_owned()],
        departments: Some(vec![2]),
        tags: Some(vec![3]),
        callback: Some(WecomCallback {
            url: "http://127.0.0.1:9/callback".to_owned(),
            token: "QDG6eK".to_owned(),
            encoding_aes_key: KEY.to_owned(),
        }),
        ..WecomApp::default()
    }
}

/// An app, and a token for it.
async fn started(fake: &Fake, app: WecomApp) -> String {
    fake.sandbox.wecom_app(CORP, AGENT, app);
    token(fake).await
}

async fn token(fake: &Fake) -> String {
    let uri = format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret={SECRET}");
    let (_, answer) = fake.send("GET", &uri, "").await;
    answer["access_token"].as_str().expect("a token").to_owned()
}

async fn call(fake: &Fake, path: &str, token: &str, body: &Value) -> Value {
    fake.send("POST", &format!("/cgi-bin/{path}?access_token={token}"), body.to_string()).await.1
}

async fn send(fake: &Fake, token: &str, msgtype: &str, part: Value) -> i64 {
    let message = json!({"touser": "zhangsan", "agentid": AGENT, "msgtype": msgtype, msgtype: part});
    call(fake, "message/send", token, &message).await["errcode"].as_i64().expect("an errcode")
}

#[tokio::test]
async fn tokens() {
    let fake = fake();
    fake.sandbox.wecom_app(CORP, AGENT, app());
    for (corp, secret, code) in [
        ("", SECRET, 41002),
        (CORP, "", 41004),
        ("wwother", SECRET, 40013),
        (CORP, "wrong", 40001),
        (CORP, SECRET, 0),
    ] {
        let uri = format!("/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}");
        assert_eq!(fake.send("GET", &uri, "").await.1["errcode"], code, "{corp} {secret}");
    }
    let text = || json!({"content": "x"});
    let first = token(&fake).await;
    assert_eq!(token(&fake).await, first, "the same while it lives");
    assert_eq!(fake.sandbox.wecom_tokens_given(CORP, AGENT), 3);
    assert_eq!(send(&fake, "", "text", text()).await, 41001);
    assert_eq!(send(&fake, "another", "text", text()).await, 40014);
    fake.advance(7_199_999);
    assert_eq!(send(&fake, &first, "text", text()).await, 0);
    fake.advance(1);
    assert_eq!(send(&fake, &first, "text", text()).await, 42001);
    let second = token(&fake).await;
    fake.sandbox.wecom_end_tokens(CORP, AGENT, true);
    assert_eq!(send(&fake, &second, "text", text()).await, 40014);
    let third = token(&fake).await;
    let expire = format!("/_wecom/{CORP}/{AGENT}/expire");
    let request = Request::post(&expire).body(Body::empty()).expect("a request");
    assert_eq!(fake.call(request).await.status(), 204);
    assert_eq!(send(&fake, &third, "text", text()).await, 42001);
}

#[tokio::test]
async fn an_address_that_is_not_trusted() {
    let fake = fake();
    let token = started(&fake, WecomApp { trusted_ips: vec!["192.0.2.1".to_owned()], ..app() }).await;
    let (_, answer) = fake.send("GET", &format!("/cgi-bin/getcallbackip?access_token={token}"), "").await;
    assert_eq!(answer["errcode"], 60020);
    assert!(answer["errmsg"].as_str().expect("words").contains("from ip: 127.0.0.1"), "{answer}");
    let token = started(&fake, app()).await;
    let (_, answer) = fake.send("GET", &format!("/cgi-bin/getcallbackip?access_token={token}"), "").await;
    assert_eq!((&answer["errcode"], &answer["ip_list"]), (&json!(0), &json!(["127.0.0.1"])));
}

#[tokio::test]
async fn people() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let to = |field: &str, ids: &str| json!({field: ids, "agentid": AGENT, "msgtype": "text", "text": {"content": "x"}});
    let answer = call(&fake, "message/send", &token, &to("touser", "zhangsan|lisi|Nobody|wangwu")).await;
    assert_eq!((&answer["invaliduser"], &answer["unlicenseduser"]), (&json!("nobody"), &json!("wangwu")));
    assert_eq!(fake.sandbox.accepted(Platform::WecomApp)[0].to, ["zhangsan", "lisi"]);
    let many = vec!["zhangsan"; 1001].join("|");
    for (field, ids, code) in [
        ("touser", "", 82001),
        ("touser", "nobody", 81013),
        ("touser", "a b", 81013),
        ("touser", &many, 40032),
        ("toparty", &vec!["2"; 101].join("|"), 82002),
        ("totag", &vec!["3"; 101].join("|"), 82003),
        ("toparty", "9", 81013),
        ("toparty", "2", 0),
        ("totag", "3", 0),
        ("touser", "@all", 0),
    ] {
        let answer = call(&fake, "message/send", &token, &to(field, ids)).await;
        assert_eq!(answer["errcode"], code, "{field} {}", &ids[..ids.len().min(20)]);
    }
    let wrong = json!({"touser": 7, "agentid": AGENT, "msgtype": "text", "text": {"content": "x"}});
    let answer = call(&fake, "message/send", &token, &wrong).await;
    assert_eq!(answer["errcode"], 82001);
    assert!(answer["errmsg"].as_str().expect("words").starts_with("Warning: wrong json format."));
    for (agent, code) in [(json!(null), 41011), (json!(7), 301_002), (json!("7"), 40056)] {
        let message =
            json!({"touser": "zhangsan", "agentid": agent, "msgtype": "text", "text": {"content": "x"}});
        assert_eq!(call(&fake, "message/send", &token, &message).await["errcode"], code);
    }
}

#[tokio::test]
async fn one_byte_too_many_and_what_is_missing() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let url = "https://example.com";
    let long = |bytes: usize| "x".repeat(bytes);
    let articles = |count: usize| json!({"articles": vec![json!({"title": "t", "url": url}); count]});
    for (msgtype, part, code) in [
        ("text", json!({"content": long(2048)}), 0),
        ("text", json!({"content": long(2049)}), 45002),
        ("text", json!({"content": "字".repeat(683)}), 45002),
        ("text", json!({"content": ""}), 44004),
        ("text", json!({"content": 1}), 44004),
        ("markdown", json!({"content": long(2048)}), 0),
        ("markdown", json!({"content": long(2049)}), 45002),
        ("textcard", json!({"title": "t", "description": "d", "url": url}), 0),
        ("textcard", json!({"description": "d", "url": url}), 41016),
        ("textcard", json!({"title": "t", "url": url}), 41033),
        ("textcard", json!({"title": "t", "description": "d"}), 41010),
        ("textcard", json!({"title": "t", "description": "d", "url": "example.com"}), 45034),
        (
            "textcard",
            json!({"title": "t", "description": "d", "url": format!("{url}/{}", long(2048))}),
            40039,
        ),
        ("textcard", json!({"title": "t", "description": "d", "url": url, "btntxt": "五个字太长"}), 40058),
        ("news", articles(8), 0),
        ("news", articles(9), 45008),
        ("news", articles(0), 40063),
        ("news", json!({"articles": [{"url": url}]}), 41016),
        ("news", json!({"articles": [{"title": "t"}]}), 41010),
        ("news", json!({"articles": [{"title": "t", "appid": "wx1", "pagepath": "p"}]}), 0),
        ("image", json!({}), 41006),
        ("file", json!({"media_id": "unknown"}), 40007),
        ("miniprogram_notice", json!({"appid": "wx1", "title": "短"}), 90200),
        ("something", json!({}), 40008),
    ] {
        assert_eq!(send(&fake, &token, msgtype, part.clone()).await, code, "{msgtype} {code}");
    }
    let uri = format!("/cgi-bin/message/send?access_token={token}");
    assert_eq!(fake.errcode(&uri, "{").await, 40058);
    assert_eq!(fake.errcode(&uri, r#"{"touser":"\u0041"}"#).await, 40033);
    let safe =
        json!({"touser": "zhangsan", "agentid": AGENT, "msgtype": "news", "news": articles(1), "safe": 1});
    assert_eq!(call(&fake, "message/send", &token, &safe).await["errcode"], 40074);
}

#[tokio::test]
async fn cards() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let notice = json!({"card_type": "text_notice", "main_title": {"title": "T"},
        "card_action": {"type": 1, "url": "https://example.com"}});
    let buttons = |task: &str, list: Value| json!({"card_type": "button_interaction", "task_id": task, "main_title": {"title": "T"}, "button_list": list});
    let one = json!([{"text": "OK", "key": "ok"}]);
    let without = |card: &Value, name: &str| {
        let mut card = card.clone();
        card.as_object_mut().expect("an object").remove(name);
        card
    };
    for (card, code) in [
        (notice.clone(), 0),
        (without(&notice, "card_action"), 42045),
        (without(&notice, "main_title"), 42033),
        (without(&notice, "card_type"), 42031),
        (json!({"card_type": "news_notice", "card_action": notice["card_action"]}), 42044),
        (buttons("t-1", one.clone()), 0),
        (buttons("t-1", one.clone()), 42014),
        (buttons("no spaces", one.clone()), 42014),
        (buttons("t-2", json!([])), 42035),
        (buttons("t-2", json!([{"text": "a", "key": "k"}, {"text": "b", "key": "k"}])), 42039),
        (buttons("t-2", json!([{"text": "a"}])), 42039),
        (buttons("t-2", json!([{"key": "k"}])), 42038),
        (buttons("t-2", json!([{"text": "a", "type": 1, "url": "x"}])), 45034),
        (json!({"card_type": "vote_interaction", "task_id": "t-3"}), 42043),
        (
            json!({"card_type": "vote_interaction", "task_id": "t-3", "submit_button": {"text": "Go", "key": "go"},
                "checkbox": {"question_key": "q", "option_list": [{"id": "1", "text": "one"}]}}),
            0,
        ),
        (json!({"card_type": "multiple_interaction", "task_id": "t-4", "select_list": []}), 42047),
    ] {
        assert_eq!(send(&fake, &token, "template_card", card.clone()).await, code, "{card}");
    }
    let token = started(&fake, WecomApp { callback: None, ..app() }).await;
    assert_eq!(send(&fake, &token, "template_card", buttons("t-9", one)).await, 43012);
    assert_eq!(send(&fake, &token, "template_card", notice).await, 0);
}

#[tokio::test]
async fn files_are_uploaded_first_and_last_three_days() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let upload = |kind: &str, bytes: &[u8]| {
        let head = "--x\r\nContent-Disposition: form-data; name=\"media\"; filename=\"报告.pdf\"; filelength=6\r\n\
                    Content-Type: application/pdf\r\n\r\n";
        let body = [head.as_bytes(), bytes, b"\r\n--x--\r\n"].concat();
        let request = Request::post(format!("/cgi-bin/media/upload?access_token={token}&type={kind}"))
            .header("content-type", "multipart/form-data; boundary=x");
        let request = request.body(Body::from(body)).expect("a request");
        async { read(fake.call(request).await).await.1 }
    };
    let answer = upload("file", b"123456").await;
    let file = json!({"media_id": answer["media_id"]});
    assert_eq!(answer["created_at"], "1700000000");
    assert_eq!(send(&fake, &token, "file", file.clone()).await, 0);
    assert_eq!(fake.sandbox.accepted(Platform::WecomApp)[0].text, "报告.pdf");
    assert_eq!(send(&fake, &token, "image", file.clone()).await, 40007, "it was not uploaded as an image");
    for (kind, bytes, code) in [
        ("other", &b"123456"[..], 40004),
        ("file", b"12345", 40006),
        ("image", b"123456", 40005),
        ("image", b"\x89PNG\r\n\x1a\n....", 0),
        ("voice", b"123456", 40005),
        ("file", &vec![0; (20 << 20) + 1], 45001),
        ("image", &vec![0; (10 << 20) + 1], 45001),
    ] {
        assert_eq!(upload(kind, bytes).await["errcode"], code, "{kind}");
    }
    fake.advance(3 * 86_400_000);
    let token = self::token(&fake).await;
    assert_eq!(send(&fake, &token, "file", file).await, 40145);
}

#[tokio::test]
async fn limits() {
    let fake = fake();
    let token = started(&fake, WecomApp { accounts: Some(1), users: None, ..app() }).await;
    let to =
        |ids: &str| json!({"touser": ids, "agentid": AGENT, "msgtype": "text", "text": {"content": "x"}});
    let hundred = (0..100).map(|n| format!("u{n}")).collect::<Vec<_>>().join("|");
    for code in [0, 0, 45009] {
        assert_eq!(call(&fake, "message/send", &token, &to(&hundred)).await["errcode"], code);
    }
    // The next day in Beijing begins at 16:00 UTC; the test's clock stands at 22:13.
    fake.advance(18 * 3_600_000);
    let token = self::token(&fake).await;
    for _ in 0..31 {
        assert_eq!(call(&fake, "message/send", &token, &to("one")).await["errcode"], 0);
    }
    assert_eq!(fake.sandbox.accepted(Platform::WecomApp).len(), 2 + 30, "the 31st is dropped in silence");
    let token = started(&fake, WecomApp { says_member_limit: true, ..app() }).await;
    for nth in 0..31 {
        let code = if nth < 30 { 0 } else { 45009 };
        assert_eq!(call(&fake, "message/send", &token, &to("zhangsan")).await["errcode"], code);
    }
    let unlimited = fake_with(|options| options.rate_limit = None);
    let token = started(&unlimited, app()).await;
    for _ in 0..31 {
        call(&unlimited, "message/send", &token, &to("zhangsan")).await;
    }
    assert_eq!(unlimited.sandbox.accepted(Platform::WecomApp).len(), 31);
}

#[tokio::test]
async fn equal_messages_are_suppressed_when_asked_for() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let message = |check: u64| {
        json!({"touser": "zhangsan", "agentid": AGENT, "msgtype": "text", "text": {"content": "x"},
            "enable_duplicate_check": check})
    };
    for (check, arrived) in [(0, 1), (0, 2), (1, 3), (1, 3)] {
        assert_eq!(call(&fake, "message/send", &token, &message(check)).await["errcode"], 0);
        assert_eq!(fake.sandbox.accepted(Platform::WecomApp).len(), arrived);
    }
    fake.advance(1_800_000);
    call(&fake, "message/send", &token, &message(1)).await;
    assert_eq!(fake.sandbox.accepted(Platform::WecomApp).len(), 4);
}

#[tokio::test]
async fn messages_are_taken_back_and_cards_changed() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let card = json!({"card_type": "button_interaction", "task_id": "t-1", "main_title": {"title": "T"},
        "button_list": [{"text": "OK", "key": "ok"}]});
    let message =
        json!({"touser": "zhangsan", "agentid": AGENT, "msgtype": "template_card", "template_card": card});
    let sent = call(&fake, "message/send", &token, &message).await;
    let change = |code: &Value| json!({"userids": ["zhangsan", "nobody"], "agentid": AGENT, "response_code": code, "button": {"replace_name": "Done"}});
    let answer = call(&fake, "message/update_template_card", &token, &change(&sent["response_code"])).await;
    assert_eq!((&answer["errcode"], &answer["invaliduser"]), (&json!(0), &json!(["nobody"])));
    let again = call(&fake, "message/update_template_card", &token, &change(&sent["response_code"])).await;
    assert_eq!(again["errcode"], 60140, "a code is used once");
    let recall = |msgid: &Value| json!({"msgid": msgid});
    assert_eq!(call(&fake, "message/recall", &token, &recall(&sent["msgid"])).await["errcode"], 0);
    assert_eq!(call(&fake, "message/recall", &token, &recall(&json!("unknown"))).await["errcode"], 40058);
    fake.advance(86_400_000);
    let token = self::token(&fake).await;
    assert_eq!(call(&fake, "message/recall", &token, &recall(&sent["msgid"])).await["errcode"], 42052);
}

#[tokio::test]
async fn events_are_encrypted_and_signed() {
    let fake = fake();
    started(&fake, app()).await;
    let event = WecomEvent::Card {
        user: "zhangsan".to_owned(),
        task_id: "t-1".to_owned(),
        card_type: "button_interaction".to_owned(),
        key: "ok".to_owned(),
    };
    let post = fake.sandbox.wecom_post(CORP, AGENT, &event).expect("a callback");
    assert!(post.query.starts_with("msg_signature=") && post.query.contains("&timestamp=1700000000&nonce="));
    assert!(post.body.contains("<Encrypt>") && !post.body.contains("zhangsan"), "{}", post.body);
    let error = fake.sandbox.wecom_tell(CORP, AGENT, &event).await.expect_err("nobody listens there");
    assert!(!error.is_empty());
    assert!(fake.sandbox.wecom_verify(CORP, AGENT).await.is_err());
    fake.sandbox.wecom_app(CORP, AGENT, WecomApp { callback: None, ..app() });
    assert!(fake.sandbox.wecom_post(CORP, AGENT, &event).is_none());
}

#[tokio::test]
async fn who_is_behind_a_number() {
    let fake = fake();
    let mobiles = [("13430388888".to_owned(), "zhangsan".to_owned())].into();
    let token = started(&fake, WecomApp { mobiles, knows_numbers: true, ..app() }).await;
    let ask = async |mobile: &str| call(&fake, "user/getuserid", &token, &json!({"mobile": mobile})).await;
    assert_eq!(ask("13430388888").await["userid"], "zhangsan");
    assert_eq!(ask("13900139001").await["userid"], "user13900139001");
    for (mobile, code) in [("13900130000", 46004), ("1", 60103), ("", 40058)] {
        assert_eq!(ask(mobile).await["errcode"], code, "{mobile}");
    }
}
