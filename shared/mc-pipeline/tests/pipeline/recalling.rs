//! What is taken back.

use mc_core::state::State;
use mc_pipeline::receipts;
use serde_json::json;

use crate::chatty::{tell, told, world};
use crate::receipts::{TELLING, event, events, mails};
use crate::world::{COMPLETED, code, inline};

#[tokio::test]
async fn a_recall_takes_back_what_was_sent_and_says_so() {
    let (world, platform) = world().await;
    world.webhook("results", &TELLING).await;
    world.work();
    let mut body = inline("many", mails(4));
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    world.finished(id).await;
    let last = platform.pushes().last().unwrap().0.clone();
    tell(&world, "many", vec![told(&last, None, State::Failed)]).await;
    let view = receipts::recall(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(view.counts.iter().collect::<Vec<_>>(), [(State::Failed, 1), (State::Recalled, 3)]);
    assert_eq!(view.status, COMPLETED);
    assert_eq!(platform.recalled(), ["many-0", "many-1"], "both parts, and only of those who have it");
    assert_eq!(
        events(&world).await.into_iter().filter(|(kind, _)| kind == "delivery.recalled").collect::<Vec<_>>(),
        [event("delivery.recalled", &["user0@example.com", "user1@example.com", "user2@example.com"])]
    );
    let again = receipts::recall(&world.center, &world.caller(), id).await.unwrap_err();
    assert_eq!(code(&again), "not_recallable");
}

#[tokio::test]
async fn a_recall_takes_back_the_parts_of_a_message_that_failed_at_a_later_one() {
    let (world, platform) = world().await;
    world.work();
    platform.refuse_part(Some(1));
    let mut body = inline("many", mails(1));
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    world.finished(id).await;
    let view = receipts::recall(&world.center, &world.caller(), id).await.unwrap();
    assert_eq!(platform.recalled(), ["many-0"]);
    assert_eq!(view.counts.iter().collect::<Vec<_>>(), [(State::Failed, 1)], "it was never there as a whole");

    world.channel("lasting", mc_core::model::Kind::EmailSmtp, json!({}), &[]).await;
    let mut body = inline("lasting", mails(1));
    body["content"]["body"] = json!("in two parts");
    let id = world.send(body).await;
    world.finished(id).await;
    let unable = receipts::recall(&world.center, &world.caller(), id).await.unwrap_err();
    assert!(format!("{unable:?}").contains("lasting cannot take a message back"), "{unable:?}");

    platform.refuse_part(Some(0));
    let id = world.send(inline("many", mails(1))).await;
    world.finished(id).await;
    let nothing = receipts::recall(&world.center, &world.caller(), id).await.unwrap_err();
    assert!(format!("{nothing:?}").contains("nobody has this message"), "{nothing:?}");
}

#[tokio::test]
async fn a_recall_that_the_platform_refuses_changes_nothing() {
    let (world, platform) = world().await;
    let id = world.send(inline("one", mails(2))).await;
    let early = receipts::recall(&world.center, &world.caller(), id).await.unwrap_err();
    assert_eq!(code(&early), "not_recallable", "not sent yet");
    world.work();
    world.finished(id).await;
    platform.refuse_recalls(true);
    let refused = receipts::recall(&world.center, &world.caller(), id).await.unwrap_err();
    assert!(format!("{refused:?}").contains("sent too long ago"), "{refused:?}");
    assert_eq!(world.view(id).await.counts.get(State::Sent), 2);
    let other = world.send(inline("im", json!([]))).await;
    world.finished(other).await;
    let unable = receipts::recall(&world.center, &world.caller(), other).await.unwrap_err();
    assert!(format!("{unable:?}").contains("im cannot take a message back"), "{unable:?}");
}
