//! The list of addresses that are not written to, and the page behind a mail's link.

use mc_core::model::Role;
use serde_json::json;

use crate::app::{App, As};

#[tokio::test]
async fn an_address_is_listed_found_and_taken_off() {
    let app = App::new().await;
    let body = json!({"address": "B@Example.com", "text": "asked by phone"});
    let made = app.post("/v1/suppressions", body).await.is(201);
    assert_eq!(
        (made.text_at("/address"), made.text_at("/reason")),
        ("b@example.com".into(), "manual".into())
    );
    app.post("/v1/suppressions", json!({"address": "a@example.com"})).await.is(201);
    assert_eq!(
        app.get("/v1/suppressions").await.is(200).items("address"),
        ["b@example.com", "a@example.com"]
    );
    let page = app.get("/v1/suppressions?limit=1").await.is(200);
    let next =
        format!("/v1/suppressions?limit=1&cursor={}", page.text_at("/next_cursor").replace('@', "%40"));
    assert_eq!(app.get(&next).await.is(200).items("address"), ["a@example.com"]);
    assert_eq!(app.get("/v1/suppressions?address=b%40EXAMPLE.com").await.items("address"), ["b@example.com"]);
    let other = app.key("other", Role::Admin).await;
    assert!(app.call("GET", "/v1/suppressions").by(&other).send().await.is(200).items("address").is_empty());
    app.delete("/v1/suppressions?address=b%40example.com").await.is(204);
    app.delete("/v1/suppressions?address=b%40example.com").await.refuses(404, "not_found", "");
    app.delete("/v1/suppressions").await.refuses(422, "invalid_parameter", "/address");
    for address in ["nobody", "@b", "a@", "a b@example.com"] {
        let refused = app.post("/v1/suppressions", json!({"address": address})).await;
        refused.refuses(422, "invalid_address", "/address");
    }
}

#[tokio::test]
async fn one_click_unsubscribes_and_looking_does_not() {
    let app = App::new().await;
    let token = app.center.sealer.seal("unsubscribe", "default\na@example.com").unwrap();
    let path = format!("/v1/unsubscribe?t={token}");
    let listed = async || app.get("/v1/suppressions").await.is(200).items("reason");

    let page = app.call("GET", &path).by(&As::Nobody).send().await.is(200);
    assert!(
        page.text.contains("确认退订") && page.text.contains("<button>Unsubscribe</button>"),
        "{}",
        page.text
    );
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(listed().await.is_empty(), "scanners follow links");

    for _ in 0..2 {
        let click = app.call("POST", &path).by(&As::Nobody).bytes("List-Unsubscribe=One-Click");
        let done = click.header("content-type", "application/x-www-form-urlencoded").send().await.is(200);
        assert!(done.text.contains("已退订"), "{}", done.text);
    }
    assert_eq!(listed().await, ["unsubscribed"]);
}

#[tokio::test]
async fn what_mail_systems_add_to_a_link_or_take_from_it_is_met_with_a_page() {
    let app = App::new().await;
    let sealed = |context: &str| app.center.sealer.seal(context, "default\na@example.com").unwrap();
    let token = sealed("unsubscribe");
    let call = async |method: &str, query: &str| {
        app.call(method, &format!("/v1/unsubscribe{query}")).by(&As::Nobody).send().await
    };
    let broken = &token[..token.len() - 3];
    let damaged = [
        String::new(),
        "?t=".to_owned(),
        "?t=%FF".to_owned(),
        format!("?t={broken}"),
        format!("?t={}", sealed("webhook")),
    ];
    for query in &damaged {
        for method in ["GET", "POST"] {
            let page = call(method, query.as_str()).await.is(404);
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{query}");
            let said = ["链接无效", "This link does not work"];
            assert!(said.iter().all(|words| page.text.contains(words)), "{query}: {}", page.text);
            assert!(!page.text.contains("<button>"), "{query}");
        }
    }
    assert!(app.get("/v1/suppressions").await.is(200).items("address").is_empty());
    for query in [format!("?t={token}&utm_source=mail"), format!("?gateway=1&t={token}&t={broken}&x=%FF")] {
        let asked = call("GET", query.as_str()).await.is(200);
        let done = call("POST", query.as_str()).await.is(200);
        assert!(asked.text.contains("确认退订") && done.text.contains("已退订"), "{query}");
    }
    assert_eq!(app.get("/v1/suppressions").await.is(200).items("address"), ["a@example.com"]);
}
