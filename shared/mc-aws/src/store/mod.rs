//! The store on one DynamoDB table.
//!
//! - Every write is one conditional call that also answers the item, in success (`ALL_NEW`) and in conflict
//!   (`ALL_OLD`), so nothing is read again. No transactions: they cost twice the units.
//! - Every read but a glance is strongly consistent. There is no index and no scan.
//! - A lost answer is recognised by its effect: a write that is tried again and meets its own item has happened.

mod commit;
mod expression;
mod item;
mod overflow;
mod read;
mod write;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mc_core::ports::{Blobs, Clock, Commit, Item, Key, Op, Page, Query, Queue, Store, WriteError};
use mc_core::{Error, Result};

use crate::call::{Calls, Patience};
use crate::lazy::Lazy;
use overflow::Overflow;
use read::Consistency;

pub use overflow::PREFIX as OVERFLOW_PREFIX;

/// Over how many partitions one day's messages of a project are spread. One partition takes 1,000 write units a second,
/// and a message is three; listing a day asks every partition.
const SPREAD: u8 = 8;

/// The store on a table. Clones share its client.
#[derive(Clone)]
pub struct DynamoStore {
    client: Lazy<aws_sdk_dynamodb::Client>,
    table: Arc<str>,
    clock: Arc<dyn Clock>,
    calls: Calls,
    queue: Arc<dyn Queue>,
    overflow: Overflow,
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.table).finish_non_exhaustive()
    }
}

impl DynamoStore {
    pub(crate) fn new(
        client: Lazy<aws_sdk_dynamodb::Client>,
        table: &str,
        clock: Arc<dyn Clock>,
        calls: Calls,
        queue: Arc<dyn Queue>,
        blobs: Option<Arc<dyn Blobs>>,
    ) -> Self {
        Self { client, table: table.into(), clock, calls, queue, overflow: Overflow::new(blobs) }
    }
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        self.get_one(key, Consistency::Strong).await
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error> {
        self.get_all(keys, Consistency::Strong).await
    }

    async fn glance(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, Error> {
        self.get_all(keys, Consistency::Eventual).await
    }

    async fn query(&self, query: &Query) -> Result<Page, Error> {
        self.list(query).await
    }

    async fn write(&self, op: Op) -> Result<Option<Item>, WriteError> {
        self.write_one(&op, Patience::Usual).await
    }

    async fn commit(&self, commit: Commit) -> Result<Option<Item>, WriteError> {
        self.commit_all(commit).await
    }

    fn spread(&self) -> u8 {
        SPREAD
    }
}
