//! Schedules: one message for each run, whoever works on it, and none that was not to come.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::CatchUp;
use mc_core::ports::{Verdict, Window};
use mc_core::state::MessageStatus;
use mc_pipeline::accept::commit::Accepted;
use mc_pipeline::schedules::{self, Draft};
use mc_pipeline::view;
use mc_testkit::Must;
use serde_json::json;

use crate::PlaceUnderTest;
use crate::two::{PROJECT, Two, message};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Puts the schedule `s`, which writes to three people; answers when it runs next.
async fn put<P: PlaceUnderTest>(two: &Two<'_, P>, cron: &str, enabled: bool) -> Option<Timestamp> {
    let message = message(3).to_string();
    let draft = Draft {
        cron: Some(cron.to_owned()),
        at: None,
        timezone: "UTC".to_owned(),
        message: message.as_bytes(),
        enabled,
        catch_up: CatchUp::Once,
        condition: None,
    };
    schedules::put(&two.one, &two.caller(), "s", draft).await.must().1.next
}

async fn next<P: PlaceUnderTest>(two: &Two<'_, P>) -> Option<Timestamp> {
    schedules::get(&two.other, PROJECT, "s").await.must().must().next
}

pub(crate) async fn a_run_is_one_message_whoever_works_on_it(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let first = put(&two, "0 9 * * *", true).await.must();
    assert_eq!(two.standing(Window::Day).await.reserved, 3);
    two.advance(first.since(two.now()) - MINUTE).await;
    assert_eq!(two.platform.sent(), 0, "never early");
    two.advance(MINUTE).await;
    assert_eq!((two.platform.sent(), two.messages().await.len()), (3, 1));
    assert_eq!(next(&two).await, Some(first.after(DAY)));
    let stands = two.standing(Window::Month).await;
    assert_eq!(stands.reserved, 3, "the next run, once");

    // Two consumers have the same task at the same instant.
    two.pass(DAY).await;
    let (project, name) = (Arc::from(PROJECT), Arc::from("s"));
    let run = |center| schedules::run(center, &project, &name, first.after(DAY), 0);
    let (one, other) = tokio::join!(run(&two.one), run(&two.other));
    assert_eq!((one.must(), other.must()), (Verdict::Done, Verdict::Done));
    two.advance(Duration::ZERO).await;
    assert_eq!((two.platform.sent(), two.messages().await.len()), (6, 2));
    assert_eq!(two.standing(Window::Month).await.reserved, 3);
}

pub(crate) async fn after_an_hour_without_a_scheduler_one_run_comes_late(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let first = put(&two, "*/15 * * * *", true).await.must();
    two.pass(HOUR + 20 * MINUTE).await;
    two.advance(Duration::ZERO).await;
    assert_eq!(two.messages().await.len(), 1);
    assert_eq!(next(&two).await, Some(first.after(HOUR + 15 * MINUTE)));
    two.advance(10 * MINUTE).await;
    assert_eq!((two.platform.sent(), two.messages().await.len()), (6, 2), "it goes on");
}

pub(crate) async fn what_was_planned_before_a_change_does_nothing(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let nine = put(&two, "0 9 * * *", true).await.must();
    let ten = put(&two, "0 10 * * *", true).await.must();
    two.advance(nine.since(two.now())).await;
    assert_eq!(two.platform.sent(), 0, "moved");
    two.advance(ten.since(nine)).await;
    assert_eq!(two.platform.sent(), 3);
    assert_eq!(two.standing(Window::Month).await.reserved, 3);
    put(&two, "0 10 * * *", false).await;
    assert_eq!(two.standing(Window::Month).await.reserved, 0);
    two.advance(DAY).await;
    put(&two, "0 11 * * *", true).await;
    assert!(schedules::delete(&two.other, PROJECT, "s").await.must());
    two.advance(2 * DAY).await;
    assert_eq!((two.platform.sent(), two.messages().await.len()), (3, 1), "paused, and deleted");
    assert_eq!(two.standing(Window::Month).await.reserved, 0);
}

pub(crate) async fn a_message_goes_out_once_at_its_time(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let at = two.now().after(6 * HOUR);
    let later = async || -> Accepted {
        let mut body = message(1);
        body["send_at"] = json!(at);
        two.send(body).await
    };
    let (kept, moved, stopped) = (later().await, later().await, later().await);
    assert_eq!(two.standing(Window::Day).await.reserved, 3);
    view::reschedule(&two.other, &two.caller(), moved.id, Some(at.after(HOUR))).await.must();
    view::cancel(&two.other, &two.caller(), stopped.id).await.must();
    assert_eq!(two.standing(Window::Day).await.reserved, 2);
    two.advance(6 * HOUR - MINUTE).await;
    assert_eq!(two.platform.sent(), 0, "never early");
    two.advance(MINUTE).await;
    assert_eq!(two.platform.sent(), 1);
    two.advance(HOUR).await;
    assert_eq!(two.platform.sent(), 2);
    let status = async |id| view::get(&two.other, PROJECT, id).await.must().must().status;
    assert_eq!(status(kept.id).await, MessageStatus::Completed);
    assert_eq!(status(moved.id).await, MessageStatus::Completed);
    assert_eq!(status(stopped.id).await, MessageStatus::Canceled);
}
