//! The messages that arrived, newest last, in memory and bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::item::{Item, Platform};

/// Keeps the latest items, bounded by count and by bytes.
pub(crate) struct Inbox {
    kept: Mutex<Kept>,
    capacity: usize,
    bytes: usize,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    items: VecDeque<Arc<Item>>,
    bytes: usize,
    last: u64,
}

/// Which items to show.
#[derive(Clone, Copy, Default)]
pub(crate) struct Page {
    pub(crate) platform: Option<Platform>,
    pub(crate) after: Option<u64>,
    pub(crate) limit: usize,
}

impl Inbox {
    pub(crate) fn new(capacity: usize, bytes: usize) -> Inbox {
        Inbox { kept: Mutex::default(), capacity, bytes, changed: watch::Sender::new(0) }
    }

    /// Numbers the item, stores it and returns its number.
    pub(crate) fn push(&self, mut item: Item) -> u64 {
        let n = {
            let mut kept = self.lock();
            kept.last += 1;
            item.n = kept.last;
            kept.bytes += item.raw.len();
            kept.items.push_back(Arc::new(item));
            while kept.items.len() > self.capacity || kept.bytes > self.bytes {
                let Some(oldest) = kept.items.pop_front() else { break };
                kept.bytes -= oldest.raw.len();
            }
            kept.last
        };
        self.changed.send_replace(n);
        n
    }

    pub(crate) fn all(&self) -> Vec<Arc<Item>> {
        self.lock().items.iter().map(Arc::clone).collect()
    }

    pub(crate) fn get(&self, n: u64) -> Option<Arc<Item>> {
        self.lock().items.iter().find(|item| item.n == n).map(Arc::clone)
    }

    /// The items of a page, oldest first. Without `after` these are the latest ones, because whoever opens
    /// the inbox wants to see what just happened.
    pub(crate) fn page(&self, page: Page) -> Vec<Arc<Item>> {
        let kept = self.lock();
        let wanted = |item: &&Arc<Item>| page.platform.is_none_or(|platform| item.platform == platform);
        if let Some(after) = page.after {
            return kept
                .items
                .iter()
                .filter(wanted)
                .filter(|item| item.n > after)
                .take(page.limit)
                .map(Arc::clone)
                .collect();
        }
        let mut latest: Vec<_> =
            kept.items.iter().rev().filter(wanted).take(page.limit).map(Arc::clone).collect();
        latest.reverse();
        latest
    }

    pub(crate) fn last(&self) -> u64 {
        self.lock().last
    }

    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        kept.items.clear();
        kept.bytes = 0;
    }

    /// A receiver that wakes up whenever an item arrives.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
