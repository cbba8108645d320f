//! When to try again.

use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::{Random, SendFailure};

/// The waits before the second, third … try, in seconds; the last one repeats.
const WAITS: [f64; 8] = [1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0];

/// What is done after a push failed for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try at this time.
    At(Timestamp),
    /// It was tried long enough.
    GiveUp,
}

/// Decides on the next try.
///
/// `failures` counts the tries that failed so far, this one included. A platform's own wait is kept to; a next try
/// that would come after `until` is not planned.
pub fn next(
    failures: usize,
    failure: SendFailure,
    now: Timestamp,
    until: Timestamp,
    random: &dyn Random,
) -> Next {
    let named = match failure {
        SendFailure::Permanent | SendFailure::Channel => return Next::GiveUp,
        SendFailure::Throttled { after } | SendFailure::Transient { after } => after,
        SendFailure::Doubt => None,
    };
    let wait = backoff(failures, random);
    let at = now.after(named.map_or(wait, |named| named.max(wait)));
    if at > until { Next::GiveUp } else { Next::At(at) }
}

/// The wait after so many failures, from half of its nominal length to one and a half.
pub fn backoff(failures: usize, random: &dyn Random) -> Duration {
    let nominal = WAITS[failures.saturating_sub(1).min(WAITS.len() - 1)];
    Duration::from_secs_f64(nominal * (0.5 + random.unit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LATER: Timestamp = Timestamp::from_millis(i64::MAX);

    fn wait(failures: usize, failure: SendFailure, random: u8) -> Option<Duration> {
        match next(failures, failure, NOW, LATER, &Fixed(random)) {
            Next::At(at) => Some(at.since(NOW)),
            Next::GiveUp => None,
        }
    }

    #[test]
    fn the_first_retry_comes_within_two_seconds() {
        for random in [0, 128, 255] {
            let wait = wait(1, SendFailure::Transient { after: None }, random).unwrap();
            assert!(wait >= Duration::from_millis(500) && wait < Duration::from_secs(2), "{wait:?}");
        }
    }

    #[test]
    fn waits_grow_and_stop_growing() {
        let waits: Vec<_> = (1..12).filter_map(|n| wait(n, SendFailure::Doubt, 128)).collect();
        assert!(waits.windows(2).all(|w| w[0] <= w[1]));
        assert_eq!(waits[9], waits[10]);
    }

    #[test]
    fn the_platforms_own_wait_is_kept_to() {
        let after = Some(Duration::from_secs(60));
        assert_eq!(wait(1, SendFailure::Throttled { after }, 0), after);
    }

    #[test]
    fn what_cannot_help_is_not_repeated() {
        assert_eq!(wait(1, SendFailure::Permanent, 0), None);
        assert_eq!(wait(1, SendFailure::Channel, 0), None);
        let soon = NOW.after(Duration::from_millis(100));
        assert_eq!(next(1, SendFailure::Doubt, NOW, soon, &Fixed(0)), Next::GiveUp);
    }
}
