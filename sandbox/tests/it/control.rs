//! Inspection and control over HTTP.

use http::StatusCode;
use mc_sandbox::Platform;
use serde_json::json;

use crate::support::{KEY, fake, fake_with};

async fn three_messages(fake: &crate::support::Fake) {
    for content in ["one", "two"] {
        let body = json!({"msgtype": "text", "text": {"content": content}});
        assert_eq!(fake.wecom(body.to_string()).await, 0);
    }
    fake.send("POST", "/im/x", r#"{"text":"three"}"#).await;
}

#[tokio::test]
async fn the_inbox_is_listed_in_pages() {
    let fake = fake();
    three_messages(&fake).await;
    let (status, page) = fake.send("GET", "/_inbox?limit=2", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        (&page["items"][0]["n"], &page["items"][1]["n"], &page["next"]),
        (&json!(2), &json!(3), &json!(3))
    );
    let (_, page) = fake.send("GET", "/_inbox?platform=wecom&after=0&limit=1", "").await;
    let item = &page["items"][0];
    assert_eq!((&item["n"], &item["text"], &page["next"]), (&json!(1), &json!("one"), &json!(1)));
    assert_eq!(item["at"], "2023-11-14T22:13:20Z");
    assert!(!page.to_string().contains(KEY), "the key is a secret");
    let (_, page) = fake.send("GET", "/_inbox?after=3", "").await;
    assert_eq!(page, json!({"items": [], "next": 3}));
    assert_eq!(fake.send("GET", "/_inbox?platform=fax", "").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(fake.send("GET", "/_inbox?limit=x", "").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_item_and_none() {
    let fake = fake();
    three_messages(&fake).await;
    assert_eq!(fake.send("GET", "/_inbox/2", "").await.1["text"], "two");
    assert_eq!(fake.send("GET", "/_inbox/9", "").await.0, StatusCode::NOT_FOUND);
    assert_eq!(fake.send("DELETE", "/_inbox", "").await.0, StatusCode::NO_CONTENT);
    assert!(fake.sandbox.inbox().is_empty());
    fake.send("POST", "/im/x", "{}").await;
    assert_eq!(fake.sandbox.inbox().first().map(|item| item.n), Some(4), "numbers go on");
}

#[tokio::test]
async fn the_oldest_items_go_first() {
    let fake = fake_with(|options| options.inbox_capacity = 2);
    three_messages(&fake).await;
    let kept: Vec<_> = fake.sandbox.inbox().iter().map(|item| item.n).collect();
    assert_eq!(kept, [2, 3]);
    let fake = fake_with(|options| options.inbox_bytes = 20);
    three_messages(&fake).await;
    assert_eq!(fake.sandbox.inbox().len(), 1, "bytes are bounded too");
}

#[tokio::test]
async fn robots_hooks_and_ims_are_told_over_http() {
    let fake = fake();
    let no_content = StatusCode::NO_CONTENT;
    assert_eq!(fake.send("PUT", "/_dingtalk/token-1", r#"{"secret":null}"#).await.0, no_content);
    let text = r#"{"msgtype":"text","text":{"content":"x"}}"#;
    assert_eq!(fake.errcode("/robot/send?access_token=token-1", text).await, 0);
    assert_eq!(fake.send("PUT", "/_dingtalk/token-1", r#"{"secret":"SECx"}"#).await.0, no_content);
    assert_eq!(fake.errcode("/robot/send?access_token=token-1", text).await, 310000);
    assert_eq!(fake.send("PUT", "/_hook/r", r#"{"secret":"whsec_AAAA"}"#).await.0, no_content);
    assert_eq!(fake.send("POST", "/hook/r", "{}").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.send("PUT", "/_im/a/b", r#"{"headers":{"x-key":null}}"#).await.0, no_content);
    assert_eq!(fake.send("POST", "/im/a/b", "{}").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(fake.send("PUT", "/_im/a/b", r#"{"header":{}}"#).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn it_can_be_mounted_under_a_prefix() {
    use tower::ServiceExt;
    let fake = fake();
    let app = axum::Router::new().nest("/sandbox", fake.sandbox.router());
    let request = http::Request::post("/sandbox/im/x").body(axum::body::Body::from("{}")).expect("a request");
    assert_eq!(app.oneshot(request).await.expect("an answer").status(), StatusCode::OK);
    assert_eq!(fake.sandbox.accepted(Platform::Im).len(), 1);
}

#[tokio::test]
async fn waiting_for_a_message() {
    let fake = fake();
    let waiting = fake.sandbox.wait_for(|items| items.len() >= 3);
    let (items, ()) = tokio::join!(waiting, three_messages(&fake));
    assert_eq!(items.len(), 3);
}
