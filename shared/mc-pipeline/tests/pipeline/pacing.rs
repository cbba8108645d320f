//! Twenty a minute, and not one more.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mc_core::model::{Kind, Priority};
use mc_core::ports::{Clock, Consumer, Envelope, Group, QuotaUnit, Task, Verdict, Window};
use mc_core::state::State;
use mc_pipeline::deliver::Deliverer;
use mc_pipeline::quota;
use mc_pipeline::repo::Build;
use mc_sandbox::Platform;
use mc_testkit::MockClock;
use serde_json::json;

use crate::world::{COMPLETED, PROJECT, World, inline};

/// Sends so many messages through a robot and turns the clock until all are decided; answers the times of arrival.
async fn run(world: &World, channel: &str, count: usize, platform: Platform) -> Vec<u64> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(world.send(inline(channel, json!([]))).await);
    }
    for _ in 0..4000 {
        let mut open = 0;
        for id in &ids {
            open += usize::from(!world.view(*id).await.status.is_final());
        }
        if open == 0 {
            break;
        }
        world.advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
    for id in &ids {
        let view = world.finished(*id).await;
        assert_eq!(view.status, COMPLETED, "{view:#?}");
        assert_eq!(view.counts.get(State::Sent), 1);
    }
    let refused: Vec<_> = world.sandbox.inbox().into_iter().filter(|i| !i.accepted).collect();
    assert!(refused.is_empty(), "the platform had to refuse: {refused:?}");
    world.sandbox.accepted(platform).iter().map(|i| i.at).collect()
}

#[tokio::test]
async fn fifty_messages_to_a_robot_arrive_at_twenty_a_minute() {
    let world = World::working().await;
    let start = world.clock.now().millis() as u64;
    let times = run(&world, "robot", 50, Platform::Wecom).await;
    assert_eq!(times.len(), 50, "none is lost, none comes twice");
    for from in &times {
        let window = times.iter().filter(|t| **t >= *from && **t < from + 60_000).count();
        assert!(window <= 20, "{window} in a minute");
    }
    let minutes = (times.iter().max().unwrap() - start) as f64 / 60_000.0;
    assert!(minutes < 2.5, "50 messages at 18 a minute (2 are kept for urgent ones) took {minutes} minutes");
}

#[tokio::test]
async fn a_pool_of_robots_is_as_fast_as_its_robots_together() {
    let world = World::working().await;
    let keys = r#"["5a1db0c5-0000-4000-8000-00000000000a", "5a1db0c5-0000-4000-8000-00000000000b", "5a1db0c5-0000-4000-8000-00000000000c"]"#;
    world.channel("pool", Kind::WecomRobot, json!({}), &[("keys", keys)]).await;
    let start = world.clock.now().millis() as u64;
    let times = run(&world, "pool", 48, Platform::Wecom).await;
    assert_eq!(times.len(), 48);
    assert!(times.iter().max().unwrap() - start < 60_000);
}

#[tokio::test]
async fn an_operators_own_limit_is_kept_too() {
    let world = World::working().await;
    let url = json!({"url": format!("{}/im/slow", world.base)});
    world.channel_with("slow", Kind::Webhook, url, &[], |doc| doc.limits.per_minute = Some(6)).await;
    let times = run(&world, "slow", 12, Platform::Im).await;
    for from in &times {
        assert!(times.iter().filter(|t| **t >= *from && **t < from + 60_000).count() <= 6);
    }
}

#[tokio::test]
async fn dingtalk_gets_no_more_people_a_minute_than_it_delivers_to() {
    let world = World::working().await;
    world.ding_app().await;
    let everybody = 5_500;
    let to: Vec<_> = (0..everybody).map(|n| json!({"dingtalk": format!("user{n}")})).collect();
    let start = world.clock.now();
    let id = world.send(inline("ding-app", json!(to))).await;
    while !world.view(id).await.status.is_final() {
        let ledger = quota::list(&world.center, PROJECT).await.unwrap();
        let minute = ledger.iter().find(|item| item.channel == "ding-app" && item.window == Window::Minute);
        let minute = minute.expect("the minute is in the ledger");
        assert_eq!((minute.unit, minute.limit), (QuotaUnit::Recipients, Some(5_000)));
        assert!(minute.used <= 4_500, "a tenth is kept for what is urgent");
        world.advance(Duration::from_millis(500)).await;
    }
    assert_eq!(world.view(id).await.counts.get(State::Sent), everybody);
    let arrived: Vec<(u64, usize)> =
        world.sandbox.inbox().iter().map(|item| (item.at, item.to.len())).collect();
    let reached: usize = arrived.iter().map(|(_, people)| people).sum();
    assert_eq!(reached, everybody as usize, "nobody was dropped in silence");
    for (from, _) in &arrived {
        let window = arrived.iter().filter(|(at, _)| at >= from && *at < from + 60_000);
        assert!(window.map(|(_, people)| people).sum::<usize>() <= 5_000);
    }
    assert!(
        world.clock.now().since(start) < Duration::from_secs(70),
        "what there is room for is not kept back"
    );
}

#[tokio::test]
async fn a_process_that_has_to_read_its_channel_first_sends_at_once() {
    let clock = Arc::new(OnceLock::<Arc<MockClock>>::new());
    let takes_time = clock.clone();
    let build: Build = Arc::new(move |setup, ports| {
        if let Some(clock) = takes_time.get() {
            clock.advance(Duration::from_millis(7));
        }
        mc_channels::build(setup, ports)
    });
    let world = World::built_by(Some(build)).await;
    clock.set(world.clock.clone()).unwrap();
    let message = world.send(inline("im", json!([]))).await;
    let task = Task::Deliver { project: PROJECT.into(), message, share: 0, channel: "im".into(), slot: None };
    let envelope = Envelope { group: Group::of(PROJECT, Priority::Normal), tasks: vec![task], until: None };
    let verdicts = Deliverer::new(Arc::new(world.another_process())).consume(envelope).await;
    assert_eq!(verdicts, [Verdict::Done]);
    assert_eq!(world.sandbox.accepted(Platform::Im).len(), 1);
}
