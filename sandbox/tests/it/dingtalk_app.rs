//! Work notifications of DingTalk's apps.

use axum::body::Body;
use http::Request;
use mc_sandbox::{DingtalkApp, DingtalkCallback, DingtalkEvent, Fault, Platform};
use serde_json::{Value, json};

use crate::support::{Fake, fake, fake_with, read};

const APP: &str = "dingsnotzck6pm5veliw";
const AGENT: u64 = 1_234_567;
const SECRET: &str = "app-secret-0123456789";
const DAY: u64 = 86_400_000;

fn app() -> DingtalkApp {
    DingtalkApp {
        app_secret: SECRET.to_owned(),
        agent_id: AGENT,
        corp_id: "ding6ccabc44d2c8d38b".to_owned(),
        departments: [(2, 5), (3, 300)].into(),
        mobiles: [("13800138000".to_owned(), "zhangsan".to_owned())].into(),
        callback: Some(DingtalkCallback {
            url: "http://127.0.0.1:9/callback".to_owned(),
            token: "123456".to_owned(),
            aes_key: "1234567890123456789012345678901234567890123".to_owned(),
            ..DingtalkCallback::default()
        }),
        ..DingtalkApp::default()
    }
}

/// An app, and a token for it.
async fn started(fake: &Fake, app: DingtalkApp) -> String {
    fake.sandbox.dingtalk_app(APP, app);
    token(fake).await
}

async fn token(fake: &Fake) -> String {
    let (_, answer) = fake.send("GET", &format!("/gettoken?appkey={APP}&appsecret={SECRET}"), "").await;
    answer["access_token"].as_str().expect("a token").to_owned()
}

async fn call(fake: &Fake, path: &str, token: &str, body: &Value) -> Value {
    fake.send("POST", &format!("{path}?access_token={token}"), body.to_string()).await.1
}

async fn about(fake: &Fake, what: &str, token: &str, body: &Value) -> Value {
    call(fake, &format!("/topapi/message/corpconversation/{what}"), token, body).await
}

fn to(users: &str, msg: Value) -> Value {
    json!({"agent_id": AGENT, "userid_list": users, "msg": msg})
}

fn text(content: &str) -> Value {
    json!({"msgtype": "text", "text": {"content": content}})
}

/// Sends a text and answers the code.
async fn send(fake: &Fake, token: &str, users: &str, content: &str) -> i64 {
    let answer = about(fake, "asyncsend_v2", token, &to(users, text(content))).await;
    answer["errcode"].as_i64().expect("an errcode")
}

async fn task(fake: &Fake, token: &str, body: &Value) -> u64 {
    let answer = about(fake, "asyncsend_v2", token, body).await;
    answer["task_id"].as_u64().unwrap_or_else(|| panic!("no task in {answer}"))
}

async fn result(fake: &Fake, token: &str, task: u64) -> Value {
    about(fake, "getsendresult", token, &json!({"agent_id": AGENT, "task_id": task})).await
}

#[tokio::test]
async fn tokens_are_the_same_while_they_live_and_live_on() {
    let fake = fake();
    fake.sandbox.dingtalk_app(APP, app());
    for (app, secret, code) in
        [("", SECRET, 40035), (APP, "", 40035), ("dingother", SECRET, 40096), (APP, "wrong", 40096)]
    {
        let uri = format!("/gettoken?appkey={app}&appsecret={secret}");
        assert_eq!(fake.send("GET", &uri, "").await.1["errcode"], code, "{app} {secret}");
    }
    let body = json!({"appkey": APP, "appsecret": SECRET}).to_string();
    assert_eq!(
        fake.send("POST", "/gettoken", body).await.1["errcode"],
        22,
        "its parameters are in the query"
    );
    let first = token(&fake).await;
    fake.advance(7_000_000);
    assert_eq!(token(&fake).await, first);
    fake.advance(7_199_999);
    assert_eq!(send(&fake, &first, "zhangsan", "1").await, 0, "asking prolonged it");
    fake.advance(1);
    assert_eq!(send(&fake, &first, "zhangsan", "2").await, 42001);
    let second = token(&fake).await;
    assert_ne!(second, first);
    assert_eq!(fake.sandbox.dingtalk_tokens_made(APP), 2);
    fake.sandbox.dingtalk_end_tokens(APP, true);
    let answer = about(&fake, "asyncsend_v2", &second, &to("zhangsan", text("3"))).await;
    assert_eq!((&answer["errcode"], &answer["sub_code"]), (&json!(88), &json!("40014")), "{answer}");
    let answer = about(&fake, "asyncsend_v2", "", &to("zhangsan", text("3"))).await;
    assert_eq!((&answer["errcode"], &answer["sub_code"]), (&json!(88), &json!("40000")));
    let third = token(&fake).await;
    let request = Request::post(format!("/_dingtalk/apps/{APP}/expire")).body(Body::empty()).expect("one");
    assert_eq!(fake.call(request).await.status(), 204);
    assert_eq!(send(&fake, &third, "zhangsan", "4").await, 42001);
}

