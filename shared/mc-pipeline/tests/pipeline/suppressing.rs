//! Addresses that are not written to, and the link by which people put theirs on the list.

use std::sync::Arc;

use mc_core::ports::News;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::{receipts, suppress};
use mc_sandbox::{Item, Platform};
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, inline};

fn two() -> Value {
    json!([{"email": "a@example.com"}, {"email": "B@Example.com"}])
}

#[tokio::test]
async fn an_address_that_bounced_is_not_written_to_again() {
    let world = World::working().await;
    let mail = world.center.channels.get(PROJECT, "mail").await.unwrap().unwrap();
    let news = News::Suppress {
        address: "b@example.com".into(),
        reason: "bounce",
        text: "550 5.1.1 no such user".into(),
    };
    receipts::apply(&world.center, PROJECT, &mail, vec![news]).await.unwrap();
    let id = world.send(inline("mail", two())).await;
    let view = world.finished(id).await;
    assert_eq!(view.status, MessageStatus::Partial);
    assert_eq!((view.counts.get(State::Sent), view.counts.get(State::Suppressed)), (1, 1));
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 1);

    let id = world.send(inline("mail", json!([{"email": "b@example.com"}]))).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Failed);
    let robot = world.send(inline("robot", json!([{"email": "b@example.com"}]))).await;
    assert_eq!(world.finished(robot).await.status, COMPLETED, "other channels know nothing of it");

    assert!(world.center.suppressions.delete(PROJECT, "b@EXAMPLE.com").await.unwrap());
    let id = world.send(inline("mail", json!([{"email": "b@example.com"}]))).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
}

#[tokio::test]
async fn whoever_unsubscribes_gets_urgent_mails_only() {
    let world = World::working().await;
    let to_a = |priority: &str| {
        let mut message = inline("mail", json!([{"email": "A@example.com"}]));
        message["priority"] = json!(priority);
        message
    };
    let id = world.send(to_a("normal")).await;
    world.finished(id).await;
    let mail = newest_mail(&world);
    let first = mail.headers.clone().unwrap();
    assert_eq!(first["list-unsubscribe-post"], "List-Unsubscribe=One-Click");
    let link = first["list-unsubscribe"].strip_prefix("<https://mc.example.com/v1/unsubscribe?t=").unwrap();
    let token = link.strip_suffix('>').unwrap();
    assert!(
        mail.text.contains(token) && mail.mail.as_ref().unwrap().html.as_ref().unwrap().contains(token),
        "readers find it too"
    );
    let (project, address) = suppress::read_link(&world.center, token).unwrap();
    assert_eq!((project.as_str(), address.as_str()), (PROJECT, "a@example.com"));
    assert_eq!(suppress::read_link(&world.center, &token[..token.len() - 2]), None, "nobody can make one up");
    for _ in 0..2 {
        suppress::unsubscribe(&world.center, &project, &address).await.unwrap();
    }

    let id = world.send(to_a("normal")).await;
    assert_eq!(world.finished(id).await.counts.get(State::Suppressed), 1);
    let id = world.send(to_a("high")).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    assert_eq!(world.sandbox.accepted(Platform::Smtp).len(), 2);
    let urgent = newest_mail(&world);
    assert!(!urgent.raw.to_lowercase().contains("unsubscribe"), "urgent mails cannot be refused");
}

/// The mail that came last.
fn newest_mail(world: &World) -> Arc<Item> {
    let mails = world.sandbox.accepted(Platform::Smtp);
    mails.into_iter().max_by_key(|mail| mail.n).unwrap()
}
