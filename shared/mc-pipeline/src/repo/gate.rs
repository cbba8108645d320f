//! Who may push through a channel next.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use mc_core::model::Priority;
use tokio::sync::{Semaphore, SemaphorePermit};

/// As many pushes at a time as a channel takes.
///
/// Whoever waits stands in the line of its priority, and only the first of a line waits for a permit. So what is urgent
/// waits behind two others at most, however many there are.
pub struct Gate {
    permits: Semaphore,
    /// The lines of what is normal and of bulk; what is urgent needs none.
    lines: [Semaphore; 2],
    /// How many wait, by rank.
    waiting: [AtomicUsize; 3],
}

/// One that waits, as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

const fn rank(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Bulk => 2,
    }
}

impl Gate {
    /// A gate for so many at a time, one at least.
    pub fn new(most: usize) -> Self {
        Self {
            permits: Semaphore::new(most.max(1)),
            lines: [Semaphore::new(1), Semaphore::new(1)],
            waiting: Default::default(),
        }
    }

    /// Waits for its turn. None only while everything ends.
    pub async fn enter(&self, priority: Priority) -> Option<SemaphorePermit<'_>> {
        let rank = rank(priority);
        let _waits = Waits::begin(&self.waiting[rank]);
        let _first = match rank.checked_sub(1) {
            Some(line) => Some(self.lines[line].acquire().await.ok()?),
            None => None,
        };
        self.permits.acquire().await.ok()
    }

    /// One more for who is inside, if nobody waits for it.
    pub fn one_more(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.try_acquire().ok()
    }

    /// Whether something more urgent than this waits.
    pub fn is_wanted(&self, priority: Priority) -> bool {
        self.waiting[..rank(priority)].iter().any(|count| count.load(Relaxed) > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn what_is_urgent_waits_behind_two_others_at_most() {
        let (gate, order) = (Arc::new(Gate::new(1)), Arc::new(Mutex::new(Vec::new())));
        let inside = gate.enter(Priority::Bulk).await.unwrap();
        let queued = [Priority::Bulk; 20].into_iter().chain([Priority::Normal; 20]).chain([Priority::High]);
        let waiting: Vec<_> = queued
            .map(|priority| {
                let (gate, order) = (gate.clone(), order.clone());
                tokio::spawn(async move {
                    let _permit = gate.enter(priority).await;
                    order.lock().unwrap().push(priority);
                })
            })
            .collect();
        // All stand in line before the first one gets on.
        while gate.waiting.iter().map(|count| count.load(Relaxed)).sum::<usize>() < 41 {
            tokio::task::yield_now().await;
        }
        assert!(gate.is_wanted(Priority::Bulk) && gate.is_wanted(Priority::Normal));
        assert!(!gate.is_wanted(Priority::High) && gate.one_more().is_none());
        drop(inside);
        join_all(waiting).await;
        let order = order.lock().unwrap();
        let at = order.iter().position(|priority| *priority == Priority::High).unwrap();
        assert!(at <= 2, "{order:?}");
        assert_eq!(order.len(), 41);
        assert!(!gate.is_wanted(Priority::Bulk), "nobody waits any more");
    }

    #[tokio::test]
    async fn as_many_are_inside_as_the_channel_takes() {
        let gate = Gate::new(3);
        let first = gate.enter(Priority::Normal).await;
        let more = [gate.one_more(), gate.one_more()];
        assert!(first.is_some() && more.iter().all(Option::is_some) && gate.one_more().is_none());
        drop(more);
        assert!(gate.one_more().is_some());
    }

    #[tokio::test]
    async fn whoever_gives_up_waits_no_longer() {
        let gate = Gate::new(1);
        let inside = gate.enter(Priority::High).await;
        let given_up = tokio::select! {
            biased;
            _ = gate.enter(Priority::Normal) => false,
            () = tokio::task::yield_now() => true,
        };
        assert!(given_up && !gate.is_wanted(Priority::Bulk));
        drop(inside);
        assert!(gate.enter(Priority::Bulk).await.is_some());
    }
}
