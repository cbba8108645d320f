//! Store and queue on SQLite for one machine.
//!
//! [`Embedded::open`] opens a data folder and gives an [`EmbeddedStore`], an [`EmbeddedQueue`] and [`FolderBlobs`].
//! Writes of all of them go through one writer thread that commits everything waiting with one `fsync`; reads go
//! through a few read-only connections. The README says how and why.
#![deny(missing_docs)]

mod blobs;
mod checkpoint;
mod connect;
mod fault;
mod folder;
mod open;
mod queue;
mod readers;
mod row;
mod schema;
mod stats;
mod store;
mod writer;

pub use blobs::FolderBlobs;
pub use open::{Embedded, Options};
pub use queue::{Drive, EmbeddedQueue, Taken, run};
pub use stats::Stats;
pub use store::EmbeddedStore;
