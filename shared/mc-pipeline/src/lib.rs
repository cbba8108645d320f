//! The use-cases over the ports: accept, deliver, tell, schedule.

pub mod seal;
pub mod standard_webhooks;
