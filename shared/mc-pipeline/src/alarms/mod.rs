//! Alarms: a number that is watched, and the message that is sent when it is bad for too long.
//!
//! [`check`] reads what somebody puts, [`values`] knows the numbers, [`judge`] decides (pure), [`watch`] looks every
//! minute, and [`notice`] sends. Any number of processes may watch at once: a change of an alarm's state is one
//! conditional write, which also says what is owed to people, under an id of its own. Whoever finds something owed sends
//! it; however often that happens, the id makes it one message and one event.

mod check;
mod doc;
mod judge;
mod notice;
mod values;
mod watch;

pub use check::check;
pub use doc::{AlarmBody, AlarmDoc, Alarms, Metric, Span};
pub use judge::{Condition, Notice, Occasion, Standing};
pub use watch::watch;
