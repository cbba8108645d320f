//! Values that are too large for the table lie in the bucket.
//!
//! DynamoDB takes items of up to 400 KB and charges each write by the whole item, so a value of tens of kilobytes would
//! be paid again with every claim. It is kept in the bucket instead, under the hash of its content, and the item names
//! it. The object comes first and never changes, so an item never names what is not there; what nothing names any more
//! is removed by the bucket's lifecycle.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use futures_util::future::try_join_all;
use mc_core::ports::Blobs;
use mc_core::{Error, ErrorKind, Result};
use ring::digest;

use super::item::{Stored, corrupt, size};

/// Values up to this size stay in the table.
const INLINE: usize = 32 << 10;

/// DynamoDB's limit for an item (400 KB), less a little room for what updates add.
const ITEM: u64 = 380 << 10;

/// Where the objects are; the bucket's lifecycle keeps this prefix longer than any message lives.
pub const PREFIX: &str = "overflow/";

/// The values read or written last are remembered up to this many bytes: a message is read several times while it is
/// delivered.
const REMEMBERED: usize = 4 << 20;

/// Moves large values out of items and back.
#[derive(Clone)]
pub(super) struct Overflow {
    blobs: Option<Arc<dyn Blobs>>,
    recent: Arc<Mutex<Recent>>,
}

#[derive(Default)]
struct Recent {
    bytes: usize,
    values: VecDeque<(String, Bytes)>,
}

impl Overflow {
    pub(super) fn new(blobs: Option<Arc<dyn Blobs>>) -> Self {
        Self { blobs, recent: Arc::default() }
    }

    /// Moves the large values of an item that is about to be written.
    pub(super) async fn lighten(&self, stored: &mut Stored) -> Result<()> {
        for value in stored.values_mut() {
            self.lighten_value(value).await?;
        }
        let bytes = size(stored);
        if bytes > ITEM {
            return Err(Error::new(ErrorKind::Internal, "an item is larger than the table takes")
                .with("bytes", bytes));
        }
        Ok(())
    }

    /// Moves one value if it is large.
    pub(super) async fn lighten_value(&self, value: &mut AttributeValue) -> Result<()> {
        let (bytes, kind) = match &*value {
            AttributeValue::B(blob) if blob.as_ref().len() > INLINE => (blob.as_ref(), "b"),
            AttributeValue::S(text) if text.len() > INLINE => (text.as_bytes(), "s"),
            _ => return Ok(()),
        };
        // Without a bucket the value stays, as long as the item is not too large for the table.
        let Some(blobs) = &self.blobs else { return Ok(()) };
        let bytes = Bytes::copy_from_slice(bytes);
        let name = name_of(&bytes);
        if self.recall(&name).is_none() {
            blobs.put(&format!("{PREFIX}{name}"), bytes.clone()).await?;
            self.remember(&name, bytes);
        }
        *value = AttributeValue::M(HashMap::from([(kind.to_owned(), AttributeValue::S(name))]));
        Ok(())
    }

    /// Brings the values of an item that was read back into it.
    pub(super) async fn complete(&self, stored: &mut Stored) -> Result<()> {
        let missing = stored.values_mut().filter(|value| value.is_m());
        try_join_all(missing.map(|value| self.complete_value(value))).await?;
        Ok(())
    }

    async fn complete_value(&self, value: &mut AttributeValue) -> Result<()> {
        let AttributeValue::M(map) = &*value else { return Ok(()) };
        let (kind, name) = match map.iter().next() {
            Some((kind, AttributeValue::S(name))) => (kind.as_str(), name.clone()),
            _ => return Err(corrupt("an attribute is of a type that this program does not write")),
        };
        let bytes = match self.recall(&name) {
            Some(bytes) => bytes,
            None => self.fetch(&name).await?,
        };
        let whole = match kind {
            "b" => AttributeValue::B(Blob::new(bytes)),
            _ => String::from_utf8(bytes.to_vec())
                .map(AttributeValue::S)
                .map_err(|_| corrupt("a text in the bucket is not text"))?,
        };
        *value = whole;
        Ok(())
    }

    async fn fetch(&self, name: &str) -> Result<Bytes> {
        let gone = || corrupt("a large value is not in the bucket any more").with("object", name);
        let blobs = self.blobs.as_ref().ok_or_else(gone)?;
        let bytes = blobs.get(&format!("{PREFIX}{name}")).await?.ok_or_else(gone)?;
        self.remember(name, bytes.clone());
        Ok(bytes)
    }

    fn recall(&self, name: &str) -> Option<Bytes> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.values.iter().find(|(known, _)| known == name).map(|(_, bytes)| bytes.clone())
    }

    fn remember(&self, name: &str, bytes: Bytes) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() > REMEMBERED || recent.values.iter().any(|(known, _)| known == name) {
            return;
        }
        recent.bytes += bytes.len();
        recent.values.push_back((name.to_owned(), bytes));
        while recent.bytes > REMEMBERED {
            let Some((_, bytes)) = recent.values.pop_front() else { break };
            recent.bytes -= bytes.len();
        }
    }
}

/// The first half of the content's SHA-256, in hexadecimal digits: the same value is the same object.
fn name_of(bytes: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
