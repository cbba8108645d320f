//! Notes in the system log about what strangers can cause as often as they like: bad callbacks, wrong passwords.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mc_core::Timestamp;

/// The same thing is noted at most this often, however often it happens.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// At most this many things are remembered; what is more is not noted.
const CAPACITY: usize = 1000;

/// When things were noted last, and how often they happened since.
#[derive(Default)]
pub struct Noting(Mutex<HashMap<String, (Timestamp, u64)>>);

impl Noting {
    /// Counts what happened; answers how often it did since the last note if it is time for one.
    pub fn count(&self, what: String, now: Timestamp) -> Option<u64> {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if things.len() >= CAPACITY {
            things.retain(|_, (noted, _)| now.since(*noted) < NOTED_EVERY);
        }
        let full = things.len() >= CAPACITY;
        match things.get_mut(&what) {
            Some((noted, count)) if now.since(*noted) < NOTED_EVERY => {
                *count += 1;
                None
            }
            Some((noted, count)) => {
                *noted = now;
                Some(std::mem::take(count) + 1)
            }
            None if full => None,
            None => {
                things.insert(what, (now, 0));
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_often_it_happens_it_is_noted_once_a_minute() {
        let noting = Noting::default();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        let noted: Vec<_> =
            (0..120).filter_map(|s| noting.count("a".into(), at(s)).map(|n| (s, n))).collect();
        assert_eq!(noted, [(0, 1), (60, 60)]);
        assert_eq!(noting.count("b".into(), at(1)), Some(1), "each thing by itself");
        for n in 0..5000 {
            noting.count(format!("c{n}"), at(200));
        }
        assert!(noting.0.lock().unwrap().len() <= CAPACITY);
    }
}
