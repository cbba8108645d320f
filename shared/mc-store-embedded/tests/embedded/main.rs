//! The embedded store and queue, held to the suites and to what only they promise.

mod blobs;
mod crash;
mod driver;
mod folder;
mod full_disk;
mod queue;
mod store;
mod suites;
mod support;
