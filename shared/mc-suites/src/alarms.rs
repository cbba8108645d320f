//! Alarms: however many watch them, each change is told once.

use std::time::Duration;

use mc_core::model::Kind;
use mc_pipeline::accept::Caller;
use mc_pipeline::alarms::{self, AlarmBody, Condition};
use mc_pipeline::stats::{Count, Numbers, Part};
use mc_testkit::Must;
use serde_json::json;

use crate::PlaceUnderTest;
use crate::two::{CHANNEL, PROJECT, Two};

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
        two.advance(Duration::from_secs(60)).await;
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