#[tokio::test]
async fn people_departments_and_everybody() {
    let fake = fake_with(|options| options.rate_limit = None);
    let token = started(&fake, app()).await;
    let many = vec!["u"; 101].join(",");
    for (mut change, code) in [
        (json!({"userid_list": "zhangsan"}), 0),
        (json!({"userid_list": "unknown"}), 33012),
        (json!({"userid_list": many}), 41029),
        (json!({"userid_list": ["zhangsan"]}), 40035),
        (json!({"dept_id_list": "2"}), 0),
        (json!({"dept_id_list": "9"}), 33012),
        (json!({"dept_id_list": vec!["2"; 21].join(",")}), 41029),
        (json!({"to_all_user": true}), 0),
        (json!({"to_all_user": false}), 40035),
        (json!({}), 40035),
        (json!({"userid_list": "zhangsan", "agent_id": 7}), 40056),
        (json!({"userid_list": "zhangsan", "agent_id": "1234567"}), 40056),
        (json!({"userid_list": "zhangsan", "agent_id": null}), 40035),
    ] {
        if change.get("agent_id").is_none() {
            change["agent_id"] = AGENT.into();
        }
        change["msg"] = text(&change.to_string());
        assert_eq!(about(&fake, "asyncsend_v2", &token, &change).await["errcode"], code, "{change}");
    }
    let message = to("zhangsan,unknown-1", text("to some"));
    let task = task(&fake, &token, &message).await;
    assert_eq!(fake.sandbox.accepted(Platform::DingtalkApp).last().expect("one").to, ["zhangsan"]);
    let answer = result(&fake, &token, task).await;
    assert_eq!(answer["send_result"], json!({"invalid_user_id_list": ["unknown-1"]}), "nothing is out yet");
}

