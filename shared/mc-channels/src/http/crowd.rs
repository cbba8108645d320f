//! Not too many requests begun at once.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A request that is under way for so long waits for a platform, and no more for this process.
const YOUNG: Duration = Duration::from_millis(25);

/// How many young requests each processor is given.
const PER_PROCESSOR: usize = 64;

/// Holds requests back while many others have only just begun.
///
/// Hundreds may wait for slow platforms at a time. Where platforms answer at once, as many begun together would only wait
/// for this process, each with a connection and buffers of its own.
pub(super) struct Crowd {
    young: Semaphore,
}

impl Crowd {
    pub(super) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(processors * PER_PROCESSOR)
    }

    fn of(young: usize) -> Self {
        Self { young: Semaphore::new(young) }
    }

    /// Waits for its turn, no longer than others are young.
    pub(super) async fn admit<T>(&self, request: impl Future<Output = T>) -> T {
        let place = self.young.acquire().await;
        let mut request = pin!(request);
        if let Ok(done) = timeout(YOUNG, request.as_mut()).await {
            return done;
        }
        drop(place);
        request.await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::future::join_all;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// How many of ten requests, of which three may be young, are under way at most, and when the last one began.
    async fn most_and_last(each: Duration) -> (usize, Duration) {
        let (crowd, began) = (Crowd::of(3), Instant::now());
        let (now, most, last) = (Cell::new(0), Cell::new(0), Cell::new(Duration::ZERO));
        let request = async || {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            last.set(began.elapsed());
            sleep(each).await;
            now.set(now.get() - 1);
        };
        join_all((0..10).map(|_| crowd.admit(request()))).await;
        (most.get(), last.get())
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_are_answered_at_once_are_few_at_a_time() {
        let (most, last) = most_and_last(Duration::from_millis(5)).await;
        assert_eq!((most, last), (3, Duration::from_millis(15)));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_ones_hold_nobody_back_for_longer_than_they_are_young() {
        let (most, last) = most_and_last(Duration::from_secs(10)).await;
        assert_eq!(most, 10);
        assert!(last >= 3 * YOUNG && last < 4 * YOUNG, "{last:?}");
    }
}
