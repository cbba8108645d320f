//! Schedules: messages that are made again and again, or once at a time.
//!
//! A schedule keeps the time of its next run. For that run there is a row in the due index, written before the schedule
//! names the time, and promoted like every other. Its task makes the message and moves the schedule on ([`run`]). A task
//! that meets a schedule that names another time, or none, has nothing to do: so a changed, paused or deleted schedule
//! needs to take nothing back, and a task may come twice.
//!
//! A run's message has an id made of project, schedule and planned time, and every part of it is only written where
//! there is none. So two schedulers at once, a crash anywhere between, and a task that comes again make one message.

mod check;
mod placeholder;
mod run;
mod stored;
mod timetable;

pub use check::{Draft, put};
pub use run::{GRACE, run, run_now};
pub use stored::{Schedule, any_that, delete, delete_all, get, list};
pub use timetable::Timetable;
