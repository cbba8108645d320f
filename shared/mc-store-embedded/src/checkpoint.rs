//! Copying the log into the database file, beside the writer.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use mc_core::{Error, ErrorKind, Result};
use rusqlite::Connection;

use crate::stats::Counters;

const PASSIVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// Copies what the log holds into the database; answers whether all of it.
///
/// A passive copy waits for nobody and nobody waits for it.
pub(crate) fn copy(connection: &Connection, counters: &Counters) -> rusqlite::Result<bool> {
    let (log, copied) =
        connection.query_row(PASSIVE, [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    counters.checkpoints.fetch_add(1, Relaxed);
    Ok(log == copied)
}

/// A thread that copies most of the log while the writer goes on.
///
/// The log starts again from its beginning only after a moment when all of it was copied, and while the writer is busy
/// that moment never comes by itself. So this thread does the bulk, and the writer then copies the little that was
/// added meanwhile (see [`Checkpointer::ready`]).
pub(crate) struct Checkpointer {
    ask: Option<SyncSender<()>>,
    ready: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub(crate) fn start(connection: Connection, counters: Arc<Counters>) -> Result<Self> {
        let (ask, asked) = sync_channel(1);
        let ready = Arc::new(AtomicBool::new(false));
        let thread = {
            let ready = Arc::clone(&ready);
            thread::Builder::new()
                .name("mc-checkpoint".into())
                .spawn(move || serve(&connection, &asked, &ready, &counters))
                .map_err(|error| Error::new(ErrorKind::Unavailable, "a thread cannot start").because(error))?
        };
        Ok(Self { ask: Some(ask), ready, thread: Some(thread) })
    }

    /// Asks for a copy, unless one is asked for already.
    pub(crate) fn ask(&self) {
        if let Some(ask) = &self.ask {
            // A full channel means that the thread will see the request that is in it.
            let _ = ask.try_send(());
        }
    }

    /// Whether the bulk was copied since this was last true.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Acquire) && self.ready.swap(false, AcqRel)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, asked: &Receiver<()>, ready: &AtomicBool, counters: &Counters) {
    let mut failing = false;
    while asked.recv().is_ok() {
        match copy(connection, counters) {
            Ok(_) => {
                failing = false;
                ready.store(true, Release);
            }
            // The log only grows meanwhile, so telling once is enough.
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(error = %error, "the database's log could not be copied");
                }
            }
        }
    }
}
