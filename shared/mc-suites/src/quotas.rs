//! The ledger of quotas: what several processes count, reserve and ask at once.

use std::time::Duration;

use mc_core::model::{Limits, Priority};
use mc_core::ports::Window;
use mc_pipeline::{Center, pace, quota};
use mc_testkit::{Answer, Must};

use crate::PlaceUnderTest;
use crate::two::{PROJECT, Two};

const SOON: Duration = Duration::from_millis(50);

/// Reserves up to so many pushes; answers how many it got.
async fn reserve<P: PlaceUnderTest>(two: &Two<'_, P>, center: &Center, n: usize) -> usize {
    let entry = two.entry(center).await;
    let slots = pace::reserve(center, PROJECT, &entry, n, Priority::Normal, pace::HORIZON).await.must();
    slots.map_or(0, |slots| slots.len())
}

pub(crate) async fn two_processes_keep_to_one_day(place: &impl PlaceUnderTest) {
    let two = Two::with(place, Limits { per_day: Some(20), ..Limits::default() }).await;
    let mut got = 0;
    for _ in 0..6 {
        let (one, other) = tokio::join!(reserve(&two, &two.one, 3), reserve(&two, &two.other, 3));
        got += one + other;
    }
    assert_eq!(got, 20);
    let day = two.standing(Window::Day).await;
    assert_eq!((day.used, day.remaining), (20, Some(0)));
    two.pass(Duration::from_secs(86_400)).await;
    assert_eq!(two.standing(Window::Day).await.used, 0);
    assert_eq!(reserve(&two, &two.other, 3).await, 3);
}

pub(crate) async fn what_two_processes_count_adds_up(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    for n in 1..=5 {
        assert_eq!(reserve(&two, &two.one, n).await + reserve(&two, &two.other, n).await, 2 * n);
        let (one, other) = tokio::join!(quota::flush(&two.one), quota::flush(&two.other));
        one.must();
        other.must();
    }
    assert_eq!(two.standing(Window::Day).await.used, 30);
    assert_eq!(two.standing(Window::Month).await.used, 30);
}

pub(crate) async fn two_pollers_at_once_ask_once(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    two.platform.answers(Answer::Figures(100, 12));
    let poll = || async { tokio::join!(quota::poll(&two.one, SOON), quota::poll(&two.other, SOON)) };
    let (one, other) = poll().await;
    let told: usize = [one.must(), other.must()].into_iter().flatten().map(|polled| polled.told).sum();
    assert_eq!((told, two.platform.asked()), (1, 1));
    let day = two.standing(Window::Day).await;
    assert_eq!((day.used, day.limit), (12, Some(100)));
    let (one, other) = poll().await;
    one.must();
    other.must();
    assert_eq!(two.platform.asked(), 1, "it is not time yet");
    two.pass(Duration::from_secs(300)).await;
    let (one, other) = poll().await;
    one.must();
    other.must();
    assert_eq!(two.platform.asked(), 2);
}

pub(crate) async fn a_poller_that_dies_holds_nobody_up_for_long(place: &impl PlaceUnderTest) {
    let two = Two::new(place).await;
    two.platform.answers(Answer::Never);
    let dies = quota::poll(&two.one, Duration::from_secs(3600));
    let asked = async {
        while two.platform.asked() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = dies => panic!("a platform that never answers is waited for"),
        () = asked => {}
    }
    two.platform.answers(Answer::Figures(100, 1));
    assert_eq!(quota::poll(&two.other, SOON).await.must(), None);
    two.pass(Duration::from_secs(121)).await;
    assert_eq!(quota::poll(&two.other, SOON).await.must().must().told, 1);
}
