//! Bodies that nobody should send.

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use crate::app::{App, As};

const FOUR_MIB: usize = 4 << 20;

#[tokio::test]
async fn bodies_that_are_not_json_are_named() {
    let app = App::new().await;
    let deep = format!(r#"{{"data":{{"a":{}{}}}}}"#, "[".repeat(500), "]".repeat(500));
    let table: [(&[u8], u16, &str, &str); 9] = [
        (b"", 400, "invalid_json", ""),
        (b"{", 400, "invalid_json", ""),
        (b"{\"data\": {\"a\": nul}}", 400, "invalid_json", "/data/a"),
        (b"\xff\xfe", 400, "invalid_json", ""),
        (b"{\"content\":{\"body\":\"\xff\"}}", 400, "invalid_json", ""),
        (deep.as_bytes(), 422, "invalid_request", "/data/a"),
        (b"[]", 422, "invalid_request", ""),
        (b"7", 422, "invalid_request", ""),
        (b"{} {}", 400, "invalid_json", ""),
    ];
    for (body, status, code, pointer) in table {
        let answer = app.call("POST", "/v1/messages").bytes(body).send().await;
        let first = answer.json["errors"][0]["pointer"].as_str().unwrap().to_owned();
        let answer = answer.is(status);
        assert_eq!(answer.json["code"], code, "{}", answer.text);
        assert!(first.starts_with(pointer), "{}", answer.text);
    }
}

#[tokio::test]
async fn every_mistake_is_named_by_its_place_in_words_that_stand_by_themselves() {
    let app = App::new().await;
    let root = app.root().await;
    for (method, path, body, pointer, detail) in [
        ("POST", "/v1/messages", json!({"priority": 5}), "/priority", "must be a text"),
        ("POST", "/v1/messages", json!({"content": {"level": []}}), "/content/level", "must be a text"),
        ("POST", "/v1/messages", json!({"routing": {"mode": 1}}), "/routing/mode", "must be a text"),
        ("PUT", "/v1/channels/x", json!({"kind": null}), "/kind", "must be a text"),
        ("PUT", "/v1/channels/x", json!({}), "/kind", "is required"),
        ("PUT", "/v1/webhooks/x", json!({"events": []}), "/url", "is required"),
        ("PUT", "/v1/webhooks/x", json!({"url": "https://example.com"}), "/events", "is required"),
        ("PUT", "/v1/webhooks/x", json!({"events": [{}]}), "/events/0", "must be a text"),
        ("POST", "/v1/access-keys", json!({"role": 7}), "/role", "must be a text"),
        ("POST", "/v1/preview", json!({"kinds": [null]}), "/kinds/0", "must be a text"),
        ("POST", "/v1/templates/t/rollback", json!({}), "/version", "is required"),
        (
            "PUT",
            "/v1/channels/x",
            json!({"kind": "webhook", "limits": {"per_day": -1}}),
            "/limits/per_day",
            "is -1, but must be a whole number from 0 to 4294967295",
        ),
        ("PUT", "/v1/operators/x", json!({"roles": []}), "/roles", "is a list, but must be an object"),
    ] {
        let by = if path.contains("operators") { &root } else { &app.admin };
        let answer = app.call(method, path).by(by).json(body).send().await;
        let answer = answer.refuses(422, "invalid_request", pointer);
        assert_eq!(answer.text_at("/errors/0/detail"), detail, "{path}");
        assert_eq!(answer.text_at("/detail"), format!("{pointer} {detail}"));
    }
    let batch = json!({"messages": [{"priority": 5}, {"to": [{"email": 1}]}]});
    let answer = app.post("/v1/messages/batch", batch).await;
    let answer = answer.refuses(422, "no_message_accepted", "/messages/0/priority");
    assert_eq!(answer.text_at("/detail"), "/messages/0/priority must be a text");
    assert_eq!(answer.text_at("/errors/1/detail"), "is 1, but must be a text");
    let smtp = json!({"host": "mail.example.com", "from": "a@example.com", "port": 70_000});
    let answer = app.put("/v1/channels/x", json!({"kind": "email_smtp", "settings": smtp})).await;
    let answer = answer.refuses(422, "invalid_channel", "/settings/port");
    let detail = "/settings/port is 70000, but must be a whole number from 0 to 65535";
    assert_eq!(answer.text_at("/detail"), detail);
}

#[tokio::test]
async fn a_packed_body_is_refused() {
    let app = App::new().await;
    let call = app.call("POST", "/v1/messages").header("content-encoding", "gzip").bytes(b"\x1f\x8b");
    let answer = call.send().await.refuses(415, "unsupported_media_type", "/content-encoding");
    assert!(answer.text_at("/detail").contains("Content-Encoding"), "{}", answer.text);
}

#[tokio::test]
async fn every_route_with_a_body_refuses_what_it_cannot_read() {
    let app = App::new().await;
    let root = app.root().await;
    app.channel("im").await;
    app.put("/v1/templates/t", json!({"body": "x"})).await.is(201);
    let hook = json!({"url": "https://example.com/hook", "events": ["message.completed"]});
    app.put("/v1/webhooks/w", hook).await.is(201);
    for (method, path, by) in [
        ("POST", "/v1/messages", &app.admin),
        ("POST", "/v1/messages/batch", &app.admin),
        ("PUT", "/v1/templates/x", &app.admin),
        ("POST", "/v1/templates/t/rollback", &app.admin),
        ("POST", "/v1/templates/t/preview", &app.admin),
        ("POST", "/v1/preview", &app.admin),
        ("PUT", "/v1/channels/x", &app.admin),
        ("POST", "/v1/channels/im/test", &app.admin),
        ("PUT", "/v1/webhooks/x", &app.admin),
        ("POST", "/v1/webhooks/w/replay", &app.admin),
        ("POST", "/v1/dead-letters/redrive", &app.admin),
        ("POST", "/v1/access-keys", &app.admin),
        ("PUT", "/v1/projects/x", &root),
        ("PUT", "/v1/operators/x", &root),
        ("POST", "/v1/session", &As::Nobody),
    ] {
        app.call(method, path).by(by).bytes("{").send().await.is(400);
        app.call(method, path).by(by).bytes("[]").send().await.is(422);
        app.call(method, path).by(by).json(json!({"surprise": 1})).send().await.is(422);
        app.call(method, path).by(by).bytes(vec![b' '; FOUR_MIB + 1]).send().await.refuses(
            413,
            "body_too_large",
            "",
        );
    }
}

#[tokio::test]
async fn a_body_of_four_mebibytes_is_read() {
    let app = App::new().await;
    let mut body = br#"{"template":"nope"}"#.to_vec();
    body.resize(FOUR_MIB, b' ');
    app.call("POST", "/v1/messages").bytes(body.clone()).send().await.refuses(
        422,
        "unknown_template",
        "/template",
    );
    body.push(b' ');
    app.call("POST", "/v1/messages").bytes(body).send().await.refuses(413, "body_too_large", "");
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_read() {
    let app = App::new().await;
    let call = app.call("POST", "/v1/messages").header("content-length", "5242880").bytes("{}");
    let answer = call.send().await.refuses(413, "body_too_large", "");
    assert_eq!(answer.header("connection"), "close");
}

/// In pieces without a length, so that only counting helps.
#[tokio::test]
async fn a_body_without_a_length_is_counted() {
    let app = App::new().await;
    let router = mc_api::router(app.api.clone());
    for (pieces, status) in [(4, 400), (5, 413)] {
        let pieces = (0..pieces).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
        let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
        let As::Key { id, secret } = &app.admin else { unreachable!() };
        let basic =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{secret}"));
        let request = Request::post("/v1/messages").header("authorization", format!("Basic {basic}"));
        let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
}

#[tokio::test]
async fn a_stranger_cannot_make_us_read() {
    let app = App::new().await;
    let never =
        axum::body::Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post("/v1/messages").body(never).unwrap();
    let response = mc_api::router(app.api.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 401);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let app = App::new().await;
    app.get("/v1/nope").await.refuses(404, "not_found", "");
    app.get("/").await.refuses(404, "not_found", "");
    let answer = app.call("PATCH", "/v1/messages").send().await.refuses(405, "method_not_allowed", "");
    assert_eq!(answer.header("allow"), "POST,GET,HEAD");
    app.delete("/v1/messages").await.is(405);
}

#[tokio::test]
async fn impossible_names() {
    let app = App::new().await;
    let root = app.root().await;
    let bad = ["a%20b", "%2e%2e", ".", "a%2Fb", "%E4%B8%AD", &"x".repeat(65)];
    for collection in ["templates", "channels", "webhooks", "projects", "operators"] {
        for name in bad {
            let path = format!("/v1/{collection}/{name}");
            app.call("GET", &path).by(&root).send().await.refuses(404, "not_found", "");
            app.call("DELETE", &path).by(&root).send().await.is(404);
            let part = if collection == "operators" { "/username" } else { "/name" };
            app.call("PUT", &path).by(&root).json(json!({})).send().await.refuses(422, "invalid_name", part);
        }
    }
    for id in ["x", "msg_", "..%2F", "msg_01HF7YAT31000000000000001A"] {
        app.get(&format!("/v1/messages/{id}")).await.refuses(404, "not_found", "");
    }
}
