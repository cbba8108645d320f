//! WeChat official accounts and mini programs.

use std::collections::BTreeMap;

use http::StatusCode;
use mc_sandbox::{
    Fault, Platform, WechatAccount, WechatCallback, WechatEvent, WechatPopup, WechatStanding, WechatTemplate,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{Fake, fake};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OPENID: &str = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M";
const OTHER: &str = "o6_bmjrPTlm6_2sgVt7hMZOPfL2N";

fn template() -> WechatTemplate {
    WechatTemplate {
        id: "order-paid".into(),
        title: "Order".into(),
        content: "商品:{{thing1.DATA}}\n金额:{{amount2.DATA}}\n".into(),
        ..WechatTemplate::default()
    }
}

fn account() -> WechatAccount {
    WechatAccount {
        secret: SECRET.into(),
        templates: vec![template()],
        mini_programs: vec!["wxmini".into()],
        ..WechatAccount::default()
    }
}

fn official(change: impl FnOnce(&mut WechatAccount)) -> Fake {
    let fake = fake();
    let mut account = account();
    change(&mut account);
    fake.sandbox.wechat_account("wxapp", account);
    fake
}

async fn stable(fake: &Fake, app_id: &str, force: bool) -> Value {
    let body =
        json!({"grant_type": "client_credential", "appid": app_id, "secret": SECRET, "force_refresh": force});
    fake.send("POST", "/cgi-bin/stable_token", body.to_string()).await.1
}

async fn token(fake: &Fake, app_id: &str) -> String {
    stable(fake, app_id, false).await["access_token"].as_str().expect("a token").to_owned()
}

fn message(change: Value) -> String {
    let mut message = json!({"touser": OPENID, "template_id": "order-paid", "url": "https://x.example/",
        "data": {"thing1": {"value": "Tea"}, "amount2": {"value": "¥12.50"}}});
    for (name, value) in change.as_object().expect("an object") {
        message[name] = value.clone();
    }
    message.to_string()
}

async fn send(fake: &Fake, change: Value) -> Value {
    let uri = format!("/cgi-bin/message/template/send?access_token={}", token(fake, "wxapp").await);
    fake.send("POST", &uri, message(change)).await.1
}

#[tokio::test]
async fn a_template_message_arrives_as_its_reader_sees_it() {
    let fake = official(|_| {});
    let answer = send(&fake, json!({})).await;
    assert_eq!((&answer["errcode"], &answer["msgid"]), (&json!(0), &json!(3_148_265_190_541_344_769_u64)));
    let items = fake.sandbox.accepted(Platform::Wechat);
    assert_eq!((items[0].target.as_str(), items[0].to[0].as_str()), ("wxapp", OPENID));
    assert_eq!(
        (items[0].title.as_deref(), items[0].text.as_str()),
        (Some("Order"), "商品:Tea\n金额:¥12.50\n")
    );
}

#[tokio::test]
async fn tokens_are_asked_for_with_the_right_words() {
    let fake = official(|_| {});
    for (change, errcode) in [
        (json!({"grant_type": "x"}), 40002),
        (json!({"appid": ""}), 41002),
        (json!({"appid": "wxother"}), 40013),
        (json!({"secret": ""}), 41004),
        (json!({"secret": "short"}), 40125),
        (json!({"secret": "f".repeat(32)}), 40001),
    ] {
        let mut body = json!({"grant_type": "client_credential", "appid": "wxapp", "secret": SECRET});
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        assert_eq!(fake.errcode("/cgi-bin/stable_token", body.to_string()).await, errcode, "{change}");
    }
    let (_, answer) = fake.send("GET", "/cgi-bin/stable_token", "").await;
    assert_eq!(answer["errcode"], 43002);
    let answer = stable(&fake, "wxapp", false).await;
    assert_eq!((&answer["errcode"], &answer["expires_in"]), (&json!(null), &json!(7200)));
    assert_eq!(stable(&fake, "wxapp", false).await["access_token"], answer["access_token"]);
    assert_ne!(stable(&fake, "wxapp", true).await["access_token"], answer["access_token"]);
    let plain = format!("/cgi-bin/token?grant_type=client_credential&appid=wxapp&secret={SECRET}");
    let first = fake.send("GET", &plain, "").await.1;
    assert_ne!(fake.send("GET", &plain, "").await.1["access_token"], first["access_token"]);
    assert_eq!(fake.sandbox.wechat_tokens_issued("wxapp"), 4);
}

#[tokio::test]
async fn a_bad_token_is_told_apart_by_why_it_is_bad() {
    let fake = official(|_| {});
    let old = token(&fake, "wxapp").await;
    let uri = format!("/cgi-bin/message/template/send?access_token={old}");
    stable(&fake, "wxapp", true).await;
    assert_eq!(fake.errcode(&uri, message(json!({}))).await, 40001);
    let uri = format!("/cgi-bin/message/template/send?access_token={}", token(&fake, "wxapp").await);
    assert_eq!(fake.send("POST", "/_wechat/wxapp/expire", "").await.0, StatusCode::NO_CONTENT);
    assert_eq!(fake.errcode(&uri, message(json!({}))).await, 42001);
    fake.send("POST", "/_wechat/wxapp/expire", r#"{"forgets": true}"#).await;
    assert_eq!(fake.errcode(&uri, message(json!({}))).await, 40014);
    assert_eq!(fake.errcode("/cgi-bin/message/template/send", message(json!({}))).await, 41001);
    assert!(fake.sandbox.accepted(Platform::Wechat).is_empty());
}

#[tokio::test]
async fn the_rules_of_a_template_message() {
    let fake = official(|account| {
        account.people = vec![OPENID.into(), OTHER.into()];
        account.standing = BTreeMap::from([(OTHER.into(), WechatStanding::Unfollowed)]);
        let banned = WechatTemplate { id: "banned".into(), banned: true, ..template() };
        account.templates.push(banned);
    });
    let data = |thing: Value, amount: &str| json!({"data": {"thing1": {"value": thing}, "amount2": {"value": amount}}});
    for (change, errcode) in [
        (json!({"touser": "o6_bmjrPTlm6_2sgVt7hMZOPfL2X"}), 40003),
        (json!({"touser": "zhangsan"}), 40003),
        (json!({"touser": OTHER}), 43004),
        (json!({"template_id": "unknown"}), 40037),
        (json!({"template_id": ""}), 40036),
        (json!({"template_id": "banned"}), 43116),
        (json!({"url": format!("https://x.example/{}", "a".repeat(2048))}), 40039),
        (json!({"miniprogram": {"appid": "wxmini", "pagepath": "pages/a?b=c"}}), 0),
        (json!({"miniprogram": {"appid": "wxstranger"}}), 40013),
        (json!({"miniprogram": {"appid": "wxmini", "pagepath": "https://x.example"}}), 41030),
        (json!({"data": {"thing1": {"value": "Tea"}}}), 47003),
        (
            json!({"data": {"thing1": {"value": "a"}, "amount2": {"value": "1"}, "time3": {"value": "1"}}}),
            47003,
        ),
        (data(json!(5), "1"), 47003),
        (data(json!("字".repeat(20)), "1"), 0),
        (data(json!("字".repeat(21)), "1"), 47003),
        (data(json!("Tea"), "one"), 47003),
    ] {
        assert_eq!(send(&fake, change.clone()).await["errcode"], errcode, "{change}");
    }
    let errmsg = send(&fake, data(json!("字".repeat(21)), "1")).await;
    assert_eq!(errmsg["errmsg"], "argument invalid! data.thing1.value invalid");
    let uri = format!("/cgi-bin/message/template/send?access_token={}", token(&fake, "wxapp").await);
    assert_eq!(fake.errcode(&uri, "{").await, 47001);
}

#[tokio::test]
async fn values_without_a_type_are_cut_without_a_word() {
    let fake = official(|account| account.templates[0].content = "{{keyword1.DATA}}".into());
    let long = format!("{}\nmore", "x".repeat(21));
    let answer = send(&fake, json!({"data": {"keyword1": {"value": long}}})).await;
    assert_eq!(answer["errcode"], 0);
    assert_eq!(fake.sandbox.accepted(Platform::Wechat)[0].text, "x".repeat(20));
}

#[tokio::test]
async fn a_client_msg_id_is_remembered_for_ten_minutes_per_person() {
    let fake = official(|_| {});
    let mine = json!({"client_msg_id": "a"});
    let first = send(&fake, mine.clone()).await;
    assert_eq!(send(&fake, mine.clone()).await["msgid"], first["msgid"]);
    assert_eq!(fake.sandbox.accepted(Platform::Wechat).len(), 1);
    send(&fake, json!({"client_msg_id": "a", "touser": OTHER})).await;
    assert_eq!(fake.sandbox.accepted(Platform::Wechat).len(), 2, "another person is another message");
    fake.advance(600_000);
    assert_ne!(send(&fake, mine).await["msgid"], first["msgid"]);
}

#[tokio::test]
async fn quotas_are_counted_shown_and_cleared() {
    let fake = official(|account| {
        account.daily_limit = Some(3);
        account.per_minute = Some(2);
    });
    for errcode in [0, 0, 45011] {
        assert_eq!(send(&fake, json!({})).await["errcode"], errcode);
    }
    fake.advance(60_000);
    assert_eq!(send(&fake, json!({})).await["errcode"], 0);
    assert_eq!(send(&fake, json!({})).await["errcode"], 45009);
    let token = token(&fake, "wxapp").await;
    let get = format!("/cgi-bin/openapi/quota/get?access_token={token}");
    let path = json!({"cgi_path": "/cgi-bin/message/template/send"}).to_string();
    let answer = fake.send("POST", &get, path.clone()).await.1;
    assert_eq!(answer["quota"], json!({"daily_limit": 3, "used": 3, "remain": 0}));
    assert_eq!(answer["rate_limit"], json!({"call_count": 2, "refresh_second": 60}));
    assert_eq!(fake.errcode(&get, r#"{"cgi_path": "message/template/send"}"#).await, 76_003);
    assert_eq!(fake.errcode(&get, r#"{"cgi_path": "/cgi-bin/nothing"}"#).await, 76_021);
    fake.advance(60_000);
    let clear = format!("/cgi-bin/openapi/quota/clear?access_token={token}");
    assert_eq!(fake.errcode(&clear, path).await, 0);
    assert_eq!(send(&fake, json!({})).await["errcode"], 0);
    let by_secret = json!({"appid": "wxapp", "appsecret": SECRET}).to_string();
    for nth in 0..11 {
        let errcode = if nth < 10 { 0 } else { 48006 };
        assert_eq!(fake.errcode("/cgi-bin/clear_quota/v2", by_secret.clone()).await, errcode);
    }
    let clear = format!("/cgi-bin/clear_quota?access_token={token}");
    assert_eq!(fake.errcode(&clear, r#"{"appid": "wxapp"}"#).await, 48006, "together ten a month");
}

#[tokio::test]
async fn an_address_must_be_on_the_list() {
    let fake = official(|account| account.ip_whitelist = vec!["203.0.113.9".into()]);
    let answer = stable(&fake, "wxapp", false).await;
    assert_eq!(answer["errcode"], 40164);
    assert!(answer["errmsg"].as_str().expect("text").contains("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn templates_are_listed() {
    let fake = official(|_| {});
    let uri =
        format!("/cgi-bin/template/get_all_private_template?access_token={}", token(&fake, "wxapp").await);
    let listed = fake.send("GET", &uri, "").await.1;
    assert_eq!(listed["template_list"][0]["template_id"], "order-paid");
    assert_eq!(listed["template_list"][0]["content"], template().content);
    let fake =
        mini(|account| account.templates[0].values.insert("thing1".into(), vec!["Tea".into()]).map(drop));
    let uri = format!("/wxaapi/newtmpl/gettemplate?access_token={}", token(&fake, "wxmini").await);
    let listed = fake.send("GET", &uri, "").await.1;
    assert_eq!(
        (&listed["data"][0]["priTmplId"], &listed["data"][0]["type"]),
        (&json!("order-paid"), &json!(2))
    );
    assert_eq!(listed["data"][0]["keywordEnumValueList"][0]["enumValueList"], json!(["Tea"]));
}

#[tokio::test]
async fn faults_meet_calls_and_messages_apart() {
    let fake = official(|_| {});
    let on_token = Fault { call: Some("token".into()), errcode: Some(-1), ..Fault::on(Platform::Wechat) };
    fake.sandbox.push_fault(on_token);
    fake.sandbox.push_fault(Fault { errcode: Some(45011), ..Fault::on(Platform::Wechat) });
    assert_eq!(stable(&fake, "wxapp", false).await["errcode"], -1);
    assert_eq!(send(&fake, json!({})).await["errcode"], 45011);
    assert_eq!(send(&fake, json!({})).await["errcode"], 0);
}

fn mini<T>(change: impl FnOnce(&mut WechatAccount) -> T) -> Fake {
    let fake = fake();
    let mut account = WechatAccount { mini: true, ..account() };
    change(&mut account);
    fake.sandbox.wechat_account("wxmini", account);
    fake
}

async fn subscribed(fake: &Fake, change: Value) -> Value {
    let uri = format!("/cgi-bin/message/subscribe/send?access_token={}", token(fake, "wxmini").await);
    let mut body: Value = serde_json::from_str(&message(change)).expect("json");
    body.as_object_mut().expect("an object").remove("url");
    fake.send("POST", &uri, body.to_string()).await.1
}

#[tokio::test]
async fn one_accept_is_one_subscribe_message() {
    let fake = mini(|account| {
        let accepts = BTreeMap::from([("order-paid".to_owned(), 1)]);
        account.accepts = BTreeMap::from([(OPENID.to_owned(), accepts.clone()), (OTHER.to_owned(), accepts)]);
    });
    assert_eq!(subscribed(&fake, json!({})).await["errcode"], 0);
    assert_eq!(subscribed(&fake, json!({})).await["errcode"], 43101);
    assert_eq!(subscribed(&fake, json!({"template_id": "other"})).await["errcode"], 40037);
    assert_eq!(fake.sandbox.accepted(Platform::WechatMini).len(), 1);
    let fake = mini(|account| {
        account.templates[0].long_term = true;
        account.accepts =
            BTreeMap::from([(OPENID.to_owned(), BTreeMap::from([("order-paid".to_owned(), 1)]))]);
    });
    for _ in 0..3 {
        assert_eq!(subscribed(&fake, json!({})).await["errcode"], 0);
    }
}

#[tokio::test]
async fn the_rules_of_a_subscribe_message() {
    let fake = mini(|account| account.accepts_all = true);
    for (change, errcode) in [
        (json!({"page": "pages/index?a=b", "miniprogram_state": "trial", "lang": "en_US"}), 0),
        (json!({"page": "https://x.example"}), 41030),
        (json!({"miniprogram_state": "draft"}), 47003),
        (json!({"lang": "de"}), 47003),
        (json!({"touser": "x"}), 40003),
        (json!({"data": {"thing1": {"value": "a\nb"}, "amount2": {"value": "1"}}}), 47003),
        (json!({"data": {"thing1": {"value": ""}, "amount2": {"value": "1"}}}), 47003),
    ] {
        assert_eq!(subscribed(&fake, change.clone()).await["errcode"], errcode, "{change}");
    }
    // An account of the other sort has not this call.
    let fake = official(|_| {});
    let uri = format!("/cgi-bin/message/subscribe/send?access_token={}", token(&fake, "wxapp").await);
    assert_eq!(fake.errcode(&uri, message(json!({}))).await, 48001);
}

/// A receiver of callbacks that says `success` and keeps what it got.
async fn receiver() -> (String, tokio::sync::mpsc::UnboundedReceiver<(String, String)>) {
    let (sender, received) = tokio::sync::mpsc::unbounded_channel();
    let take = move |query: axum::extract::RawQuery, body: String| {
        let sender = sender.clone();
        async move {
            sender.send((query.0.unwrap_or_default(), body)).expect("somebody listens");
            "success"
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/callback", listener.local_addr().expect("an address"));
    let router = axum::Router::new().route("/callback", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, received)
}

#[tokio::test]
async fn the_fate_of_a_message_is_told() {
    let (url, mut received) = receiver().await;
    let callback = WechatCallback { url, token: "AAAAA".into(), tells: true, ..WechatCallback::default() };
    let fake = official(|account| {
        account.callback = Some(callback);
        account.standing = BTreeMap::from([(OTHER.into(), WechatStanding::Blocks)]);
    });
    for (openid, status) in [(OPENID, "success"), (OTHER, "failed:user block")] {
        let msgid = send(&fake, json!({"touser": openid})).await["msgid"].clone();
        let (query, body) = received.recv().await.expect("a callback");
        assert!(query.starts_with("signature=") && query.contains(&format!("openid={openid}")), "{query}");
        assert!(body.contains("<Event><![CDATA[TEMPLATESENDJOBFINISH]]></Event>"), "{body}");
        assert!(body.contains(&format!("<MsgID>{msgid}</MsgID>")), "{body}");
        assert!(body.contains(&format!("<Status><![CDATA[{status}]]></Status>")), "{body}");
    }
}

#[tokio::test]
async fn the_fate_of_a_subscribe_message_is_told() {
    let (url, mut received) = receiver().await;
    let callback = WechatCallback { url, tells: true, json: true, ..WechatCallback::default() };
    let fake = mini(|account| {
        account.accepts_all = true;
        account.callback = Some(callback);
        account.standing = BTreeMap::from([(OTHER.into(), WechatStanding::Unreachable)]);
    });
    for (openid, code) in [(OPENID, "0"), (OTHER, "1")] {
        let msgid = subscribed(&fake, json!({"touser": openid})).await["msgid"].to_string();
        let (_, body) = received.recv().await.expect("a callback");
        let body: Value = serde_json::from_str(&body).expect("json");
        assert_eq!(body["Event"], "subscribe_msg_sent_event");
        assert_eq!((&body["List"]["MsgID"], &body["List"]["ErrorCode"]), (&json!(msgid), &json!(code)));
    }
}

#[tokio::test]
async fn events_are_posted_on_demand_plain_or_encrypted() {
    let (url, mut received) = receiver().await;
    let secure = WechatCallback {
        url: url.clone(),
        token: "AAAAA".into(),
        encoding_aes_key: Some("A".repeat(43)),
        ..WechatCallback::default()
    };
    let fake = official(|account| account.callback = Some(secure));
    let event = json!({"event": "subscribe", "openid": OPENID}).to_string();
    let (_, answer) = fake.send("POST", "/_wechat/wxapp/events", event).await;
    assert_eq!(answer, json!({"status": 200, "body": "success"}));
    let (query, body) = received.recv().await.expect("a callback");
    assert!(query.contains("&encrypt_type=aes&msg_signature="), "{query}");
    assert!(body.contains("<Encrypt><![CDATA[") && !body.contains(OPENID), "{body}");

    let json = WechatCallback { url, token: "t".into(), json: true, ..WechatCallback::default() };
    let fake = mini(|account| account.callback = Some(json));
    let popup = |template_id: &str| WechatPopup { template_id: template_id.into(), accepts: true };
    for list in [vec![popup("a")], vec![popup("a"), popup("b")]] {
        let count = list.len();
        let event = WechatEvent::Popup { openid: OPENID.into(), list };
        let post = fake.sandbox.wechat_post("wxmini", &event).expect("a callback");
        let body: Value = serde_json::from_str(&post.body).expect("json");
        assert_eq!(body["Event"], "subscribe_msg_popup_event");
        assert_eq!(body["List"].is_object(), count == 1, "one entry is an object, several are an array");
    }
}

#[tokio::test]
async fn accounts_are_told_over_http() {
    let fake = fake();
    let account = json!({"secret": SECRET, "templates": [{"id": "t", "content": "{{thing1.DATA}}"}]});
    let (status, _) = fake.send("PUT", "/_wechat/wxapp", account.to_string()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(stable(&fake, "wxapp", false).await["access_token"].is_string());
    assert_eq!(fake.send("PUT", "/_wechat/wxapp", r#"{"secrets": ""}"#).await.0, StatusCode::BAD_REQUEST);
    let event = json!({"event": "unsubscribe", "openid": OPENID}).to_string();
    assert_eq!(fake.send("POST", "/_wechat/wxapp/events", event).await.0, StatusCode::BAD_REQUEST);
}
