//! What access keys are kept to: networks, channels, one successor.

use std::time::Duration;

use mc_api::ApiOptions;
use mc_api::auth::source::Networks;
use mc_core::model::{OperatorRole, Role};
use serde_json::{Value, json};

use crate::app::{Answer, App, As};

fn as_key(answer: &Answer) -> As {
    As::Key { id: answer.text_at("/access_key_id"), secret: answer.text_at("/secret_access_key") }
}

/// A new key of the role `send`, and its path.
async fn made(app: &App, restrictions: Value) -> (As, String) {
    let mut body = json!({"name": "ci", "role": "send"});
    body.as_object_mut().unwrap().extend(restrictions.as_object().unwrap().clone());
    let made = app.post("/v1/access-keys", body).await.is(201);
    (as_key(&made), format!("/v1/access-keys/{}", made.text_at("/id")))
}

#[tokio::test]
async fn a_key_works_from_its_networks_only() {
    let app = App::new().await;
    let (key, path) = made(&app, json!({"allowed_cidrs": ["192.0.2.9/24", "2001:db8::7"]})).await;
    let shown = app.get(&path).await.is(200);
    assert_eq!(shown.json["allowed_cidrs"], json!(["192.0.2.0/24", "2001:db8::7/128"]));
    let from = |address: &str| app.call("GET", "/v1/messages").by(&key).from(address).send();
    for address in ["192.0.2.7:1", "[::ffff:192.0.2.7]:1", "[2001:db8::7]:1"] {
        from(address).await.is(200);
    }
    for address in ["192.0.3.7:1", "[2001:db8::8]:1"] {
        from(address).await.refuses(403, "address_not_allowed", "");
    }
    let unknown = app.call("GET", "/v1/messages").by(&key).send().await;
    unknown.refuses(403, "address_not_allowed", "");
    // Who does not have the secret is not told that there are networks.
    let As::Key { id, .. } = &key else { unreachable!() };
    let guess = As::Key { id: id.clone(), secret: "guessed".to_owned() };
    app.call("GET", "/v1/messages").by(&guess).from("192.0.3.7:1").send().await.is(401);
    // However often that happens, the log says it once a minute and address.
    from("192.0.3.7:1").await.is(403);
    let log = app.get("/v1/events").await.items("type");
    assert_eq!(log.iter().filter(|kind| *kind == "access_key.refused").count(), 3);
    app.call("PATCH", &path).json(json!({"allowed_cidrs": []})).send().await.is(200);
    from("192.0.3.7:1").await.is(200);
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_caller_is() {
    let trusted_proxies = Networks::parse(["127.0.0.0/8"]).unwrap();
    let app = App::with(ApiOptions { trusted_proxies, ..ApiOptions::default() }).await;
    let (key, _) = made(&app, json!({"allowed_cidrs": ["192.0.2.0/24"]})).await;
    let call = |peer: &str, said: &str| {
        app.call("GET", "/v1/messages").by(&key).from(peer).header("x-forwarded-for", said).send()
    };
    call("127.0.0.1:1", "198.51.100.1, 192.0.2.7").await.is(200);
    call("127.0.0.1:1", "192.0.2.7, 198.51.100.1").await.is(403);
    call("198.51.100.1:1", "192.0.2.7").await.is(403);
    call("127.0.0.1:1", "192.0.2.7, nonsense").await.is(403);
}

#[tokio::test]
async fn a_key_sends_through_its_channels_only() {
    let app = App::new().await;
    for channel in ["mine", "theirs"] {
        app.channel(channel).await;
    }
    app.put("/v1/templates/t", json!({"body": "x", "routing": {"channels": ["theirs"]}})).await.is(201);
    let (key, path) = made(&app, json!({"allowed_channels": ["mine"]})).await;
    let send = |path: &str, body: Value| app.call("POST", path).by(&key).json(body).send();
    let through = |channels: Value| json!({"content": {"body": "x"}, "routing": {"channels": channels}});
    send("/v1/messages", through(json!(["mine"]))).await.is(202);
    let refused = send("/v1/messages", through(json!(["mine", "theirs"]))).await;
    refused.refuses(403, "channel_not_allowed", "/routing/channels/1");
    // Whether there is such a channel at all is not said.
    let refused = send("/v1/messages", through(json!(["nowhere"]))).await;
    refused.refuses(403, "channel_not_allowed", "/routing/channels/0");
    send("/v1/messages", json!({"template": "t"})).await.refuses(403, "channel_not_allowed", "/template");
    // Nor may one have an alarm or a schedule do so.
    let (admin, _) = made(&app, json!({"role": "admin", "allowed_channels": ["mine"]})).await;
    let later = |how: Value| {
        let mut body = how;
        body["message"] = through(json!(["theirs"]));
        body
    };
    let alarm = later(json!({"metric": "gave_up", "threshold": 1}));
    let schedule = later(json!({"cron": "0 9 * * *"}));
    for (path, body) in [("/v1/alarms/a", alarm), ("/v1/schedules/s", schedule)] {
        let refused = app.call("PUT", path).by(&admin).json(body).send().await;
        refused.refuses(403, "channel_not_allowed", "/message/routing/channels/0");
    }
    let mut dry = through(json!(["theirs"]));
    dry["dry_run"] = true.into();
    send("/v1/messages", dry).await.refuses(403, "channel_not_allowed", "/routing/channels/0");
    let batch = json!({"messages": [through(json!(["theirs"])), through(json!(["mine"]))]});
    let results = send("/v1/messages/batch", batch.clone()).await.is(202).json["results"].clone();
    assert_eq!(results[0]["status"], 403);
    assert_eq!(results[0]["errors"][0]["pointer"], "/messages/0/routing/channels/0");
    assert_eq!(results[1]["status"], "queued");
    let again = || {
        let call = app.call("POST", "/v1/messages/batch").by(&key).json(batch.clone());
        call.header("idempotency-key", "b").send()
    };
    let (first, second) = (again().await.is(202), again().await.is(202));
    assert_eq!((second.header("idempotent-replayed"), &second.json), ("true", &first.json));
    let another = json!({"allowed_channels": ["mine", "nowhere"]});
    let refused = app.call("PATCH", &path).json(another.clone()).send().await;
    refused.refuses(422, "unknown_channel", "/allowed_channels/1");
    let mut new = json!({"name": "x", "role": "send"});
    new.as_object_mut().unwrap().extend(another.as_object().unwrap().clone());
    app.post("/v1/access-keys", new).await.refuses(422, "unknown_channel", "/allowed_channels/1");
    app.call("PATCH", &path).json(json!({"allowed_channels": []})).send().await.is(200);
    send("/v1/messages", json!({"template": "t"})).await.is(202);
}

#[tokio::test]
async fn a_key_neither_moves_nor_stops_what_goes_through_another_channel() {
    let app = App::new().await;
    for channel in ["mine", "theirs"] {
        app.channel(channel).await;
    }
    let (key, _) = made(&app, json!({"allowed_channels": ["mine"]})).await;
    let scheduled = async |channels: Value| {
        let message = json!({
            "content": {"body": "x"}, "routing": {"channels": channels}, "send_at": "2026-12-20T00:00:00Z",
        });
        format!("/v1/messages/{}", app.post("/v1/messages", message).await.is(202).text_at("/id"))
    };
    let moved = |path: &str| {
        let later = json!({"send_at": "2026-12-21T00:00:00Z"});
        app.call("PATCH", path).by(&key).json(later).send()
    };
    let post = |path: &str, what: &str| app.call("POST", &format!("{path}/{what}")).by(&key).send();
    for channels in [json!(["theirs"]), json!(["mine", "theirs"])] {
        let path = scheduled(channels).await;
        let before = app.get(&path).await.is(200);
        moved(&path).await.refuses(403, "channel_not_allowed", "");
        for what in ["cancel", "recall"] {
            post(&path, what).await.refuses(403, "channel_not_allowed", "");
        }
        assert_eq!(app.call("GET", &path).by(&key).send().await.is(200).json, before.json, "it may be seen");
    }
    let path = scheduled(json!(["mine"])).await;
    assert_eq!(moved(&path).await.is(200).json["send_at"], "2026-12-21T00:00:00.000Z");
    assert_eq!(post(&path, "cancel").await.is(200).json["status"], "canceled");
}

#[tokio::test]
async fn a_key_does_not_retry_what_may_go_on_through_another_channel() {
    let app = App::new().await;
    for channel in ["mine", "theirs"] {
        app.channel(channel).await;
    }
    let (key, _) = made(&app, json!({"allowed_channels": ["mine"]})).await;
    app.platform.status.store(400, std::sync::atomic::Ordering::SeqCst);
    let failed = async |routing: Value| {
        let message = json!({"content": {"body": "x"}, "routing": routing});
        let id = app.post("/v1/messages", message).await.is(202).text_at("/id");
        app.deliver().await;
        app.call("POST", &format!("/v1/messages/{id}/retry")).by(&key).send().await
    };
    failed(json!({"channels": ["mine"]})).await.is(202);
    for routing in [
        json!({"channels": ["mine", "theirs"]}),
        json!({"mode": "first", "channels": ["theirs", "mine"]}),
        json!({"mode": "first", "channels": ["mine", "theirs"]}),
    ] {
        failed(routing).await.refuses(403, "channel_not_allowed", "");
    }
}

#[tokio::test]
async fn two_rotations_at_once_make_one_key() {
    let app = App::new().await;
    let (_, path) = made(&app, json!({})).await;
    let rotate = || app.call("POST", &format!("{path}/rotate")).json(json!({})).send();
    let (one, other) = tokio::join!(rotate(), rotate());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    // The admin's, the old one and its one successor.
    assert_eq!(app.get("/v1/access-keys").await.items("id").len(), 3);
}

#[tokio::test]
async fn a_rotation_neither_lengthens_a_life_nor_gives_one_back() {
    let app = App::new().await;
    let end = "2026-12-01T01:00:00.000Z";
    let (_, path) = made(&app, json!({"expires_at": end})).await;
    let rotate = |path: &str| app.call("POST", &format!("{path}/rotate")).json(json!({})).send();
    let new = rotate(&path).await.is(201);
    assert_eq!(new.json["expires_at"], end);
    app.clock.advance(Duration::from_secs(3600));
    let expired = format!("/v1/access-keys/{}", new.text_at("/id"));
    rotate(&expired).await.refuses(409, "key_not_in_force", "");
    let (_, disabled) = made(&app, json!({})).await;
    app.call("PATCH", &disabled).json(json!({"enabled": false})).send().await.is(200);
    rotate(&disabled).await.refuses(409, "key_not_in_force", "");
}

#[tokio::test]
async fn a_rotation_has_two_keys_that_work() {
    let app = App::new().await;
    app.channel("mine").await;
    let restrictions = json!({"allowed_channels": ["mine"], "basic": true});
    let (old, path) = made(&app, restrictions).await;
    let rotate = |path: &str, body: Value| app.call("POST", &format!("{path}/rotate")).json(body).send();
    let answer = rotate(&path, json!({"overlap_hours": 2})).await.is(201);
    assert_eq!(answer.json["allowed_channels"], json!(["mine"]));
    assert_eq!(answer.json["replaces"].as_str(), path.rsplit('/').next());
    let new = as_key(&answer);
    let new_path = format!("/v1/access-keys/{}", answer.text_at("/id"));
    let works = |key: &As| app.call("GET", "/v1/messages").by(key).send();
    works(&old).await.is(200);
    works(&new).await.is(200);
    assert_eq!(app.get(&path).await.json["replaced_by"], answer.json["id"]);
    for path in [&path, &new_path] {
        rotate(path, json!({})).await.refuses(409, "rotation_in_progress", "");
    }
    app.clock.advance(Duration::from_secs(2 * 3600));
    works(&old).await.is(401);
    works(&new).await.is(200);
    let third = rotate(&new_path, json!({"overlap_hours": 0})).await.is(201);
    works(&new).await.is(401);
    works(&as_key(&third)).await.is(200);
    rotate(&new_path, json!({})).await.refuses(409, "key_not_in_force", "");
    for wrong in [-1_i64, 8785, 1 << 40] {
        let refused = rotate(&new_path, json!({"overlap_hours": wrong})).await;
        let refused = refused.refuses(422, "invalid_request", "/overlap_hours");
        let wanted = format!("is {wrong}, but must be a whole number from 0 to 8784");
        assert_eq!(refused.text_at("/errors/0/detail"), wanted);
    }
    let late = rotate(&new_path, json!({"expires_at": "9999-12-31T23:59:59Z"})).await;
    let late = late.refuses(422, "invalid_request", "/expires_at").text_at("/errors/0/detail");
    assert!(late.starts_with("is too far ahead"), "{late}");
    let kinds = app.get("/v1/events").await.items("type");
    assert_eq!(kinds.iter().filter(|kind| *kind == "access_key.rotate").count(), 2);
}

#[tokio::test]
async fn a_key_says_who_made_it_and_when_it_was_used() {
    let app = App::new().await;
    let chief = app.operator("chief", &[("default", OperatorRole::Admin)]).await;
    let body = json!({"name": "x", "role": "send"});
    let made = app.call("POST", "/v1/access-keys").by(&chief).json(body).send().await.is(201);
    assert_eq!(made.json["created_by"], "operator:chief");
    let path = format!("/v1/access-keys/{}", made.text_at("/id"));
    assert_eq!(app.get(&path).await.json["last_used_at"], Value::Null);
    app.call("GET", "/v1/messages").by(&as_key(&made)).send().await.is(200);
    // The note is made beside the call.
    while app.get(&path).await.json["last_used_at"].is_null() {
        tokio::task::yield_now().await;
    }
    let other = app.key("other", Role::Admin).await;
    let rotate = app.call("POST", &format!("{path}/rotate")).by(&other).send().await;
    rotate.refuses(404, "not_found", "");
}

#[tokio::test]
async fn a_repeated_retry_makes_no_second_message() {
    let app = App::new().await;
    app.channel("im").await;
    app.platform.status.store(400, std::sync::atomic::Ordering::SeqCst);
    let message = json!({"content": {"body": "x"}, "routing": {"channels": ["im"]}});
    let id = app.post("/v1/messages", message).await.is(202).text_at("/id");
    app.deliver().await;
    let path = format!("/v1/messages/{id}/retry");
    let retry = || app.call("POST", &path).header("idempotency-key", "again-1").send();
    let first = retry().await.is(202);
    assert_eq!(first.json["retry_of"], id);
    let second = retry().await.is(202);
    assert_eq!(second.json, first.json);
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(app.get("/v1/messages").await.items("id").len(), 2);
    let elsewhere = format!("/v1/messages/{}/retry", first.text_at("/id"));
    let reused = app.call("POST", &elsewhere).header("idempotency-key", "again-1").send().await;
    reused.refuses(409, "idempotency_key_reused", "");
}
