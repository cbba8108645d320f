//! What a message costs in writes: what was added for limits and quotas costs nothing where nothing is limited.

use std::num::NonZeroU32;

use mc_core::id::MessageId;
use mc_core::model::{Kind, ProjectLimits};
use mc_core::ports::{Key, Store};
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::accept::{Caller, accept, request};
use mc_pipeline::{keys, quota};
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, inline};

/// Sends as a caller from outside does, whom the project's limits are for.
async fn send(world: &World, body: Value) -> MessageId {
    let caller = Caller { limited: true, ..world.caller() };
    let request = request::read(body.to_string().as_bytes());
    let answer = accept(&world.center, &caller, vec![request], None).await;
    match answer.map(|mut answer| answer.outcomes.remove(0)) {
        Ok(Outcome::Accepted(accepted)) => accepted.id,
        other => panic!("{other:?}"),
    }
}

/// A quiet world whose writes so far are forgotten.
async fn quiet() -> World {
    let world = World::quiet().await;
    let im = json!({"url": format!("{}/im/messages", world.base)});
    world.channel_with("metered", Kind::Webhook, im, &[], |doc| doc.limits.per_day = Some(100)).await;
    world.store.written();
    world
}

fn head(world: &World, id: MessageId) -> Key {
    keys::head(PROJECT, id, world.store.spread())
}

#[tokio::test]
async fn a_message_that_nothing_limits_is_three_writes_of_its_head() {
    let world = quiet().await;
    let id = send(&world, inline("im", json!([]))).await;
    assert_eq!(world.store.written(), [head(&world, id)], "accepted");
    world.work();
    assert_eq!(world.finished(id).await.status, COMPLETED);
    world.advance(std::time::Duration::ZERO).await;
    quota::flush(&world.center).await.unwrap();
    assert_eq!(world.store.written(), [head(&world, id), head(&world, id)], "claimed and recorded");
}

#[tokio::test]
async fn a_projects_limits_are_one_write_for_a_whole_call() {
    let world = quiet().await;
    let mut project = (*world.center.projects.get(PROJECT).await.unwrap().unwrap()).clone();
    project.limits = ProjectLimits { messages_per_day: NonZeroU32::new(10), ..ProjectLimits::default() };
    world.center.projects.put(PROJECT, project).await.unwrap();
    world.store.written();
    let id = send(&world, inline("im", json!([]))).await;
    assert_eq!(world.store.written(), [keys::limits(PROJECT), head(&world, id)]);
}

#[tokio::test]
async fn a_quota_is_counted_when_it_is_used_and_costs_nothing_before() {
    let world = quiet().await;
    let id = send(&world, inline("metered", json!([]))).await;
    assert_eq!(world.store.written(), [head(&world, id)], "accepted");
    world.work();
    assert_eq!(world.finished(id).await.status, COMPLETED);
    world.advance(std::time::Duration::ZERO).await;
    let counted = keys::pace(PROJECT, "metered");
    assert_eq!(world.store.written(), [counted, head(&world, id), head(&world, id)]);
}
