//! The way of one message through the real binary.

use std::process::Command;
use std::time::Duration;

use mc_tests::{ADMIN_PASSWORD, Auth, Receiver, TestApp, wait_until_some};
use serde_json::{Value, json};

#[tokio::test]
async fn a_message_arrives() {
    let platform = Receiver::start().await;
    let app = TestApp::start().await;
    let client = app.client();

    let health = app.client_with(Auth::None).get("/healthz").await.expect(200);
    assert_eq!(health.json["status"], "ok");
    let stranger = app.client_with(Auth::None).get("/v1/messages").await.expect(401);
    assert_eq!(stranger.header("content-type"), Some("application/problem+json"));

    let channel = json!({"kind": "webhook", "settings": {"url": platform.url("/im"), "method": "POST"}});
    client.put("/v1/channels/im", &channel).await.expect(201);
    client.put("/v1/channels/im", &channel).await.expect(200);
    let template = json!({
        "title": "{{ app }} is live",
        "body": "**{{ app }}** was deployed by {{ who }}.",
        "format": "markdown",
        "routing": {"channels": ["im"]},
    });
    client.put("/v1/templates/deployed", &template).await.expect(201);

    let message = json!({"template": "deployed", "data": {"app": "pay", "who": "li_si"}, "tags": ["deploy"]});
    let accepted = client.post("/v1/messages", &message).await.expect(202).json;
    assert_eq!(accepted["status"], "queued");
    let path = format!("/v1/messages/{}", accepted["id"].as_str().expect("an id"));

    let completed = wait_until_some(Duration::from_secs(10), async || {
        let answer = client.get(&path).await.expect(200).json;
        (answer["status"] == "completed").then_some(answer)
    });
    let completed = completed.await;
    assert_eq!(completed["counts"]["sent"], 1);
    assert_eq!(completed["deliveries"][0]["attempts"][0]["outcome"], "sent");

    let pushes = platform.received();
    assert_eq!(pushes.len(), 1, "{}", app.logs());
    assert_eq!(pushes[0].uri, "/im");
    let push = pushes[0].json();
    assert_eq!(push["title"], "pay is live");
    assert_eq!(push["message"]["id"], accepted["id"]);
}

#[tokio::test]
async fn what_was_accepted_survives_the_process() {
    let mut app = TestApp::start().await;
    let channel = json!({"kind": "webhook", "settings": {"url": "http://127.0.0.1:9/im"}});
    app.client().put("/v1/channels/im", &channel).await.expect(201);

    app.kill9();
    assert!(!app.is_running());
    app.restart().await;
    app.client().get("/v1/channels/im").await.expect(200);

    let (status, took) = app.sigterm().await;
    assert!(status.success(), "{status}: {}", app.logs());
    assert!(took < Duration::from_secs(10), "{took:?}");
    app.restart().await;
    app.client().get("/v1/channels/im").await.expect(200);
}

#[tokio::test]
async fn what_was_counted_survives_a_stop() {
    let platform = Receiver::start().await;
    let mut app = TestApp::start().await;
    let channel = json!({"kind": "webhook", "settings": {"url": platform.url("/im")}});
    app.client().put("/v1/channels/im", &channel).await.expect(201);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    app.client().post("/v1/messages", &message).await.expect(202);
    // The consumer may still be at it: it finishes, and is counted, before the process ends.
    let (status, _) = app.sigterm().await;
    assert!(status.success(), "{status}: {}", app.logs());
    app.restart().await;
    let stats = app.client().get("/v1/stats?by=none&interval=hour").await.expect(200).json;
    let points = stats["series"][0]["points"].as_array().expect("points");
    let accepted: u64 = points.iter().filter_map(|point| point["accepted"].as_u64()).sum();
    assert_eq!(accepted, 1, "{stats}");
}

/// What stands between two texts.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("no {begin:?} in {text}"));
    rest.split_once(end).map_or(rest, |(inside, _)| inside)
}

#[tokio::test]
async fn the_command_that_a_first_start_prints_sends_a_message() {
    let key = TestApp::access_key();
    let variables = [
        ("MESSAGE_CENTER_ACCESS_KEY_ID", key.id.as_str()),
        ("MESSAGE_CENTER_SECRET_ACCESS_KEY", key.secret.as_str()),
        ("MESSAGE_CENTER_ADMIN_PASSWORD", ADMIN_PASSWORD),
    ];
    for given in [true, false] {
        let mut builder = TestApp::builder().sandbox();
        if !given {
            // An empty variable counts as none.
            builder = variables.iter().fold(builder, |builder, (name, _)| builder.env(*name, ""));
        }
        let app = builder.start().await;
        let printed = app.logs();
        if given {
            for secret in [&*key.secret, ADMIN_PASSWORD] {
                assert!(!printed.contains(secret), "a secret that was given is in the output");
            }
        } else {
            let password = between(&printed, "\n  password ", "\n").trim();
            let session = json!({"username": "admin", "password": password});
            app.client_with(Auth::None).post("/v1/session", &session).await.expect(200);
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(between(&printed, "Send a first message:\n\n", "\n\n"));
        if given {
            shell.envs(variables);
        }
        let output = shell.output().expect("a shell with curl");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        assert_eq!(answer["status"], "queued", "{output:?}");
    }
}
