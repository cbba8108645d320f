//! Apps on Feishu.

use axum::body::Body;
use http::{Request, StatusCode};
use mc_sandbox::{FeishuApp, FeishuEvent, Platform};
use serde_json::{Value, json};

use crate::support::{Fake, fake, fake_with, read};

const PERSON: &str = "ou_7d8a6e6df7621556ce0d21922b676706";

fn app() -> FeishuApp {
    FeishuApp {
        app_secret: "secret".into(),
        verification_token: "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV".into(),
        ..FeishuApp::default()
    }
}

fn with(change: impl FnOnce(&mut FeishuApp)) -> Fake {
    let fake = fake_with(|options| options.rate_limit = None);
    let mut app = app();
    change(&mut app);
    fake.sandbox.feishu_app("cli_1", app);
    fake
}

async fn login(fake: &Fake, secret: &str) -> Value {
    let body = json!({"app_id": "cli_1", "app_secret": secret}).to_string();
    fake.send("POST", "/open-apis/auth/v3/tenant_access_token/internal", body).await.1
}

async fn token(fake: &Fake) -> String {
    login(fake, "secret").await["tenant_access_token"].as_str().expect("a token").to_owned()
}

async fn call(fake: &Fake, token: &str, method: &str, uri: &str, body: &Value) -> (StatusCode, Value) {
    let mut request =
        Request::builder().method(method).uri(uri).header("content-type", "application/json; charset=utf-8");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    read(fake.call(request.body(Body::from(body.to_string())).expect("a request")).await).await
}

fn text(to: &str, text: &str) -> Value {
    json!({"receive_id": to, "msg_type": "text", "content": json!({"text": text}).to_string()})
}

async fn send_as(fake: &Fake, kind: &str, body: &Value) -> (u16, i64, Value) {
    let token = token(fake).await;
    let uri = format!("/open-apis/im/v1/messages?receive_id_type={kind}");
    let (status, answer) = call(fake, &token, "POST", &uri, body).await;
    (status.as_u16(), answer["code"].as_i64().expect("a code"), answer)
}

#[tokio::test]
async fn tokens() {
    let fake = with(|_| {});
    let answer = login(&fake, "secret").await;
    assert_eq!((&answer["code"], &answer["expire"]), (&json!(0), &json!(7200)), "on top, not below data");
    let first = token(&fake).await;
    fake.advance(5_400_000);
    assert_eq!(login(&fake, "secret").await["expire"], 1800, "with half an hour left it is the same");
    assert_eq!(token(&fake).await, first);
    fake.advance(1_000);
    let second = token(&fake).await;
    assert_ne!(second, first, "with less it is a new one");
    for (token, code) in [
        (first.as_str(), 0),
        (second.as_str(), 0),
        ("t-other", 99_991_663),
        ("x", 99_991_671),
        ("", 99_991_661),
    ] {
        let (_, answer) = call(&fake, token, "GET", "/open-apis/bot/v3/info", &json!(null)).await;
        assert_eq!(answer["code"], code, "{token}");
    }
    fake.advance(1_800_000);
    let (status, answer) = call(&fake, &first, "GET", "/open-apis/bot/v3/info", &json!(null)).await;
    assert_eq!((status.as_u16(), &answer["code"]), (400, &json!(99_991_663)), "two hours old");
    assert_eq!(login(&fake, "wrong").await["code"], 10_015);
    fake.sandbox.feishu_expire_tokens("cli_1");
    let (_, answer) = call(&fake, &second, "GET", "/open-apis/bot/v3/info", &json!(null)).await;
    assert_eq!(answer["code"], 99_991_663);
    assert_eq!(fake.sandbox.feishu_tokens_issued("cli_1"), 2);
}

#[tokio::test]
async fn ids_must_be_of_the_type_that_is_named() {
    let fake = with(|_| {});
    for (kind, id, code) in [
        ("open_id", PERSON, 0),
        ("union_id", "on_8ed6aa67826108097d9ee143816345", 0),
        ("user_id", "e33ggbyz", 0),
        ("email", "a@example.com", 0),
        ("chat_id", "oc_84983ff6516d731e5b5f68d4ea2e1da5", 0),
        ("open_id", "oc_84983ff6516d731e5b5f68d4ea2e1da5", 230_034),
        ("email", PERSON, 230_034),
        ("mobile", "138", 230_001),
        ("open_id", "ou_unknown", 99_992_351),
        ("user_id", "unknown", 230_034),
        ("open_id", "ou_resigned", 230_029),
        ("open_id", "ou_hidden", 230_013),
        ("open_id", "ou_stopped", 230_053),
        ("chat_id", "oc_outside", 230_002),
    ] {
        let (status, found, _) = send_as(&fake, kind, &text(id, "x")).await;
        assert_eq!((found, status), (code, if code == 0 { 200 } else { 400 }), "{kind} {id}");
    }
}

