//! The suite of queues.
