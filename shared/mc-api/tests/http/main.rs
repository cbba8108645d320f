//! The HTTP API with a real store behind it: every answer that any test gets is held to the OpenAPI document.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod access;
mod alarms;
mod app;
mod approval;
mod audit;
mod bodies;
mod callbacks;
mod channels;
mod contacts;
mod credentials;
mod document;
mod isolation;
mod keys;
mod limits;
mod listing;
mod logs;
mod messages;
mod monitoring;
mod people;
mod quotas;
mod samples;
mod schedules;
mod suppressions;
mod templates;
mod webhooks;
