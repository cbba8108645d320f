//! A self-built IM that one signs in to before sending.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use mc_core::model::{Content, Format, Kind};
use mc_core::ports::{SendError, SendFailure, SharedChannel};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::suite::deliver;
use crate::world::World;

const PASSWORD: &str = "correct-horse-battery";

/// Gives out `t1`, `t2` …, of which only the newest is good.
#[derive(Default)]
struct Im {
    logins: usize,
    /// The login's bodies and the pushes' tokens.
    seen: Vec<String>,
    /// What the next login is answered instead.
    trouble: Option<(u16, &'static str)>,
    /// Tokens are refused with HTTP 200 and an error inside.
    polite: bool,
    /// Every token is refused.
    stubborn: bool,
}

type Shared = Arc<Mutex<Im>>;

async fn login(State(im): State<Shared>, request: Request) -> Response {
    let kind = request.headers()["content-type"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    let mut im = im.lock().unwrap();
    im.seen.push(format!("{kind} {}", String::from_utf8_lossy(&body)));
    if let Some((status, text)) = im.trouble.take() {
        return (StatusCode::from_u16(status).unwrap(), text.replace("{password}", PASSWORD)).into_response();
    }
    im.logins += 1;
    json!({"data": {"token": format!("t{}", im.logins), "expires_in": 7200}}).to_string().into_response()
}

async fn send(State(im): State<Shared>, request: Request) -> Response {
    let header = request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
    let query = request.uri().query().map(str::to_owned);
    let body = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let inside = body["session"].as_str().map(str::to_owned);
    let presented = header.or(query).or(inside).unwrap_or_default();
    let mut im = im.lock().unwrap();
    im.seen.push(presented.clone());
    let good = presented.ends_with(&format!("t{}", im.logins)) && !im.stubborn;
    match (good, im.polite) {
        (true, _) => json!({"errcode": 0, "id": 7}).to_string().into_response(),
        (false, true) => json!({"errcode": 40014, "errmsg": presented}).to_string().into_response(),
        (false, false) => (StatusCode::UNAUTHORIZED, presented).into_response(),
    }
}

async fn start() -> (World, Shared, String) {
    let im = Shared::default();
    let router =
        Router::new().route("/login", any(login)).route("/send", any(send)).with_state(Arc::clone(&im));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (World::start(false).await, im, url)
}

fn channel(world: &World, url: &str, login: Value) -> SharedChannel {
    let mut settings = json!({
        "url": format!("{url}/send"),
        "login": {
            "url": format!("{url}/login"), "token_pointer": "/data/token", "expires_pointer": "/data/expires_in",
            "body": {"user": "robot", "password": "{{ password }}"},
        },
        "success": {"pointer": "/errcode", "equals": 0},
    });
    for (name, value) in login.as_object().unwrap() {
        settings["login"][name] = value.clone();
    }
    world.build(Kind::Webhook, settings, &[("password", PASSWORD)], "")
}

async fn push(channel: &SharedChannel) -> Result<(), SendError> {
    let content = Content::new("Hello", Format::Text, "world");
    deliver(&**channel, &content, &[], &[]).await.map(drop)
}

#[tokio::test]
async fn one_signs_in_once_and_sends_with_the_token() {
    let (world, im, url) = start().await;
    let header = channel(&world, &url, json!({}));
    push(&header).await.unwrap();
    push(&header).await.unwrap();
    // Another channel of the same account shares the token.
    push(&channel(&world, &url, json!({"query": "access_token"}))).await.unwrap();
    let expected = [
        &format!("application/json; charset=utf-8 {{\"user\":\"robot\",\"password\":\"{PASSWORD}\"}}"),
        "Bearer t1",
        "Bearer t1",
        "access_token=t1",
    ];
    assert_eq!(im.lock().unwrap().seen, expected);
    let form =
        json!({"body": "grant=client&secret={{ password }}", "header": "Authorization", "prefix": "Token "});
    push(&channel(&world, &url, form)).await.unwrap();
    let seen = im.lock().unwrap().seen[4..].to_vec();
    let login = format!("application/x-www-form-urlencoded grant=client&secret={PASSWORD}");
    assert_eq!(seen, [login, "Token t2".to_owned()]);
}

#[tokio::test]
async fn a_token_goes_where_templates_name_it_and_no_value_can_ask_for_it() {
    let (world, im, url) = start().await;
    let named = |settings: Value| {
        let mut all = json!({
            "url": format!("{url}/send"),
            "login": {"url": format!("{url}/login"), "token_pointer": "/data/token", "body": {"p": "{{ password }}"}},
        });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        world.build(Kind::Webhook, all, &[("password", PASSWORD)], "")
    };
    for (settings, expected) in [
        (json!({"body": {"session": "is {{ login.token }}", "t": "{{ text }}"}}), "is t1"),
        (json!({"body": "{\"session\": \"{{ login.token }}\"}"}), "t1"),
        (json!({"headers": {"Authorization": "Custom {{ login.token }}"}}), "Custom t1"),
        (json!({"url": format!("{url}/send?a={{{{ login.token }}}}")}), "a=t1"),
    ] {
        let channel = named(settings.clone());
        let context = Content::new("Hello", Format::Text, "{{ login.token }} login-token-00");
        deliver(&*channel, &context, &[], &[]).await.unwrap();
        assert_eq!(im.lock().unwrap().seen.last().unwrap(), expected, "{settings}");
    }
    let channel = named(json!({"body": {"session": "{{ login.token }}"}}));
    im.lock().unwrap().stubborn = true;
    let error = format!("{:?}", push(&channel).await.unwrap_err());
    assert!(!error.contains("t1") && !error.contains("t2"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_over_is_fetched_anew_in_mid_flight() {
    for polite in [false, true] {
        let (world, im, url) = start().await;
        im.lock().unwrap().polite = polite;
        let over = json!({"over": {"status": [401], "pointer": "/errcode", "equals": [40014, 42001]}});
        let channel = channel(&world, &url, over);
        push(&channel).await.unwrap();
        im.lock().unwrap().logins += 1;
        push(&channel).await.unwrap();
        assert_eq!(im.lock().unwrap().logins, 3, "{polite}");
        im.lock().unwrap().stubborn = true;
        let before = im.lock().unwrap().seen.len();
        let error = push(&channel).await.unwrap_err();
        assert_eq!((error.failure, error.code.as_str()), (SendFailure::Channel, "token_over"));
        assert_eq!(im.lock().unwrap().seen.len(), before + 3, "asked once more, and then no more");
    }
}

#[tokio::test]
async fn a_login_that_fails_says_why_and_shows_no_secret() {
    let (world, im, url) = start().await;
    let channel = channel(&world, &url, json!({}));
    for (status, text, expected) in [
        (401, "wrong password {password}", SendFailure::Channel),
        (200, r#"{"code": 1, "said": "{password}"}"#, SendFailure::Channel),
        (200, r#"{"code": 0, "session": "live-token"}"#, SendFailure::Channel),
        (200, r#"{"error": "", "message": "live-token"}"#, SendFailure::Channel),
        (200, "<html>", SendFailure::Channel),
        (200, r#"{"data": {"token": "a\nb"}}"#, SendFailure::Channel),
        (503, "later", SendFailure::Transient { after: None }),
        (429, "slow", SendFailure::Throttled { after: None }),
    ] {
        im.lock().unwrap().trouble = Some((status, text));
        let error = push(&channel).await.unwrap_err();
        assert_eq!((error.failure, error.code.as_str()), (expected, "login_refused"), "{text}");
        let told = format!("{error:?}");
        assert!(!told.contains(PASSWORD) && !told.contains("live-token"), "{told}");
        im.lock().unwrap().trouble = Some((status, text));
        let steps = channel.check().await;
        let step = steps.iter().find(|step| step.name == "login").unwrap();
        assert!(!step.ok && step.next_step.is_some(), "{step:?}");
        assert!(!step.detail.contains(PASSWORD) && !step.detail.contains("live-token"), "{step:?}");
    }
    assert!(channel.check().await.iter().all(|step| step.ok));
    let before = im.lock().unwrap().seen.len();
    channel.check().await;
    assert_eq!(im.lock().unwrap().seen.len(), before + 1, "a check signs in for real, and sends nothing");
    let closed = self::channel(&world, &world.closed_url(), json!({}));
    assert_eq!(push(&closed).await.unwrap_err().failure, SendFailure::Transient { after: None });
}
