//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// From one look to the next.
const STEP: Duration = Duration::from_millis(20);

/// Looks every 20 ms whether a condition holds. Panics if it does not within `bound`.
#[track_caller]
pub fn wait_until<F>(bound: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: AsyncFnMut() -> bool,
{
    let caller = std::panic::Location::caller();
    async move {
        if look(bound, async || condition().await.then_some(())).await.is_none() {
            panic!("the condition at {caller} does not hold after {bound:?}");
        }
    }
}

/// Looks every 20 ms for a value that may not be there yet. Panics if it is not there within `bound`.
#[track_caller]
pub fn wait_until_some<T, F>(bound: Duration, value: F) -> impl Future<Output = T>
where
    F: AsyncFnMut() -> Option<T>,
{
    let caller = std::panic::Location::caller();
    async move {
        match look(bound, value).await {
            Some(value) => value,
            None => panic!("the value at {caller} is not there after {bound:?}"),
        }
    }
}

/// At least one look, however small the bound.
pub(crate) async fn look<T>(bound: Duration, mut value: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(value) = value().await {
            return Some(value);
        }
        if begun.elapsed() >= bound {
            return None;
        }
        // tidy: sleeps because the condition lies in another process, which does not tell.
        tokio::time::sleep(STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_until_the_condition_holds() {
        let mut looks = 0;
        wait_until(Duration::from_secs(5), async || {
            looks += 1;
            looks == 3
        })
        .await;
        assert_eq!(looks, 3);
        assert_eq!(wait_until_some(Duration::ZERO, async || Some(7)).await, 7);
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs")]
    async fn it_says_where_it_gave_up() {
        wait_until(Duration::ZERO, async || false).await;
    }
}