#[tokio::test]
async fn one_byte_too_many_and_what_is_missing() {
    let fake = fake_with(|options| options.rate_limit = None);
    let token = started(&fake, app()).await;
    let frame = text("").to_string().len();
    for (characters, code) in [(2048 - frame, 0), (2049 - frame, 45002)] {
        assert_eq!(send(&fake, &token, "zhangsan", &"x".repeat(characters)).await, code);
    }
    let url = "https://example.com";
    let long = |characters: usize| "长".repeat(characters);
    let card = |more: Value| {
        let mut card = json!({"title": "t", "markdown": "m"});
        for (name, value) in more.as_object().expect("an object") {
            card[name] = value.clone();
        }
        ("action_card", card)
    };
    let button = |title: &str| json!({"title": title, "action_url": url});
    let oa = |title: &str, color: &str| {
        let body = json!({"title": title, "form": [{"key": "k", "value": "v"}], "content": "c"});
        ("oa", json!({"message_url": url, "head": {"bgcolor": color, "text": "x"}, "body": body}))
    };
    let link = |title: &str, pic: &str| {
        ("link", json!({"messageUrl": url, "picUrl": pic, "title": title, "text": "x"}))
    };
    for ((msgtype, part), code) in [
        (("text", json!({})), 40035),
        (("markdown", json!({"text": "x"})), 40035),
        (("markdown", json!({"title": "t", "text": "x"})), 0),
        (("news", json!({})), 40035),
        (link("t", "@lAL"), 0),
        (link("t", ""), 40035),
        (link(&long(101), "@lAL"), 45002),
        (card(json!({"single_title": "go", "single_url": url})), 0),
        (card(json!({"single_title": "go"})), 40035),
        (card(json!({"single_title": long(21), "single_url": url})), 45002),
        (card(json!({"single_title": "go", "single_url": format!("{url}/{}", "x".repeat(481))})), 45002),
        (card(json!({"btn_orientation": "1", "btn_json_list": [button("a"), button("b")]})), 0),
        (card(json!({"btn_orientation": 1, "btn_json_list": [button("a")]})), 40035),
        (card(json!({"btn_orientation": "0", "btn_json_list": []})), 40035),
        (card(json!({"btn_orientation": "0", "btn_json_list": vec![button("a"); 25]})), 45002),
        (card(json!({"btn_orientation": "0", "btns": [{"title": "a", "actionURL": url}]})), 40035),
        (("actionCard", json!({"title": "t", "text": "m", "singleTitle": "a", "singleURL": url})), 40035),
        (oa("t", "FFBBBBBB"), 0),
        (oa("t", "0xFFBBBBBB"), 40035),
        (oa(&long(51), "FFBBBBBB"), 45002),
        (("image", json!({"media_id": "@unknown"})), 40007),
        (("voice", json!({"media_id": "@unknown", "duration": 10})), 40007),
    ] {
        let message = to("zhangsan", json!({"msgtype": msgtype, msgtype: part}));
        assert_eq!(about(&fake, "asyncsend_v2", &token, &message).await["errcode"], code, "{message}");
    }
    let as_text = to("zhangsan", json!(text("x").to_string()));
    assert_eq!(about(&fake, "asyncsend_v2", &token, &as_text).await["errcode"], 40035, "msg is an object");
}

#[tokio::test]
async fn the_same_words_reach_a_person_once_a_day() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let message = to("zhangsan,lisi", text("down"));
    let first = task(&fake, &token, &message).await;
    assert_eq!(send(&fake, &token, "lisi", "another").await, 0);
    let second = task(&fake, &token, &to("zhangsan,wangwu", text("down"))).await;
    let items = fake.sandbox.accepted(Platform::DingtalkApp);
    assert_eq!(
        items.last().expect("one").to,
        ["wangwu"],
        "the answer was the same, and zhangsan got nothing"
    );
    fake.advance(1_000);
    let answer = result(&fake, &token, first).await;
    assert_eq!(answer["send_result"]["unread_user_id_list"], json!(["zhangsan", "lisi"]));
    let answer = result(&fake, &token, second).await;
    let forbidden = json!([{"code": "143106", "count": 1, "userid": "zhangsan"}]);
    assert_eq!(answer["send_result"]["forbidden_list"], forbidden);
    assert_eq!(answer["send_result"]["forbidden_user_id_list"], json!(["zhangsan"]));
    assert_eq!(answer["send_result"]["unread_user_id_list"], json!(["wangwu"]));
    fake.advance(DAY);
    let token = self::token(&fake).await;
    let third = task(&fake, &token, &message).await;
    fake.advance(1_000);
    assert!(result(&fake, &token, third).await["send_result"].get("forbidden_list").is_none());
}

