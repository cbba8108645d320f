//! What was called, how often, and how much of what AWS counts: capacity units and pieces of 64 KiB.
//!
//! The counts are computed from what we sent and got, so they cost nothing to ask for; they are what a bill is made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A call of AWS's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are AWS's own")]
pub enum Operation {
    GetItem,
    BatchGetItem,
    Query,
    PutItem,
    UpdateItem,
    DeleteItem,
    BatchWriteItem,
    SendMessageBatch,
    ReceiveMessage,
    DeleteMessageBatch,
    ChangeMessageVisibility,
    GetQueueAttributes,
    SendEmail,
    GetAccount,
    GetSecretValue,
    PutObject,
    GetObject,
}

impl Operation {
    /// All of them.
    pub const ALL: [Operation; 17] = [
        Operation::GetItem,
        Operation::BatchGetItem,
        Operation::Query,
        Operation::PutItem,
        Operation::UpdateItem,
        Operation::DeleteItem,
        Operation::BatchWriteItem,
        Operation::SendMessageBatch,
        Operation::ReceiveMessage,
        Operation::DeleteMessageBatch,
        Operation::ChangeMessageVisibility,
        Operation::GetQueueAttributes,
        Operation::SendEmail,
        Operation::GetAccount,
        Operation::GetSecretValue,
        Operation::PutObject,
        Operation::GetObject,
    ];

    /// What its units are.
    pub const fn unit(self) -> Unit {
        match self {
            Operation::GetItem | Operation::BatchGetItem | Operation::Query => Unit::Read,
            Operation::PutItem
            | Operation::UpdateItem
            | Operation::DeleteItem
            | Operation::BatchWriteItem => Unit::Write,
            Operation::SendMessageBatch
            | Operation::ReceiveMessage
            | Operation::DeleteMessageBatch
            | Operation::ChangeMessageVisibility
            | Operation::GetQueueAttributes => Unit::QueueRequest,
            Operation::SendEmail
            | Operation::GetAccount
            | Operation::GetSecretValue
            | Operation::PutObject
            | Operation::GetObject => Unit::Call,
        }
    }
}

/// What a call is paid by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// 1 KB written to the table, begun ones count whole.
    Write,
    /// 4 KB read from the table, begun ones count whole; with strong consistency they count twice, so this is half a unit of
    /// the bill's.
    Read,
    /// 64 KiB of a request to a queue, begun ones count whole.
    QueueRequest,
    /// The call itself.
    Call,
}

/// Counts, shared by all clients of an [`crate::Aws`].
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<[Count; Operation::ALL.len()]>);

#[derive(Debug, Default)]
struct Count {
    calls: AtomicU64,
    failures: AtomicU64,
    units: AtomicU64,
}

/// The counts of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub operation: Operation,
    /// Attempts, those that failed included.
    pub calls: u64,
    /// Attempts that AWS did not carry out, or whose answer was lost.
    pub failures: u64,
    /// What is paid for, in [`Operation::unit`].
    pub units: u64,
}

impl Meter {
    /// What was counted since the beginning, of what was called at all.
    pub fn readings(&self) -> Vec<Reading> {
        let readings = Operation::ALL.into_iter().zip(self.0.iter()).map(|(operation, count)| Reading {
            operation,
            calls: count.calls.load(Relaxed),
            failures: count.failures.load(Relaxed),
            units: count.units.load(Relaxed),
        });
        readings.filter(|reading| reading.calls > 0).collect()
    }

    /// All units of one sort.
    pub fn units(&self, unit: Unit) -> u64 {
        self.readings().iter().filter(|r| r.operation.unit() == unit).map(|r| r.units).sum()
    }

    pub(crate) fn called(&self, operation: Operation) {
        self.count(operation).calls.fetch_add(1, Relaxed);
    }

    pub(crate) fn failed(&self, operation: Operation) {
        self.count(operation).failures.fetch_add(1, Relaxed);
    }

    pub(crate) fn used(&self, operation: Operation, units: u64) {
        self.count(operation).units.fetch_add(units, Relaxed);
    }

    fn count(&self, operation: Operation) -> &Count {
        &self.0[operation as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_place_of_its_own() {
        let meter = Meter::default();
        for (n, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, n);
            meter.called(operation);
            meter.used(operation, 1 + n as u64);
        }
        assert_eq!(meter.readings().len(), Operation::ALL.len());
        assert_eq!(meter.units(Unit::Read), 1 + 2 + 3);
        assert_eq!(meter.units(Unit::Write), 4 + 5 + 6 + 7);
    }
}