#[tokio::test]
async fn content_is_json_inside_of_a_text() {
    let fake = with(|_| {});
    let message =
        |kind: &str, content: Value| json!({"receive_id": PERSON, "msg_type": kind, "content": content});
    let inside = |kind: &str, content: Value| message(kind, json!(content.to_string()));
    let card = json!({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x"}]}});
    for (body, code) in [
        (message("text", json!({"text": "x"})), 230_001),
        (message("text", json!("x")), 230_001),
        (inside("text", json!({"text": "x"})), 0),
        (inside("interactive", card.clone()), 0),
        (inside("interactive", json!({"schema": "2.0", "body": {"elements": [{"tag": "note"}]}})), 230_099),
        (inside("post", json!({"zh_cn": {"content": [[{"tag": "md", "text": "**x**"}]]}})), 0),
        (inside("post", json!({"post": {"zh_cn": {"content": []}}})), 230_001),
        (inside("markdown", json!({"text": "x"})), 230_001),
    ] {
        assert_eq!(send_as(&fake, "open_id", &body).await.1, code, "{body}");
    }
    let plain = Request::post("/open-apis/im/v1/messages?receive_id_type=open_id")
        .header("content-type", "text/plain")
        .header("authorization", format!("Bearer {}", token(&fake).await))
        .body(Body::from(text(PERSON, "x").to_string()));
    assert_eq!(read(fake.call(plain.expect("a request")).await).await.1["code"], 99_992_402);
}

#[tokio::test]
async fn one_byte_too_many() {
    let fake = with(|_| {});
    for (kind, limit) in [("text", 150_000), ("post", 30_000)] {
        let message = |length: usize| {
            let inner = match kind {
                "text" => json!({"text": "x".repeat(length)}),
                _ => json!({"zh_cn": {"content": [[{"tag": "text", "text": "x".repeat(length)}]]}}),
            };
            json!({"receive_id": PERSON, "msg_type": kind, "content": inner.to_string()})
        };
        let frame = message(1).to_string().len() - 1;
        assert_eq!(send_as(&fake, "open_id", &message(limit - frame)).await.1, 0);
        assert_eq!(send_as(&fake, "open_id", &message(limit - frame + 1)).await.1, 230_025);
    }
}

#[tokio::test]
async fn a_uuid_is_sent_once_an_hour() {
    let fake = with(|_| {});
    let mut body = text(PERSON, "x");
    body["uuid"] = json!("u-1");
    let (_, _, first) = send_as(&fake, "open_id", &body).await;
    let (_, _, again) = send_as(&fake, "open_id", &body).await;
    assert_eq!(first["data"]["message_id"], again["data"]["message_id"]);
    assert!(first["data"]["message_id"].as_str().is_some_and(|id| id.starts_with("om_")), "{first}");
    assert!(first["data"]["create_time"].is_string(), "times are texts");
    assert_eq!(fake.sandbox.accepted(Platform::FeishuApp).len(), 1);
    fake.advance(3_600_000);
    send_as(&fake, "open_id", &body).await;
    assert_eq!(fake.sandbox.accepted(Platform::FeishuApp).len(), 2);
    body["uuid"] = json!("u".repeat(51));
    assert_eq!(send_as(&fake, "open_id", &body).await.1, 230_001);
}

#[tokio::test]
async fn the_pace_of_the_app_and_to_one_person() {
    let fake = fake();
    fake.sandbox.feishu_app("cli_1", app());
    for _ in 0..5 {
        assert_eq!(send_as(&fake, "open_id", &text(PERSON, "x")).await.1, 0);
    }
    assert_eq!(send_as(&fake, "open_id", &text(PERSON, "x")).await.1, 230_020, "a sixth to one person");
    fake.advance(1_000);
    for n in 0..50 {
        assert_eq!(send_as(&fake, "user_id", &text(&format!("u{n}"), "x")).await.1, 0, "{n}");
    }
    let token = token(&fake).await;
    let request = Request::get("/open-apis/bot/v3/info").header("authorization", format!("Bearer {token}"));
    let response = fake.call(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(response.headers()["x-ogw-ratelimit-reset"], "1");
    assert!(response.headers().get("retry-after").is_none());
    let (status, answer) = read(response).await;
    assert_eq!((status.as_u16(), &answer["code"]), (429, &json!(99_991_400)));
}

#[tokio::test]
async fn permissions_addresses_and_the_bot() {
    for (change, code) in
        [((|app| app.scopes.clear()) as fn(&mut FeishuApp), 99_991_672), (|app| app.bot = false, 230_006)]
    {
        let fake = with(change);
        assert_eq!(send_as(&fake, "open_id", &text(PERSON, "x")).await.1, code);
    }
    let fake = with(|app| app.ips = vec!["192.0.2.1".into()]);
    assert_eq!(login(&fake, "secret").await["code"], 99_991_401);
    let fake = with(|app| app.bot = false);
    let (_, answer) = call(&fake, &token(&fake).await, "GET", "/open-apis/bot/v3/info", &json!(null)).await;
    assert_eq!(answer["code"], 11_205);
}

#[tokio::test]
async fn batches() {
    let fake = with(|_| {});
    let token = token(&fake).await;
    let send = async |body: Value| {
        let (status, answer) = call(&fake, &token, "POST", "/open-apis/message/v4/batch_send/", &body).await;
        assert_eq!(status, 200, "a batch fails with 200");
        answer
    };
    let many = |n: usize| (0..n).map(|i| format!("ou_{i}")).collect::<Vec<_>>();
    let card = json!({"schema": "2.0", "body": {"elements": [{"tag": "markdown", "content": "x"}]}});
    for (body, code) in [
        (json!({"msg_type": "text", "content": {"text": "x"}, "open_ids": many(200)}), 0),
        (json!({"msg_type": "text", "content": {"text": "x"}, "open_ids": many(201)}), 10_003),
        (json!({"msg_type": "text", "content": "{\"text\":\"x\"}", "open_ids": ["ou_1"]}), 10_003),
        (json!({"msg_type": "text", "content": {"text": "x"}}), 10_003),
        (json!({"msg_type": "interactive", "card": card, "department_ids": ["od-1"]}), 0),
        (json!({"msg_type": "interactive", "content": card, "open_ids": ["ou_1"]}), 11_246),
        (
            json!({"msg_type": "post", "content": {"post": {"zh_cn": {"content": [[{"tag": "md", "text": "x"}]]}}}, "open_ids": ["ou_1"]}),
            10_003,
        ),
    ] {
        assert_eq!(send(body.clone()).await["code"], code, "{body}");
    }
    let answer = send(json!({"msg_type": "text", "content": {"text": "x"}, "open_ids": ["ou_1", "ou_unknown"], "user_ids": ["u2"]})).await;
    assert_eq!(answer["data"]["invalid_open_ids"], json!(["ou_unknown"]));
    let id = answer["data"]["message_id"].as_str().expect("an id");
    assert!(id.starts_with("bm-"));
    let progress = format!("/open-apis/im/v1/batch_messages/{id}/get_progress");
    let counts = async || {
        let data = call(&fake, &token, "GET", &progress, &json!(null)).await.1["data"].clone();
        let progress = data["batch_message_send_progress"].clone();
        (progress["valid_user_ids_count"].clone(), progress["read_user_ids_count"].clone())
    };
    assert_eq!(counts().await, (json!(0), json!(0)), "it has not begun");
    fake.advance(1_000);
    fake.sandbox.feishu_read("cli_1", id, "ou_1");
    assert_eq!(counts().await, (json!(2), json!(1)));
    let recall = format!("/open-apis/im/v1/batch_messages/{id}");
    assert_eq!(call(&fake, &token, "DELETE", &recall, &json!(null)).await.1["code"], 0);
}

#[tokio::test]
async fn readers_and_recalls() {
    let fake = with(|_| {});
    let id = send_as(&fake, "open_id", &text(PERSON, "x")).await.2["data"]["message_id"].clone();
    let id = id.as_str().expect("an id");
    let readers = async |query: &str| {
        let uri = format!("/open-apis/im/v1/messages/{id}/read_users?{query}");
        call(&fake, &token(&fake).await, "GET", &uri, &json!(null)).await.1
    };
    assert_eq!(readers("user_id_type=open_id").await["data"]["items"], json!([]));
    assert_eq!(readers("").await["code"], 230_001);
    assert_eq!(readers("user_id_type=open_id&page_size=101").await["code"], 230_001);
    fake.sandbox.feishu_read("cli_1", id, PERSON);
    fake.sandbox.feishu_read("cli_1", id, "ou_2");
    let page = readers("user_id_type=open_id&page_size=1").await;
    assert_eq!(
        (&page["data"]["items"][0]["user_id"], &page["data"]["has_more"]),
        (&json!(PERSON), &json!(true))
    );
    let recall = async |id: &str| {
        let uri = format!("/open-apis/im/v1/messages/{id}");
        call(&fake, &token(&fake).await, "DELETE", &uri, &json!(null)).await.1["code"].clone()
    };
    assert_eq!(recall(id).await, 0);
    assert_eq!(recall(id).await, 230_110);
    assert_eq!(recall("om_x").await, 230_026);
    assert_eq!(readers("user_id_type=open_id").await["code"], 230_110);
    let id = send_as(&fake, "open_id", &text(PERSON, "x")).await.2["data"]["message_id"].clone();
    fake.advance(86_400_001);
    assert_eq!(recall(id.as_str().expect("an id")).await, 230_009);
    fake.advance(6 * 86_400_000);
    let uri =
        format!("/open-apis/im/v1/messages/{}/read_users?user_id_type=open_id", id.as_str().expect("an id"));
    assert_eq!(call(&fake, &token(&fake).await, "GET", &uri, &json!(null)).await.1["code"], 230_033);
}

#[tokio::test]
async fn events_are_sealed_and_signed_with_an_encrypt_key_only() {
    let event = FeishuEvent::Read { message_id: "om_1".into(), open_id: PERSON.into() };
    let plain = with(|_| {}).sandbox.feishu_post("cli_1", &event).expect("an app");
    let body: Value = serde_json::from_str(&plain.body).expect("JSON");
    assert_eq!(body["header"]["token"], "rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV");
    assert_eq!(body["event"]["message_id_list"], json!(["om_1"]));
    assert!(plain.headers.is_empty());
    let fake = with(|app| app.encrypt_key = Some("test key".into()));
    let sealed = fake.sandbox.feishu_post("cli_1", &event).expect("an app");
    assert!(sealed.body.starts_with("{\"encrypt\":\"") && sealed.headers.len() == 3);
    let challenge = fake.sandbox.feishu_post("cli_1", &FeishuEvent::Challenge).expect("an app");
    assert!(challenge.headers.is_empty(), "a challenge is not signed");
}

#[tokio::test]
async fn who_is_behind_a_number() {
    let fake = with(|app| {
        app.mobiles = [("13800138000".to_owned(), PERSON.to_owned())].into();
        app.knows_numbers = true;
    });
    let token = token(&fake).await;
    let ask = async |body: Value| {
        let uri = "/open-apis/contact/v3/users/batch_get_id?user_id_type=open_id";
        call(&fake, &token, "POST", uri, &body).await.1
    };
    let answer = ask(json!({"mobiles": ["13800138000", "13900139001", "13900130000"]})).await;
    let list = json!([
        {"mobile": "13800138000", "user_id": PERSON}, {"mobile": "13900139001", "user_id": "ou_13900139001"},
        {"mobile": "13900130000"},
    ]);
    assert_eq!(answer["data"]["user_list"], list);
    for bad in [json!({}), json!({"mobiles": []}), json!({"mobiles": vec!["1"; 51]}), json!({"mobiles": [1]})]
    {
        assert_eq!(ask(bad.clone()).await["code"], 40_001, "{bad}");
    }
    let fake = with(|app| app.scopes.retain(|scope| !scope.starts_with("contact:")));
    let token = self::token(&fake).await;
    let uri = "/open-apis/contact/v3/users/batch_get_id";
    let (_, answer) = call(&fake, &token, "POST", uri, &json!({"mobiles": ["1"]})).await;
    assert_eq!(answer["code"], 99_991_672);
}
