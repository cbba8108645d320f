//! A message keeps its template, and everything that the template includes, as they were when it was accepted.

use std::time::Duration;

use mc_core::ports::Clock;
use mc_pipeline::repo::Deleted;
use mc_sandbox::Platform;
use serde_json::json;

use crate::world::{COMPLETED, PROJECT, World, code, pointer};

fn page(body: &str) -> serde_json::Value {
    json!({"body": body, "routing": {"channels": ["robot"]}})
}

#[tokio::test]
async fn a_scheduled_message_keeps_the_versions_of_what_it_includes() {
    let world = World::working().await;
    world.template("team", json!({"body": "old team"})).await;
    world.template("footer", json!({"body": "{% include 'team' %}, old footer"})).await;
    world.template("page", page("hello from {% include 'footer' %}")).await;
    let later = world.clock.now().after(Duration::from_secs(3600));
    let first = world.try_send(json!({"template": "page", "send_at": later})).await.unwrap();
    let reference = first.template.unwrap();
    assert_eq!(serde_json::to_value(&reference.includes).unwrap(), json!({"footer": 1, "team": 1}));

    // The next message sees the change at once, though the page itself was not put again.
    world.template("team", json!({"body": "new team"})).await;
    let second = world.try_send(json!({"template": "page"})).await.unwrap();
    let reference = second.template.unwrap();
    assert_eq!(serde_json::to_value(&reference.includes).unwrap(), json!({"footer": 1, "team": 2}));
    assert_eq!(world.finished(second.id).await.status, COMPLETED);

    world.template("footer", json!({"body": "new footer"})).await;
    world.center.templates.delete(PROJECT, "page").await.unwrap();
    assert_eq!(world.center.templates.delete(PROJECT, "footer").await.unwrap(), Deleted::Done);
    world.advance(Duration::from_secs(3601)).await;
    assert_eq!(world.finished(first.id).await.status, COMPLETED);
    let texts: Vec<String> = world.sandbox.accepted(Platform::Wecom).iter().map(|i| i.text.clone()).collect();
    assert_eq!(texts, ["hello from new team, old footer", "hello from old team, old footer"]);
}

#[tokio::test]
async fn what_a_template_includes_is_not_deleted_and_not_made_a_circle() {
    let world = World::quiet().await;
    let templates = &world.center.templates;
    world.template("footer", json!({"body": "x"})).await;
    world.template("page", page("{% include 'footer' %}")).await;
    world.template("other", json!({"body": "x", "title": "{% include 'footer' %}"})).await;
    let using = vec!["other".to_owned(), "page".to_owned()];
    assert_eq!(templates.delete(PROJECT, "footer").await.unwrap(), Deleted::InUse(using));
    assert_eq!(templates.delete(PROJECT, "none").await.unwrap(), Deleted::NotThere);
    let circle = serde_json::from_value(json!({"body": "{% include 'page' %}"})).unwrap();
    assert!(templates.put(PROJECT, "footer", circle).await.is_err());
    let oneself = serde_json::from_value(json!({"body": "{% include 'new' %}"})).unwrap();
    assert!(templates.put(PROJECT, "new", oneself).await.is_err());
}

#[tokio::test]
async fn a_template_that_another_one_broke_is_refused_when_it_is_used() {
    let world = World::quiet().await;
    world.template("footer", json!({"body": "x"})).await;
    world.template("page", page("{% include 'footer' %}")).await;
    world.template("footer", json!({"body": "<p>x</p>", "format": "html"})).await;
    let refusal = world.try_send(json!({"template": "page"})).await.unwrap_err();
    assert_eq!((code(&refusal), pointer(&refusal).as_str()), ("invalid_template", "/template"));
    world.template("footer", json!({"body": "y"})).await;
    assert!(world.try_send(json!({"template": "page"})).await.is_ok());
}
