//! Finding people by their mobile number, on platforms that can.

use std::time::Duration;

use mc_core::id::MessageId;
use mc_core::model::Kind;
use mc_core::state::{MessageStatus, State};
use mc_pipeline::view;
use mc_sandbox::{DingtalkApp, Fault, FeishuApp, Platform};
use serde_json::{Value, json};

use crate::world::{COMPLETED, PROJECT, World, code, inline};

const DAY: Duration = Duration::from_secs(86_400);
const KNOWN: &str = "+8613800138000";
const UNKNOWN: &str = "13900139000";

/// A world with the channels `ding-app` and `feishu-app`.
async fn world() -> World {
    let world = World::working().await;
    world.sandbox.dingtalk_app("dingapp", dingtalk());
    let mobiles = [("13800138000".to_owned(), "ou_zhangsan".to_owned())].into();
    let app = FeishuApp { app_secret: "secret-2".to_owned(), mobiles, ..FeishuApp::default() };
    world.sandbox.feishu_app("cli_1", app);
    let base = |doc: &mut mc_core::model::ChannelDoc| doc.base_url = Some(world.base.clone());
    let settings = json!({"app_key": "dingapp", "agent_id": 7});
    let secret = [("app_secret", "secret-1")];
    world.channel_with("ding-app", Kind::DingtalkApp, settings, &secret, base).await;
    let secret = [("app_secret", "secret-2")];
    world.channel_with("feishu-app", Kind::FeishuApp, json!({"app_id": "cli_1"}), &secret, base).await;
    world
}

fn dingtalk() -> DingtalkApp {
    DingtalkApp {
        app_secret: "secret-1".to_owned(),
        agent_id: 7,
        mobiles: [("13800138000".to_owned(), "zhangsan".to_owned())].into(),
        reads_after: Some(5_000),
        ..DingtalkApp::default()
    }
}

/// Address, state and code of everybody.
async fn states(world: &World, id: MessageId) -> Vec<(String, State, Option<String>)> {
    let page = view::recipients(&world.center, PROJECT, id, None, 500, None).await.unwrap().unwrap();
    page.items.into_iter().map(|one| (one.address, one.status, one.code)).collect()
}

fn question(platform: Platform) -> Fault {
    Fault { call: Some("by_mobile".to_owned()), ..Fault::on(platform) }
}

#[tokio::test]
async fn a_number_becomes_the_platforms_id_and_results_lead_back_to_it() {
    let world = world().await;
    let to = json!([{"mobile": KNOWN}, {"dingtalk": "lisi"}, {"mobile": UNKNOWN}]);
    let id = world.send(inline("ding-app", to)).await;
    assert_eq!(world.finished(id).await.status, MessageStatus::Partial);
    let item = world.sandbox.accepted(Platform::DingtalkApp)[0].clone();
    assert_eq!(item.to, ["zhangsan", "lisi"], "one push to both");
    let expected = |state: State| {
        let failed = (UNKNOWN.to_owned(), State::Failed, Some("unknown_mobile".to_owned()));
        vec![(KNOWN.to_owned(), state, None), ("lisi".to_owned(), state, None), failed]
    };
    assert_eq!(states(&world, id).await, expected(State::Sent));
    world.advance(Duration::from_secs(15)).await;
    assert_eq!(states(&world, id).await, expected(State::Read));
}

#[tokio::test]
async fn what_was_found_is_asked_for_once_a_day() {
    for (channel, platform) in [("ding-app", Platform::DingtalkApp), ("feishu-app", Platform::FeishuApp)] {
        let world = world().await;
        let send = async |body: &str| {
            let mut message = inline(channel, json!([{"mobile": KNOWN}]));
            message["content"]["body"] = body.into();
            world.send(message).await
        };
        let first = send("first").await;
        assert_eq!(world.finished(first).await.status, COMPLETED);
        world.sandbox.push_fault(Fault { errcode: Some(60_011), ..question(platform) });
        let second = send("second").await;
        assert_eq!(world.finished(second).await.status, COMPLETED);
        assert_eq!(world.sandbox.pending_faults().len(), 1, "nobody was asked");
        world.advance(DAY).await;
        let third = send("third").await;
        world.finished(third).await;
        assert!(world.sandbox.pending_faults().is_empty(), "{channel}: it was asked anew");
    }
}

#[tokio::test]
async fn nobody_is_not_asked_for_again_at_once() {
    let world = world().await;
    let send = async || {
        let id = world.send(inline("feishu-app", json!([{"mobile": UNKNOWN}]))).await;
        let view = world.finished(id).await;
        assert_eq!(view.status, MessageStatus::Failed);
        states(&world, id).await.remove(0).2.unwrap()
    };
    assert_eq!(send().await, "unknown_mobile");
    world.sandbox.push_fault(Fault {
        status: Some(400),
        errcode: Some(99_991_672),
        ..question(Platform::FeishuApp)
    });
    assert_eq!(send().await, "unknown_mobile");
    world.advance(Duration::from_secs(600)).await;
    assert_eq!(send().await, "99991672", "after ten minutes it is");
    assert_eq!(send().await, "99991672", "and a missing permission is not taken for nobody");
}

#[tokio::test]
async fn trouble_with_the_question_is_tried_again() {
    let world = world().await;
    world.sandbox.push_fault(Fault { cut: true, ..question(Platform::DingtalkApp) });
    let id = world.send(inline("ding-app", json!([{"mobile": KNOWN}, {"dingtalk": "lisi"}]))).await;
    world.retrying(id).await;
    assert_eq!(world.sandbox.accepted(Platform::DingtalkApp).len(), 1, "lisi did not wait");
    world.advance(Duration::from_secs(2)).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let items = world.sandbox.accepted(Platform::DingtalkApp);
    assert_eq!((items.len(), &items[1].to), (2, &vec!["zhangsan".to_owned()]));
}

#[tokio::test]
async fn a_contact_with_only_a_number_is_reached_unless_the_channel_does_not_look_for_it() {
    let world = world().await;
    world.contact("u1", json!({"name": "Zhang San", "mobile": KNOWN})).await;
    let id = world.send(inline("ding-app", json!(["u1"]))).await;
    assert_eq!(world.finished(id).await.status, COMPLETED);
    let settings: Value = json!({"app_key": "dingapp", "agent_id": 7, "find_by_mobile": false});
    let base = |doc: &mut mc_core::model::ChannelDoc| doc.base_url = Some(world.base.clone());
    world.channel_with("ids-only", Kind::DingtalkApp, settings, &[("app_secret", "secret-1")], base).await;
    let refusal = world.try_send(inline("ids-only", json!(["u1"]))).await.err().unwrap();
    assert_eq!(code(&refusal), "no_address");
}
