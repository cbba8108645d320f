//! Access keys, projects, operators and their sessions.

use std::time::Duration;

use mc_core::model::{OperatorRole, Role};
use serde_json::{Value, json};

use crate::app::{Answer, App, As};

fn as_key(answer: &Answer) -> As {
    As::Key { id: answer.text_at("/access_key_id"), secret: answer.text_at("/secret_access_key") }
}

#[tokio::test]
async fn a_key_is_made_changed_and_deleted() {
    let app = App::new().await;
    let made = app.post("/v1/access-keys", json!({"name": "ci", "role": "send"})).await.is(201);
    let key = as_key(&made);
    app.call("GET", "/v1/messages").by(&key).send().await.is(200);
    app.call("GET", "/v1/channels").by(&key).send().await.refuses(403, "forbidden", "");
    let path = format!("/v1/access-keys/{}", made.text_at("/id"));
    let secret = made.text_at("/secret_access_key");
    assert_eq!(secret.len(), 40);
    assert!(!app.get(&path).await.is(200).text.contains(&secret));
    assert!(!app.get("/v1/access-keys").await.is(200).text.contains(&secret));
    let change = |body: Value| app.call("PATCH", &path).json(body).send();
    assert_eq!(change(json!({"role": "read", "name": "ci 2"})).await.is(200).json["role"], "read");
    app.call("GET", "/v1/channels").by(&key).send().await.is(200);
    change(json!({"basic": false})).await.is(200);
    app.call("GET", "/v1/channels").by(&key).send().await.is(401);
    change(json!({"basic": true, "expires_at": "2026-12-02T00:00:00Z"})).await.is(200);
    app.clock.advance(Duration::from_secs(86_401));
    app.call("GET", "/v1/channels").by(&key).send().await.is(401);
    assert_eq!(change(json!({"expires_at": null})).await.is(200).json["expires_at"], Value::Null);
    app.call("GET", "/v1/channels").by(&key).send().await.is(200);
    change(json!({"expires_at": "2020-01-01T00:00:00Z"})).await.refuses(
        422,
        "invalid_request",
        "/expires_at",
    );
    change(json!({"secret": "x"})).await.refuses(422, "invalid_request", "/secret");
    app.delete(&path).await.is(204);
    app.call("GET", "/v1/channels").by(&key).send().await.is(401);
    app.get(&path).await.refuses(404, "not_found", "");
    app.delete(&path).await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn wrong_keys_are_refused_with_their_place() {
    let app = App::new().await;
    let many = vec!["x"; 51];
    for (body, pointer) in [
        (json!({"role": "send"}), "/name"),
        (
            json!({"name": "x", "role": "send", "allowed_cidrs": ["192.0.2.0/24", "nowhere"]}),
            "/allowed_cidrs/1",
        ),
        (json!({"name": "x", "role": "send", "allowed_cidrs": ["192.0.2.0/33"]}), "/allowed_cidrs/0"),
        (json!({"name": "x", "role": "send", "allowed_channels": ["a b"]}), "/allowed_channels/0"),
        (json!({"name": "x", "role": "send", "allowed_channels": many}), "/allowed_channels"),
        (json!({"name": "", "role": "send"}), "/name"),
        (json!({"name": "x", "role": "owner"}), "/role"),
        (json!({"name": "x", "role": "send", "expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
    ] {
        app.post("/v1/access-keys", body).await.refuses(422, "invalid_request", pointer);
    }
}

#[tokio::test]
async fn another_projects_key_is_not_there() {
    let app = App::new().await;
    let As::Key { id, .. } = app.key("other", Role::Admin).await else { unreachable!() };
    let path = format!("/v1/access-keys/{id}");
    app.get(&path).await.refuses(404, "not_found", "");
    app.delete(&path).await.refuses(404, "not_found", "");
    app.call("PATCH", &path).json(json!({"enabled": false})).send().await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn somebody_signs_in_and_out() {
    let app = App::new().await;
    let root = app.root().await;
    let body = json!({"password": "hunter2 hunter2", "roles": {"default": "viewer"}});
    let made = app.call("PUT", "/v1/operators/zhang").by(&root).json(body).send().await.is(201);
    assert_eq!(made.json["roles"], json!({"default": "viewer"}));
    let login = |password: &str| {
        let body = json!({"username": "zhang", "password": password});
        app.call("POST", "/v1/session").by(&As::Nobody).json(body).send()
    };
    login("wrong").await.refuses(401, "unauthorized", "");
    let session = login("hunter2 hunter2").await.is(200);
    let cookie = session.header("set-cookie");
    for part in ["mc_session=mcs_", "HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let zhang = As::Token(session.text_at("/token"));
    let shown = app.call("GET", "/v1/session").by(&zhang).send().await.is(200);
    assert_eq!(shown.json["operator"]["username"], "zhang");
    assert_eq!(shown.json["expires_at"], session.json["expires_at"]);
    app.call("GET", "/v1/messages").by(&zhang).send().await.is(200);
    app.call("PUT", "/v1/templates/t").by(&zhang).json(json!({"body": "x"})).send().await.refuses(
        403,
        "forbidden",
        "",
    );
    // A role that changes is in force at once, and the session stays.
    let admin = json!({"roles": {"default": "admin"}});
    app.call("PUT", "/v1/operators/zhang").by(&root).json(admin).send().await.is(200);
    app.call("PUT", "/v1/templates/t").by(&zhang).json(json!({"body": "x"})).send().await.is(201);
    let closed = app.call("DELETE", "/v1/session").by(&zhang).send().await.is(204);
    assert!(closed.header("set-cookie").contains("Max-Age=0"));
    app.call("GET", "/v1/session").by(&zhang).send().await.is(401);
    // A session ends by itself, and with the password.
    let zhang = As::Token(login("hunter2 hunter2").await.is(200).text_at("/token"));
    let changed = json!({"password": "hunter2 hunter3", "roles": {"default": "admin"}});
    app.call("PUT", "/v1/operators/zhang").by(&root).json(changed).send().await.is(200);
    app.call("GET", "/v1/session").by(&zhang).send().await.is(401);
    let zhang = As::Token(login("hunter2 hunter3").await.is(200).text_at("/token"));
    app.clock.advance(Duration::from_secs(12 * 3600));
    app.call("GET", "/v1/session").by(&zhang).send().await.is(401);
}

#[tokio::test]
async fn somebody_changes_their_own_password() {
    let app = App::new().await;
    let root = app.root().await;
    let body = json!({"password": "hunter2 hunter2", "roles": {"default": "viewer"}});
    app.call("PUT", "/v1/operators/zhang").by(&root).json(body).send().await.is(201);
    let login = |password: &str| {
        let body = json!({"username": "zhang", "password": password});
        app.call("POST", "/v1/session").by(&As::Nobody).json(body).send()
    };
    let here = As::Token(login("hunter2 hunter2").await.is(200).text_at("/token"));
    let there = As::Token(login("hunter2 hunter2").await.is(200).text_at("/token"));
    let change = |old: &str, new: &str| {
        let body = json!({"password": old, "new_password": new});
        app.call("PATCH", "/v1/session").by(&here).json(body).send()
    };
    change("wrong", "hunter2 hunter3").await.refuses(422, "wrong_password", "/password");
    change("hunter2 hunter2", "short").await.refuses(422, "invalid_request", "/new_password");
    let changed = change("hunter2 hunter2", "hunter2 hunter3").await.is(200);
    for ended in [&here, &there] {
        app.call("GET", "/v1/session").by(ended).send().await.is(401);
    }
    app.call("GET", "/v1/session").by(&As::Token(changed.text_at("/token"))).send().await.is(200);
    login("hunter2 hunter2").await.is(401);
    login("hunter2 hunter3").await.is(200);
}

#[tokio::test]
async fn an_operator_who_is_switched_off_is_signed_out_for_good() {
    let app = App::new().await;
    let root = app.root().await;
    let put = |enabled: bool| {
        let body = json!({"password": "hunter2 hunter2", "roles": {"*": "admin"}, "enabled": enabled});
        app.call("PUT", "/v1/operators/zhang").by(&root).json(body).send()
    };
    let login = || {
        let body = json!({"username": "zhang", "password": "hunter2 hunter2"});
        app.call("POST", "/v1/session").by(&As::Nobody).json(body).send()
    };
    put(true).await.is(201);
    let session = As::Token(login().await.is(200).text_at("/token"));
    app.call("GET", "/v1/session").by(&session).send().await.is(200);
    assert_eq!(put(false).await.is(200).json["enabled"], false);
    app.call("GET", "/v1/session").by(&session).send().await.is(401);
    login().await.refuses(401, "unauthorized", "");
    // Switched off, zhang is no admin who could help out.
    let demoted = json!({"roles": {"*": "viewer"}});
    let answer = app.call("PUT", "/v1/operators/root").by(&root).json(demoted).send().await;
    answer.refuses(409, "last_admin", "");
    let off = json!({"roles": {"*": "admin"}, "enabled": false});
    let answer = app.call("PUT", "/v1/operators/root").by(&root).json(off).send().await;
    answer.refuses(409, "own_account", "");
    app.clock.advance(Duration::from_secs(1));
    put(true).await.is(200);
    app.call("GET", "/v1/session").by(&session).send().await.is(401);
    login().await.is(200);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let app = App::new().await;
    let login = || {
        let body = json!({"username": "not a name", "password": "wrong"});
        app.call("POST", "/v1/session").by(&As::Nobody).json(body).send()
    };
    for _ in 0..5 {
        login().await.refuses(401, "unauthorized", "");
    }
    let answer = login().await.refuses(429, "too_many_attempts", "");
    assert_eq!(answer.header("retry-after"), "1");
    app.clock.advance(Duration::from_secs(1));
    login().await.refuses(401, "unauthorized", "");
}

#[tokio::test]
async fn operators_are_kept_by_admins_of_everything() {
    let app = App::new().await;
    let root = app.root().await;
    let call = |method: &str, name: &str| app.call(method, &format!("/v1/operators/{name}")).by(&root);
    let viewer = json!({"password": "hunter2 hunter2", "roles": {"*": "viewer"}});
    call("PUT", "li").json(viewer.clone()).send().await.is(201);
    assert!(
        app.call("GET", "/v1/operators")
            .by(&root)
            .send()
            .await
            .is(200)
            .items("username")
            .contains(&"li".to_owned())
    );
    call("GET", "li").send().await.is(200);
    call("PUT", "wang").json(json!({"roles": {}})).send().await.refuses(422, "invalid_request", "/password");
    let short = json!({"password": "short", "roles": {}});
    call("PUT", "wang").json(short).send().await.refuses(422, "invalid_request", "/password");
    let nowhere = json!({"password": "hunter2 hunter2", "roles": {"a b": "viewer"}});
    call("PUT", "wang").json(nowhere).send().await.refuses(422, "invalid_request", "/roles/a b");
    let unknown = json!({"password": "hunter2 hunter2", "roles": {"default": "viewer", "nobodys": "viewer"}});
    call("PUT", "wang").json(unknown).send().await.refuses(422, "unknown_project", "/roles/nobodys");
    call("GET", "wang").send().await.refuses(404, "not_found", "");
    call("PUT", "wang").json(json!({"roles": {"x": "boss"}})).send().await.refuses(
        422,
        "invalid_request",
        "/roles/x",
    );
    app.call("PUT", "/v1/projects/brief").by(&root).json(json!({})).send().await.is(201);
    let guest = json!({"password": "hunter2 hunter2", "roles": {"brief": "admin", "default": "viewer"}});
    call("PUT", "guest").json(guest).send().await.is(201);
    app.call("DELETE", "/v1/projects/brief").by(&root).send().await.is(204);
    let left = call("GET", "guest").send().await.is(200).json["roles"].clone();
    assert_eq!(left, json!({"default": "viewer"}), "another project of that name is not theirs");
    call("DELETE", "root").send().await.refuses(409, "own_account", "");
    call("PUT", "root").json(json!({"roles": {"*": "viewer"}})).send().await.refuses(409, "last_admin", "");
    call("DELETE", "li").send().await.is(204);
    call("DELETE", "li").send().await.refuses(404, "not_found", "");
    call("GET", "li").send().await.refuses(404, "not_found", "");
    let chief = app.operator("chief", &[("default", OperatorRole::Admin)]).await;
    for who in [&chief, &app.admin] {
        app.call("GET", "/v1/operators").by(who).send().await.refuses(403, "forbidden", "");
        app.call("PUT", "/v1/operators/x").by(who).json(viewer.clone()).send().await.refuses(
            403,
            "forbidden",
            "",
        );
    }
}

#[tokio::test]
async fn projects_are_seen_by_those_who_are_in_them() {
    let app = App::new().await;
    let root = app.root().await;
    let chief = app.operator("chief", &[("other", OperatorRole::Admin)]).await;
    let viewer = app.operator("viewer", &[("other", OperatorRole::Viewer)]).await;
    let founder = app.operator("founder", &[("new", OperatorRole::Admin)]).await;
    let list = async |who: &As| app.call("GET", "/v1/projects").by(who).send().await.is(200).items("name");
    assert_eq!(list(&root).await, ["other", "default"]);
    assert_eq!(list(&chief).await, ["other"]);
    assert_eq!(list(&app.admin).await, ["default"]);
    let sender = app.key("default", Role::Send).await;
    app.call("GET", "/v1/projects").by(&sender).send().await.refuses(403, "forbidden", "");
    let call = |method: &str, name: &str, who: &As| app.call(method, &format!("/v1/projects/{name}")).by(who);
    call("GET", "default", &chief).send().await.refuses(404, "not_found", "");
    call("GET", "other", &viewer).send().await.is(200);
    let body = json!({"display_name": "Other", "params": {"site": "https://example.com"}});
    assert_eq!(
        call("PUT", "other", &chief).json(body.clone()).send().await.is(200).json["params"],
        body["params"]
    );
    call("PUT", "other", &viewer).json(body.clone()).send().await.refuses(403, "forbidden", "");
    // Whether there is a project of that name is not told to those who have no part in it.
    call("PUT", "default", &chief).json(body.clone()).send().await.refuses(404, "not_found", "");
    call("PUT", "new", &chief).json(body.clone()).send().await.refuses(404, "not_found", "");
    call("PUT", "new", &founder).json(body.clone()).send().await.refuses(403, "forbidden", "");
    call("GET", "default", &sender).send().await.refuses(403, "forbidden", "");
    call("PUT", "default", &sender).json(body.clone()).send().await.refuses(403, "forbidden", "");
    call("DELETE", "default", &sender).send().await.refuses(403, "forbidden", "");
    call("PUT", "default", &app.admin).json(body.clone()).send().await.is(200);
    call("PUT", "new", &root).json(body).send().await.is(201);
    call("DELETE", "other", &viewer).send().await.refuses(403, "forbidden", "");
    call("DELETE", "default", &chief).send().await.refuses(404, "not_found", "");
    call("DELETE", "default", &root).send().await.refuses(409, "in_use", "");
    call("DELETE", "new", &root).send().await.is(204);
    call("DELETE", "new", &root).send().await.refuses(404, "not_found", "");
    call("GET", "new", &root).send().await.refuses(404, "not_found", "");
}

#[tokio::test]
async fn a_project_in_use_is_not_deleted_and_takes_its_keys_along() {
    let app = App::new().await;
    let root = app.root().await;
    let key = app.key("other", Role::Admin).await;
    app.call("PUT", "/v1/templates/t").by(&key).json(json!({"body": "x"})).send().await.is(201);
    app.call("PUT", "/v1/contacts/c").by(&key).json(json!({"name": "c"})).send().await.is(201);
    for (held, path) in [("templates, contacts", "/v1/templates/t"), ("contacts", "/v1/contacts/c")] {
        let refused = app.call("DELETE", "/v1/projects/other").by(&root).send().await;
        assert!(refused.refuses(409, "in_use", "").text.contains(&format!("still has {held};")));
        app.call("DELETE", path).by(&key).send().await.is(204);
    }
    app.call("DELETE", "/v1/projects/other").by(&root).send().await.is(204);
    app.call("GET", "/v1/templates").by(&key).send().await.refuses(401, "unauthorized", "");
    assert_eq!(app.call("GET", "/v1/events").by(&root).send().await.items("type")[0], "project.delete");
}

#[tokio::test]
async fn the_name_of_a_project_that_sent_something_is_not_given_to_another() {
    let app = App::new().await;
    let root = app.root().await;
    let call = |method: &'static str, path: &'static str| app.call(method, path);
    call("PUT", "/v1/projects/brief").by(&root).send().await.is(201);
    // One that never sent anything leaves nothing behind.
    call("DELETE", "/v1/projects/brief").by(&root).send().await.is(204);
    call("PUT", "/v1/projects/brief").by(&root).send().await.is(201);
    let key = app.key("brief", Role::Admin).await;
    let im = json!({"kind": "webhook", "settings": {"url": "https://im.example.com/send"}});
    call("PUT", "/v1/channels/im").by(&key).json(im).send().await.is(201);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    call("POST", "/v1/messages").by(&key).json(message).send().await.is(202);
    call("DELETE", "/v1/channels/im").by(&key).send().await.is(204);
    call("DELETE", "/v1/projects/brief").by(&root).send().await.is(204);
    call("PUT", "/v1/projects/brief").by(&root).send().await.refuses(409, "name_retired", "");
}
