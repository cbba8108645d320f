//! The queues on SQS, one per family and one more for its crash loops.
//!
//! Tasks of one group travel together in an envelope, and up to ten envelopes in one request, so that a bulk of
//! messages costs a few requests. `MessageGroupId` on standard queues makes them fair: a group with a backlog does not
//! delay the others.

mod send;
mod wire;
mod work;

use std::fmt;

use async_trait::async_trait;
use mc_core::Result;
use mc_core::ports::{Family, Outgoing, Queue, QueueDepth};

use crate::call::Calls;
use crate::lazy::Lazy;
use crate::settings::PerFamily;

pub use work::{Hands, Record, Worked, work};

/// The queues. Clones share their client.
#[derive(Clone)]
pub struct SqsQueue {
    client: Lazy<aws_sdk_sqs::Client>,
    urls: PerFamily,
    /// Without it crash loops are not counted and cannot be redriven from here.
    dead_urls: Option<PerFamily>,
    calls: Calls,
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl SqsQueue {
    pub(crate) fn new(
        client: Lazy<aws_sdk_sqs::Client>,
        urls: PerFamily,
        dead_urls: Option<PerFamily>,
        calls: Calls,
    ) -> Self {
        Self { client, urls, dead_urls, calls }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, tasks: Vec<Outgoing>) -> Result<()> {
        self.send_packed(wire::pack(tasks, wire::TASKS)).await
    }

    async fn depths(&self) -> Result<Vec<QueueDepth>> {
        self.count_all().await
    }

    async fn redrive(&self, family: Family) -> Result<u64> {
        self.redrive_all(family).await
    }
}