#[tokio::test]
async fn who_has_read() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let id = task(&fake, &token, &to("zhangsan,lisi", text("read me"))).await;
    let ask = json!({"agent_id": AGENT, "task_id": id});
    let progress = about(&fake, "getsendprogress", &token, &ask).await;
    assert_eq!(progress["progress"], json!({"progress_in_percent": 0, "status": 1}));
    fake.advance(1_000);
    let progress = about(&fake, "getsendprogress", &token, &ask).await;
    assert_eq!(progress["progress"], json!({"progress_in_percent": 100, "status": 2}));
    assert!(fake.sandbox.dingtalk_read(APP, id, "lisi"));
    assert!(!fake.sandbox.dingtalk_read(APP, id, "wangwu"), "they did not get it");
    let answer = result(&fake, &token, id).await;
    let expected = json!({"read_user_id_list": ["lisi"], "unread_user_id_list": ["zhangsan"]});
    assert_eq!(answer["send_result"], expected, "empty lists are left out");
    let everybody = json!({"agent_id": AGENT, "to_all_user": true, "msg": text("all")});
    let all = task(&fake, &token, &everybody).await;
    assert_eq!(result(&fake, &token, all).await["errcode"], -1, "more than 100 people");
    let department = json!({"agent_id": AGENT, "dept_id_list": "3", "msg": text("dept")});
    let large = task(&fake, &token, &department).await;
    assert_eq!(result(&fake, &token, large).await["errcode"], -1);
    fake.advance(DAY);
    let token = self::token(&fake).await;
    assert_eq!(result(&fake, &token, id).await["errcode"], 400_002);
}

#[tokio::test]
async fn messages_are_taken_back_within_a_day() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let id = task(&fake, &token, &to("zhangsan", text("oops"))).await;
    let recall =
        async |token: &str, body: Value| about(&fake, "recall", token, &body).await["errcode"].clone();
    assert_eq!(recall(&token, json!({"agent_id": AGENT, "task_id": id})).await, 40035, "it is msg_task_id");
    assert_eq!(recall(&token, json!({"agent_id": 7, "msg_task_id": id})).await, 40056);
    assert_eq!(recall(&token, json!({"agent_id": AGENT, "msg_task_id": id + 1})).await, 400_002);
    assert_eq!(recall(&token, json!({"agent_id": AGENT, "msg_task_id": id})).await, 0);
    fake.advance(DAY);
    let token = self::token(&fake).await;
    assert_eq!(recall(&token, json!({"agent_id": AGENT, "msg_task_id": id})).await, 400_002);
}

async fn upload(fake: &Fake, token: &str, kind: &str, size: usize) -> Value {
    let head = "--xx\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.pdf\"\r\n\r\n";
    let body = [head.as_bytes(), &vec![b'x'; size], b"\r\n--xx--\r\n"].concat();
    let request = Request::post(format!("/media/upload?access_token={token}&type={kind}"))
        .header("content-type", "multipart/form-data; boundary=xx")
        .body(Body::from(body))
        .expect("a request");
    read(fake.call(request).await).await.1
}

#[tokio::test]
async fn files() {
    let fake = fake();
    let token = started(&fake, app()).await;
    for (kind, size, code) in [
        ("file", 20 << 20, 0),
        ("file", (20 << 20) + 1, 40006),
        ("voice", (2 << 20) + 1, 40006),
        ("file", 0, 40035),
        ("page", 5, 40004),
    ] {
        assert_eq!(upload(&fake, &token, kind, size).await["errcode"], code, "{kind} {size}");
    }
    let send = async |kind: &str, id: &Value| {
        let msg = json!({"msgtype": kind, kind: {"media_id": id}});
        about(&fake, "asyncsend_v2", &token, &to("zhangsan", msg)).await["errcode"].clone()
    };
    let small = upload(&fake, &token, "file", 10 << 20).await["media_id"].clone();
    assert_eq!(send("file", &small).await, 0);
    assert_eq!(send("image", &small).await, 40007, "it was uploaded as a file");
    assert_eq!(fake.sandbox.accepted(Platform::DingtalkApp)[0].text, "a.pdf");
    let large = upload(&fake, &token, "file", (10 << 20) + 1).await["media_id"].clone();
    assert_eq!(send("file", &large).await, 45002, "a message takes less than an upload");
}

#[tokio::test]
async fn who_is_behind_a_number() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let ask = async |token: &str, mobile: Value| {
        call(&fake, "/topapi/v2/user/getbymobile", token, &json!({"mobile": mobile})).await
    };
    assert_eq!(ask(&token, json!("13800138000")).await["result"]["userid"], "zhangsan");
    assert_eq!(ask(&token, json!("13900139000")).await["errcode"], 60121);
    assert_eq!(ask(&token, json!("")).await["errcode"], 40035);
    let token = started(&fake, DingtalkApp { contacts: false, ..app() }).await;
    let answer = ask(&token, json!("13800138000")).await;
    assert_eq!((&answer["errcode"], &answer["sub_code"]), (&json!(88), &json!("60011")));
}

