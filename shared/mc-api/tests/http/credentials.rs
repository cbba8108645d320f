//! Credentials: every way to be somebody, and to fail at it.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::{OperatorRole, Role};
use ring::{digest, hmac};
use serde_json::json;

use crate::app::{App, As};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The headers of a signed request: `Authorization` and `x-amz-date`.
fn sign(app: &App, key: &As, method: &str, path: &str, query: &str, body: &str) -> (String, String) {
    let As::Key { id, secret } = key else { panic!("only keys sign") };
    let now: String = app.api.center.clock.now().to_string();
    let date = format!("{}T{}Z", now[..10].replace('-', ""), now[11..19].replace(':', ""));
    let scope = format!("{}/any/message-center/aws4_request", &date[..8]);
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:example.com\nx-amz-date:{date}\n\nhost;x-amz-date\n{}",
        sha256(body.as_bytes())
    );
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let mut signing = mac(format!("AWS4{secret}").as_bytes(), &date[..8]);
    for part in ["any", "message-center", "aws4_request"] {
        signing = mac(&signing, part);
    }
    let signature = hex(&mac(&signing, &text));
    let credential = format!("Credential={id}/{scope}");
    (format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host;x-amz-date, Signature={signature}"), date)
}

#[tokio::test]
async fn a_signature_covers_path_query_and_body() {
    let app = App::new().await;
    let key = app.key("default", Role::Admin).await;
    let body = r#"{"body":"hello"}"#;
    let (authorization, date) = sign(&app, &key, "PUT", "/v1/templates/t", "", body);
    let put = |path: &str, body: &str| {
        let call = app.call("PUT", path).by(&As::Nobody).bytes(body).header("host", "example.com");
        call.header("authorization", &authorization).header("x-amz-date", &date)
    };
    put("/v1/templates/t", body).send().await.is(201);
    put("/v1/templates/u", body).send().await.refuses(401, "unauthorized", "");
    put("/v1/templates/t?x=1", body).send().await.refuses(401, "unauthorized", "");
    put("/v1/templates/t", r#"{"body":"hellu"}"#).send().await.refuses(401, "unauthorized", "");
    app.clock.advance(Duration::from_secs(301));
    put("/v1/templates/t", body).send().await.refuses(401, "unauthorized", "");
    let (authorization, date) = sign(&app, &key, "GET", "/v1/templates", "limit=1", "");
    let get = app.call("GET", "/v1/templates?limit=1").by(&As::Nobody).header("host", "example.com");
    get.header("authorization", &authorization).header("x-amz-date", &date).send().await.is(200);
}

#[tokio::test]
async fn every_wrong_credential_gets_the_same_answer() {
    let app = App::new().await;
    let As::Key { id, secret } = app.admin.clone() else { unreachable!() };
    let key = |id: &str, secret: &str| As::Key { id: id.to_owned(), secret: secret.to_owned() };
    let no_basic = app.key_with("default", Role::Admin, |new| new.basic = false).await;
    let soon = Timestamp::parse("2026-12-01T00:01:00Z");
    let expiring = app.key_with("default", Role::Admin, |new| new.expires_at = soon).await;
    app.call("GET", "/v1/messages").by(&expiring).send().await.is(200);
    app.clock.advance(Duration::from_secs(60));
    let disabled = app.key("default", Role::Admin).await;
    let As::Key { id: disabled_id, .. } = &disabled else { unreachable!() };
    let path = format!("/v1/access-keys/{disabled_id}");
    app.call("PATCH", &path).json(json!({"enabled": false})).send().await.is(200);
    let (signed, date) = sign(&app, &key("MCNOBODY", "x"), "GET", "/v1/messages", "", "");
    let mut answers = Vec::new();
    for wrong in [
        As::Nobody,
        key(&id, "wrong"),
        key("MCNOBODY", &secret),
        key(&"x".repeat(3000), &secret),
        no_basic,
        expiring,
        disabled,
        As::Token("mcs_cm9vdA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        As::Token("nonsense".to_owned()),
        As::Cookie("nonsense".to_owned()),
    ] {
        answers.push(
            app.call("GET", "/v1/messages").by(&wrong).header("x-request-id", "r").send().await.is(401),
        );
    }
    for header in ["AWS4-HMAC-SHA256 x", "Basic !", "Digest x", &signed] {
        let call = app.call("GET", "/v1/messages").by(&As::Nobody).header("authorization", header);
        let call = call.header("x-amz-date", &date).header("host", "example.com");
        answers.push(call.header("x-request-id", "r").send().await.is(401));
    }
    for answer in &answers {
        assert_eq!(answer.text, answers[0].text);
        assert!(answer.header("www-authenticate").contains("AWS4-HMAC-SHA256"));
    }
}

#[tokio::test]
async fn browsers_are_not_asked_for_basic() {
    let app = App::new().await;
    let plain = app.call("GET", "/v1/messages").by(&As::Nobody).send().await.is(401);
    assert!(plain.header("www-authenticate").contains("Basic"));
    let call = app.call("GET", "/v1/messages").by(&As::Nobody).header("sec-fetch-mode", "cors");
    assert!(!call.send().await.is(401).header("www-authenticate").contains("Basic"));
}

#[tokio::test]
async fn a_cookie_needs_more_than_itself_for_changes() {
    let app = App::new().await;
    let As::Token(token) = app.root().await else { unreachable!() };
    let cookie = As::Cookie(token);
    app.call("GET", "/v1/messages").by(&cookie).send().await.is(200);
    let put = || app.call("PUT", "/v1/templates/t").by(&cookie).bytes(r#"{"body":"x"}"#);
    put().send().await.refuses(403, "cross_site", "");
    put().header("content-type", "text/plain").send().await.refuses(403, "cross_site", "");
    put().header("content-type", "application/json; charset=utf-8").send().await.is(201);
    let delete = || app.call("DELETE", "/v1/templates/t").by(&cookie);
    delete().send().await.refuses(403, "cross_site", "");
    delete().header("x-requested-with", "XMLHttpRequest").send().await.is(204);
}

#[tokio::test]
async fn a_project_one_may_not_see_cannot_be_named() {
    let app = App::new().await;
    let root = app.root().await;
    let viewer = app.operator("viewer", &[("other", OperatorRole::Viewer)]).await;
    let get = |who: &As| app.call("GET", "/v1/messages").by(who);
    get(&root).send().await.is(200);
    get(&root).header("x-project", "other").send().await.is(200);
    get(&root).header("x-project", "nowhere").send().await.refuses(403, "forbidden", "");
    get(&root).header("x-project", "a b").send().await.refuses(403, "forbidden", "");
    get(&viewer).header("x-project", "other").send().await.is(200);
    get(&viewer).send().await.refuses(403, "forbidden", "");
    get(&viewer).header("x-project", "default").send().await.refuses(403, "forbidden", "");
    // A key has its project.
    get(&app.admin).header("x-project", "default").send().await.is(200);
    get(&app.admin).header("x-project", "other").send().await.refuses(403, "forbidden", "");
}

#[tokio::test]
async fn a_use_is_noted() {
    let app = App::new().await;
    app.get("/v1/messages").await.is(200);
    let As::Key { id, .. } = &app.admin else { unreachable!() };
    let path = format!("/v1/access-keys/{id}");
    for _ in 0..1000 {
        if app.get(&path).await.is(200).json["last_used_at"].is_string() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody noted it");
}

#[tokio::test]
async fn sane_request_ids_are_kept() {
    let app = App::new().await;
    let get = |id: &str| app.call("GET", "/v1/messages").header("x-request-id", id).send();
    assert_eq!(get("abc-1").await.header("x-request-id"), "abc-1");
    assert_eq!(get("a b").await.header("x-request-id").len(), 26);
    let refused =
        app.call("GET", "/v1/messages").by(&As::Nobody).header("x-request-id", "abc-2").send().await;
    assert_eq!(refused.json["request_id"], "abc-2");
}
