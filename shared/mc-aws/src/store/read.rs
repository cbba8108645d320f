//! Reading: by key, by many keys, by a range of one partition.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use mc_core::ports::{Item, Key, Page, Query};
use mc_core::{Error, ErrorKind, Result};

use super::DynamoStore;
use super::item::{Stored, key_of, lives, of_key, read_units, size, sort_key, to_item};
use crate::call::{Patience, failure};
use crate::meter::Operation;

/// DynamoDB's limit for one batch of reads.
const BATCH: usize = 100;

/// Batches that are read side by side.
const WIDTH: usize = 4;

/// How often a batch that comes back in parts is asked again without any progress.
const STALLS: u32 = 6;

const WHAT: &str = "the table cannot be read";

/// How a read is consistent.
#[derive(Clone, Copy)]
pub(super) enum Consistency {
    /// It sees every write that was answered before it.
    Strong,
    /// It may be a second behind.
    Eventual,
}

impl Consistency {
    const fn is_strong(self) -> bool {
        matches!(self, Consistency::Strong)
    }

    /// What reading so many bytes is paid by.
    fn units(self, size: u64) -> u64 {
        read_units(size) * if self.is_strong() { 2 } else { 1 }
    }
}

impl DynamoStore {
    pub(super) async fn get_one(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>> {
        let request = self.client.get().get_item().table_name(&*self.table);
        let request = request.consistent_read(consistency.is_strong());
        let request = request.set_key(Some(of_key(key)));
        let called = self.calls.call(Operation::GetItem, Patience::Usual, || request.clone().send()).await;
        let stored = called.result.map_err(|error| failure(WHAT, error))?.item;
        self.calls.meter.used(Operation::GetItem, consistency.units(stored.as_ref().map_or(0, size)));
        self.whole(stored).await
    }

    pub(super) async fn get_all(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<Option<Item>>> {
        match keys {
            [] => return Ok(Vec::new()),
            [key] => return Ok(vec![self.get_one(key, consistency).await?]),
            _ => {}
        }
        // A batch with the same key twice is refused.
        let mut seen = HashSet::new();
        let different: Vec<Stored> = keys.iter().filter(|key| seen.insert(*key)).map(of_key).collect();
        let batches: Vec<_> = different.chunks(BATCH).map(<[Stored]>::to_vec).collect();
        let batches = stream::iter(batches).map(|some| self.get_batch(some, consistency));
        let batches: Vec<Vec<Item>> = batches.buffer_unordered(WIDTH).try_collect().await?;
        let found: HashMap<Key, Item> =
            batches.into_iter().flatten().map(|item| (item.key.clone(), item)).collect();
        Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
    }

    async fn get_batch(&self, mut wanted: Vec<Stored>, consistency: Consistency) -> Result<Vec<Item>> {
        let mut found = Vec::with_capacity(wanted.len());
        let mut stalls = 0;
        while !wanted.is_empty() {
            let asked = wanted.len();
            let keys = KeysAndAttributes::builder().set_keys(Some(wanted));
            let keys = keys.consistent_read(consistency.is_strong()).build();
            let keys = keys.map_err(|error| Error::new(ErrorKind::Internal, WHAT).because(error))?;
            let request = self.client.get().batch_get_item().request_items(&*self.table, keys);
            let called =
                self.calls.call(Operation::BatchGetItem, Patience::Usual, || request.clone().send()).await;
            let mut answer = called.result.map_err(|error| failure(WHAT, error))?;
            let items = answer.responses.as_mut().and_then(|tables| tables.remove(&*self.table));
            let items = items.unwrap_or_default();
            let units = items.iter().map(|item| consistency.units(size(item))).sum::<u64>();
            let left = answer.unprocessed_keys.as_mut().and_then(|tables| tables.remove(&*self.table));
            wanted = left.map(|left| left.keys).unwrap_or_default();
            // A key that is not there is paid like the smallest item.
            let absent = asked.saturating_sub(items.len() + wanted.len()) as u64 * consistency.units(0);
            self.calls.meter.used(Operation::BatchGetItem, units + absent);
            found.extend(items);
            if !wanted.is_empty() {
                stalls = if wanted.len() < asked { 1 } else { stalls + 1 };
                if stalls > STALLS {
                    return Err(Error::new(ErrorKind::Throttled, WHAT));
                }
                self.calls.pause(stalls).await;
            }
        }
        let items = try_join_all(found.into_iter().map(|stored| self.whole(Some(stored)))).await?;
        Ok(items.into_iter().flatten().collect())
    }

    pub(super) async fn list(&self, query: &Query) -> Result<Page> {
        if query.limit == 0 || query.from >= query.to {
            return Ok(Page::default());
        }
        // DynamoDB's BETWEEN includes its upper end, so what lies there is read and left out: downwards it comes first
        // and would take a place.
        let limit = query.limit.saturating_add(usize::from(query.newest_first));
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut request = self.client.get().query().table_name(&*self.table).consistent_read(true);
        request = request
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .scan_index_forward(!query.newest_first)
            .expression_attribute_values(":p", text(&query.pk))
            .expression_attribute_values(":t", text(&query.to));
        request = if query.from.is_empty() {
            request.key_condition_expression("pk = :p AND sk < :t")
        } else {
            request
                .key_condition_expression("pk = :p AND sk BETWEEN :f AND :t")
                .expression_attribute_values(":f", text(&query.from))
        };
        loop {
            let called = self.calls.call(Operation::Query, Patience::Usual, || request.clone().send()).await;
            let answer = called.result.map_err(|error| failure(WHAT, error))?;
            let items = answer.items.unwrap_or_default();
            self.calls.meter.used(Operation::Query, Consistency::Strong.units(items.iter().map(size).sum()));
            let now = self.clock.now();
            let below = |stored: &Stored| sort_key(stored).is_some_and(|sk| sk < query.to.as_str());
            let at_the_end = !query.newest_first && items.last().is_some_and(|stored| !below(stored));
            let mut more = answer.last_evaluated_key.is_some() && !at_the_end;
            let mut items: Vec<Stored> =
                items.into_iter().filter(|stored| below(stored) && lives(stored, now)).collect();
            if items.len() > query.limit {
                items.truncate(query.limit);
                more = true;
            }
            // A page of nothing but expired items is no page.
            if items.is_empty() && more {
                request = request.set_exclusive_start_key(answer.last_evaluated_key);
                continue;
            }
            let items = try_join_all(items.into_iter().map(|stored| self.whole(Some(stored)))).await?;
            return Ok(Page { items: items.into_iter().flatten().collect(), more });
        }
    }

    /// An item with all of its values, unless it has expired.
    pub(super) async fn whole(&self, stored: Option<Stored>) -> Result<Option<Item>> {
        let Some(mut stored) = stored.filter(|stored| lives(stored, self.clock.now())) else {
            return Ok(None);
        };
        self.overflow.complete(&mut stored).await.map_err(|error| match key_of(&stored) {
            Some(key) => error.with("pk", key.pk).with("sk", key.sk),
            None => error,
        })?;
        to_item(stored).map(Some)
    }
}
