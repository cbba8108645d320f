//! Envelopes that processes died with in their hands.
//!
//! Whatever a process was working on when somebody killed it is under suspicion without being guilty. From the second
//! time on an envelope rests a while after the start and is then worked on in little company, and in less each time:
//! a process that is killed again and again does not come that far and counts nothing; one that an envelope kills
//! lives longer each time, so the rest of the work goes on; and in the end the guilty one is alone.

use std::time::Duration;

/// How many first-time suspects are worked on together.
pub(crate) const COMPANY: u32 = 16;

/// How long a first-time suspect rests after the start; the next times it is four and sixteen times as long.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// How a suspect is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// How long after the start it is left alone.
    pub(super) rest: Duration,
    /// How many of the [`COMPANY`] places it takes.
    pub(super) share: u32,
}

impl Suspicion {
    /// The suspicion against an envelope that earlier processes took so often without an answer.
    pub(super) fn of(receives: u32, rest: Duration) -> Option<Self> {
        match receives {
            0 | 1 => None,
            2 => Some(Self { rest, share: 1 }),
            3 => Some(Self { rest: rest * 4, share: 4 }),
            _ => Some(Self { rest: rest * 16, share: COMPANY }),
        }
    }
}
