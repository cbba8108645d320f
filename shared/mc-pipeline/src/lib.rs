//! The use-cases of Message Center, over the ports: accept, deliver, tell, schedule, and the views of it all.
//!
//! Nothing here knows which cloud it runs on; `mc_core::ports` is all it sees of the world.

pub mod accept;
pub mod alarms;
pub mod center;
pub mod condition;
pub mod dead;
pub mod deliver;
pub mod due;
pub mod keys;
pub mod limits;
mod oldest;
pub mod pace;
pub mod people;
pub mod quota;
pub mod receipts;
pub mod repo;
pub mod reseal;
pub mod retry;
pub mod schedules;
pub mod seal;
pub mod share;
pub mod standard_webhooks;
pub mod stats;
pub mod suppress;
pub mod sweep;
pub mod syslog;
pub mod tell;
pub mod tokens;
pub mod upcoming;
pub mod view;

pub use center::{Center, Parts};
