//! The line of one group: what of it is in memory, and where the rest lies.

use std::collections::VecDeque;

use crate::row::{Place, Waiting};

/// A group keeps at most about so many tasks in memory.
const WINDOW_TASKS: usize = 1000;

/// The same when all groups together keep many.
const CROWDED_TASKS: usize = 100;

/// From here on a window is filled up again, so that the next envelope is there before it is needed.
const LOW_TASKS: usize = 100;

/// One group's envelopes that nobody holds.
///
/// Invariant: a row of the group on the disk is in `window`, or taken, or lies behind `cursor`; no row behind the
/// cursor is due before `next_due`.
pub(crate) struct Line {
    window: VecDeque<Waiting>,
    window_tasks: usize,
    cursor: Place,
    next_due: i64,
    refilling: bool,
    /// Envelopes that are taken and not settled yet.
    out: usize,
    /// Whether the group stands among those that take turns.
    pub(crate) in_turn: bool,
}

impl Line {
    /// A line with nothing in memory, whose first row on the disk is due at `next_due`.
    pub(crate) fn new(next_due: i64) -> Self {
        Self {
            window: VecDeque::new(),
            window_tasks: 0,
            cursor: Place::START,
            next_due,
            refilling: false,
            out: 0,
            in_turn: false,
        }
    }

    /// A row was written. It is kept in memory if nothing on the disk comes before it and there is room; answers how
    /// many tasks memory now holds more.
    pub(crate) fn arrived(&mut self, waiting: Waiting, delayed: bool, crowded: bool) -> usize {
        let n = waiting.tasks.len();
        let room = self.window_tasks + n <= Self::room(crowded) || self.window.is_empty();
        if delayed || self.next_due <= waiting.place.due || !room {
            self.next_due = self.next_due.min(waiting.place.due);
            return 0;
        }
        self.cursor = waiting.place;
        self.window_tasks += n;
        self.window.push_back(waiting);
        n
    }

    /// Takes the first envelope.
    pub(crate) fn take(&mut self) -> Option<Waiting> {
        let waiting = self.window.pop_front()?;
        self.window_tasks -= waiting.tasks.len();
        self.out += 1;
        Some(waiting)
    }

    /// Puts an envelope that was taken back to the front.
    pub(crate) fn put_back(&mut self, waiting: Waiting) {
        self.out = self.out.saturating_sub(1);
        self.window_tasks += waiting.tasks.len();
        self.window.push_front(waiting);
    }

    /// An envelope that was taken has left the disk.
    pub(crate) fn settled(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// Whether to read on from the disk now; if so it is told only once.
    pub(crate) fn wants_refill(&mut self, now: i64) -> bool {
        let wants = !self.refilling && self.next_due <= now && self.window_tasks < LOW_TASKS;
        self.refilling |= wants;
        wants
    }

    /// Where to read on, and for how many tasks there is room.
    pub(crate) fn refill_from(&self, crowded: bool) -> (Place, usize) {
        (self.cursor, Self::room(crowded).saturating_sub(self.window_tasks))
    }

    /// Rows were read: the next ones behind the cursor, and when the first one that was not read is due.
    pub(crate) fn refilled(&mut self, rows: Vec<Waiting>, next_due: i64) -> usize {
        let before = self.window_tasks;
        for waiting in rows {
            self.cursor = waiting.place;
            self.window_tasks += waiting.tasks.len();
            self.window.push_back(waiting);
        }
        self.next_due = next_due;
        self.refilling = false;
        self.window_tasks - before
    }

    /// When somebody has to look at this line again although nothing arrives.
    pub(crate) fn look_again_at(&self) -> i64 {
        if self.refilling || self.window_tasks >= LOW_TASKS { i64::MAX } else { self.next_due }
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.window.is_empty()
    }

    /// Whether the line can be forgotten: nothing of the group is anywhere.
    pub(crate) fn is_over(&self) -> bool {
        self.window.is_empty() && self.out == 0 && !self.refilling && self.next_due == i64::MAX
    }

    /// Whether nothing of the line is taken or on its way from the disk.
    pub(crate) fn rests(&self) -> bool {
        self.out == 0 && !self.refilling
    }

    /// When the first task in line was sent, as far as memory knows.
    pub(crate) fn oldest(&self, now: i64) -> Option<i64> {
        let on_disk = Some(self.next_due).filter(|due| *due <= now);
        self.window.front().map(|waiting| waiting.sent).or(on_disk)
    }

    fn room(crowded: bool) -> usize {
        if crowded { CROWDED_TASKS } else { WINDOW_TASKS }
    }
}
