//! Who asks the platforms what they have counted: one poller at a time, whatever becomes of it.

use std::time::Duration;

use mc_pipeline::quota;
use mc_testkit::Answer;

use crate::metered::world;

/// For how long a platform is waited for here that does not answer.
const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn two_pollers_at_once_ask_once() {
    let (world, [platform]) = world(["wx"]).await;
    platform.answers(Answer::Figures(100, 1));
    let other = world.another_process();
    let (a, b) = tokio::join!(quota::poll(&world.center, SOON), quota::poll(&other, SOON));
    let worked = [a.unwrap(), b.unwrap()].into_iter().flatten().map(|polled| polled.told).sum::<usize>();
    assert_eq!((worked, platform.asked()), (1, 1));
    // And none asks again before it is time, even in a process that knows nothing yet.
    quota::poll(&world.another_process(), SOON).await.unwrap();
    assert_eq!(platform.asked(), 1);
    world.clock.advance(Duration::from_secs(300));
    quota::poll(&other, SOON).await.unwrap();
    assert_eq!(platform.asked(), 2);
}

#[tokio::test]
async fn a_poller_that_dies_holds_nobody_up_for_long() {
    let (world, [platform]) = world(["wx"]).await;
    platform.answers(Answer::Never);
    let dies = quota::poll(&world.center, Duration::from_secs(3600));
    assert!(tokio::time::timeout(SOON, dies).await.is_err(), "it is cut off in the middle");
    platform.answers(Answer::Figures(100, 1));
    let other = world.another_process();
    assert_eq!(quota::poll(&other, SOON).await.unwrap(), None);
    world.clock.advance(Duration::from_secs(121));
    assert_eq!(quota::poll(&other, SOON).await.unwrap().unwrap().told, 1);
}

#[tokio::test]
async fn a_poller_that_has_lost_its_lease_does_not_end_the_next_ones() {
    let (world, [platform]) = world(["wx"]).await;
    platform.answers(Answer::Never);
    let (other, third) = (world.another_process(), world.another_process());
    let mut slow = std::pin::pin!(quota::poll(&world.center, SOON * 8));
    assert!(tokio::time::timeout(SOON, &mut slow).await.is_err());
    world.clock.advance(Duration::from_secs(121));
    let mut next = std::pin::pin!(quota::poll(&other, Duration::from_secs(3600)));
    assert!(tokio::time::timeout(SOON, &mut next).await.is_err());
    assert_eq!(slow.await.unwrap().unwrap().failed, 1);
    assert_eq!(quota::poll(&third, SOON).await.unwrap(), None, "the second one is still at work");
}