#[tokio::test]
async fn addresses_and_pace() {
    let fake = fake();
    let token = started(&fake, DingtalkApp { ips: vec!["192.0.2.1".to_owned()], ..app() }).await;
    let answer = about(&fake, "asyncsend_v2", &token, &to("zhangsan", text("x"))).await;
    assert_eq!(answer["errcode"], 60020);
    assert!(answer["errmsg"].as_str().expect("words").contains("request ip=127.0.0.1"), "{answer}");
    let token = started(&fake, app()).await;
    for nth in 0..20 {
        assert_eq!(send(&fake, &token, "zhangsan", &format!("{nth}")).await, 0);
    }
    assert_eq!(send(&fake, &token, "zhangsan", "20").await, 90018);
    let other = json!({"agent_id": AGENT, "task_id": 1});
    assert_eq!(about(&fake, "getsendresult", &token, &other).await["errcode"], 400_002, "counted by itself");
    fake.advance(1_000);
    assert_eq!(send(&fake, &token, "zhangsan", "20").await, 0);
    for nth in 0..480 {
        fake.advance(50);
        assert_eq!(send(&fake, &token, "zhangsan", &format!("more {nth}")).await, 0);
    }
    assert_eq!(fake.sandbox.accepted(Platform::DingtalkApp).len(), 500, "the 501st of a day is dropped");
    let everybody = |nth: u64| json!({"agent_id": AGENT, "to_all_user": true, "msg": text(&nth.to_string())});
    fake.advance(1_000);
    for (nth, code) in [(1, 0), (2, 0), (3, 0), (4, 41045)] {
        assert_eq!(about(&fake, "asyncsend_v2", &token, &everybody(nth)).await["errcode"], code, "{nth}");
    }
    let free = fake_with(|options| options.rate_limit = None);
    let token = started(&free, app()).await;
    for nth in 0..21 {
        assert_eq!(send(&free, &token, "zhangsan", &format!("{nth}")).await, 0);
    }
}

#[tokio::test]
async fn events_are_encrypted_and_their_answer_too() {
    let fake = fake();
    started(&fake, app()).await;
    let post = fake.sandbox.dingtalk_post(APP, &DingtalkEvent::CheckUrl).expect("a callback");
    assert!(post.query.starts_with("signature=") && post.query.contains("&timestamp=1700000000000&nonce="));
    assert!(post.body.starts_with("{\"encrypt\":\""), "{}", post.body);
    // The third of the sheet's vectors is what such an app answers.
    let encrypt = "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==";
    let mut answer = json!({"msg_signature": "9a95a004dd16f5c307e849b994173f76aa26e5eb",
        "timeStamp": "1614767836", "nonce": "A7Co0cJLMzIDtMMI", "encrypt": encrypt});
    assert!(fake.sandbox.dingtalk_is_success(APP, &answer));
    answer["nonce"] = json!("another");
    assert!(!fake.sandbox.dingtalk_is_success(APP, &answer));
    assert!(!fake.sandbox.dingtalk_is_success(APP, &json!("success")));
    let mut old = app();
    old.callback.as_mut().expect("one").old_names = true;
    started(&fake, old).await;
    let post = fake.sandbox.dingtalk_post(APP, &DingtalkEvent::CheckUrl).expect("a callback");
    assert!(post.query.starts_with("msg_signature=") && post.query.contains("&timeStamp="), "{}", post.query);
}

#[tokio::test]
async fn faults_fit_the_other_calls_by_name() {
    let fake = fake();
    let token = started(&fake, app()).await;
    let fault =
        Fault { call: Some("result".to_owned()), errcode: Some(90_018), ..Fault::on(Platform::DingtalkApp) };
    fake.sandbox.push_fault(fault);
    assert_eq!(send(&fake, &token, "zhangsan", "x").await, 0);
    assert_eq!(result(&fake, &token, 1).await["errcode"], 90_018);
}
