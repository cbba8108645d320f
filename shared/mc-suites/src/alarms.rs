//! Alarms: however many watch them, each change is told once, and each watcher sees the same.

use std::sync::Arc;
use std::time::Duration;

use mc_core::model::Kind;
use mc_pipeline::Center;
use mc_pipeline::accept::Caller;
use mc_pipeline::alarms::{self, AlarmBody, Condition};
use mc_pipeline::stats::{Count, Numbers, Part};
use mc_testkit::Must;
use serde_json::json;

use crate::PlaceUnderTest;
use crate::two::{CHANNEL, PROJECT, Two, message};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) async fn two_watchers_at_once_tell_once(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let body: AlarmBody = serde_json::from_value(json!({
        "metric": "gave_up",
        "threshold": 1,
        "window": "10m",
        "message": {
            "content": {"title": "{{ alarm }} {{ state }}", "body": "{{ value }}"},
            "to": [{"wechat": "openid-ops"}],
            "routing": {"channels": [CHANNEL]},
        },
    }))
    .must();
    alarms::check(&two.one, &Caller::new(PROJECT, "key:test", "r"), "a1", &body).await.must();
    two.one.alarms.put(PROJECT, "a1", body).await.must();
    let part =
        Part { project: PROJECT, channel: CHANNEL, kind: Kind::WechatOfficial, template: None, own: false };
    two.one.stats.add(two.now(), &part, &Numbers::of(Count::GaveUp, 1));
    two.one.stats.flush(&*two.one.store).await;
    let look = async || {
        let (one, other) = tokio::join!(alarms::watch(&two.one), alarms::watch(&two.other));
        let firing = (one.must(), other.must());
        two.advance(MINUTE).await;
        firing
    };
    let condition = async || two.other.alarms.standing(PROJECT, "a1").await.must().must().condition;
    assert_eq!(look().await, (1, 1), "both see it");
    assert_eq!((condition().await, two.platform.sent()), (Condition::Firing, 1));
    for _ in 0..3 {
        look().await;
    }
    assert_eq!(two.platform.sent(), 1, "it is told once");
    // The window of ten minutes passes, and the calm.
    for _ in 0..16 {
        look().await;
    }
    assert_eq!((condition().await, two.platform.sent()), (Condition::Ok, 2));
    assert_eq!(two.messages().await.len(), 2);
}

pub(crate) async fn how_long_the_oldest_message_waits_is_seen_by_any_watcher(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    for (name, channel) in [("any", None), ("wx", Some(CHANNEL))] {
        let body: AlarmBody = serde_json::from_value(json!({
            "metric": "oldest_queued_age",
            "channel": channel,
            "threshold": 3600,
            "message": {
                "content": {"title": "{{ alarm }} {{ state }}", "body": "{{ value }}"},
                "to": [{"wechat": "openid-ops"}],
                "routing": {"channels": [CHANNEL]},
            },
        }))
        .must();
        alarms::check(&two.one, &Caller::new(PROJECT, "key:test", "r"), name, &body).await.must();
        two.one.alarms.put(PROJECT, name, body).await.must();
    }
    let ages = async |center: &Arc<Center>| {
        alarms::watch(center).await.must();
        let standings = two.one.alarms.standings(PROJECT).await.must();
        [standings["any"].value, standings["wx"].value]
    };
    assert_eq!(ages(&two.one).await, [Some(0.0); 2]);
    let mut later = message(1);
    later["send_at"] = json!(two.now().after(2 * HOUR));
    two.send(later).await;
    two.send(message(1)).await;
    // In shares of their own.
    two.send(message(250)).await;
    two.pass(5 * MINUTE).await;
    assert_eq!(ages(&two.other).await, [Some(300.0); 2]);
    two.pass(MINUTE).await;
    assert_eq!(ages(&two.one).await, [Some(360.0); 2]);
    two.advance(MINUTE).await;
    assert_eq!(ages(&two.other).await, [Some(0.0); 2], "all that is due is begun");
    two.pass(2 * HOUR).await;
    assert_eq!(ages(&two.one).await, [Some(420.0); 2], "it is due since two hours after it was accepted");
    two.advance(MINUTE).await;
    assert_eq!(ages(&two.other).await, [Some(0.0); 2]);
}
