//! A key ring that gets a new key loses its old one without losing a secret.

use mc_core::Secret;
use mc_core::model::{AccessKey, EventKind};
use mc_pipeline::repo::AccessKeys;
use mc_pipeline::reseal::reseal;
use mc_pipeline::seal::KeyRing;
use mc_pipeline::{Center, tell};
use serde_json::{Value, json};

use crate::world::{PROJECT, World};

const KEY: &str = "MCTESTKEY";

/// A ring without one of its keys.
fn without(ring: &KeyRing, key_id: &str) -> KeyRing {
    let mut json: Value = serde_json::from_str(ring.to_json().unwrap().expose()).unwrap();
    json["keys"].as_object_mut().unwrap().remove(key_id);
    KeyRing::parse(&json.to_string()).unwrap()
}

/// The secrets of the channel, the endpoint and the key, as far as they can be opened here.
async fn opened(center: &Center) -> [Option<String>; 3] {
    let open = |context: String, sealed: &str| Some(center.sealer.open(&context, sealed).ok()?.to_string());
    let channel = center.channels.doc(PROJECT, "robot").await.unwrap().unwrap();
    let secret = center.channels.unseal(PROJECT, "robot", "key", &channel.secrets["key"]).ok();
    let webhook = center.webhooks.get(PROJECT, "w").await.unwrap().unwrap();
    let key = center.access_keys.stored(KEY).await.unwrap().unwrap();
    [
        secret.map(|secret: Secret| secret.expose().to_owned()),
        open(tell::seal_context(PROJECT, "w"), &webhook.secret),
        open(AccessKeys::seal_context(KEY), &key.secret),
    ]
}

#[tokio::test]
async fn everything_is_sealed_anew_and_the_old_key_may_go() {
    let world = World::quiet().await;
    world.webhook("w", &[EventKind::MessageCompleted]).await;
    let secret = world.center.sealer.seal(&AccessKeys::seal_context(KEY), "a secret half").unwrap();
    let key: AccessKey = serde_json::from_value(json!({
        "id": "key_1", "access_key_id": KEY, "secret": secret, "project": PROJECT, "name": "k", "role": "send",
        "enabled": true, "basic": true, "created_at": world.center.clock.now(),
    }))
    .unwrap();
    world.center.access_keys.put(&key).await.unwrap();
    let before = opened(&world.center).await;
    assert!(before.iter().all(Option::is_some));
    assert_eq!(reseal(&world.center).await.unwrap(), 0, "a ring of one key has nothing to do");

    let mut both = world.ring.clone();
    both.rotate("k2", &*world.center.random).unwrap();
    let rotated = world.process_with(&both);
    let alone = world.process_with(&without(&both, "k1"));
    assert_eq!(opened(&alone).await, [None, None, None], "the old key is still needed");
    assert_eq!(reseal(&rotated).await.unwrap(), 4, "two robots, the endpoint, the key");
    assert_eq!(reseal(&rotated).await.unwrap(), 0);
    assert_eq!(opened(&alone).await, before);
    assert!(alone.channels.get(PROJECT, "ding").await.unwrap().is_some());
}
