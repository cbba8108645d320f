//! A project's limits: one count, however many processes take from it.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use mc_core::model::ProjectLimits;
use mc_pipeline::accept::Refusal;
use mc_pipeline::limits::Limits;
use mc_testkit::Must;

use crate::PlaceUnderTest;
use crate::two::{PROJECT, Two};

fn limits(minute: u32, day: u32) -> ProjectLimits {
    ProjectLimits {
        messages_per_second: None,
        messages_per_minute: NonZeroU32::new(minute),
        messages_per_day: NonZeroU32::new(day),
    }
}

/// What is left of the minute and of the day after taking so many.
async fn take<P: PlaceUnderTest>(
    two: &Two<'_, P>,
    from: &Limits,
    of: &ProjectLimits,
    n: usize,
) -> Result<[u32; 2], &'static str> {
    match from.take(PROJECT, of, n, two.now()).await {
        Ok(taken) => Ok([taken.standing[0].remaining, taken.standing[1].remaining]),
        Err(Refusal::Limited { code, .. }) => Err(code),
        Err(other) => panic!("it fails: {other:?}"),
    }
}

pub(crate) async fn exactly_as_many_pass_as_there_is_room_for(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let of = limits(10, 1000);
    let calls =
        (0..30).map(|n| take(&two, if n % 2 == 0 { &two.one.limits } else { &two.other.limits }, &of, 1));
    let passed = join_all(calls).await.into_iter().filter(Result::is_ok).count();
    assert_eq!(passed, 10);
}

pub(crate) async fn a_day_goes_on_where_the_minute_begins_anew(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    let (here, there, of) = (&two.one.limits, &two.other.limits, limits(5, 7));
    assert_eq!(take(&two, here, &of, 3).await, Ok([2, 4]));
    assert_eq!(take(&two, there, &of, 2).await, Ok([0, 2]));
    assert_eq!(take(&two, here, &of, 1).await, Err("rate_limited"));
    two.pass(Duration::from_secs(60)).await;
    let mut taken = there.take(PROJECT, &of, 2, two.now()).await.must();
    assert_eq!(take(&two, here, &of, 1).await, Err("daily_quota_exceeded"));
    there.give_back(PROJECT, &mut taken, 1).await.must();
    assert_eq!(
        take(&two, here, &of, 1).await,
        Ok([2, 0]),
        "what was not accepted does not count for the day"
    );
}
