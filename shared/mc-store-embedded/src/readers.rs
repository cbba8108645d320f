//! A few read-only connections.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, TryLockError};

use rusqlite::Connection;

use crate::fault::lock;

/// Connections that take turns. A read holds one for microseconds, so waiting for one is short.
pub(crate) struct Readers {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(crate) fn new(connections: Vec<Connection>) -> Self {
        Self { connections: connections.into_iter().map(Mutex::new).collect(), turn: AtomicUsize::new(0) }
    }

    /// A connection nobody uses now, or the one whose turn it is.
    pub(crate) fn take(&self) -> MutexGuard<'_, Connection> {
        for connection in &self.connections {
            match connection.try_lock() {
                Ok(free) => return free,
                Err(TryLockError::Poisoned(free)) => return free.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.turn.fetch_add(1, Relaxed) % self.connections.len();
        lock(&self.connections[turn])
    }
}
