//! Attachments' bytes.

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// A place for attachments: a folder, S3, OSS.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps `bytes` under `name` (`20261201/01J….0`).
    ///
    /// # Behavior
    /// - The bytes are durable when this returns.
    /// - The same name again replaces the bytes.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()>;

    /// The bytes kept under `name`, or `None`.
    async fn get(&self, name: &str) -> Result<Option<Bytes>>;

    /// Forgets everything whose first path segment (a day) sorts before `day`.
    ///
    /// # Behavior
    /// - Places with a lifecycle of their own may do nothing.
    async fn forget_before(&self, day: &str) -> Result<()>;
}
