//! Several writes, then the tasks.
//!
//! There is no transaction. The guard decides; from there on everything is repeated patiently, because only a crash may
//! leave half of a commit. Writes of different items go side by side.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use futures_util::{StreamExt, TryStreamExt, stream};
use mc_core::ports::{Commit, Item, Key, MAX_DELAY, Op, WriteError};
use mc_core::{Error, ErrorKind, Result};

use super::DynamoStore;
use super::item::{Stored, of_item, of_key, size, write_units};
use crate::call::{Patience, failure};
use crate::meter::Operation;

/// Calls that run side by side. Each has a connection of its own, whose TLS costs processor time once.
const WIDTH: usize = 8;

/// DynamoDB's limit for one batch of writes.
const BATCH: usize = 25;

/// How often a batch that comes back in parts is sent again without any progress.
const STALLS: u32 = 8;

const WHAT: &str = "the table cannot be written";

impl DynamoStore {
    pub(super) async fn commit_all(&self, commit: Commit) -> Result<Option<Item>, WriteError> {
        if commit.tasks.iter().any(|task| task.delay > MAX_DELAY) {
            let error = Error::new(ErrorKind::Internal, "a task's delay is longer than a queue takes");
            return Err(error.into());
        }
        let item = match &commit.guard {
            Some(guard) => self.write_one(guard, Patience::Usual).await?,
            None => None,
        };
        self.write_all(commit.ops).await?;
        self.write_all(commit.then).await?;
        if !commit.tasks.is_empty() {
            self.queue.send(commit.tasks).await?;
        }
        Ok(item)
    }

    /// Makes all writes, those of one item in their order; passes over those whose conditions do not hold.
    async fn write_all(&self, ops: Vec<Op>) -> Result<()> {
        if let [op] = &ops[..] {
            return self.write_over(op).await;
        }
        let mut places: HashMap<Key, usize> = HashMap::with_capacity(ops.len());
        let mut chains: Vec<Vec<Op>> = Vec::with_capacity(ops.len());
        for op in ops {
            match places.get(op.key()) {
                Some(place) => chains[*place].push(op),
                None => {
                    places.insert(op.key().clone(), chains.len());
                    chains.push(vec![op]);
                }
            }
        }
        let plain = |chain: &Vec<Op>| matches!(&chain[..], [Op::Put(_, conds) | Op::Delete(_, conds)] if conds.is_empty());
        let (mut batched, mut single): (Vec<_>, Vec<_>) = chains.into_iter().partition(plain);
        if batched.len() == 1 {
            single.append(&mut batched);
        }
        let batched: Vec<Op> = batched.into_iter().flatten().collect();
        let batches: Vec<_> = batched.chunks(BATCH).map(<[Op]>::to_vec).collect();
        let batches = stream::iter(batches).map(|some| self.write_batch(some));
        batches.buffer_unordered(WIDTH).try_collect::<()>().await?;
        let chains = stream::iter(single).map(|chain| async move {
            for op in &chain {
                self.write_over(op).await?;
            }
            Ok::<(), Error>(())
        });
        chains.buffer_unordered(WIDTH).try_collect::<()>().await
    }

    async fn write_over(&self, op: &Op) -> Result<()> {
        match self.write_one(op, Patience::Long).await {
            Ok(_) | Err(WriteError::Conflict(_)) => Ok(()),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }

    /// Puts and deletes without conditions, of different items.
    async fn write_batch(&self, ops: Vec<Op>) -> Result<()> {
        let mut requests = Vec::with_capacity(ops.len());
        for op in &ops {
            requests.push(self.request(op).await?);
        }
        let mut stalls = 0;
        while !requests.is_empty() {
            let (asked, units) = (requests.len(), requests.iter().map(units_of).sum::<u64>());
            let request = self.client.get().batch_write_item().request_items(&*self.table, requests);
            let called =
                self.calls.call(Operation::BatchWriteItem, Patience::Long, || request.clone().send()).await;
            let mut answer = called.result.map_err(|error| failure(WHAT, error))?;
            let left = answer.unprocessed_items.as_mut().and_then(|tables| tables.remove(&*self.table));
            requests = left.unwrap_or_default();
            let undone = requests.iter().map(units_of).sum::<u64>();
            self.calls.meter.used(Operation::BatchWriteItem, units.saturating_sub(undone));
            if !requests.is_empty() {
                stalls = if requests.len() < asked { 1 } else { stalls + 1 };
                if stalls > STALLS {
                    return Err(Error::new(ErrorKind::Throttled, WHAT));
                }
                self.calls.pause(stalls).await;
            }
        }
        Ok(())
    }

    async fn request(&self, op: &Op) -> Result<WriteRequest> {
        let request = WriteRequest::builder();
        let built = |error| Error::new(ErrorKind::Internal, WHAT).because(error);
        Ok(match op {
            Op::Put(item, _) => {
                let mut stored = of_item(item);
                self.overflow.lighten(&mut stored).await?;
                let put = PutRequest::builder().set_item(Some(stored)).build();
                request.put_request(put.map_err(built)?).build()
            }
            Op::Delete(key, _) | Op::Update(key, ..) => {
                let delete = DeleteRequest::builder().set_key(Some(of_key(key))).build();
                request.delete_request(delete.map_err(built)?).build()
            }
        })
    }
}

fn units_of(request: &WriteRequest) -> u64 {
    let item: Option<&Stored> = request.put_request().map(|put| &put.item);
    item.map_or(1, |stored| write_units(size(stored)))
}
